//! From a claim to the first output of a command: the first of all, those that the pool serves, those without a pool.

use std::time::Duration;

use preflight_tests::progress;

use crate::bed::{Bed, Pool};
use crate::error::BenchError;
use crate::finding::{Findings, Key};

/// Measures each so many times.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.accelerator()?;
    bed.cool()?;
    bed.restart(Pool::None)?;
    findings.found(Key::ClaimFirst, vec![bed.claim()?.as_secs_f64()], None);
    findings.found(Key::ClaimFresh, claims(bed, count, || {})?, None);
    bed.restart(Pool::Ahead)?;
    // This one says that more are likely.
    bed.claim()?;
    findings.found(Key::ClaimPool, claims(bed, count, || bed.await_pool())?, None);
    Ok(())
}

fn claims(bed: &Bed, count: u32, ready: impl Fn()) -> Result<Vec<f64>, BenchError> {
    let mut found = Vec::new();
    for number in 1..=count {
        ready();
        let took: Duration = bed.claim()?;
        progress::say(&format!("claim {number} of {count}: {took:.3?}"));
        found.push(took.as_secs_f64());
    }
    Ok(found)
}
