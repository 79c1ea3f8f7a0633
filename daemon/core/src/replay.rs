//! What a replay is of, and what a job's lock says beside the files that it names. Plain data; running one again is the
//! pipeline's matter, and saying whether two runs agree is that of [`crate::compare`].

use crate::agreement::JobLabel;
use crate::ids::{ImageId, Sha256, TicketId};

/// Which ticket a ticket runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayOf {
    /// That ticket. On another machine the number means nothing: see [`crate::Ticket::origin`].
    pub ticket: TicketId,
    /// The one job that is run again, where it is not all of them.
    pub job: Option<JobLabel>,
    /// In a ticket that is to be made: the kept image that a test job runs on when it is run again alone. It becomes the
    /// ticket's.
    pub image: Option<ImageId>,
}

/// A file of a source package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Its name, such as `hello_2.10-3.dsc`.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// What a job's lock says beside the files that were fetched: what its testbeds started from, and what it was done for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHead {
    /// The base image.
    pub base: ImageId,
    /// The archive state that the base image was made of, where that is known.
    pub archive_state: Option<Sha256>,
    /// The ticket's image on top of it, where the testbeds started from that.
    pub image: Option<ImageId>,
    /// The source package: its `.dsc`, then the files that this names.
    pub sources: Vec<SourceFile>,
}
