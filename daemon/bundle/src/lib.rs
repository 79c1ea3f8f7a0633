//! The file in which a ticket travels to another machine: a tar archive under zstd, `preflight.json` first, then every
//! file that it lists, in its order.
//!
//! [`Document`] is what `preflight.json` says; [`Writer`] writes a bundle and [`read`] reads one. A stranger's file is
//! hostile: it is bounded, holds nothing but regular files of names that are checked, and counts for nothing before its
//! last byte was read and every digest compared. This crate knows neither tickets nor where anything is stored.

mod check;
mod content;
mod digest;
mod document;
mod entry;
mod error;
mod finding;
mod name;
mod read;
mod test_options;
mod ticket;
mod write;

pub use document::{
    ArchiveState, BaseFacts, CarriedFile, Document, FORMAT, Image, ImageKind, Lock, LockEntry, LockHead, Origin, ROOT,
    SourceFile,
};
pub use error::BundleError;
pub use finding::{FilePlace, Finding, Found, Process, Protocol, Severity};
pub use name::{EntryName, NameError, Place};
pub use read::{Sink, read};
pub use test_options::{BaselinePolicy, InternetPolicy, TestOptions, TestTimeout};
pub use ticket::{
    Artifact, Attempt, End, FirstError, Job, JobKind, JobLabel, JobState, KeepFailed, Options, Outcome, PackageSources,
    Pocket, Ppa, Priority, Purpose, ReplayOf, Repository, Rerun, Signature, Snapshot, Status, Subticket, Suite, Test,
    TestStatus, Ticket,
};
pub use write::Writer;
