//! Tickets that go to another machine and come from one: what of a ticket is carried, how it is written and read, and how
//! what was read becomes a ticket here. It knows the bundle's format and the ticket's folder; what a client asks and what
//! becomes state are others' matter.

mod carried;
mod convert;
mod desk;
mod export;
mod import;
mod place;
mod results;
mod unpack;

pub use desk::{Exported, Outgoing, Transfer};
pub use import::Unpacked;
pub(crate) use place::place;
pub(crate) use results::judged;
pub use results::{ReadResults, WantedResults};
pub use unpack::Objects;
