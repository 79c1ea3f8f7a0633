//! What a ticket is and how it goes on: plain data and pure functions. No I/O, no clock, no serialization.

mod command;
mod exit;
mod ids;
mod image;
mod job;
mod result;
mod ticket;

pub use command::{Command, Edit, NewSubticket, NewTicket, Refusal, Report};
pub use exit::ExitCode;
pub use ids::{Attempt, ImageId, JobId, LogName, Moment, Sequence, Series, Sha256, Sha256Error, SubticketId, TicketId};
pub use image::{ImageKind, ImageRecord};
pub use job::{AttemptRecord, Ending, FirstError, Job, JobKind, JobState};
pub use result::{Artifact, ArtifactRecord, LockEntry, Outcome, TestRecord, TestResult, TestStatus};
pub use ticket::{Options, Signature, Subticket, Ticket, TicketEnd, TicketStatus, WorkflowStep};
