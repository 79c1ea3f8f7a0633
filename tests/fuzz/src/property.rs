//! A property that tells how large the largest of its inputs was. Knows no parser.

use std::cell::Cell;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Holds a property against as many inputs as proptest's configuration says (`PROPTEST_CASES`), and prints the largest
/// one's size.
///
/// # Panics
/// The property does not hold; the message has the smallest input that was found.
#[expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's failure, and what the program reads of its output"
)]
pub fn fuzz<S: Strategy>(
    inputs: &S,
    size: impl Fn(&S::Value) -> usize,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let largest = Cell::new(0);
    let config = Config {
        // What failed is told; it becomes a test of its own.
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(inputs, |input| {
        largest.set(largest.get().max(size(&input)));
        property(input)
    });
    println!("largest input: {} bytes", largest.get());
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
