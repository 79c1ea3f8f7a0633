//! A ticket: one change, its subtickets and jobs, and where it stands in the workflow. Plain data.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::exit::ExitCode;
use crate::finding::FindingRecord;
use crate::ids::{ImageId, JobId, Moment, Series, SubticketId, TicketId};
use crate::image::ImageRebuild;
use crate::import::Origin;
use crate::job::Job;
use crate::replay::ReplayOf;
use crate::result::{ArtifactRecord, Outcome, TestRecord};
use crate::sources::PackageSources;
use crate::test_options::TestOptions;

/// Where a ticket stands; the numbers are the Ubuntu CI Engine's. In order: a ticket never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkflowStep {
    /// 100
    Queued,
    /// 200
    PackageBuilding,
    /// 300
    ImageBuilding,
    /// 400
    ImageTesting,
    /// 500
    PackagePublishing,
    /// 999
    Failed,
    /// 1000
    Complete,
}

/// What is happening to a ticket now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TicketStatus {
    /// Made, but not to be queued until its owner says so.
    Waiting,
    /// In the queue.
    Queued,
    /// One of its jobs has started.
    Running,
    /// Ended at step 1000.
    Complete,
    /// Ended at step 999.
    Failed,
    /// Ended by its owner.
    Cancelled,
}

impl TicketStatus {
    /// Whether nothing more will happen to the ticket by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }
}

/// How a source package's signature was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// There is none, or the policy is to ignore it.
    None,
    /// Made by a key of a configured keyring.
    Good {
        /// The key's user ID.
        signer: String,
        /// The key's fingerprint in upper-case hexadecimal digits.
        fingerprint: String,
    },
    /// There is one, but not by a known key, or it does not verify.
    Unverified {
        /// Why it could not be verified.
        reason: String,
    },
}

/// One source package upload of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subticket {
    /// Its number.
    pub id: SubticketId,
    /// The source package's name.
    pub source: String,
    /// The source package's version.
    pub version: String,
    /// Where it was submitted from: a folder, a `.dsc` or a `.changes`.
    pub origin: PathBuf,
    /// Its signature.
    pub signature: Signature,
    /// Where its files were put, relative to the ticket's folder.
    pub staged: PathBuf,
    /// Whether a job must make a source package of it first: it was submitted as a folder.
    pub needs_source_package: bool,
}

/// Whether testbeds of failed attempts are kept, frozen as the failure left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum KeepFailed {
    /// None.
    Never,
    /// That of the ticket's newest failure; an older one is freed for it.
    #[default]
    Newest,
    /// All, as far as the disk budget goes.
    Always,
}

/// Whose jobs go first. In order: what is less comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Somebody waits for it before a screen.
    Interactive,
    /// Any ticket.
    #[default]
    Normal,
    /// When nothing else is to be done.
    Background,
}

/// How a ticket's jobs are to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Packages that the image gets besides the ticket's own.
    pub add_packages: Vec<String>,
    /// Packages that are removed from the image.
    pub remove_packages: Vec<String>,
    /// Where packages come from beside the ticket's own.
    pub sources: PackageSources,
    /// The image that is made though there are no sources, where one is.
    pub rebuild: Option<ImageRebuild>,
    /// Refuse to fetch anything from the network.
    pub offline: bool,
    /// After how long one test is ended, where the owner said so.
    pub test_timeout: Option<Duration>,
    /// After how long a build is ended, where the owner said so.
    pub build_timeout: Option<Duration>,
    /// Run a source's other tests to their end though its health test has failed.
    pub keep_going: bool,
    /// Whether testbeds of failed attempts are kept.
    pub keep_failed: KeepFailed,
    /// Whose jobs go first.
    pub priority: Priority,
    /// How many repositories of the PPA pool it holds while it runs; it waits for them in the queue.
    pub pool_repositories: u8,
    /// How its tests are run.
    pub tests: TestOptions,
    /// What is run again, from its locks alone.
    pub replay_of: Option<ReplayOf>,
}

/// How a ticket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketEnd {
    /// How.
    pub outcome: Outcome,
    /// autopkgtest's exit code, OR-ed over the sources.
    pub exit_code: ExitCode,
    /// One line that says why it failed.
    pub reason: Option<String>,
    /// When.
    pub at: Moment,
}

/// Files of an ended ticket that can be had again by checking once more, and go when the disk's budget wants their room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TicketFiles {
    /// What its builds have made, and its repository.
    Artifacts,
    /// Its sources as they were submitted, and unpacked.
    Sources,
}

/// A ticket with all that belongs to it, locks excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its number.
    pub id: TicketId,
    /// Its title.
    pub title: String,
    /// What the change is about.
    pub description: String,
    /// The bug that it fixes, as the owner wrote it.
    pub bug: Option<String>,
    /// Who made it.
    pub owner: String,
    /// The series that it is checked on.
    pub series: Series,
    /// How its jobs are to be done.
    pub options: Options,
    /// Where it stands.
    pub step: WorkflowStep,
    /// What is happening to it.
    pub status: TicketStatus,
    /// Whether its owner wants it kept: its evidence is freed last.
    pub kept: bool,
    /// When it was made.
    pub created_at: Moment,
    /// When it was put in the queue; the queue is in this order.
    pub queued_at: Option<Moment>,
    /// Its place in the queue, counted from 1, while queued.
    pub queue_position: Option<u32>,
    /// When its first job started.
    pub started_at: Option<Moment>,
    /// How and when it ended.
    pub end: Option<TicketEnd>,
    /// Its source packages.
    pub subtickets: Vec<Subticket>,
    /// Its jobs in the order in which they run.
    pub jobs: Vec<Job>,
    /// The results of its jobs' newest attempts, in the order of jobs, then as they were reported.
    pub tests: Vec<TestRecord>,
    /// What its jobs' newest attempts have revealed besides their outcomes, in the order of jobs, then as it was reported.
    pub findings: Vec<FindingRecord>,
    /// What its jobs' newest attempts have made.
    pub artifacts: Vec<ArtifactRecord>,
    /// Which of its files were freed.
    pub gone: BTreeSet<TicketFiles>,
    /// The image that its tests run on.
    pub image: Option<ImageId>,
    /// Warnings for the owner.
    pub warnings: Vec<String>,
    /// The machine that it was run on, where that is another one.
    pub origin: Option<Origin>,
}

impl Ticket {
    /// One of its jobs.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// Whether something is still to be done for it, be it only a rerun or the winding down of a cancelled attempt.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.status.is_final() || self.jobs.iter().any(|job| !job.state.is_final() || job.is_open())
    }

    /// Whether it was made of results that others have: nothing of it can be run here.
    #[must_use]
    pub fn is_of_results(&self) -> bool {
        matches!(self.origin, Some(Origin::Results(_)))
    }

    /// One of its subtickets.
    #[must_use]
    pub fn subticket(&self, id: SubticketId) -> Option<&Subticket> {
        self.subtickets.iter().find(|subticket| subticket.id == id)
    }
}
