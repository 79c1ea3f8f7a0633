//! What a ticket is and how it goes on.
//!
//! [`decide`] turns a [`Command`] into [`Event`]s, [`State::apply`] turns events into the next [`State`], and
//! [`schedule::next`] says which job's turn it is. All of it is pure: no I/O, no clock, no serialization. Who stores
//! events, runs jobs and answers clients lives elsewhere and imports this crate; it imports nobody.

mod agreement;
mod command;
mod decide;
mod estimate;
mod event;
mod exit;
mod finding;
mod graph;
mod ids;
mod image;
mod import;
mod job;
mod log_finding;
pub mod pool;
pub mod ppa;
pub mod promotion;
mod replay;
mod result;
pub mod schedule;
mod sources;
mod state;
mod test_options;
mod text;
mod ticket;
mod verdict;

pub use agreement::{Agreement, Counts, Difference, End, JobLabel, Run, What, compare};
pub use command::{BaselineTests, Command, Edit, NewSubticket, NewTicket, Preparation, Refusal, Report};
pub use decide::decide;
pub use estimate::estimate;
pub use event::Event;
pub use exit::ExitCode;
pub use finding::{Finding, FindingKind, FindingRecord, GuestProcess, NetworkFinding, NetworkProtocol};
pub use ids::{Attempt, ImageId, JobId, LogName, Moment, Sequence, Series, Sha256, Sha256Error, SubticketId, TicketId};
pub use image::{ImageKind, ImageName, ImageNameError, ImageRebuild, ImageRecord};
pub use import::{ImportedTicket, Origin, ResultsOrigin, TicketOrigin};
pub use job::{AttemptRecord, Ending, FirstError, Job, JobKind, JobState, Purpose, Rerun};
pub use log_finding::{FilePlace, LogFinding, Severity};
pub use replay::{LockHead, ReplayOf, SourceFile};
pub use result::{Artifact, ArtifactRecord, LockEntry, Outcome, TestRecord, TestResult, TestStatus};
pub use sources::{AptSuite, PackageSources, PinnedSnapshot, Pocket, PocketUse, PpaUse, RepositoryUse, UnknownPocket};
pub use state::{Numbers, State};
pub use test_options::{
    BadTestOption, BaselinePolicy, InternetPolicy, TestOptions, TestPattern, TestVariable, Trigger,
};
pub use ticket::{
    KeepFailed, Options, Priority, Signature, Subticket, Ticket, TicketEnd, TicketFiles, TicketStatus, WorkflowStep,
};
pub use verdict::{Baseline, Rate, Said, Verdict, Verdicts, judge};
