//! One edited test again: from the start of the command line to the first line that the edited test prints.

use preflight_tests::{fixture, progress};

use crate::bed::{Bed, Pool, SHORT};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::live::Live;
use crate::measure::many_tests::{self, FIXTURE};

/// Measures so many edits of the same test.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.accelerator()?;
    bed.restart(Pool::Ahead)?;
    let ticket = many_tests::check(bed)?.summary.id.to_string();
    let work = bed.folder.join("edited");
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(BenchError::io(work.display().to_string()))?;
    }
    std::fs::create_dir_all(&work).map_err(BenchError::io(work.display().to_string()))?;
    let tree = fixture::copy(FIXTURE, &work);
    let mut found = Vec::new();
    let mut printed = "original".to_owned();
    for number in 1..=count {
        let next = format!("edited-{number}");
        fixture::replace(
            &tree.join("debian/tests/edited"),
            &format!("echo {printed}"),
            &format!("echo {next}"),
        );
        let path = tree.display().to_string();
        let test = format!("{FIXTURE}/edited");
        let mut live = Live::start(bed.home.command(&["rerun", &ticket, &test, "--with", &path]), false)?;
        let line = live.await_line("the edited test's line", SHORT, |line| {
            line.text.split_whitespace().last() == Some(next.as_str())
        })?;
        live.finish(SHORT, |_| {})?.with_code(&[0])?;
        progress::say(&format!("rerun {number} of {count}: {:.2?}", line.after));
        found.push(line.after.as_secs_f64());
        printed = next;
    }
    findings.found(Key::Rerun, found, None);
    Ok(())
}
