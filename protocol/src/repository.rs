//! Ticket repositories: what a ticket has built, as a signed apt repository, in every state that it was in. A state is a
//! *generation*, named by the digest of its `Release`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, Sha256, TicketId};

/// The repositories of tickets, those of the newest tickets first. Tickets that have none are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryList {
    /// Only this ticket's.
    pub ticket: Option<TicketId>,
}

/// One state of a repository, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryShow {
    /// Which.
    pub state: RepositoryState,
}

/// How the packages of two states differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryDiff {
    /// The one that is compared with.
    pub from: RepositoryState,
    /// The one that is compared; of the same ticket or another.
    pub to: RepositoryState,
}

/// Write a state as a tree that any host's apt accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryExport {
    /// Which.
    pub state: RepositoryState,
    /// An absolute path: missing, empty, or an earlier export, whose readers are not disturbed.
    pub folder: PathBuf,
    /// The URL at which the tree will be served; the folder itself where it is missing.
    pub uri: Option<String>,
}

/// Names a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryState {
    /// The ticket.
    pub ticket: TicketId,
    /// The generation's digest, or as much of its beginning as is of no other; the current one where it is missing.
    pub generation: Option<String>,
    /// The repository of the PPA pool that is meant in the place of the ticket's own, such as `pool/07`: the ticket must
    /// hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

/// A ticket's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repository {
    /// The ticket.
    pub ticket: TicketId,
    /// The ticket's title.
    pub title: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// What was published, the newest first.
    pub generations: Vec<GenerationSummary>,
}

/// A state as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GenerationSummary {
    /// The digest of its `Release`.
    pub generation: Sha256,
    /// When it was published.
    pub published_at: Moment,
    /// Who published it, in words; empty where nobody knows any more.
    pub by: String,
    /// Whether it is the current one.
    pub current: bool,
    /// How many packages it holds.
    pub packages: u64,
    /// Their bytes.
    pub size: u64,
}

/// A state, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    /// The ticket.
    pub ticket: TicketId,
    /// What lists show.
    #[serde(flatten)]
    pub summary: GenerationSummary,
    /// Where its files are.
    pub folder: PathBuf,
    /// Its packages, sorted by name, version and architecture.
    pub contents: Vec<RepositoryPackage>,
}

/// A package of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryPackage {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The source package that it says it is of.
    pub source: String,
    /// Bytes of its file.
    pub size: u64,
    /// The digest of its file.
    pub sha256: Sha256,
    /// Where its file is, relative to the generation's folder.
    pub path: String,
}

/// How two states differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryChanges {
    /// The state that is compared with.
    pub from: GenerationName,
    /// The state that is compared.
    pub to: GenerationName,
    /// What `to` alone has.
    pub added: Vec<RepositoryPackage>,
    /// What `from` alone has.
    pub removed: Vec<RepositoryPackage>,
    /// What both have in different files.
    pub changed: Vec<ChangedPackage>,
    /// How many files both have.
    pub same: u64,
}

/// A state's full name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GenerationName {
    /// The ticket.
    pub ticket: TicketId,
    /// The digest of its `Release`.
    pub generation: Sha256,
}

/// A package that two states have in different files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedPackage {
    /// What became of it.
    pub change: VersionChange,
    /// As it was.
    pub from: RepositoryPackage,
    /// As it is.
    pub to: RepositoryPackage,
}

/// What became of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionChange {
    /// Its version rose.
    Upgraded,
    /// Its version fell.
    Downgraded,
    /// Its version is the same, its file is not.
    Rebuilt,
}

/// A tree that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedRepository {
    /// What it holds.
    pub state: GenerationName,
    /// The tree.
    pub folder: PathBuf,
    /// Where it says that it will be found.
    pub uri: String,
    /// apt's source in deb822 style, the key in it.
    pub sources: PathBuf,
    /// apt's preference for what is in the tree.
    pub preferences: PathBuf,
    /// The public key, armored.
    pub key: PathBuf,
    /// How many packages.
    pub packages: u64,
    /// Their bytes.
    pub size: u64,
}
