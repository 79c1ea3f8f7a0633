//! What can be asked of the state: by owners, by executors, by the daemon's own start and timers. Plain data.

use std::path::PathBuf;

use crate::finding::Finding;
use crate::ids::{Attempt, ImageId, JobId, Series, TicketId};
use crate::image::ImageRecord;
use crate::import::ImportedTicket;
use crate::job::{Ending, JobState};
use crate::pool::{PoolCommand, PoolRefusal};
use crate::ppa::{PpaCommand, PpaRefusal};
use crate::promotion::{LinkCommand, LinkRefusal};
use crate::replay::LockHead;
use crate::result::{Artifact, LockEntry, TestResult};
use crate::ticket::{Options, Signature, TicketFiles, TicketStatus};

/// A source package upload of a ticket that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubticket {
    /// The source package's name.
    pub source: String,
    /// The source package's version.
    pub version: String,
    /// Where it was submitted from.
    pub origin: PathBuf,
    /// Its signature.
    pub signature: Signature,
    /// Where its files were put, relative to the ticket's folder.
    pub staged: PathBuf,
    /// Whether a job must make a source package of it first.
    pub needs_source_package: bool,
    /// Places of the subtickets that are built before this one; each is less than its own place.
    pub build_after: Vec<usize>,
}

/// What a ticket does before its sources are built, or, where it has none, all that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Preparation {
    /// Makes the series' base images.
    BaseImage,
    /// Takes a snapshot of the series' archive.
    Snapshot,
    /// Fetches what will be needed without a network, after the series' base images were made where they are missing.
    Prefetch,
}

/// A ticket that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// Its title.
    pub title: String,
    /// What the change is about.
    pub description: String,
    /// The bug that it fixes.
    pub bug: Option<String>,
    /// Who makes it.
    pub owner: String,
    /// The series that it is checked on.
    pub series: Series,
    /// How its jobs are to be done.
    pub options: Options,
    /// Its sources in the order in which they are built; none for one that just prepares something.
    pub subtickets: Vec<NewSubticket>,
    /// What is done first, or alone.
    pub preparation: Option<Preparation>,
    /// Make it, but do not queue it.
    pub wait: bool,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// A change of a ticket's own fields. What is missing stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// The new title.
    pub title: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new bug.
    pub bug: Option<String>,
    /// The new owner.
    pub owner: Option<String>,
    /// Whether it is kept.
    pub kept: Option<bool>,
}

/// Which tests of a ticket are run without the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaselineTests {
    /// Those that have failed.
    Failed,
    /// All that were run.
    All,
    /// These: `SOURCE/TEST` or `TEST`.
    Named(Vec<String>),
}

/// What an executor says of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A test ended.
    Test(TestResult),
    /// Something was found.
    Finding(Box<Finding>),
    /// A file was made.
    Artifact(Artifact),
    /// All that it fetched.
    Lock(Vec<LockEntry>),
    /// What its testbeds start from, and what it is done for.
    LockHead(Box<LockHead>),
    /// A warning for the owner.
    Warning(String),
    /// An image was made.
    Image(ImageRecord),
    /// The attempt's failed testbed is kept frozen in the ticket's folder.
    Kept {
        /// What it takes on disk.
        bytes: u64,
    },
    /// The attempt has ended.
    Finished(Ending),
}

/// What is asked of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make a ticket.
    Create(Box<NewTicket>),
    /// Take over a ticket that has ended on another machine.
    Import(Box<ImportedTicket>),
    /// Change a ticket's own fields, and put a waiting one in the queue.
    Update {
        /// The ticket.
        ticket: TicketId,
        /// What changes.
        edit: Edit,
        /// Whether to queue it.
        queue: bool,
    },
    /// End a ticket.
    Cancel {
        /// The ticket.
        ticket: TicketId,
    },
    /// Start the next attempt of a queued job whose needs are met.
    Start {
        /// The job.
        job: JobId,
    },
    /// What an executor says of a job's attempt.
    Report {
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// What it says.
        report: Report,
    },
    /// Take note that the daemon that ran this job is gone.
    Interrupt {
        /// The job.
        job: JobId,
        /// One line for the attempt's record.
        reason: String,
    },
    /// Run one test once more, on the ticket's image.
    Rerun {
        /// The ticket.
        ticket: TicketId,
        /// `SOURCE/TEST`, or `TEST` where that can be of one source only.
        test: String,
        /// Whether files of the owner's take the place of the ticket's.
        staged: bool,
    },
    /// Run tests without the change, as far as that was not done.
    Baseline {
        /// The ticket.
        ticket: TicketId,
        /// Which tests.
        tests: BaselineTests,
    },
    /// Forget an ended ticket and all that belongs to it.
    Remove {
        /// The ticket.
        ticket: TicketId,
    },
    /// Take note that a failed attempt's testbed is no longer kept.
    ForgetKept {
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Take note that files of an ended ticket were freed.
    ForgetFiles {
        /// The ticket.
        ticket: TicketId,
        /// Which.
        files: TicketFiles,
    },
    /// Move a link, forward or back.
    Link(LinkCommand),
    /// Change the PPA pool.
    Pool(PoolCommand),
    /// Change the list of PPAs.
    Ppa(PpaCommand),
    /// Take note of an image that was removed.
    ForgetImage {
        /// The image.
        id: ImageId,
    },
}

