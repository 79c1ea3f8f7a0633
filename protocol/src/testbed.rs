//! Testbeds that are lent to clients: what is asked for and what is told. What a client does in one goes by
//! [`crate::shell`], whose target a lent testbed can be. It knows nothing of virtual machines.
//!
//! A lent testbed belongs to the connection that opened it: when that ends, for whatever reason, the testbed is taken
//! down. Commands in it may be run by any process of the same user, each over a connection of its own, several at once;
//! they name the testbed by its [`TestbedId`]. While an opening, a revert or a restart takes its time, the daemon sends
//! notifications [`PROGRESS`] ([`TestbedProgress`]) over the connection that asked for it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, Series, TicketId};

/// What the handshake calls this.
pub const CAPABILITY: &str = "testbed";
/// The notification's name that tells what is waited for; its parameters are a [`TestbedProgress`].
pub const PROGRESS: &str = "testbed/progress";

/// The name of a lent testbed, as long as it is lent. It stays the same when the testbed is reverted or restarted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TestbedId(pub String);

impl fmt::Display for TestbedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Borrow a testbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedOpen {
    /// What it runs.
    pub target: TestbedTarget,
    /// Which of the two base images of a series.
    #[serde(default)]
    pub variant: TestbedVariant,
}

/// What a lent testbed runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestbedTarget {
    /// A series' newest base image, or the image that is called so.
    Named(Series),
    /// A ticket's image; the base image of its series where it has none yet.
    Ticket(TicketId),
}

/// The base images of a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestbedVariant {
    /// The pristine one, for tests.
    #[default]
    Test,
    /// The one with build-essential and the packaging tools.
    Build,
}

/// A testbed as it is lent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Testbed {
    /// Its name.
    pub id: TestbedId,
    /// The name of the machine that it is now; another one after each revert and each restart.
    pub machine: String,
    /// The series that it runs.
    pub series: Series,
    /// The image that it started from.
    pub image: ImageId,
    /// The user that is no administrator.
    pub user: String,
}

/// Have it as it was when it was opened, whatever has been done in it. Commands that run in it are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedRevert {
    /// Which one.
    pub testbed: TestbedId,
}

/// Have it start again, on its own disk and with all that is installed there. Commands that run in it are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedReboot {
    /// Which one.
    pub testbed: TestbedId,
    /// What runs in it brings it down; it is not asked to.
    #[serde(default)]
    pub awaited: bool,
}

/// Give it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedClose {
    /// Which one.
    pub testbed: TestbedId,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedProgress {
    /// In a few words, such as `starting a testbed`.
    pub phase: String,
}
