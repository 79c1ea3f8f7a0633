//! `daemon/status`: the daemon as it stands.

use preflight_core::TicketStatus;
use preflight_protocol::error::RpcError;
use preflight_protocol::health::DaemonStatus;
use preflight_protocol::method::Status;

use super::Context;
use crate::convert;
use crate::dispatcher::View;

pub(super) async fn handle(context: &Context, _: Status) -> Result<DaemonStatus, RpcError> {
    Ok(context.dispatcher.read(maker(context)).await?)
}

/// Makes the status from a view; the host is looked at now.
pub(crate) fn maker(context: &Context) -> impl FnOnce(&View<'_>) -> DaemonStatus + Send + use<> {
    let host = context.services.doctor.describe();
    let started_at = context.started_at;
    move |view| {
        let queued = view
            .state
            .open_tickets()
            .filter(|ticket| ticket.status == TicketStatus::Queued)
            .count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: convert::moment(started_at),
            sequence: convert::sequence(view.seq),
            accelerator: host.accelerator,
            hypervisor: host.hypervisor,
            queued: count(queued),
            running: count(view.state.open_jobs().count()),
            machines: host.machines,
            warnings: view.warnings.iter().cloned().chain(host.warnings).collect(),
        }
    }
}
