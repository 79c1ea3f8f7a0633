//! The command line: one file a command, and what they share.

pub mod arguments;
pub mod change;
pub mod check;
pub mod context;
pub mod daemon;
pub mod doctor;
pub mod du;
pub mod error;
pub mod follow;
pub mod gc;
pub mod generate;
pub mod image;
pub mod keep;
pub mod lock;
pub mod logs;
pub mod output;
pub mod progress;
pub mod report;
pub mod rerun;
pub mod results;
pub mod run;
pub mod screen;
pub mod shell;
pub mod status;
pub mod table;
pub mod ticket;
