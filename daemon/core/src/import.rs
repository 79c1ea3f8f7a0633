//! A ticket that comes from another machine: what it was there, and where that was. Plain data.

use crate::ids::{JobId, Moment, TicketId};
use crate::replay::LockHead;
use crate::result::LockEntry;
use crate::ticket::Ticket;

/// Where an imported ticket comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The name of the host that it was run on.
    pub host: String,
    /// The number that it has there.
    pub ticket: TicketId,
    /// When it was exported.
    pub exported_at: Moment,
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
