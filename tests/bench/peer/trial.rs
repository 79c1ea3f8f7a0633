//! A whole run of autopkgtest with the peer's server. Under emulation its 5 s time-outs end many a run as a testbed
//! failure, so it gets several tries; what a run has shown before it broke is kept.

use std::path::Path;
use std::time::Duration;

use preflight_tests::progress;

use crate::error::BenchError;
use crate::live::{Ended, Live};
use crate::peer::machine::Machine;
use crate::spans::Spans;

/// A build under emulation takes minutes, and so does each testbed.
const PATIENCE: Duration = Duration::from_secs(90 * 60);
/// autopkgtest's exit code for a failed testbed.
const TESTBED_FAILED: i32 = 16;

/// What a run has shown.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// From its start to its end, good or bad.
    pub(crate) took: Duration,
    /// When the package's own commands ran.
    pub(crate) spans: Spans,
    /// Why it broke; none for one that came to results.
    pub(crate) broke: Option<String>,
}

/// Runs autopkgtest on a source package until it comes to results, so many times at most; all tries in their order.
pub(crate) fn run(machine: &Machine, dsc: &Path, tries: u32) -> Result<Vec<Trial>, BenchError> {
    let mut trials = Vec::new();
    for number in 1..=tries {
        progress::say(&format!("peer: autopkgtest {}, try {number} of {tries}", dsc.display()));
        let ended = Live::start(machine.autopkgtest(dsc), false)?.finish(PATIENCE, |line| {
            if line.text.contains("]: test ") || line.text.contains("ERROR") {
                progress::say(&format!("peer: {}", line.text));
            }
        })?;
        let trial = judge(&ended)?;
        let done = trial.broke.is_none();
        trials.push(trial);
        if done {
            break;
        }
    }
    Ok(trials)
}

fn judge(ended: &Ended) -> Result<Trial, BenchError> {
    let broke = match ended.code {
        // Passed, skipped, failed, or none: all are results.
        Some(0 | 2 | 4 | 6 | 8) => None,
        Some(TESTBED_FAILED) => {
            let said = |part: &str| ended.lines.iter().rev().find(|line| line.text.contains(part));
            let timed_out = said("VirtSubproc.Timeout").map(|line| format!("a time-out of its own, {}", line.text));
            let failed = said("testbed failure").map(|line| line.text.clone());
            Some(timed_out.or(failed).unwrap_or_else(|| "a testbed failure".to_owned()))
        }
        code => {
            return Err(BenchError::Unexpected(format!("autopkgtest ended with {code:?}")));
        }
    };
    Ok(Trial {
        took: ended.took,
        spans: Spans::of(ended.lines.iter().map(|line| (line.after, line.text.as_str()))),
        broke,
    })
}
