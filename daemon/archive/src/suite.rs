//! Taking a suite: its release file is fetched, its signature, date and validity are judged once, and what was taken
//! is remembered as the suite's head, from which later sessions are served when there is no network.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt as _;
use preflight_debian::{Keyring, Sha256Digest, SignatureState, Verified};

use crate::archive::{Inner, ValidUntil};
use crate::content::Object;
use crate::error::{RefusalKind, Refused, SuiteFault};
use crate::fetch::{FetchError, ProgressCallback};
use crate::release::{Listed, MAX_RELEASE_BYTES, Release};
use crate::state::SuiteRecord;
use crate::url::CanonicalUrl;

pub(crate) const INLINE: &str = "InRelease";
pub(crate) const DETACHED: [&str; 2] = ["Release", "Release.gpg"];

/// A suite at one moment.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The folder of its release file.
    pub(crate) folder: CanonicalUrl,
    /// Its release files, by name.
    pub(crate) files: BTreeMap<String, Object>,
    /// What was signed.
    pub(crate) release: Release,
}

impl Suite {
    pub(crate) fn record(&self) -> SuiteRecord {
        SuiteRecord {
            folder: self.folder.to_string(),
            files: self
                .files
                .iter()
                .map(|(name, object)| (name.clone(), object.sha256.to_string()))
                .collect(),
        }
    }

    /// The URLs at which an index that the release file lists may be, the one that never becomes another one's first.
    pub(crate) fn index_urls(&self, path: &str, listed: Listed) -> Vec<CanonicalUrl> {
        let by_hash = self.release.by_hash.then(|| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.folder.join(&format!("{folder}/by-hash/SHA256/{}", listed.sha256))
        });
        by_hash.into_iter().chain([self.folder.join(path)]).collect()
    }
}

/// Where a suite may be fetched and who may sign it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The URL of the suite's folder on the real mirror.
    pub(crate) upstream: String,
    pub(crate) keyring: Keyring,
}

impl Inner {
    /// The suite as the mirror has it now; the last known one where the mirror can't be reached.
    pub(crate) async fn take_suite(
        self: &Arc<Self>,
        folder: &CanonicalUrl,
        origin: Origin,
        progress: Option<ProgressCallback>,
    ) -> Result<Arc<Suite>, Refused> {
        let (archive, folder_url) = (Arc::clone(self), folder.clone());
        self.suites
            .join(folder.clone(), move || {
                async move {
                    archive
                        .fetch_suite(&folder_url, &origin, progress.as_ref())
                        .await
                        .map(Arc::new)
                }
                .boxed()
            })
            .await
    }

    async fn fetch_suite(
        &self,
        folder: &CanonicalUrl,
        origin: &Origin,
        progress: Option<&ProgressCallback>,
    ) -> Result<Suite, Refused> {
        match self.judged_suite(folder, origin, progress).await {
            Ok(suite) => {
                self.write_head(&suite).map_err(|error| Refused::store(&error))?;
                Ok(suite)
            }
            Err(refused) if matches!(refused.kind, RefusalKind::Unreachable) => {
                let head = self.head(folder)?.ok_or(refused)?;
                tracing::warn!(%folder, "the mirror can't be reached; the last known release file is used");
                Ok(head)
            }
            Err(refused) => Err(refused),
        }
    }

