//! Resolves the package sources that a request asks for: once, before its ticket is made. Nothing is looked up again later.

use preflight_core::{PackageSources, Series};
use preflight_protocol::error::RpcError;
use preflight_protocol::package_sources::AskedSources;

use super::Context;

/// What the request asks for, as its ticket keeps it.
pub(super) async fn resolve(
    context: &Context,
    series: &Series,
    asked: &AskedSources,
) -> Result<PackageSources, RpcError> {
    let mut sources = PackageSources::default();
    if let Some(snapshot) = &asked.snapshot {
        sources.snapshot = Some(context.services.snapshots.pin(series, snapshot).await?);
    }
    Ok(sources)
}
