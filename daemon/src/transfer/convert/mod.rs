//! Between the daemon's own types and the bundle's. The only room that knows both; it decides nothing but whether a word or
//! a number is one that is known here.

mod finding;
pub(super) mod from;
mod test_options;
pub(super) mod to;
mod words;
