//! Snapshots for tests that have no archive.

use std::collections::BTreeSet;

use async_trait::async_trait;
use preflight_core::Series;
use preflight_protocol::archive::{ArchiveSnapshot, SnapshotDiff};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedPocket;

use crate::snapshots::{Pinned, Snapshots};

/// An archive of which no snapshot was ever taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSnapshots;

impl NoSnapshots {
    fn none(asked: &str) -> RpcError {
        RpcError::new(ErrorCode::NotFound, format!("there is no snapshot {asked}"))
    }
}

#[async_trait]
impl Snapshots for NoSnapshots {
    fn series(&self, asked: Option<&str>) -> Result<Series, RpcError> {
        Ok(Series(asked.unwrap_or("debian-bookworm").to_owned()))
    }

    async fn show(&self, asked: &str) -> Result<ArchiveSnapshot, RpcError> {
        Err(Self::none(asked))
    }

    async fn list(&self, _: Option<&Series>) -> Result<Vec<ArchiveSnapshot>, RpcError> {
        Ok(vec![])
    }

    async fn diff(&self, from: &str, _: &str) -> Result<SnapshotDiff, RpcError> {
        Err(Self::none(from))
    }

    async fn prune(&self, _: BTreeSet<String>, _: usize, _: bool) -> Result<Vec<String>, RpcError> {
        Ok(vec![])
    }

    async fn pin(&self, _: &Series, asked: Option<&str>, _: &[AskedPocket]) -> Result<Pinned, RpcError> {
        Err(Self::none(asked.unwrap_or("at all")))
    }
}
