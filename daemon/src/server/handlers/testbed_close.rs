//! `testbed/close`: gives a borrowed testbed back. What takes it down is not waited for.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::{Empty, TestbedClose};

use crate::server::loans::ConnectionLoans;

pub(super) fn handle(loans: &ConnectionLoans, request: &TestbedClose) -> Result<Empty, RpcError> {
    loans.remove(&request.testbed)?;
    Ok(Empty {})
}
