//! Logs as files: their lines by number, their colours, and a thread that reads them beside the screen.

pub mod file;
pub mod line;
pub mod reader;
