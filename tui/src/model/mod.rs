//! What the screen shows, as plain data. Nothing here draws, reads or waits.

pub mod detail;
pub mod fold;
pub mod logview;
pub mod state;
pub mod tickets;
