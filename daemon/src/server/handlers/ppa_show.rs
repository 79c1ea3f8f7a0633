//! `ppa/show`: one PPA.

use preflight_core::ppa::{PpaName, PpaRefusal};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::PpaShow;
use preflight_protocol::ppa::Ppa;

use super::Context;
use crate::convert;
use crate::ppas;

pub(super) async fn handle(context: &Context, request: PpaShow) -> Result<Ppa, RpcError> {
    named(context, ppas::name(&request.name)?).await
}

/// A PPA as clients are told of it.
pub(super) async fn named(context: &Context, name: PpaName) -> Result<Ppa, RpcError> {
    let asked = name.clone();
    let read = context
        .dispatcher
        .read(move |view| view.state.ppa(&asked).map(convert::ppa));
    read.await?
        .ok_or_else(|| convert::ppa_refusal(&PpaRefusal::NoPpa(name)))
}
