//! `testbed/revert`: a fresh testbed in the place of one that was borrowed. One that is lost over it is given back.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::TestbedRevert;
use preflight_protocol::testbed::Testbed;

use crate::server::loans::{ConnectionLoans, answer};
use crate::shells::Phase;

pub(super) async fn handle(loans: &ConnectionLoans, phase: Phase, request: TestbedRevert) -> Result<Testbed, RpcError> {
    let held = loans.get(&request.testbed)?;
    let _turn = held.turn.lock().await;
    held.loan.revert(phase).await?;
    answer(held.loan.as_ref())
}
