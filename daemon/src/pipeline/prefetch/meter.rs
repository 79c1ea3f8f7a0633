//! How far a fetch of many files is, from what the sessions tell of each.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use preflight_archive::Progress;

type Tell = Box<dyn Fn(String, Option<f32>) + Send + Sync>;

/// Counts files and bytes, and tells of each change.
pub(super) struct Meter {
    files: u64,
    bytes: u64,
    so_far: Mutex<SoFar>,
    tell: Tell,
}

#[derive(Default)]
struct SoFar {
    files: u64,
    bytes: u64,
    /// Bytes of files that are not whole yet, by URL.
    coming: BTreeMap<String, u64>,
}

impl Meter {
    /// Of so many files that have so many bytes together.
    pub(super) fn new(files: u64, bytes: u64, tell: impl Fn(String, Option<f32>) + Send + Sync + 'static) -> Self {
        Self {
            files,
            bytes,
            so_far: Mutex::default(),
            tell: Box::new(tell),
        }
    }

    /// A file is coming.
    pub(super) fn note(&self, progress: &Progress) {
        self.change(|so_far| match progress.finished {
            true => drop(so_far.coming.remove(&progress.url)),
            false => drop(so_far.coming.insert(progress.url.clone(), progress.bytes)),
        });
    }

    /// A file is dealt with, whatever came of it.
    pub(super) fn done(&self, bytes: u64) {
        self.change(|so_far| {
            so_far.files += 1;
            so_far.bytes = so_far.bytes.saturating_add(bytes);
        });
    }

    fn change(&self, change: impl FnOnce(&mut SoFar)) {
        let (files, bytes) = {
            let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut so_far);
            let coming = so_far
                .coming
                .values()
                .fold(0_u64, |all, bytes| all.saturating_add(*bytes));
            (so_far.files, so_far.bytes.saturating_add(coming).min(self.bytes))
        };
        let phase = format!(
            "fetching {files} of {} files ({} of {} MiB)",
            self.files,
            bytes >> 20,
            self.bytes >> 20
        );
        #[expect(clippy::cast_precision_loss, reason = "a fraction for a progress bar")]
        let fraction = (self.bytes > 0).then(|| bytes as f32 / self.bytes as f32);
        (self.tell)(phase, fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_what_is_done_and_of_what_is_coming() {
        let (telling, told) = std::sync::mpsc::channel();
        let meter = Meter::new(2, 4 << 20, move |phase, fraction| {
            telling.send((phase, fraction)).unwrap();
        });
        let progress = |bytes, finished| Progress {
            url: "u".to_owned(),
            bytes,
            total: None,
            finished,
        };
        meter.note(&progress(1 << 20, false));
        meter.note(&progress(2 << 20, true));
        meter.done(2 << 20);
        // More than was said is no more than all.
        meter.note(&progress(9 << 20, false));
        drop(meter);
        let told: Vec<(String, Option<f32>)> = told.iter().collect();
        let told: Vec<(&str, Option<f32>)> = told.iter().map(|(phase, part)| (phase.as_str(), *part)).collect();
        assert_eq!(
            told,
            [
                ("fetching 0 of 2 files (1 of 4 MiB)", Some(0.25)),
                ("fetching 0 of 2 files (0 of 4 MiB)", Some(0.0)),
                ("fetching 1 of 2 files (2 of 4 MiB)", Some(0.5)),
                ("fetching 1 of 2 files (4 of 4 MiB)", Some(1.0)),
            ]
        );
    }
}