    /// The suite as the mirror has it now and not otherwise, judged but not yet remembered as its head.
    pub(crate) async fn judged_suite(
        &self,
        folder: &CanonicalUrl,
        origin: &Origin,
        progress: Option<&ProgressCallback>,
    ) -> Result<Suite, Refused> {
        let (files, signed) = self.fetch_release(folder, origin, progress).await?;
        let unverified = |fault, reason: String| {
            Refused::new(RefusalKind::Unverified, format!("{folder}: {reason}")).with_fault(fault)
        };
        let malformed = |reason| {
            unverified(
                SuiteFault::Malformed,
                format!("the release file is malformed: {reason}"),
            )
        };
        let release = Release::parse(&signed).map_err(malformed)?;
        if self.valid_until == ValidUntil::Enforce && release.is_expired(SystemTime::now()) {
            let until = release.valid_until.map(|at| at.to_string()).unwrap_or_default();
            let reason = format!("the release file expired at {until}; check the clock, or use another mirror");
            return Err(unverified(SuiteFault::Expired, reason));
        }
        let mut stored = BTreeMap::new();
        for (name, bytes) in files {
            stored.insert(name, self.store.put(&bytes).map_err(|error| Refused::store(&error))?);
        }
        let suite = Suite {
            folder: folder.clone(),
            files: stored,
            release,
        };
        if self
            .head(folder)?
            .is_some_and(|head| suite.release.date < head.release.date)
        {
            return Err(unverified(
                SuiteFault::RolledBack,
                "the mirror's release file is older than the one taken before; it is stale or being rolled back"
                    .to_owned(),
            ));
        }
        Ok(suite)
    }

    /// Release files by name, and the text that they sign.
    async fn fetch_release(
        &self,
        folder: &CanonicalUrl,
        origin: &Origin,
        progress: Option<&ProgressCallback>,
    ) -> Result<(Vec<(String, Vec<u8>)>, Vec<u8>), Refused> {
        let get = async |name: &str| {
            self.fetcher
                .bytes(&format!("{}/{name}", origin.upstream), MAX_RELEASE_BYTES, progress)
                .await
        };
        match get(INLINE).await {
            Ok(bytes) => {
                let Verified { content, state } = origin.keyring.verify_inline(&bytes);
                judge(folder, &state)?;
                Ok((vec![(INLINE.to_owned(), bytes)], content))
            }
            Err(FetchError::NotFound) => {
                let release = get(DETACHED[0]).await.map_err(|error| refused(folder, &error))?;
                let signature = get(DETACHED[1]).await.map_err(|error| match error {
                    FetchError::NotFound => unsigned(folder),
                    error => refused(folder, &error),
                })?;
                judge(folder, &origin.keyring.verify_detached(&release, &signature))?;
                let files = vec![
                    (DETACHED[0].to_owned(), release.clone()),
                    (DETACHED[1].to_owned(), signature),
                ];
                Ok((files, release))
            }
            Err(error) => Err(refused(folder, &error)),
        }
    }

    /// A suite whose release file was judged when it was taken.
    pub(crate) fn recorded_suite(&self, record: &SuiteRecord) -> Result<Suite, Refused> {
        let damaged = |reason: &str| {
            Refused::new(
                RefusalKind::Internal,
                format!("the record of {}: {reason}", record.folder),
            )
        };
        let folder = record.folder.parse().map_err(|_| damaged("its URL is malformed"))?;
        let mut files = BTreeMap::new();
        for (name, sha256) in &record.files {
            let sha256: Sha256Digest = sha256.parse().map_err(|_| damaged("a digest is malformed"))?;
            let object = self.store.get(sha256).map_err(|error| Refused::store(&error))?;
            files.insert(
                name.clone(),
                object.ok_or_else(|| damaged("its release file was removed from the store"))?,
            );
        }
        let signed = self
            .signed_text(&files)?
            .ok_or_else(|| damaged("it names no release file"))?;
        let release = Release::parse(&signed).map_err(|reason| damaged(&reason))?;
        Ok(Suite { folder, files, release })
    }

    /// The text that release files sign, which were judged when they were taken.
    pub(crate) fn signed_text(&self, files: &BTreeMap<String, Object>) -> Result<Option<Vec<u8>>, Refused> {
        let read = |name: &str| match files.get(name) {
            Some(object) => self.store.read(object.sha256).map_err(|error| Refused::store(&error)),
            None => Ok(None),
        };
        Ok(match read(INLINE)? {
            // The signature was good; who made it does not matter here, only where the signed text begins and ends.
            Some(bytes) => Some(Keyring::default().verify_inline(&bytes).content),
            None => read(DETACHED[0])?,
        })
    }

