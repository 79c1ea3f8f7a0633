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
mod lock;
mod loopback;
mod release;
mod resolve;
mod serve;
mod session;
mod signing;
mod state;
mod suite;
mod ticket_repository;
mod url;

pub use apt::{apt_configuration, ticket_preferences, ticket_source};
pub use archive::{Archive, ArchiveConfig, ValidUntil};
pub use content::{ContentStore, Object};
pub use error::{ArchiveError, Refusal, RefusalKind};
pub use fetch::{HttpTimeouts, Progress, ProgressCallback};
pub use lock::{Lock, LockEntry, LockKind};
pub use loopback::Loopback;
pub use session::{Mirror, Network, Session, SessionOptions, TICKET_HOST, TicketMount, Transferred};
pub use signing::SigningKey;
pub use state::ArchiveStateId;
pub use ticket_repository::{RepositoryLabels, TicketRepository};
pub use url::{CanonicalUrl, UrlError};
