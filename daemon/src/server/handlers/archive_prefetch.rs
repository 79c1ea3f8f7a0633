//! `archive/prefetch`: a ticket that puts into the store what checks will need without a network. What is wanted is staged
//! with it.

use std::collections::BTreeSet;

use preflight_core::{
    ImageId, Job, JobId, JobKind, NewTicket, Options, PackageSources, Preparation, Series, TicketFiles, TicketId,
};
use preflight_debian::PackageName;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::TicketCreate;
use preflight_protocol::package_sources::AskedSources;
use preflight_protocol::prefetch::{ArchivePrefetch, ArchivePrefetching};

use super::ticket_create::user_name;
use super::{Context, mounted_repositories, of_ticket, package_sources};
use crate::convert;
use crate::prefetch::{Wanted, WantedFile, WantedLock, WantedSource};
use crate::staging::Staging;

/// A ticket in the making.
struct Draft {
    title: String,
    series: Series,
    options: Options,
    wanted: Wanted,
    staging: Staging,
    warnings: Vec<String>,
}

pub(super) async fn handle(context: &Context, request: ArchivePrefetch) -> Result<ArchivePrefetching, RpcError> {
    let mut draft = match request.ticket {
        Some(ticket) => of_lock(context, &request, TicketId(ticket.0)).await?,
        None => of_names(context, &request).await?,
    };
    draft.options.offline = request.offline;
    mounted_repositories::give(context, &draft.options.sources, &draft.staging, None).await?;
    draft
        .wanted
        .write(draft.staging.path())
        .map_err(|error| cannot_stage(&error))?;
    let new = NewTicket {
        title: draft.title,
        description: String::new(),
        bug: None,
        owner: user_name(),
        series: draft.series,
        options: draft.options,
        subtickets: vec![],
        preparation: Some(Preparation::Prefetch),
        wait: false,
        warnings: draft.warnings.clone(),
    };
    let ticket = context.dispatcher.create(new, Some(draft.staging)).await?;
    Ok(ArchivePrefetching {
        ticket: convert::ticket_id(ticket),
        warnings: draft.warnings,
    })
}

/// For packages and sources.
async fn of_names(context: &Context, request: &ArchivePrefetch) -> Result<Draft, RpcError> {
    if request.packages.is_empty() && request.sources.is_empty() {
        let hint = "name packages, sources, or a ticket";
        return Err(refused("nothing to prefetch is named".to_owned()).with_hint(hint));
    }
    for name in &request.packages {
        judge(name)?;
    }
    if let Some(relative) = request.sources.iter().find(|source| !source.is_absolute()) {
        return Err(refused(format!("the source {relative:?} is not an absolute path")));
    }
    let mut titles = request.packages.clone();
    let mut wanted = Wanted {
        packages: request.packages.clone(),
        ..Wanted::default()
    };
    let (series, staging, warnings) = if request.sources.is_empty() {
        let series = context.services.snapshots.series(request.series.as_deref())?;
        (series, staging(context)?, vec![])
    } else {
        let submitted = TicketCreate {
            sources: request.sources.clone(),
            series: request.series.clone(),
            ..TicketCreate::default()
        };
        let examined = context.services.intake.examine(&submitted, &user_name()).await?;
        wanted.sources = examined
            .sources
            .into_iter()
            .map(|source| WantedSource {
                name: source.name,
                version: source.version,
                staged: source.staged,
                is_folder: source.needs_source_package,
            })
            .collect();
        let sources = wanted.sources.iter();
        titles.extend(sources.map(|source| format!("what {} {} needs", source.name, source.version)));
        (examined.series, examined.staging, examined.warnings)
    };
    Ok(Draft {
        title: format!("prefetch {}", titles.join(", ")),
        options: Options {
            sources: package_sources::resolve(context, &series, &request.package_sources).await?,
            ..Options::default()
        },
        series,
        wanted,
        staging,
        warnings,
    })
}

