//! Where content of a known digest may be found: a package cache of the host's, the mirror, a snapshot service for what
//! the mirror no longer has. Whatever is found there is verified like everything else.

mod beside;
mod host_cache;
mod host_proxy;
mod place;
mod service;

pub(crate) use beside::KnownPlaces;
pub use beside::Places;
pub use host_cache::HostCache;
pub(crate) use host_cache::adopt;
pub(crate) use host_proxy::HostProxy;
pub(crate) use place::{Place, PlaceKind};
pub use service::{SnapshotService, TemplateError};
