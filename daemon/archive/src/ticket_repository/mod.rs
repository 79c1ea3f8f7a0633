//! The ticket repository: a small signed apt repository of what a ticket has built, as files in a folder, with its
//! history. Each publishing makes a generation: written aside, journaled, and swapped in whole. A generation is never
//! changed and never removed, so that a reader sees one state or another and never a mixture.
//!
//! Layout: `current` is a symbolic link to `generation-<digest of Release>/` with `InRelease`, `Release`,
//! `Release.gpg`, `Packages{,.gz,.xz}`, `by-hash/SHA256/…`, `pool/<beginning of the digest>/*.deb` and `key.asc`; a flat
//! repository, so that apt's line is `deb [signed-by=KEY] http://ticket.preflight.invalid/PATH ./`. Beside the
//! generations lies the journal `history.jsonl`.

mod difference;
mod export;
mod generation;
mod history;
mod index;
mod publish;
mod repository;
mod share;

pub use difference::{PackageChanges, VersionChange};
pub use export::Exported;
pub use generation::{GenerationId, RepositoryPackage};
pub use history::HistoryEntry;
pub use publish::{Publication, Published, RepositoryLabels, RepositoryWriter};
pub use repository::TicketRepository;
