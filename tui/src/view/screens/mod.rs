//! One file a screen.

pub mod log;
pub mod ticket;
pub mod tickets;
