//! PPAs as clients add, refresh and remove them, and as tickets use them. Which there are is the state's matter, and changes
//! through the dispatcher alone; what is fetched, how it is judged and which secrets are kept is behind [`Ppas`].

mod credentials;
mod definition;
mod service;

use async_trait::async_trait;
use preflight_core::ppa::{PpaName, PpaRecord};
use preflight_core::{PpaUse, Series};
use preflight_protocol::error::RpcError;
use preflight_protocol::package_sources::AskedPpa;
use preflight_protocol::ppa::{PpaAdd, PpaRefreshed};

use crate::dispatcher::Handle;

pub(crate) use service::name;
pub use service::{ArchivePpas, PpaParts};

/// Which PPAs are taken anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refreshing {
    /// This one; all where it is missing.
    pub name: Option<PpaName>,
    /// For this series; for all that each was taken for where it is missing.
    pub series: Option<Series>,
}

/// The repositories that are added.
#[async_trait]
pub trait Ppas: Send + Sync {
    /// Called once, before anything is scheduled: `known` are those that there are. What an earlier daemon has left of others
    /// is removed.
    async fn begin(&self, known: &[PpaRecord]);

    /// Fetches and verifies what a request names, then adds it; answers with the names.
    ///
    /// # Errors
    /// One of them is refused, or is there already: none is added, and nothing of them is kept.
    async fn add(&self, handle: &Handle, series: &Series, request: PpaAdd) -> Result<Vec<PpaName>, RpcError>;

    /// Takes PPAs anew; of one that is refused the state that it had stays the newest.
    ///
    /// # Errors
    /// There is no such PPA, or nothing may be fetched.
    async fn refresh(&self, handle: &Handle, asked: Refreshing) -> Result<Vec<PpaRefreshed>, RpcError>;

    /// Removes a PPA and what was kept secret of it. Tickets keep what they have of it.
    ///
    /// # Errors
    /// There is none, or it is private and a ticket that is not done uses it.
    async fn remove(&self, handle: &Handle, name: &PpaName) -> Result<(), RpcError>;

    /// A PPA as a ticket of this series uses it: its newest state, which is taken now where there is none yet.
    ///
    /// # Errors
    /// There is none, it is refused, or what is asked for cannot be.
    async fn resolve(&self, handle: &Handle, series: &Series, asked: &AskedPpa) -> Result<PpaUse, RpcError>;
}
