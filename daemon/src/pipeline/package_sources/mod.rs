//! A ticket's package sources, told to a testbed's apt: which files say it (`files`), which words name it (`words`), and the
//! telling itself, as a layer that all testbeds of the same sources share (`telling`), and what a test may give up of it (`relaxing`).

mod files;
mod relaxing;
mod telling;
mod words;

pub(super) use telling::Telling;
pub(super) use words::words;
