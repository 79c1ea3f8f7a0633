//! A disk that nobody looks after: there is always room, and nothing goes.

use async_trait::async_trait;
use preflight_protocol::disk::{Freed, Usage};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::DiskFree;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::disk::DiskKeeper;
use crate::dispatcher::Handle;

/// Nothing takes any disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndlessDisk;

#[async_trait]
impl DiskKeeper for EndlessDisk {
    fn begin(&self, _dispatcher: Handle, _stop: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async {})
    }

    async fn usage(&self, _items: usize) -> Result<Usage, RpcError> {
        Ok(Usage {
            budget: u64::MAX,
            used: 0,
            promised: 0,
            file_systems: vec![],
            kinds: vec![],
            items: vec![],
        })
    }

    async fn free(&self, request: DiskFree) -> Result<Freed, RpcError> {
        Ok(Freed {
            dry_run: request.dry_run,
            budget: u64::MAX,
            before: 0,
            after: 0,
            items: vec![],
            short: 0,
            failed: vec![],
        })
    }
}
