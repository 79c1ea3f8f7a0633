//! Tickets' repositories as clients see them: found in the tickets' folders, or in those of the PPA pool, told in the wire's words, exported. It reads
//! what the builds have published and never publishes.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use preflight_archive::{
    ArchiveError, GenerationId, HistoryEntry, PackageChanges, RepositoryPackage, TicketRepository, VersionChange,
};
use preflight_core::pool::{PoolNumber, PoolNumberError};
use preflight_core::{PackageSources, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::{self, Moment, Sha256};
use preflight_protocol::repository as wire;
use preflight_store::TicketsFolder;

use crate::executor::repository;
use crate::mounted::{self, MountedRepositories};
use crate::ppa_pool::PoolFolder;
use crate::services::Staging;

/// The repositories below the tickets' folders.
#[derive(Debug, Clone)]
pub(crate) struct Repositories {
    tickets: TicketsFolder,
    pool: PoolFolder,
}

impl Repositories {
    pub(crate) fn new(tickets: TicketsFolder, pool: PoolFolder) -> Self {
        Self { tickets, pool }
    }

    /// Those of these tickets that have one, in the same order. A ticket is told by its number and its title.
    pub(crate) async fn list(&self, tickets: Vec<(TicketId, String)>) -> Result<Vec<wire::Repository>, RpcError> {
        let all = self.clone();
        blocking(move || {
            let repositories = tickets
                .into_iter()
                .map(|(ticket, title)| -> Result<wire::Repository, ArchiveError> {
                    let there = all.of(ticket);
                    let (history, current) = (there.history()?, there.current()?);
                    let summaries = history.iter().rev().map(|entry| summary(entry, current));
                    Ok(wire::Repository {
                        ticket: ids::TicketId(ticket.0),
                        title,
                        folder: there.folder().to_owned(),
                        generations: summaries.collect(),
                    })
                });
            let mut repositories: Vec<_> = repositories.collect::<Result<_, _>>().map_err(told)?;
            repositories.retain(|repository| !repository.generations.is_empty());
            Ok(repositories)
        })
        .await
    }

    /// One state.
    pub(crate) async fn show(&self, state: wire::RepositoryState) -> Result<wire::Generation, RpcError> {
        let all = self.clone();
        blocking(move || {
            let (repository, entry) = all.find(&state)?;
            Ok(wire::Generation {
                ticket: state.ticket,
                summary: summary(&entry, repository.current().map_err(told)?),
                folder: repository.folder_of(entry.generation),
                contents: entry.packages.iter().map(package).collect(),
            })
        })
        .await
    }

    /// How two states differ.
    pub(crate) async fn diff(
        &self,
        from: wire::RepositoryState,
        to: wire::RepositoryState,
    ) -> Result<wire::RepositoryChanges, RpcError> {
        let all = self.clone();
        blocking(move || {
            let ((_, before), (_, after)) = (all.find(&from)?, all.find(&to)?);
            let changes = PackageChanges::between(&before.packages, &after.packages);
            let changed = changes.changed.iter().map(|(old, new)| wire::ChangedPackage {
                change: match VersionChange::of(old, new) {
                    VersionChange::Upgraded => wire::VersionChange::Upgraded,
                    VersionChange::Downgraded => wire::VersionChange::Downgraded,
                    VersionChange::Rebuilt => wire::VersionChange::Rebuilt,
                },
                from: package(old),
                to: package(new),
            });
            Ok(wire::RepositoryChanges {
                from: name(from.ticket, before.generation),
                to: name(to.ticket, after.generation),
                added: changes.added.iter().map(package).collect(),
                removed: changes.removed.iter().map(package).collect(),
                changed: changed.collect(),
                same: changes.same as u64,
            })
        })
        .await
    }

    /// Writes a state as a tree.
    pub(crate) async fn export(
        &self,
        state: wire::RepositoryState,
        folder: PathBuf,
        uri: Option<String>,
    ) -> Result<wire::ExportedRepository, RpcError> {
        let all = self.clone();
        blocking(move || {
            let (repository, entry) = all.find(&state)?;
            let exported = repository
                .export(entry.generation, &folder, uri.as_deref())
                .map_err(told)?;
            Ok(wire::ExportedRepository {
                state: name(state.ticket, exported.generation),
                folder: exported.folder,
                uri: exported.uri,
                sources: exported.sources,
                preferences: exported.preferences,
                key: exported.key,
                packages: exported.packages as u64,
                size: exported.size,
            })
        })
        .await
    }

    /// The generation that a state is, where other tickets can use it: whole, and with the key that it is signed by.
    pub(crate) async fn usable(&self, state: wire::RepositoryState) -> Result<GenerationId, RpcError> {
        let all = self.clone();
        blocking(move || {
            let (repository, entry) = all.find(&state)?;
            repository.key(entry.generation).map_err(told)?;
            Ok(entry.generation)
        })
        .await
    }

    /// Gives what is staged the files of other tickets' repositories: those of the tickets, and those that `other` has.
    pub(crate) async fn give(
        &self,
        sources: &PackageSources,
        staging: &Staging,
        other: Option<PathBuf>,
    ) -> Result<(), RpcError> {
        if sources.repositories.is_empty() {
            return Ok(());
        }
        let (all, sources) = (self.clone(), sources.clone());
        let to = MountedRepositories::at(staging.path().join(mounted::FOLDER));
        blocking(move || {
            for used in &sources.repositories {
                to.take(&sources, &all.of(used.ticket)).map_err(told)?;
            }
            if let Some(other) = other {
                to.take(&sources, &TicketRepository::at(other)).map_err(told)?;
            }
            match to.missing(&sources) {
                None => Ok(()),
                // It was there when it was resolved.
                Some(used) => Err(RpcError::new(ErrorCode::Conflict, format!("the {used} is gone"))),
            }
        })
        .await
    }

    fn of(&self, ticket: TicketId) -> TicketRepository {
        TicketRepository::at(repository(&self.tickets.ticket(ticket)))
    }

    fn find(&self, state: &wire::RepositoryState) -> Result<(TicketRepository, HistoryEntry), RpcError> {
        let pooled: Option<PoolNumber> = match &state.pool {
            Some(name) => Some(
                name.parse()
                    .map_err(|error: PoolNumberError| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?,
            ),
            None => None,
        };
        let repository = match pooled {
            Some(number) => TicketRepository::at(self.pool.repository(number)),
            None => self.of(TicketId(state.ticket.0)),
        };
        let entry = match (&state.generation, repository.current().map_err(told)?) {
            (_, None) => {
                let message = match pooled {
                    Some(number) => format!("{number} is empty"),
                    None => format!("ticket {} has no repository", state.ticket),
                };
                let hint = "it has one once a build of it has passed, until its artifacts are freed";
                return Err(RpcError::new(ErrorCode::Conflict, message).with_hint(hint));
            }
            (None, Some(current)) => repository.generation(current),
            (Some(beginning), Some(_)) => repository.find(beginning),
        };
        let entry = entry.map_err(|error| {
            let hint = format!("`preflight repo list {}` shows those that there are", state.ticket);
            told(error).with_hint(hint)
        })?;
        Ok((repository, entry))
    }
}

/// Runs what reads and writes files where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?
}

fn told(error: ArchiveError) -> RpcError {
    let code = match &error {
        ArchiveError::NoSuchGeneration { .. } => ErrorCode::NotFound,
        ArchiveError::AmbiguousGeneration { .. } | ArchiveError::ExportTarget { .. } => ErrorCode::InvalidParams,
        // The client's folder more likely than the daemon's own.
        ArchiveError::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => ErrorCode::InvalidParams,
        _ => ErrorCode::Internal,
    };
    RpcError::new(code, error.to_string())
}

fn name(ticket: ids::TicketId, generation: GenerationId) -> wire::GenerationName {
    wire::GenerationName {
        ticket,
        generation: Sha256(generation.to_string()),
    }
}

fn summary(entry: &HistoryEntry, current: Option<GenerationId>) -> wire::GenerationSummary {
    wire::GenerationSummary {
        generation: Sha256(entry.generation.to_string()),
        published_at: Moment(Timestamp::try_from(entry.at).unwrap_or(Timestamp::UNIX_EPOCH)),
        by: entry.by.clone(),
        current: current == Some(entry.generation),
        packages: entry.packages.len() as u64,
        size: entry.size(),
    }
}

fn package(package: &RepositoryPackage) -> wire::RepositoryPackage {
    wire::RepositoryPackage {
        name: package.name.to_string(),
        version: package.version.to_string(),
        architecture: package.architecture.to_string(),
        source: package.source.to_string(),
        size: package.size,
        sha256: Sha256(package.sha256.to_string()),
        path: package.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::SystemTime;

    use preflight_archive::{Publication, RepositoryLabels, SigningKey};

    use super::*;

    fn publish(repository: &TicketRepository, key: &Path, label: &str) -> GenerationId {
        let publication = Publication {
            debs: &[],
            labels: &RepositoryLabels {
                origin: "Preflight".to_owned(),
                label: label.to_owned(),
            },
            key: &SigningKey::load_or_create(key).unwrap(),
            at: SystemTime::now(),
            by: "job 31",
        };
        repository.writer().unwrap().publish(&publication).unwrap().generation
    }

    #[tokio::test]
    async fn states_are_found_by_ticket_and_beginning() {
        let state = tempfile::tempdir().unwrap();
        let all = Repositories::new(TicketsFolder::below(state.path()), PoolFolder::below(state.path()));
        let there = all.of(TicketId(12));
        let key = state.path().join("keys");
        let (first, second) = (publish(&there, &key, "one"), publish(&there, &key, "two"));

        let tickets = vec![(TicketId(13), "none".to_owned()), (TicketId(12), "some".to_owned())];
        let listed = all.list(tickets).await.unwrap();
        assert_eq!(listed.len(), 1);
        let shown: Vec<(String, bool)> = listed[0]
            .generations
            .iter()
            .map(|generation| (generation.generation.0.clone(), generation.current))
            .collect();
        assert_eq!(shown, [(second.to_string(), true), (first.to_string(), false)]);

        let named = |ticket, generation: Option<&str>| wire::RepositoryState {
            ticket: ids::TicketId(ticket),
            generation: generation.map(str::to_owned),
            pool: None,
        };
        let old = all.show(named(12, Some(&first.to_string()[..12]))).await.unwrap();
        assert_eq!(
            (old.summary.generation.0, old.summary.current),
            (first.to_string(), false)
        );
        assert_eq!(old.summary.by, "job 31");
        let changes = all
            .diff(named(12, Some(&first.to_string())), named(12, None))
            .await
            .unwrap();
        assert_eq!(changes.to.generation.0, second.to_string());

        for (wanted, code) in [
            (named(13, None), ErrorCode::Conflict),
            (named(12, Some("not hexadecimal")), ErrorCode::NotFound),
        ] {
            let error = all.show(wanted).await.unwrap_err();
            assert!(error.code == code && error.hint().is_some(), "{error:?}");
        }
        // The pool has repositories of its own.
        let seventh = TicketRepository::at(PoolFolder::below(state.path()).repository(PoolNumber(7)));
        let pooled = wire::RepositoryState {
            pool: Some("pool/07".to_owned()),
            ..named(12, None)
        };
        let empty = all.show(pooled.clone()).await.unwrap_err();
        assert_eq!(
            (empty.code, empty.message.as_str()),
            (ErrorCode::Conflict, "pool/07 is empty")
        );
        let third = publish(&seventh, &key, "three");
        let shown = all.show(pooled).await.unwrap();
        assert_eq!((shown.ticket.0, shown.summary.generation.0), (12, third.to_string()));

        let relative = all
            .export(named(12, None), PathBuf::from("here"), None)
            .await
            .unwrap_err();
        assert_eq!(relative.code, ErrorCode::InvalidParams);
        let target = state.path().join("tree");
        let exported = all.export(named(12, None), target.clone(), None).await.unwrap();
        assert_eq!(exported.state.generation.0, second.to_string());
        assert!(target.join("InRelease").is_file() && exported.sources.starts_with(&target));
    }
}
