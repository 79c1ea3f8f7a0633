//! A package with twenty tests that do nothing: what its test job takes is what Preflight takes for a test.

use preflight_protocol::ids::TicketId;
use preflight_protocol::job::JobKind;
use preflight_protocol::ticket::Ticket;
use preflight_tests::{fixture, progress};

use crate::bed::{Bed, Pool};
use crate::error::BenchError;
use crate::finding::{Findings, Key};

/// The fixture.
pub(crate) const FIXTURE: &str = "many-tests";
/// Its tests.
pub(crate) const TESTS: usize = 20;

/// Measures the first check once and later ones so many times.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.accelerator()?;
    bed.restart(Pool::Ahead)?;
    findings.found(Key::TestFirst, vec![share(&check(bed)?)?], None);
    let mut warm = Vec::new();
    for number in 1..=count {
        warm.push(share(&check(bed)?)?);
        progress::say(&format!(
            "{FIXTURE} {number} of {count}: {:.2} s a test",
            warm[warm.len() - 1]
        ));
        findings.found(Key::TestWarm, warm.clone(), None);
    }
    Ok(())
}

/// Checks the fixture, all of whose tests have to pass.
pub(crate) fn check(bed: &Bed) -> Result<Ticket, BenchError> {
    let dsc = bed.folder.join(format!("source-{FIXTURE}"));
    if dsc.exists() {
        std::fs::remove_dir_all(&dsc).map_err(BenchError::io(dsc.display().to_string()))?;
    }
    let (id, _): (TicketId, _) = bed.check(&fixture::dsc(FIXTURE, &bed.folder))?;
    let ticket = bed.home.ticket(id);
    let passed = ticket.summary.test_counts.pass;
    if passed as usize != TESTS {
        return Err(BenchError::Unexpected(format!("{passed} of {TESTS} tests passed")));
    }
    Ok(ticket)
}

/// Seconds that a test takes of its job.
fn share(ticket: &Ticket) -> Result<f64, BenchError> {
    let job = ticket.jobs.iter().find(|job| job.kind == JobKind::Test);
    let span = job.and_then(|job| Some((job.started_at?.0, job.finished_at?.0)));
    let (start, end) = span.ok_or_else(|| BenchError::Unexpected("the test job has no times".to_owned()))?;
    Ok(end.duration_since(start).as_secs_f64() / TESTS as f64)
}
