//! Results for people: what `preflight results --format summary` prints. Plain text without colour; whoever prints to a
//! terminal may add it.

use std::fmt::Write as _;

use preflight_dep8::outcome::{ExitCode, TestResult, TestStatus, Trouble, exit_code};

use crate::summary;

/// One source's results.
#[derive(Debug, Clone, Copy)]
pub struct SourceResults<'a> {
    /// The source package.
    pub source: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its tests' results, skips included.
    pub results: &'a [TestResult],
    /// What ended its tests early.
    pub trouble: Option<&'a Trouble>,
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Passed, superficially or not.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Failed as they do at times.
    pub flaky: usize,
    /// Skipped.
    pub skipped: usize,
}

impl Counts {
    /// Counts results. The line `*`, which stands for a package without tests, is no test.
    pub fn of<'a>(results: impl IntoIterator<Item = &'a TestResult>) -> Self {
        let mut counts = Self::default();
        for result in results.into_iter().filter(|result| result.name != "*") {
            match result.status {
                TestStatus::Pass | TestStatus::PassSuperficial => counts.passed += 1,
                TestStatus::Fail => counts.failed += 1,
                TestStatus::Flaky => counts.flaky += 1,
                TestStatus::Skip => counts.skipped += 1,
            }
        }
        counts
    }

    /// All of them.
    #[must_use]
    pub fn total(self) -> usize {
        self.passed + self.failed + self.flaky + self.skipped
    }
}

/// The summary of a ticket's sources: for each a heading and autopkgtest's lines, then one line that counts.
#[must_use]
pub fn summary(sources: &[SourceResults<'_>]) -> String {
    let mut text = String::new();
    for source in sources {
        let _ = writeln!(text, "{} {}", source.source, source.version);
        for line in summary::lines(source.results, source.trouble) {
            let _ = writeln!(text, "  {line}");
        }
    }
    let counts = Counts::of(sources.iter().flat_map(|source| source.results));
    let code = ExitCode::combine(sources.iter().map(|source| exit_code(source.results, source.trouble)));
    let tests = if counts.total() == 1 { "test" } else { "tests" };
    let _ = write!(
        text,
        "{} {tests}: {} passed, {} failed",
        counts.total(),
        counts.passed,
        counts.failed
    );
    if counts.flaky > 0 {
        let _ = write!(text, ", {} flaky", counts.flaky);
    }
    let _ = writeln!(
        text,
        ", {} skipped; {} (exit code {})",
        counts.skipped,
        code.outcome(),
        code.code()
    );
    text
}

#[cfg(test)]
mod tests {
    use preflight_dep8::outcome::Reason;

    use super::*;

    #[test]
    fn two_sources() {
        let passed = TestResult {
            status: TestStatus::Pass,
            reason: None,
            ..TestResult::skipped("command1", Reason::NoTests)
        };
        let failed = TestResult {
            status: TestStatus::Fail,
            ..TestResult::skipped("units", Reason::ExitStatus(1))
        };
        let sources = [
            SourceResults {
                source: "hello",
                version: "2.10-3",
                results: &[passed, failed],
                trouble: None,
            },
            SourceResults {
                source: "empty",
                version: "1",
                results: &[TestResult::no_tests()],
                trouble: None,
            },
        ];
        assert_eq!(
            summary(&sources),
            "hello 2.10-3\n\
             \x20 command1             PASS\n\
             \x20 units                FAIL non-zero exit status 1\n\
             empty 1\n\
             \x20 *                    SKIP no tests in this package\n\
             2 tests: 1 passed, 1 failed, 0 skipped; fail (exit code 4)\n"
        );
    }
}