/// Why a command is refused. The state stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such ticket.
    #[error("there is no ticket {0}")]
    NoTicket(TicketId),
    /// No such job.
    #[error("there is no job {0}")]
    NoJob(JobId),
    /// The ticket has neither sources nor anything to prepare.
    #[error("a ticket needs at least one source")]
    NothingToDo,
    /// A subticket is to be built after one that does not come before it.
    #[error("source {place} is to be built after source {after}, which does not come before it")]
    BadOrder {
        /// The subticket's place.
        place: usize,
        /// The place that it names.
        after: usize,
    },
    /// The ticket has ended.
    #[error("ticket {0} has ended")]
    Ended(TicketId),
    /// The ticket has not ended, or a rerun or a cancelled attempt of it has not.
    #[error("ticket {0} still runs")]
    Active(TicketId),
    /// The owner wants the ticket kept.
    #[error("ticket {0} is kept")]
    Kept(TicketId),
    /// There is no image of the ticket to run a test on.
    #[error("ticket {0} has no image: it was not made, or it has been removed")]
    NoImage(TicketId),
    /// The ticket is of results that others have.
    #[error(
        "ticket {0} was made of results that others have: there is neither a package nor an image to run anything on"
    )]
    OnlyResults(TicketId),
    /// Its sources, which a test runs in, were freed.
    #[error("the sources of ticket {0} were freed")]
    NoSources(TicketId),
    /// The ticket's tests ran without the change: there is none.
    #[error("ticket {0} builds nothing: its tests run with the archive's packages as it is")]
    NothingBuilt(TicketId),
    /// The ticket has no source of which such a test can be.
    #[error("ticket {0} has no test {1}")]
    NoTest(TicketId, String),
    /// Several sources of the ticket have such a test.
    #[error("several sources of ticket {ticket} have a test {test}: {sources}", sources = .sources.join(", "))]
    Ambiguous {
        /// The ticket.
        ticket: TicketId,
        /// The test.
        test: String,
        /// The sources that have one.
        sources: Vec<String>,
    },
    /// The attempt has no testbed that is kept.
    #[error("no testbed of attempt {1} of job {0} is kept")]
    NotKept(JobId, Attempt),
    /// The ticket is queued already.
    #[error("ticket {0} is not waiting: it is {status}", status = match .1 {
        TicketStatus::Waiting => "waiting",
        TicketStatus::Queued => "queued",
        TicketStatus::Running => "running",
        TicketStatus::Complete => "complete",
        TicketStatus::Failed => "failed",
        TicketStatus::Cancelled => "cancelled",
    })]
    NotWaiting(TicketId, TicketStatus),
    /// The job cannot start: it is not queued, its ticket is not in the queue, or a job that it needs has not passed.
    #[error("job {0} cannot start: it is {1:?}, or what it needs has not passed")]
    NotReady(JobId, JobState),
    /// The report is of an attempt that is not the one that runs.
    #[error("attempt {1} of job {0} does not run")]
    Stale(JobId, Attempt),
    /// An open ticket uses the image.
    #[error("image {0} is used by ticket {1}")]
    InUse(ImageId, TicketId),
    /// Another image is an overlay of it.
    #[error("image {0} is what image {1} was made from")]
    HasChild(ImageId, ImageId),
    /// A link stays where it is, or is in the way.
    #[error(transparent)]
    Link(#[from] LinkRefusal),
    /// The PPA pool stays as it is.
    #[error(transparent)]
    Pool(#[from] PoolRefusal),
    /// The list of PPAs stays as it is.
    #[error(transparent)]
    Ppa(#[from] PpaRefusal),
    /// There is more of it than one ticket may have.
    #[error("job {0} has reported more than {1} {2}")]
    TooMany(JobId, usize, &'static str),
}
