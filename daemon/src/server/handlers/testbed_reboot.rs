//! `testbed/reboot`: a borrowed testbed starts again on its own disk. One that is lost over it is given back.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::TestbedReboot;
use preflight_protocol::testbed::Testbed;

use crate::server::loans::{ConnectionLoans, answer};
use crate::shells::Phase;

pub(super) async fn handle(loans: &ConnectionLoans, phase: Phase, request: TestbedReboot) -> Result<Testbed, RpcError> {
    let held = loans.get(&request.testbed)?;
    let _turn = held.turn.lock().await;
    held.loan.reboot(request.awaited, phase).await?;
    answer(held.loan.as_ref())
}
