//! `archive/update`: a ticket whose one job takes a snapshot of a series' archive.

use preflight_core::{NewTicket, Options, Preparation};
use preflight_protocol::archive::{ArchiveUpdate, ArchiveUpdating};
use preflight_protocol::error::RpcError;

use super::Context;
use super::ticket_create::user_name;
use crate::convert;

pub(super) async fn handle(context: &Context, request: ArchiveUpdate) -> Result<ArchiveUpdating, RpcError> {
    let series = context.services.snapshots.series(request.series.as_deref())?;
    let new = NewTicket {
        title: format!("archive of {series}"),
        description: String::new(),
        bug: None,
        owner: user_name(),
        series,
        options: Options::default(),
        subtickets: vec![],
        preparation: Some(Preparation::Snapshot),
        wait: false,
        warnings: vec![],
    };
    let ticket = context.dispatcher.create(new, None).await?;
    Ok(ArchiveUpdating {
        ticket: convert::ticket_id(ticket),
    })
}
