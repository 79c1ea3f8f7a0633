//! The way to the daemon: where its socket is, how it is started, and how a lost connection is found again.

pub mod attach;
pub mod link;
pub mod start;