/// For what a ticket has fetched.
async fn of_lock(context: &Context, request: &ArchivePrefetch, id: TicketId) -> Result<Draft, RpcError> {
    let others = request.series.is_some()
        || !request.packages.is_empty()
        || !request.sources.is_empty()
        || request.package_sources != AskedSources::default();
    if others {
        let message = "a ticket's lock says all: nothing else can be named with a ticket";
        return Err(refused(message.to_owned()));
    }
    let about = of_ticket(context, convert::ticket_id(id), |ticket, _| {
        // What a run starts from is there as a whole, or not at all; its making is not run again.
        let starts = |job: &&Job| matches!(job.kind, JobKind::BaseImage | JobKind::Snapshot);
        (
            ticket.series.clone(),
            ticket.options.sources.clone(),
            ticket.is_active(),
            ticket.gone.contains(&TicketFiles::Sources),
            ticket
                .jobs
                .iter()
                .filter(starts)
                .map(|job| job.id)
                .collect::<Vec<JobId>>(),
        )
    });
    let (series, sources, is_active, is_gone, starts) = about.await?;
    if is_active {
        let message = format!("ticket #{id} still runs: what it fetches is known when it has ended");
        return Err(RpcError::new(ErrorCode::Conflict, message));
    }
    let store = context.dispatcher.store();
    let failed = |error: preflight_store::StoreError| RpcError::new(ErrorCode::Internal, error.to_string());
    let locks = store.locks(id).await.map_err(failed)?;
    let locks = locks.into_iter().filter(|(job, _)| !starts.contains(job));
    let files: BTreeSet<_> = locks.flat_map(|(_, entries)| entries).collect();
    let heads = store.lock_heads(id).await.map_err(failed)?;
    let images: BTreeSet<ImageId> = heads.into_iter().map(|(_, head)| head.base).collect();
    Ok(Draft {
        title: format!("prefetch what ticket #{id} has fetched"),
        series,
        options: Options {
            sources: PackageSources {
                // No lock names what came from there.
                repositories: vec![],
                ..sources
            },
            ..Options::default()
        },
        wanted: Wanted {
            lock: Some(WantedLock {
                ticket: id.0,
                images: images.into_iter().map(|image| image.0).collect(),
                files: files.into_iter().map(WantedFile::from).collect(),
                obstacles: is_gone
                    .then(|| "its sources were freed: it cannot run again".to_owned())
                    .into_iter()
                    .collect(),
            }),
            ..Wanted::default()
        },
        staging: staging(context)?,
        warnings: vec![],
    })
}

/// A package as apt takes it: `NAME`, or `NAME=VERSION`.
fn judge(asked: &str) -> Result<(), RpcError> {
    let (name, version) = match asked.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (asked, None),
    };
    name.parse::<PackageName>()
        .map_err(|error| refused(format!("{asked:?} is no package: {error}")))?;
    if let Some(version) = version {
        version
            .parse::<preflight_debian::Version>()
            .map_err(|error| refused(format!("{asked:?} is no package: {error}")))?;
    }
    Ok(())
}

fn staging(context: &Context) -> Result<Staging, RpcError> {
    Staging::create(&context.tickets).map_err(|error| cannot_stage(&error))
}

fn cannot_stage(error: &std::io::Error) -> RpcError {
    RpcError::new(ErrorCode::Internal, format!("what is wanted cannot be kept: {error}"))
}

fn refused(message: String) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, message)
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn packages_go_by_name_or_by_name_and_version() {
        for (asked, good) in [
            ("hello", true),
            ("g++", true),
            ("hello=2.10-3", true),
            ("", false),
            ("-o", false),
            ("Hello", false),
            ("hello=", false),
            ("hello=;", false),
            ("lib*", false),
            ("a b", false),
        ] {
            assert_eq!(judge(asked).is_ok(), good, "{asked}");
        }
    }
}
