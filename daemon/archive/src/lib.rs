//! Where packages come from: a content-addressed store, verified fetching from mirrors, archive states, and the
//! sessions through which guests that have no network are served; and the signed ticket repository.
//!
//! Nothing that was not verified against a signed release file is ever served. Guests speak plain http in proxy form
//! to a [`Session`]; the daemon speaks TLS to the world. This crate knows nothing of tickets, machines or the channel
//! into a guest: it is handed byte streams.

mod apt;
mod archive;
mod content;
mod error;
mod fetch;
mod file_table;
mod holdings;
mod index_text;
mod lock;
mod loopback;
mod obtain;
mod partial;
mod places;
mod ppa;
mod release;
mod resolve;
mod serve;
mod session;
mod signing;
mod snapshot;
mod state;
mod suite;
mod ticket_repository;
mod url;

pub use apt::{apt_configuration, mounted_preferences, mounted_source, ticket_preferences, ticket_source};
pub use archive::{Archive, ArchiveConfig, ValidUntil};
pub use content::{ContentStore, Object};
pub use error::{ArchiveError, Refusal, RefusalKind};
pub use fetch::{HttpTimeouts, Progress, ProgressCallback};
pub use lock::{Lock, LockEntry, LockKind};
pub use loopback::Loopback;
pub use places::{HostCache, Places, SnapshotService, TemplateError};
pub use ppa::{
    Credentials, CredentialsError, GivenCredentials, LaunchpadClient, LaunchpadConfig, LaunchpadError, LaunchpadName,
    LaunchpadSpec, NewPpa, PinError, PinPriority, PinnedPackage, PocketPins, Ppa, PpaArchive, PpaFieldError, PpaName,
    PpaPackage, PpaRefusal, PpaRefusalKind, PpaSpec, PpaSpecError, PpaState, PpaUri, PublicKeys, Secret, SecretStore,
    SpecOptions, SuiteLabels, SuiteTemplate, pocket_preferences, ppa_preferences,
};
pub use session::{MOUNTED_HOST, Mirror, Network, Session, SessionOptions, TICKET_HOST, TicketMount, Transferred};
pub use signing::SigningKey;
pub use snapshot::{
    Change, FileRole, KeptSnapshots, PackageChange, Snapshot, SnapshotDiff, SnapshotError, SnapshotFile, SnapshotName,
    SnapshotNameError, SnapshotPackage, SnapshotProgress, SnapshotProgressCallback, SnapshotRequest, SnapshotSuite,
    SuiteSpec, TakenSnapshot,
};
pub use state::ArchiveStateId;
pub use ticket_repository::{
    Exported, GenerationId, HistoryEntry, PackageChanges, Publication, Published, RepositoryLabels, RepositoryPackage,
    RepositoryWriter, TicketRepository, VersionChange,
};
pub use url::{CanonicalUrl, UrlError};
