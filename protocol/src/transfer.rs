//! Tickets that go to another machine and come from one, each in one file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, TicketId};

/// Write an ended ticket with all its evidence to one file, which another machine can import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketExport {
    /// The ticket.
    pub ticket: TicketId,
    /// The file's absolute path; one that is there is replaced.
    pub file: PathBuf,
    /// Put in all that the ticket's jobs have fetched, for a machine without a network.
    #[serde(default)]
    pub with_packages: bool,
}

/// The file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketExported {
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// How many files of the ticket it carries.
    pub files: u64,
    /// How many packages, indices and release files of the archive it carries.
    pub objects: u64,
    /// What is not in it, and why: what was freed before, say.
    pub left_out: Vec<String>,
}

/// Take over a ticket from a file that `ticket/export` wrote. All of it is taken, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketImport {
    /// The file's absolute path.
    pub file: PathBuf,
}

/// The ticket that came of it; it has ended, and does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketImported {
    /// Its number here.
    pub ticket: TicketId,
    /// Where it comes from.
    pub origin: Origin,
    /// How many packages, indices and release files of the archive came with it.
    pub objects: u64,
}

/// Where an imported ticket comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The name of the host that it was run on.
    pub host: String,
    /// The number that it has there.
    pub ticket: TicketId,
    /// When it was exported.
    pub exported_at: Moment,
}
