//! What parsers of strangers' words must stand: a million inputs near their grammar, without a panic, a hang or memory
//! without bounds.
//!
//! A target is a test whose name begins with `fuzz_`. `make test` runs it with proptest's usual number of cases; `make fuzz`
//! (this crate's program) finds all of them by name, builds them with overflow checks, and runs each in a process of its own
//! with a million cases and bounded memory. [`fuzz`] is for targets that also tell how large their inputs were.

mod property;

pub use property::fuzz;
