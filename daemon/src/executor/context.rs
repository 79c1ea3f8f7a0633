//! One attempt of a job while it runs: its order, its log, its way to the dispatcher, and the testbeds that it has leased.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use preflight_archive::{Lock, Progress, Session};
use preflight_core::{Finding, FirstError, LockEntry, LogName, Sha256, Subticket, TestResult};
use preflight_testbed::template::{Template, TemplateId};
use preflight_testbed::{MachineId, Priority};
use tokio_util::task::TaskTracker;

use super::failure::StepFailure;
use super::findings::FindingBook;
use super::log::JobLog;
use super::machine::Launched;
use super::origins;
use super::pulse::Pulse;
use super::remains::Leases;
use super::session::Repositories;
use super::testbed::{Testbed, TestbedSpec};
use super::workshop::{BootImage, Workshop};
use crate::replay::JobReplay;
use crate::services::{JobOrder, JobReport, Reports};

/// One attempt of a job.
pub struct JobContext {
    /// What is to be done.
    pub order: JobOrder,
    /// Where its output goes.
    pub log: JobLog,
    /// What all jobs share.
    pub workshop: Arc<Workshop>,
    reports: Reports,
    pub(super) leases: Leases,
    pub(super) pulse: Pulse,
    lock: Arc<Mutex<Lock>>,
    pub(super) findings: FindingBook,
    has_kept: Arc<AtomicBool>,
    /// What it goes by, where it is run again.
    pub(super) replay: Option<Arc<JobReplay>>,
    /// Layers that only this job could use: those of a replay.
    pub(super) own_layers: Arc<Mutex<Vec<TemplateId>>>,
    others: usize,
    /// Testbeds that are taken down while the job goes on.
    releasing: TaskTracker,
    /// The results that it has reported, where it runs a single test.
    reported: Arc<Mutex<Vec<TestResult>>>,
}

impl JobContext {
    /// An attempt that has leased nothing yet.
    #[must_use]
    pub fn new(order: JobOrder, log: JobLog, workshop: Arc<Workshop>, reports: Reports) -> Self {
        let pulse = Pulse::new(reports.clone());
        Self {
            order,
            log,
            workshop,
            reports,
            leases: Leases::default(),
            pulse,
            lock: Arc::default(),
            findings: FindingBook::default(),
            has_kept: Arc::default(),
            replay: None,
            own_layers: Arc::default(),
            others: 0,
            releasing: TaskTracker::new(),
            reported: Arc::default(),
        }
    }

    /// The same attempt with another log: a part of the job whose lines must not mix with those of parts beside it. What it
    /// leases and fetches is the attempt's; what is found in it is its own, and told by lines of its own log.
    #[must_use]
    pub fn with_log(&self, log: JobLog) -> Self {
        Self {
            order: self.order.clone(),
            log,
            workshop: Arc::clone(&self.workshop),
            reports: self.reports.clone(),
            leases: self.leases.clone(),
            pulse: self.pulse.clone(),
            lock: Arc::clone(&self.lock),
            findings: FindingBook::default(),
            has_kept: Arc::clone(&self.has_kept),
            replay: self.replay.clone(),
            own_layers: Arc::clone(&self.own_layers),
            others: self.others,
            releasing: self.releasing.clone(),
            reported: Arc::clone(&self.reported),
        }
    }

    /// The same, where so many others are likely to want a testbed like the next one soon.
    #[must_use]
    pub fn expecting(self, others: usize) -> Self {
        Self { others, ..self }
    }

    /// Makes a clone ahead where another is likely to be wanted.
    pub(super) fn make_ahead(&self, template: &Arc<Template>, image: &BootImage) {
        if self.others > 0 {
            self.workshop.expect(template, image, 1);
        }
    }

    /// Sends a report.
    pub fn report(&self, report: JobReport) {
        if let (JobReport::Test(result), Some(_)) = (&report, &self.order.rerun) {
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            reported.push(result.clone());
        }
        self.reports.send(report);
    }

    /// The results that a run of a single test has reported so far.
    #[must_use]
    pub fn reported_tests(&self) -> Vec<TestResult> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what it is doing, and how much of the whole is done where that can be told.
    pub fn phase(&self, phase: &str, fraction: Option<f32>) {
        self.reports.send(JobReport::Progress {
            phase: phase.to_owned(),
            fraction,
            estimate: None,
        });
    }