    fn head_path(&self, folder: &CanonicalUrl) -> PathBuf {
        self.heads
            .join(format!("{}.json", Sha256Digest::of(folder.as_str().as_bytes())))
    }

    /// The last suite that was taken from this URL.
    pub(crate) fn head(&self, folder: &CanonicalUrl) -> Result<Option<Suite>, Refused> {
        match std::fs::read(self.head_path(folder)) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(record) => self.recorded_suite(&record).map(Some),
                Err(error) => Err(Refused::new(
                    RefusalKind::Internal,
                    format!("the record of {folder}: {error}"),
                )),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Refused::store(&error)),
        }
    }

    /// All suites below a mirror's URL that were ever taken; what can't be read is left out.
    pub(crate) fn heads_below(&self, base: &CanonicalUrl) -> Vec<Suite> {
        let Ok(entries) = std::fs::read_dir(&self.heads) else {
            return Vec::new();
        };
        let mut suites: Vec<Suite> = entries
            .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
            .filter_map(|text| serde_json::from_slice::<SuiteRecord>(&text).ok())
            .filter(|record| {
                record
                    .folder
                    .parse::<CanonicalUrl>()
                    .is_ok_and(|folder| folder.below(base).is_some())
            })
            .filter_map(|record| self.recorded_suite(&record).ok())
            .collect();
        suites.sort_by(|left, right| left.folder.cmp(&right.folder));
        suites
    }

    /// Remembers a suite that was judged a while ago as the head, unless a newer one was taken meanwhile.
    pub(crate) fn advance_head(&self, suite: &Suite) -> std::io::Result<()> {
        match self.head(&suite.folder) {
            Ok(Some(head)) if head.release.date > suite.release.date => Ok(()),
            _ => self.write_head(suite),
        }
    }

    fn write_head(&self, suite: &Suite) -> std::io::Result<()> {
        let path = self.head_path(&suite.folder);
        let aside = tempfile::NamedTempFile::new_in(&self.heads)?;
        serde_json::to_writer(aside.as_file(), &suite.record())?;
        aside.as_file().sync_all()?;
        aside.persist(path)?;
        Ok(())
    }
}

fn judge(folder: &CanonicalUrl, state: &SignatureState) -> Result<(), Refused> {
    let (fault, reason) = match state {
        SignatureState::Good { .. } => return Ok(()),
        SignatureState::Unsigned | SignatureState::NotChecked => return Err(unsigned(folder)),
        SignatureState::UnknownKey { key_ids } => {
            let keys = key_ids.join(", ");
            let reason = format!("the release file is signed by {keys}, which no keyring of this mirror has");
            (SuiteFault::UnknownKey, reason)
        }
        SignatureState::Bad { reason } => {
            let reason = format!("the release file's signature is bad: {reason}");
            (SuiteFault::BadSignature, reason)
        }
    };
    Err(Refused::new(RefusalKind::Unverified, format!("{folder}: {reason}")).with_fault(fault))
}

fn unsigned(folder: &CanonicalUrl) -> Refused {
    let reason = format!("{folder}: the release file is not signed");
    Refused::new(RefusalKind::Unverified, reason).with_fault(SuiteFault::Unsigned)
}

/// A fetch's failure in words for the user.
pub(crate) fn refused(url: &CanonicalUrl, error: &FetchError) -> Refused {
    let kind = match error {
        FetchError::NotFound => RefusalKind::NotFound,
        FetchError::Status(_) => RefusalKind::Upstream,
        FetchError::Unreachable(_) => RefusalKind::Unreachable,
        FetchError::Wrong(_) => RefusalKind::Unverified,
        FetchError::Store(_) => RefusalKind::Internal,
    };
    let refused = Refused::new(kind, format!("{url}: {error}"));
    match error {
        FetchError::Status(401 | 403) => refused.with_fault(SuiteFault::Unauthorised),
        _ => refused,
    }
}
