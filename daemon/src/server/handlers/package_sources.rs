//! Resolves the package sources that a request asks for: once, before its ticket is made. Nothing is looked up again later.

use std::collections::BTreeSet;

use preflight_core::{PackageSources, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedSources;

use super::{Context, mounted_repositories};

/// What the request asks for, as its ticket keeps it.
///
/// Whoever asks for a pocket is pinned to a snapshot for all suites: a pocket of one moment beside a release of another may
/// not fit together, and a pocket without a snapshot would be another one tomorrow. PPAs have states of their own, and stand
/// beside the archive as the base image has it as well as beside a snapshot.
pub(super) async fn resolve(
    context: &Context,
    series: &Series,
    asked: &AskedSources,
) -> Result<PackageSources, RpcError> {
    let mut sources = PackageSources::default();
    let AskedSources {
        snapshot,
        pockets,
        ppas,
        repositories,
    } = asked;
    if snapshot.is_some() || !pockets.is_empty() {
        let pinned = context
            .services
            .snapshots
            .pin(series, snapshot.as_deref(), pockets)
            .await?;
        sources.snapshot = Some(pinned.snapshot);
        sources.pockets = pinned.pockets;
    }
    let mut seen = BTreeSet::new();
    for asked in ppas {
        let used = context
            .services
            .ppas
            .resolve(&context.dispatcher, series, asked)
            .await?;
        if !seen.insert(used.name.clone()) {
            let message = format!("the PPA {} is asked for twice", used.name);
            return Err(RpcError::new(ErrorCode::InvalidParams, message).with_hint(format!(
                "name all its packages at once: --ppa {}=NAME,src:NAME",
                used.name
            )));
        }
        sources.ppas.push(used);
    }
    for asked in repositories {
        let used = mounted_repositories::resolve(context, series, asked).await?;
        if sources
            .repositories
            .iter()
            .any(|other| other.generation == used.generation)
        {
            let message = format!("the {used} is asked for twice in the same state");
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
        sources.repositories.push(used);
    }
    Ok(sources)
}
