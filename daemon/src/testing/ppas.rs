//! PPAs for tests that have no archive.

use async_trait::async_trait;
use preflight_core::ppa::{PpaName, PpaRecord};
use preflight_core::{PpaUse, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedPpa;
use preflight_protocol::ppa::{PpaAdd, PpaRefreshed};

use crate::dispatcher::Handle;
use crate::ppas::{Ppas, Refreshing};

/// A world without PPAs: none can be added.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPpas;

impl NoPpas {
    fn none(name: &str) -> RpcError {
        RpcError::new(ErrorCode::NotFound, format!("there is no PPA {name}"))
    }
}

#[async_trait]
impl Ppas for NoPpas {
    async fn begin(&self, _: &[PpaRecord]) {}

    async fn add(&self, _: &Handle, _: &Series, request: PpaAdd) -> Result<Vec<PpaName>, RpcError> {
        Err(Self::none(&request.source.join(" ")))
    }

    async fn refresh(&self, _: &Handle, _: Refreshing) -> Result<Vec<PpaRefreshed>, RpcError> {
        Ok(vec![])
    }

    async fn remove(&self, _: &Handle, name: &PpaName) -> Result<(), RpcError> {
        Err(Self::none(name.as_str()))
    }

    async fn resolve(&self, _: &Handle, _: &Series, asked: &AskedPpa) -> Result<PpaUse, RpcError> {
        Err(Self::none(&asked.name))
    }
}