    /// As [`JobContext::phase`], for tasks of others that tell how far they are.
    pub fn teller(&self) -> impl Fn(String, Option<f32>) + Send + Sync + 'static {
        let reports = self.reports.clone();
        move |phase, fraction| {
            reports.send(JobReport::Progress {
                phase,
                fraction,
                estimate: None,
            });
        }
    }

    /// Leases a testbed for this job: a clone where the host can make one, else a machine that boots.
    ///
    /// # Errors
    /// The host cannot run it, or it does not boot.
    pub async fn testbed(&self, image: &BootImage, session: Session) -> Result<Testbed, StepFailure> {
        let spec = TestbedSpec {
            image,
            session,
            label: &self.label(),
            priority: self.priority(),
            pulse: Some(&self.pulse),
            findings: Some(&self.findings),
        };
        Testbed::lease(&self.workshop, spec, &self.log, &self.leases).await
    }

    /// Whether the host's other programs go before this job's machines.
    pub(super) fn priority(&self) -> Priority {
        match self.order.ticket.options.priority {
            preflight_core::Priority::Background => Priority::Background,
            preflight_core::Priority::Normal | preflight_core::Priority::Interactive => Priority::Interactive,
        }
    }

    /// Whether this attempt has kept no testbed yet; it has from now on.
    pub(super) fn may_keep(&self) -> bool {
        !self.has_kept.swap(true, Ordering::Relaxed)
    }

    /// Who a machine works for, for people who look at the hypervisor.
    pub(super) fn label(&self) -> String {
        let order = &self.order;
        format!(
            "ticket {} job {} ({}) attempt {}",
            order.ticket.id, order.job, order.kind, order.attempt
        )
    }

    /// Takes down every testbed of this job, and all that is left of it; what was released before is gone then, too.
    pub async fn clear(&self) {
        self.leases.clear(self.workshop.connected().as_ref()).await;
        self.releasing.close();
        self.releasing.wait().await;
        self.releasing.reopen();
    }

    /// Takes a testbed down while the job goes on.
    pub(super) fn release(&self, machine: Launched) {
        let id = machine.id.clone();
        drop(machine);
        self.release_remains(&id);
    }

    /// Takes down, in the background, a machine that nobody talks to any more.
    pub(super) fn release_remains(&self, machine: &MachineId) {
        if let Some(remains) = self.leases.take(machine) {
            let hypervisor = self.workshop.connected();
            self.releasing
                .spawn(async move { remains.clear(hypervisor.as_ref()).await });
        }
    }

    /// A session with the archive for a testbed of this job, whose fetches are shown as the job's progress.
    ///
    /// # Errors
    /// The archive's folder cannot be used.
    pub fn session(&self, image: &BootImage, repository: Option<&Path>) -> Result<Session, StepFailure> {
        let reports = self.reports.clone();
        let progress = move |fetch: Progress| {
            if !fetch.finished {
                reports.send(JobReport::Progress {
                    phase: words_of(&fetch),
                    fraction: None,
                    estimate: None,
                });
            }
        };
        let options = &self.order.ticket.options;
        let replay = self.replay.as_ref().map(|replay| replay.lock.clone());
        let others = self.order.folder.repositories();
        let repositories = Repositories {
            own: repository,
            others: Some(&others),
        };
        self.workshop
            .session_by(&image.base, options, repositories, Arc::new(progress), replay)
    }

    /// Adds what a session has fetched to the job's lock, and reports the lock. The ticket's own repository is left out:
    /// what it holds is named by the ticket's artifacts.
    pub fn lock(&self, session: &Session) {
        self.lock_also(session.lock());
    }

    /// Adds what was fetched for a layer that the job starts from, and says what of it came from a pocket or a PPA.
    pub fn lock_also(&self, fetched: Lock) {
        let sources = &self.order.ticket.options.sources;
        let (lock, lines) = {
            let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            let new = fetched.entries().filter(|entry| lock.get(&entry.url).is_none());
            let lines = origins::lines(sources, new);
            *lock = std::mem::take(&mut *lock).merged(fetched.from_archives());
            (lock.clone(), lines)
        };
        for line in lines {
            self.log.say(&line);
        }
        let entry = |entry: &preflight_archive::LockEntry| LockEntry {
            url: entry.url.to_string(),
            sha256: Sha256(*entry.sha256.as_bytes()),
            size: entry.size,
            origin: entry.origin.as_ref().map(ToString::to_string),
        };
        self.report(JobReport::Lock(lock.entries().map(entry).collect()));
    }

    /// All that this job has fetched so far.
    #[must_use]
    pub fn fetched(&self) -> Lock {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What its testbeds have tried to reach, and were refused.
    #[must_use]
    pub fn findings(&self) -> &FindingBook {
        &self.findings
    }

    /// Reports what was found.
    pub(crate) fn report_findings(&self, findings: Vec<Finding>) {
        for finding in findings {
            self.report(JobReport::Finding(Box::new(finding)));
        }
    }

    /// The subticket that this job works on.
    ///
    /// # Errors
    /// It has none: a job of another kind was ordered.
    pub fn subticket(&self) -> Result<&Subticket, StepFailure> {
        let subticket = self.order.subticket.and_then(|id| self.order.ticket.subticket(id));
        subticket.ok_or_else(|| StepFailure::Testbed("the job has no subticket".to_owned()))
    }

    /// Where the subticket's staged files are.
    ///
    /// # Errors
    /// The job has no subticket.
    pub fn staged(&self) -> Result<PathBuf, StepFailure> {
        Ok(self.order.folder.root().join(&self.subticket()?.staged))
    }

    /// The name of this attempt's log.
    #[must_use]
    pub fn log_name(&self) -> LogName {
        LogName(
            self.order
                .log
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        )
    }

    /// A line of this attempt's log as what went wrong first.
    #[must_use]
    pub fn first_error(&self, line: u64, text: impl Into<String>) -> FirstError {
        FirstError {
            log: self.log_name(),
            line,
            text: text.into(),
        }
    }

    /// How long a build may take.
    #[must_use]
    pub fn build_limit(&self) -> Duration {
        match self.order.ticket.options.build_timeout {
            // What the owner says is meant as it is said.
            Some(limit) => limit,
            None => self.workshop.limit(|limits| limits.build),
        }
    }
}

fn words_of(fetch: &Progress) -> String {
    let name = fetch.url.rsplit('/').next().unwrap_or(&fetch.url);
    match fetch.total.filter(|total| *total > 0) {
        Some(total) => format!("fetching {name} ({} %)", fetch.bytes.saturating_mul(100) / total),
        None => format!("fetching {name} ({} KiB)", fetch.bytes >> 10),
    }
}
