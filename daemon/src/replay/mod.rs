//! Replays: a ticket that is run again from the locks of another one alone. Here is what such a ticket is given and how that
//! is staged; how a job goes by its lock is the executor's matter, and whether two runs agree that of
//! [`preflight_core::compare`].

mod missing;
mod plan;
mod record;
mod stage;

pub(crate) use plan::{Earlier, plan};
pub(crate) use record::{JobReplay, ReplayRecord};
