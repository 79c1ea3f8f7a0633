//! `daemon/doctor`: what the host has and lacks.

use preflight_protocol::error::RpcError;
use preflight_protocol::health::Check;
use preflight_protocol::method::Doctor;

use super::Context;

pub(super) async fn handle(context: &Context, request: Doctor) -> Result<Vec<Check>, RpcError> {
    Ok(context.services.doctor.checks(request.fresh).await)
}
