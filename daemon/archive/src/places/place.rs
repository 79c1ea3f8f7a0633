//! One URL at which content may be found, and what its answers are worth.

use std::sync::Arc;

use super::host_proxy::HostProxy;

/// A URL to ask.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) kind: PlaceKind,
}

/// Whose answers they are.
#[derive(Debug, Clone)]
pub(crate) enum PlaceKind {
    /// A caching proxy of the host's, asked first and once: what it can't do, the mirror can.
    Cache(Arc<HostProxy>),
    /// The mirror: only where it does not have the content is anybody else asked.
    Mirror,
    /// A snapshot service, asked last.
    Service,
}

impl Place {
    pub(crate) fn mirror(url: String) -> Self {
        Self {
            url,
            kind: PlaceKind::Mirror,
        }
    }
}
