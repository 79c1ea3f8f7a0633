//! Images that are made for themselves: a base image gains package sources and packages, of no ticket's sources. What was done
//! in which order names the image; what is there already is done once.

mod installation;
mod plan;
mod request;
mod run;
mod step;

pub(crate) use request::{find, gained};
pub(crate) use run::run;
pub(crate) use step::{Refused, asked};
