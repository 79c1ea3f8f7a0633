//! The first request of a connection: versions and capabilities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The protocol's version that this crate speaks. A change that an older client cannot read makes it greater.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientHello {
    /// The protocol's version that it speaks.
    pub protocol: u32,
    /// Its name and version, for the daemon's log.
    pub client: String,
}

/// What the daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonHello {
    /// The protocol's version that it speaks.
    pub protocol: u32,
    /// The daemon's version.
    pub version: String,
    /// Changes with every start of the daemon, so that a client knows that it has met a new one.
    pub instance: String,
    /// What it can do beyond the protocol's version, by name. A client ignores what it does not know.
    pub capabilities: Vec<String>,
}
