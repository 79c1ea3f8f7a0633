//! PPAs: what is added, what is taken and what is refused, with apt, gpg and a server that is no better than it should be.

mod launchpad;
mod pins;
mod private;
mod refresh;
mod repository;
mod server;
mod spec;
mod stand_in;
