//! What the daemon says of itself and its host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, Sequence};

/// The daemon as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_at: Moment,
    /// The last event's place.
    pub sequence: Sequence,
    /// `kvm`, `tcg`, or `unknown` before the probe.
    pub accelerator: String,
    /// libvirt's URI.
    pub hypervisor: String,
    /// Tickets in the queue.
    pub queued: u32,
    /// Jobs that run now.
    pub running: u32,
    /// Machines that run now.
    pub machines: u32,
    /// What is wrong, for the owner.
    pub warnings: Vec<String>,
}

/// How one thing that Preflight needs was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It is there and works.
    Ok,
    /// Preflight works without it, less well.
    Warning,
    /// Preflight does not work without it.
    Missing,
}

/// One line of `preflight doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at, such as `QEMU`.
    pub name: String,
    /// How it was found.
    pub state: CheckState,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}
