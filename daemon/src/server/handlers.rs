//! Requests: one file a verb. Each handler turns parameters into an answer; here they are only found by name.

mod archive_diff;
mod archive_list;
mod archive_prefetch;
mod archive_prefetched;
mod archive_prune;
mod archive_show;
mod archive_update;
mod disk_free;
mod disk_usage;
mod doctor;
mod image_build;
mod image_diff;
mod image_get;
mod image_list;
mod image_rebuild;
mod image_remove;
mod image_show;
mod lock_show;
mod log_list;
mod log_read;
mod mounted_repositories;
mod package_sources;
mod pool_grow;
mod pool_list;
mod pool_release;
mod ppa_add;
mod ppa_list;
mod ppa_refresh;
mod ppa_remove;
mod ppa_show;
mod promotion_check;
mod promotion_list;
mod promotion_promote;
mod promotion_roll_back;
mod repo_diff;
mod repo_export;
mod repo_list;
mod repo_show;
mod repo_state;
mod result_stream;
mod results_export;
mod results_import;
mod runs;
pub(super) mod shell_open;
pub(super) mod status;
mod stop;
mod testbed_close;
mod testbed_open;
mod testbed_reboot;
mod testbed_revert;
mod ticket_agreement;
mod ticket_baseline;
mod ticket_cancel;
mod ticket_create;
mod ticket_export;
mod ticket_import;
mod ticket_list;
mod ticket_remove;
mod ticket_replay;
mod ticket_rerun;
mod ticket_show;
mod ticket_update;
mod ticket_verdicts;

use preflight_core::TicketId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::{self, Method};
use preflight_protocol::ticket::TicketSummary;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Context;
use super::loans::ConnectionLoans;
use crate::convert;
use crate::shells::Phase;

macro_rules! route {
    ($context:ident, $method:ident, $params:ident, { $($request:ident => $verb:ident,)* }) => {
        match $method {
            $(method::$request::NAME => {
                let request: method::$request = read_params($method, $params)?;
                let answer: <method::$request as Method>::Answer = $verb::handle($context, request).await?;
                write_answer(&answer)
            })*
            unknown => Err(RpcError::new(ErrorCode::MethodNotFound, format!("there is no method {unknown:?}"))),
        }
    };
}

/// Has a request handled by its verb's file. The handshake, subscriptions and shells are the session's own.
pub(super) async fn handle(context: &Context, method: &str, params: Value) -> Result<Value, RpcError> {
    route!(context, method, params, {
        TicketCreate => ticket_create,
        TicketList => ticket_list,
        TicketShow => ticket_show,
        TicketUpdate => ticket_update,
        TicketCancel => ticket_cancel,
        TicketRerun => ticket_rerun,
        TicketRemove => ticket_remove,
        TicketExport => ticket_export,
        TicketImport => ticket_import,
        TicketReplay => ticket_replay,
        TicketAgreement => ticket_agreement,
        TicketBaseline => ticket_baseline,
        TicketVerdicts => ticket_verdicts,
        LogList => log_list,
        LogRead => log_read,
        ResultStream => result_stream,
        ResultsExport => results_export,
        ResultsImport => results_import,
        LockShow => lock_show,
        ImageList => image_list,
        ImageShow => image_show,
        ImageBuild => image_build,
        ImageRebuild => image_rebuild,
        ImageGet => image_get,
        ImageRemove => image_remove,
        ImageDiff => image_diff,
        ArchiveUpdate => archive_update,
        ArchiveList => archive_list,
        ArchiveShow => archive_show,
        ArchiveDiff => archive_diff,
        ArchivePrune => archive_prune,
        ArchivePrefetch => archive_prefetch,
        ArchivePrefetched => archive_prefetched,
        Promote => promotion_promote,
        RollBack => promotion_roll_back,
        PromotionList => promotion_list,
        PromotionCheck => promotion_check,
        PoolList => pool_list,
        PoolGrow => pool_grow,
        PoolRelease => pool_release,
        PpaAdd => ppa_add,
        PpaList => ppa_list,
        PpaShow => ppa_show,
        PpaRefresh => ppa_refresh,
        PpaRemove => ppa_remove,
        RepositoryList => repo_list,
        RepositoryShow => repo_show,
        RepositoryDiff => repo_diff,
        RepositoryExport => repo_export,
        DiskUsage => disk_usage,
        DiskFree => disk_free,
        Status => status,
        Doctor => doctor,
        Stop => stop,
    })
}

/// Whether a method is about testbeds that connections borrow.
pub(super) fn is_of_testbeds(method: &str) -> bool {
    [
        method::TestbedOpen::NAME,
        method::TestbedRevert::NAME,
        method::TestbedReboot::NAME,
        method::TestbedClose::NAME,
    ]
    .contains(&method)
}

/// Has a request about borrowed testbeds handled: they are the connection's.
pub(super) async fn handle_testbeds(
    context: &Context,
    loans: &ConnectionLoans,
    phase: Phase,
    method: &str,
    params: Value,
) -> Result<Value, RpcError> {
    match method {
        method::TestbedOpen::NAME => {
            let request = read_params(method, params)?;
            write_answer(&testbed_open::handle(context, loans, phase, request).await?)
        }
        method::TestbedRevert::NAME => {
            let request = read_params(method, params)?;
            write_answer(&testbed_revert::handle(loans, phase, request).await?)
        }
        method::TestbedReboot::NAME => {
            let request = read_params(method, params)?;
            write_answer(&testbed_reboot::handle(loans, phase, request).await?)
        }
        _ => write_answer(&testbed_close::handle(loans, &read_params(method, params)?)?),
    }
}

pub(super) fn read_params<P: DeserializeOwned>(method: &str, params: Value) -> Result<P, RpcError> {
    serde_json::from_value(params)
        .map_err(|error| RpcError::new(ErrorCode::InvalidParams, format!("the parameters of {method}: {error}")))
}

pub(super) fn write_answer(answer: &impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(answer)
        .map_err(|error| RpcError::new(ErrorCode::Internal, format!("the answer cannot be written: {error}")))
}

pub(super) fn no_ticket(id: TicketId) -> RpcError {
    RpcError::new(ErrorCode::NotFound, format!("there is no ticket {id}"))
        .with_hint("`preflight ticket list` shows those that there are")
}

/// Reads one ticket.
async fn of_ticket<T: Send + 'static>(
    context: &Context,
    id: preflight_protocol::ids::TicketId,
    read: impl FnOnce(&preflight_core::Ticket, &convert::LiveJobs) -> T + Send + 'static,
) -> Result<T, RpcError> {
    let id = TicketId(id.0);
    let found = context
        .dispatcher
        .read(move |view| Some(read(view.state.ticket(id)?, view.live)))
        .await?;
    found.ok_or_else(|| no_ticket(id))
}

/// A ticket as lists show it.
async fn summary_of(context: &Context, id: preflight_protocol::ids::TicketId) -> Result<TicketSummary, RpcError> {
    of_ticket(context, id, convert::summary).await
}
