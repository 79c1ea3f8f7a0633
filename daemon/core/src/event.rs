//! What has happened: the only way in which the state changes. Each event is about one ticket or one image and is
//! complete in itself, so that a store can write it without knowing the state before.

use crate::command::Edit;
use crate::finding::FindingRecord;
use crate::ids::{Attempt, ImageId, JobId, LogName, Moment, Series, TicketId};
use crate::image::ImageRecord;
use crate::job::{Ending, Job};
use crate::pool::PoolRepository;
use crate::ppa::{PpaName, PpaRecord, PpaState};
use crate::promotion::LinkMove;
use crate::replay::LockHead;
use crate::result::{ArtifactRecord, LockEntry, TestRecord};
use crate::ticket::{Ticket, TicketEnd, TicketFiles, TicketStatus, WorkflowStep};

/// A state change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A ticket was made, with its subtickets and jobs.
    TicketCreated(Box<Ticket>),
    /// A ticket was taken over from another machine, where it has ended; what its jobs have fetched is told apart.
    TicketImported(Box<Ticket>),
    /// A ticket's own fields changed.
    TicketEdited {
        /// The ticket.
        ticket: TicketId,
        /// What changed.
        edit: Edit,
    },
    /// A waiting ticket was put in the queue.
    TicketQueued {
        /// The ticket.
        ticket: TicketId,
        /// When.
        at: Moment,
    },
    /// A ticket's place in the queue changed.
    QueuePlaced {
        /// The ticket.
        ticket: TicketId,
        /// Its new place, counted from 1.
        position: u32,
    },
    /// A ticket runs, at this step.
    TicketAdvanced {
        /// The ticket.
        ticket: TicketId,
        /// The step.
        step: WorkflowStep,
        /// When.
        at: Moment,
    },
    /// A ticket ended.
    TicketEnded {
        /// The ticket.
        ticket: TicketId,
        /// Complete, failed or cancelled.
        status: TicketStatus,
        /// How.
        end: TicketEnd,
    },
    /// An attempt of a job started.
    JobStarted {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// Its log.
        log: LogName,
        /// When.
        at: Moment,
    },
    /// A job was added to a ticket: a rerun.
    JobAdded(Box<Job>),
    /// An attempt ended, and with it the job, unless that was cancelled before or is tried once more.
    AttemptEnded {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// How.
        ending: Ending,
        /// Whether the job goes back into the queue for another attempt.
        retry: bool,
        /// When.
        at: Moment,
    },
    /// An attempt ended with its daemon; the job waits for its next attempt, unless it was cancelled before.
    AttemptInterrupted {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// What interrupted it.
        reason: String,
        /// When that was noticed.
        at: Moment,
    },
    /// An attempt's failed testbed is kept.
    TestbedKept {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// What it takes on disk.
        bytes: u64,
    },
    /// An attempt's failed testbed is no longer kept; its files are to be removed.
    TestbedForgotten {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// A job will not run.
    JobSkipped {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// A job was cancelled, be it queued or running.
    JobCancelled {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
    },
    /// A test ended.
    TestRecorded {
        /// The ticket.
        ticket: TicketId,
        /// The result and where it comes from.
        test: TestRecord,
    },
    /// Something was found.
    FindingRecorded {
        /// The ticket.
        ticket: TicketId,
        /// The finding and where it comes from.
        finding: Box<FindingRecord>,
    },
    /// A file was stored.
    ArtifactStored {
        /// The ticket.
        ticket: TicketId,
        /// The file and where it comes from. It takes the place of one of the same name.
        artifact: ArtifactRecord,
    },
    /// What an attempt has fetched; it takes the place of what was recorded for the attempt before.
    LockRecorded {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// The entries, sorted, none twice.
        entries: Vec<LockEntry>,
    },
    /// What an attempt's lock says beside the files; it takes the place of what was recorded for the attempt before.
    LockHeadRecorded {
        /// The ticket.
        ticket: TicketId,
        /// The job.
        job: JobId,
        /// Which run of it.
        attempt: Attempt,
        /// What it says.
        head: Box<LockHead>,
    },
    /// A warning for the owner.
    WarningRaised {
        /// The ticket.
        ticket: TicketId,
        /// The warning.
        text: String,
    },
    /// An image was made. One of the kind `Ticket` is from now on its ticket's.
    ImageAdded {
        /// The ticket whose job made it.
        ticket: TicketId,
        /// The image.
        image: ImageRecord,
    },
    /// A ticket was removed, with all that belongs to it; its numbers are never used again.
    TicketRemoved {
        /// The ticket.
        ticket: TicketId,
    },
    /// Files of an ended ticket were freed.
    FilesForgotten {
        /// The ticket.
        ticket: TicketId,
        /// Which.
        files: TicketFiles,
    },
    /// A link was moved.
    LinkMoved(LinkMove),
    /// A repository of the PPA pool was added, or stands elsewhere now.
    PoolChanged(PoolRepository),
    /// A PPA was added, with its first state.
    PpaAdded(Box<PpaRecord>),
    /// A PPA's newest state for a series is this one now.
    PpaRefreshed {
        /// Which.
        name: PpaName,
        /// For which series.
        series: Series,
        /// The state.
        state: PpaState,
    },
    /// A PPA was removed; tickets keep what they have of it.
    PpaRemoved {
        /// Which.
        name: PpaName,
    },
    /// An image was removed.
    ImageRemoved {
        /// The image.
        id: ImageId,
    },
}

impl Event {
    /// The ticket that it is about.
    #[must_use]
    pub fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::TicketCreated(ticket) | Self::TicketImported(ticket) => Some(ticket.id),
            Self::JobAdded(job) => Some(job.ticket),
            Self::TicketEdited { ticket, .. }
            | Self::TicketQueued { ticket, .. }
            | Self::QueuePlaced { ticket, .. }
            | Self::TicketAdvanced { ticket, .. }
            | Self::TicketEnded { ticket, .. }
            | Self::JobStarted { ticket, .. }
            | Self::AttemptEnded { ticket, .. }
            | Self::AttemptInterrupted { ticket, .. }
            | Self::TestbedKept { ticket, .. }
            | Self::TestbedForgotten { ticket, .. }
            | Self::FilesForgotten { ticket, .. }
            | Self::TicketRemoved { ticket }
            | Self::JobSkipped { ticket, .. }
            | Self::JobCancelled { ticket, .. }
            | Self::TestRecorded { ticket, .. }
            | Self::FindingRecorded { ticket, .. }
            | Self::ArtifactStored { ticket, .. }
            | Self::LockRecorded { ticket, .. }
            | Self::LockHeadRecorded { ticket, .. }
            | Self::WarningRaised { ticket, .. }
            | Self::ImageAdded { ticket, .. } => Some(*ticket),
            Self::LinkMoved(_)
            | Self::PoolChanged(_)
            | Self::PpaAdded(_)
            | Self::PpaRefreshed { .. }
            | Self::PpaRemoved { .. }
            | Self::ImageRemoved { .. } => None,
        }
    }
}
