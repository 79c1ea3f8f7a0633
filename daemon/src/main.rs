//! `preflightd`: everything is in the library.

fn main() {}
