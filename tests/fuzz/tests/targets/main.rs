//! Targets for parsers that are asked by their public names; other parsers have theirs beside them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod debian;
mod dep8;
mod frames;
mod near;
mod results;
