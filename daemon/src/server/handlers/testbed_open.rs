//! `testbed/open`: lends a testbed to the connection, once the host has room for it.

use std::sync::Arc;

use preflight_core::Series;
use preflight_protocol::error::RpcError;
use preflight_protocol::method::TestbedOpen;
use preflight_protocol::testbed::{Testbed, TestbedTarget, TestbedVariant};
use preflight_vm_images::Variant;

use super::{Context, of_ticket};
use crate::loans::{LoanRequest, LoanTarget};
use crate::server::loans::ConnectionLoans;
use crate::shells::Phase;

pub(super) async fn handle(
    context: &Context,
    loans: &ConnectionLoans,
    phase: Phase,
    request: TestbedOpen,
) -> Result<Testbed, RpcError> {
    let (target, series) = match request.target {
        TestbedTarget::Named(name) => {
            // What an image takes is its series' matter, and an image's name tells nothing of that: the usual then.
            let name = Series(name.0);
            (LoanTarget::Named(name.clone()), name)
        }
        TestbedTarget::Ticket(id) => {
            let ticket = of_ticket(context, id, |ticket, _| Arc::new(ticket.clone())).await?;
            let series = ticket.series.clone();
            (LoanTarget::Ticket(ticket), series)
        }
    };
    phase.say("waiting for room on this host");
    let room = context.room.lend(context.services.demands.of(&series)).await;
    let variant = match request.variant {
        TestbedVariant::Test => Variant::Test,
        TestbedVariant::Build => Variant::Build,
    };
    let loan = context
        .services
        .loans
        .open(LoanRequest { target, variant }, phase)
        .await?;
    loans.add(loan, room)
}
