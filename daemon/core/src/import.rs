//! A ticket that was not run here: what it was, and where it comes from. Plain data.

use crate::ids::{JobId, Moment, TicketId};
use crate::replay::LockHead;
use crate::result::LockEntry;
use crate::ticket::Ticket;

/// Where an imported ticket comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A ticket of another machine.
    Ticket(TicketOrigin),
    /// Results of tests that others have run.
    Results(ResultsOrigin),
}

/// The machine that a ticket was run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketOrigin {
    /// The name of the host that it was run on.
    pub host: String,
    /// The number that it has there.
    pub ticket: TicketId,
    /// When it was exported.
    pub exported_at: Moment,
}

/// The results that a ticket was made of. It has neither packages nor an image: there is nothing of it to be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsOrigin {
    /// The folder, file or URL.
    pub place: String,
    /// The format's name.
    pub format: String,
    /// When they were imported.
    pub imported_at: Moment,
}

/// A ticket that is to be taken over. It has ended, and does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTicket {
    /// The ticket with the numbers that it has where it comes from; its artifacts' paths are of here.
    pub ticket: Ticket,
    /// Where it comes from.
    pub origin: Origin,
    /// What its jobs' newest attempts have fetched, by the numbers of there.
    pub locks: Vec<(JobId, Vec<LockEntry>)>,
    /// What those locks say beside, by the numbers of there.
    pub heads: Vec<(JobId, LockHead)>,
}
