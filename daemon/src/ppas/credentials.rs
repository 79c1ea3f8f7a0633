//! What private PPAs want to be told: kept in files that only the owner reads, and told to the archive's fetcher. No
//! secret goes anywhere else, and no error holds one.

use std::collections::BTreeSet;

use preflight_archive::{Archive, ArchiveError, Credentials, PpaName, PpaUri, SecretStore};
use preflight_core::ppa::PpaRecord;
use preflight_protocol::error::{ErrorCode, RpcError};

use super::definition;

/// The credentials of all PPAs.
#[derive(Debug)]
pub(super) struct CredentialDesk {
    pub(super) archive: Archive,
    pub(super) secrets: SecretStore,
}

impl CredentialDesk {
    /// Tells the archive what private ones want; secrets of others are removed.
    pub(super) fn begin(&self, known: &[PpaRecord]) {
        let mut names = BTreeSet::new();
        for record in known.iter().filter(|record| record.definition.private) {
            let told = definition::ppa(&record.definition).and_then(|ppa| {
                names.insert(ppa.name.clone());
                self.restore(&ppa.uri, known)
            });
            if let Err(error) = told {
                tracing::warn!(ppa = %record.name(), %error, "the credentials of a PPA cannot be used");
            }
        }
        if let Err(error) = self.secrets.keep_only(&names) {
            tracing::warn!(%error, "credentials of PPAs that are gone are left behind");
        }
    }

    /// Has these sent to a repository from now on.
    pub(super) fn tell(&self, uri: &PpaUri, credentials: Option<Credentials>) -> Result<(), RpcError> {
        let told = self.archive.set_credentials(uri, credentials);
        told.map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))
    }

    /// Has those sent to a repository that the PPAs there want, of several those of the newest: none where none is private.
    pub(super) fn restore(&self, uri: &PpaUri, known: &[PpaRecord]) -> Result<(), RpcError> {
        let private = known.iter().filter(|record| record.definition.private);
        let mut newest_first: Vec<&PpaRecord> = private.collect();
        newest_first.sort_by_key(|record| std::cmp::Reverse(record.added_at));
        for record in newest_first {
            let ppa = definition::ppa(&record.definition)?;
            if ppa.uri != *uri {
                continue;
            }
            if let Some(credentials) = self.secrets.get(&ppa.name).map_err(fault)? {
                return self.tell(uri, Some(credentials));
            }
        }
        self.tell(uri, None)
    }

    /// Keeps them beyond this daemon's end.
    pub(super) fn keep(&self, name: &PpaName, credentials: &Credentials) -> Result<(), RpcError> {
        self.secrets.put(name, credentials).map_err(fault)
    }

    pub(super) fn forget(&self, name: &PpaName) -> Result<(), RpcError> {
        self.secrets.remove(name).map_err(fault)
    }
}

fn fault(error: ArchiveError) -> RpcError {
    RpcError::new(ErrorCode::Host, format!("credentials: {error}"))
}
