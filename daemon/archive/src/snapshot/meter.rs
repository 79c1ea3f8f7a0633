//! How far the taking of a snapshot is, over all files that have to come: bytes with totals, so that an estimate can be
//! made. Files that the store had already are not counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use preflight_debian::Sha256Digest;

use crate::archive::unpoisoned;
use crate::fetch::{Progress, ProgressCallback};
use crate::release::Listed;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// The URL that something has just come from, as it is fetched.
    pub url: String,
    /// Bytes of indices that are here and were not before.
    pub bytes: u64,
    /// Bytes of all indices that were missing; none until all release files have told.
    pub total: Option<u64>,
    /// Indices that are here and were not before.
    pub files: usize,
    /// All indices that were missing.
    pub of_files: usize,
}

/// Is told of progress; called from the fetching tasks, so it must not block.
pub type SnapshotProgressCallback = Arc<dyn Fn(SnapshotProgress) + Send + Sync>;

/// Adds up what fetches tell; clones share the sum.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    callback: Option<SnapshotProgressCallback>,
    files: Arc<Mutex<BTreeMap<Sha256Digest, Part>>>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    bytes: u64,
    size: u64,
    finished: bool,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Meter {
    pub(crate) fn new(callback: Option<SnapshotProgressCallback>) -> Self {
        Self {
            callback,
            files: Arc::default(),
        }
    }

    /// These have to come. What came before stays counted; what did not, and no longer has to, does not.
    pub(super) fn expect(&self, missing: impl Iterator<Item = Listed>) {
        let mut files = unpoisoned(&self.files);
        files.retain(|_, part| part.finished);
        for listed in missing {
            let part = Part {
                bytes: 0,
                size: listed.size,
                finished: false,
            };
            files.entry(listed.sha256).or_insert(part);
        }
    }

    /// Listens to the fetch of one of the expected files.
    pub(super) fn listener(&self, sha256: Sha256Digest) -> ProgressCallback {
        let meter = self.clone();
        Arc::new(move |progress: Progress| meter.count(sha256, progress.url, progress.bytes, progress.finished))
    }

    /// One of the expected files is here, whoever fetched it.
    pub(super) fn finished(&self, sha256: Sha256Digest, url: String) {
        self.count(sha256, url, 0, true);
    }

    /// Tells of what is no index: release files.
    pub(super) fn bystander(&self) -> ProgressCallback {
        let meter = self.clone();
        Arc::new(move |progress: Progress| meter.tell(progress.url, false))
    }

    fn count(&self, sha256: Sha256Digest, url: String, bytes: u64, finished: bool) {
        if let Some(part) = unpoisoned(&self.files).get_mut(&sha256) {
            part.finished |= finished;
            part.bytes = if part.finished { part.size } else { bytes };
        }
        self.tell(url, true);
    }

    fn tell(&self, url: String, total_known: bool) {
        let Some(callback) = &self.callback else { return };
        let progress = {
            let files = unpoisoned(&self.files);
            SnapshotProgress {
                url,
                bytes: files.values().map(|part| part.bytes).sum(),
                total: total_known.then(|| files.values().map(|part| part.size).sum()),
                files: files.values().filter(|part| part.finished).count(),
                of_files: files.len(),
            }
        };
        callback(progress);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_whole_is_told_and_never_shrinks_when_a_suite_is_taken_again() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let meter = Meter::new(Some(Arc::new(move |progress: SnapshotProgress| {
            unpoisoned(&log).push((progress.bytes, progress.total, progress.files, progress.of_files));
        })));
        let listed = |content: &[u8], size| Listed {
            sha256: Sha256Digest::of(content),
            size,
        };
        let (one, two, three) = (listed(b"1", 100), listed(b"2", 10), listed(b"3", 1000));
        let step = |bytes, finished| Progress {
            url: String::new(),
            bytes,
            total: None,
            finished,
        };
        meter.bystander()(step(7, true));
        meter.expect([one, two].into_iter());
        meter.listener(one.sha256)(step(60, false));
        meter.listener(one.sha256)(step(100, true));
        meter.expect([three].into_iter());
        meter.finished(three.sha256, String::new());
        assert_eq!(
            *unpoisoned(&seen),
            [
                (0, None, 0, 0),
                (60, Some(110), 0, 2),
                (100, Some(110), 1, 2),
                (1100, Some(1100), 2, 2)
            ]
        );
    }
}
