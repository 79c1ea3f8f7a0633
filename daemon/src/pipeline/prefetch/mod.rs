//! `archive prefetch`: what checks will need without a network is in the store when this has passed. A guest's apt says what
//! that is ([`questions`], [`asking`], [`answers`]); the host fetches it ([`fetching`]): no byte of it goes into a guest.

mod answers;
mod asking;
mod controls;
mod fetching;
mod generated;
mod job;
mod meter;
mod questions;

pub(crate) use job::run;
