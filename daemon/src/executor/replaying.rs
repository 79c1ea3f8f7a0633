//! What a job starts from, as its lock names it; and in a replay what it goes by: the earlier run's lock, the base image of
//! then, and layers of its own. What is served by a lock is the session's matter.

use std::sync::{Arc, PoisonError};

use preflight_archive::Lock;
use preflight_core::{ArtifactRecord, Attempt, ImageId, JobId, JobKind, JobLabel, LockHead, Sha256, SourceFile};
use preflight_debian::{Sha256Digest, SourcePackage};
use preflight_testbed::template::TemplateId;
use preflight_vm_images::Variant;

use super::context::JobContext;
use super::failure::StepFailure;
use super::workshop::BootImage;
use crate::replay::{JobReplay, ReplayRecord};
use crate::services::{JobOrder, JobReport};

/// What a job of a replay goes by. A lone one finds the packages in its ticket that jobs before it had made.
pub(super) fn replayed(mut order: JobOrder) -> Result<(JobOrder, Option<JobReplay>), String> {
    if order.ticket.options.replay_of.is_none() || order.rerun.is_some() {
        return Ok((order, None));
    }
    let source = order.subticket.and_then(|id| order.ticket.subticket(id));
    let label = JobLabel {
        kind: order.kind,
        source: source.map(|subticket| subticket.source.clone()),
    };
    let record = ReplayRecord::read(&order.folder)?;
    let replay = record
        .job(&label)
        .ok_or_else(|| format!("the run that is replayed never came to the {label}: nothing says what it may fetch"))?;
    let given = record.given(&order.folder);
    if !given.is_empty() {
        let given = given.into_iter().map(|artifact| ArtifactRecord {
            job: JobId(0),
            attempt: Attempt(0),
            artifact,
        });
        Arc::make_mut(&mut order.ticket).artifacts.extend(given);
    }
    Ok((order, Some(replay)))
}

impl JobContext {
    /// The same, where an earlier run is replayed: by that run's lock.
    #[must_use]
    pub(crate) fn replaying(mut self, replay: Option<JobReplay>) -> Self {
        self.replay = replay.map(Arc::new);
        self
    }

    /// The lock that is replayed, where one is.
    pub(super) fn replayed_lock(&self) -> Option<&Lock> {
        self.replay.as_ref().map(|replay| &replay.lock)
    }

    /// What tells a replay's layers and images from others', since they are made anew; none for a run of its own.
    #[must_use]
    pub fn replay_word(&self) -> Option<String> {
        let ticket = self.order.ticket.id;
        self.replay
            .as_ref()
            .map(|_| format!("replay, made anew by ticket {ticket}"))
    }

    /// Remembers a layer that nobody but this job could use.
    pub(super) fn note_own_layer(&self, id: &TemplateId) {
        let mut layers = self.own_layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.push(id.clone());
    }

    /// Takes such layers away, when no testbed of this job is left; the topmost goes first. One that something still uses
    /// goes with the disk's budget, as all layers do.
    pub(super) async fn drop_own_layers(&self) {
        let layers = std::mem::take(&mut *self.own_layers.lock().unwrap_or_else(PoisonError::into_inner));
        // An image's is what its tests are cloned from.
        if self.order.kind == JobKind::Image || layers.is_empty() {
            return;
        }
        let workshop = Arc::clone(&self.workshop);
        let removing = tokio::task::spawn_blocking(move || {
            for id in layers.iter().rev() {
                if let Err(error) = workshop.templates.store().remove(id) {
                    tracing::debug!(layer = %id, %error, "a replay's layer stays for now");
                }
            }
        });
        // Whatever comes of it, the attempt has ended.
        let _ = removing.await;
    }

    /// The base image that the job's testbeds start from: the newest of the series, or in a replay the one of then.
    ///
    /// # Errors
    /// There is none, or it is no longer there.
    pub fn base(&self, variant: Variant) -> Result<BootImage, StepFailure> {
        match &self.replay {
            Some(replay) => self.workshop.base_named(&replay.base),
            None => self.workshop.base(&self.order.ticket.series, variant),
        }
    }

    /// Writes down with the lock what the job's testbeds start from, and the source that it is done for.
    pub fn lock_head(&self, image: &BootImage, source: Option<&SourcePackage>) -> Result<(), StepFailure> {
        let sources = source.map_or_else(|| Ok(vec![]), source_files);
        let sources = sources.map_err(|error| StepFailure::Testbed(format!("the staged source: {error}")))?;
        let state = super::image_state::read(image.base.folder(), &self.workshop.images);
        self.report(JobReport::LockHead(Box::new(LockHead {
            base: ImageId(image.base.id().to_string()),
            archive_state: state.map(|state| Sha256(*state.digest().as_bytes())),
            image: image.id.clone().map(ImageId),
            sources,
        })));
        Ok(())
    }
}

/// The files of a source package: its `.dsc`, then what that names, all of them verified.
fn source_files(source: &SourcePackage) -> std::io::Result<Vec<SourceFile>> {
    let file = |name: String, sha256: Sha256Digest, size: u64| SourceFile {
        name,
        sha256: Sha256(*sha256.as_bytes()),
        size,
    };
    let dsc = source
        .dsc_path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let size = std::fs::metadata(&source.dsc_path)?.len();
    let mut files = vec![file(dsc, source.dsc_sha256, size)];
    files.extend(
        source
            .dsc
            .files
            .iter()
            .map(|listed| file(listed.name.clone(), listed.sha256, listed.size)),
    );
    Ok(files)
}
