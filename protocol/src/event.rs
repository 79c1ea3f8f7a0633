//! What the daemon tells its subscribers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, JobId, Moment, Sequence, TicketId};
use crate::image::ImageInfo;
use crate::job::{Job, Progress};
use crate::log::LogName;
use crate::pool::PoolRepository;
use crate::ppa::Ppa;
use crate::promotion::LinkMove;
use crate::result::{Artifact, Finding, TestResult};
use crate::ticket::{Ticket, TicketSummary};

/// The notification method that carries an [`Envelope`].
pub const EVENT: &str = "event";
/// The notification method that carries a [`Beat`].
pub const BEAT: &str = "beat";
/// The notification method that tells a slow subscriber to subscribe again; its parameters are an [`crate::error::RpcError`].
pub const RESYNC: &str = "resync";

/// A state change, in the one sequence of all state changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Its place.
    pub seq: Sequence,
    /// When it happened.
    pub at: Moment,
    /// The ticket that it is about.
    pub ticket: Option<TicketId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Each kind carries the whole noun as it stands after the event, so that applying one is replacing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum EventKind {
    /// A ticket was made.
    TicketCreated(Box<Ticket>),
    /// A ticket was removed, with all that belongs to it.
    TicketRemoved {
        /// The ticket.
        id: TicketId,
    },
    /// A ticket's own fields changed: step, status, title, place in the queue …
    TicketChanged(Box<TicketSummary>),
    /// A job was made, started, or ended.
    JobChanged(Box<Job>),
    /// A test ended.
    TestRecorded(TestResult),
    /// Something was found.
    FindingRecorded(Box<Finding>),
    /// A file was stored.
    ArtifactStored(Artifact),
    /// A warning for the owner.
    WarningRaised {
        /// The warning.
        text: String,
    },
    /// An image was made.
    ImageAdded(ImageInfo),
    /// A link was moved.
    LinkMoved(LinkMove),
    /// A repository of the PPA pool was added, or stands elsewhere now.
    PoolChanged(PoolRepository),
    /// A PPA was added, or taken anew.
    PpaChanged(Box<Ppa>),
    /// A PPA was removed.
    PpaRemoved {
        /// Its name.
        name: String,
    },
    /// An image was removed.
    ImageRemoved {
        /// The image.
        id: ImageId,
    },
}

/// Unsequenced news of a running job: only the newest matters, and none is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beat {
    /// The ticket.
    pub ticket: TicketId,
    /// The job.
    pub job: JobId,
    /// What it is doing.
    pub progress: Option<Progress>,
    /// Its log.
    pub log: LogName,
    /// The log's length in bytes now.
    pub log_size: u64,
}
