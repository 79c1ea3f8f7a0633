//! What an image holds, file by file: how a guest of it is asked, how its answer is read and kept, and how two images differ.
//! The guest is hostile: its answer is bounded, and read without a word of it being believed but for what it is, a listing.

mod difference;
mod entry;
mod kept;
mod listing;
mod survey;

pub(crate) use difference::{difference, since};
pub(crate) use entry::Manifest;
pub(crate) use kept::{keep, kept};
pub(crate) use listing::{Bounded, read_packages};
pub(crate) use survey::{packages, survey};
