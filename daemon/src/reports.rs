//! How an executor tells what becomes of an attempt. It owns the way from any thread to the dispatcher; what a report
//! means is decided there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use preflight_core::{
    Artifact, Attempt, Ending, Finding, ImageRecord, JobId, LockEntry, LockHead, Outcome, Report, TestResult, TicketId,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::beats::{Beats, Live};
use crate::dispatcher::Pulse;

/// What an executor reports of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum JobReport {
    /// What it is doing. Only the newest is kept, and none is stored.
    Progress {
        /// Such as `installing build dependencies`.
        phase: String,
        /// How much of the whole job is done, from 0 to 1; estimated from earlier runs where it is missing.
        fraction: Option<f32>,
        /// How long it will still take; estimated from earlier runs where it is missing.
        estimate: Option<Duration>,
    },
    /// The log's length in bytes.
    LogSize(u64),
    /// A test ended.
    Test(TestResult),
    /// Something was found.
    Finding(Box<Finding>),
    /// A file is in the ticket's artifacts folder.
    Artifact(Artifact),
    /// All that was fetched; a later one replaces it.
    Lock(Vec<LockEntry>),
    /// What the lock says beside the fetched files.
    LockHead(Box<LockHead>),
    /// A warning for the owner.
    Warning(String),
    /// An image was made; a ticket's own becomes the one that its tests run on.
    Image(ImageRecord),
    /// The attempt's failed testbed is kept frozen in the ticket's folder, where
    /// [`preflight_store::TicketFolder::kept`] says; to be sent before `Finished`.
    Kept {
        /// What it takes on disk.
        bytes: u64,
    },
    /// The attempt has ended and nothing of it is left: no machine, no overlay, but what is kept.
    Finished(Ending),
}

/// A report with the attempt that it is about.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) job: JobId,
    pub(crate) attempt: Attempt,
    pub(crate) report: Report,
}

/// Sends the reports of one attempt; clones share it. Reports of an attempt that is no longer its job's running one
/// are dropped by the receiver.
#[derive(Debug, Clone)]
pub struct Reports(Arc<Line>);

#[derive(Debug)]
struct Line {
    ticket: TicketId,
    job: JobId,
    attempt: Attempt,
    sender: mpsc::UnboundedSender<Addressed>,
    beats: Beats,
    pulse: Pulse,
    finished: AtomicBool,
}

impl Reports {
    pub(crate) fn new(
        (ticket, job, attempt): (TicketId, JobId, Attempt),
        sender: mpsc::UnboundedSender<Addressed>,
        beats: Beats,
        pulse: Pulse,
    ) -> Self {
        Self(Arc::new(Line {
            ticket,
            job,
            attempt,
            sender,
            beats,
            pulse,
            finished: AtomicBool::new(false),
        }))
    }

    /// A sign of life: the guest lives, or what is done on the host gets on. From the first one on the attempt is
    /// watched: when neither a beat nor a report comes for twelve heartbeats ([`crate::services::HostDoctor::heartbeat`]),
    /// it is unresponsive. Cheap: it is no event, and wakes nobody.
    pub fn beat(&self) {
        self.0.pulse.send_replace(Some(Instant::now()));
    }

    /// Sends a report; never blocks. What follows `Finished` is dropped.
    pub fn send(&self, report: JobReport) {
        let line = &*self.0;
        if line.finished.load(Ordering::Acquire) {
            return;
        }
        line.pulse.send_if_modified(|heard| {
            *heard = heard.map(|_| Instant::now());
            false
        });
        let report = match report {
            JobReport::Progress {
                phase,
                fraction,
                estimate,
            } => {
                line.beats.update(line.job, line.attempt, |live: &mut Live| {
                    live.progress(phase, fraction, estimate)
                });
                return;
            }
            JobReport::LogSize(size) => {
                line.beats
                    .update(line.job, line.attempt, |live: &mut Live| live.log_size = size);
                return;
            }
            JobReport::Test(result) => Report::Test(result),
            JobReport::Finding(finding) => Report::Finding(finding),
            JobReport::Artifact(artifact) => Report::Artifact(artifact),
            JobReport::Lock(entries) => Report::Lock(entries),
            JobReport::LockHead(head) => Report::LockHead(head),
            JobReport::Warning(text) => Report::Warning(text),
            JobReport::Image(image) => Report::Image(image),
            JobReport::Kept { bytes } => Report::Kept { bytes },
            JobReport::Finished(ending) => {
                if line.finished.swap(true, Ordering::AcqRel) {
                    return;
                }
                Report::Finished(ending)
            }
        };
        line.post(report);
    }
}

impl Line {
    fn post(&self, report: Report) {
        // The dispatcher is gone only when the daemon ends; the next one runs the job again.
        let _ = self.sender.send(Addressed {
            job: self.job,
            attempt: self.attempt,
            report,
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.finished.load(Ordering::Acquire) {
            tracing::error!(ticket = %self.ticket, job = %self.job, "the executor's task has ended without a result");
            let reason = "the executor's task has ended without a result: this is Preflight's own fault";
            self.post(Report::Finished(Ending::new(
                Outcome::TestbedBroken,
                Some(reason.to_owned()),
            )));
        }
    }
}
