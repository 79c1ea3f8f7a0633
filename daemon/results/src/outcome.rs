//! From the lines of autopkgtest's summary to tests and an exit code. Knows lines, not where they were written.

use preflight_core::{ExitCode, TestStatus};
use preflight_dep8::outcome::TestStatus as Word;
use preflight_report::summary::SummaryLine;

use crate::case::Case;
use crate::limits::MOST_CASES;

/// What the lines of a summary say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The tests in order, each once.
    pub(crate) cases: Vec<Case>,
    /// What ended the run early: its exit code, and why.
    pub(crate) trouble: Option<(ExitCode, String)>,
}

/// Sums up. A test that is there twice has its last result: old versions print what they skip twice.
pub(crate) fn of_lines<'a>(lines: impl IntoIterator<Item = &'a SummaryLine>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut places = std::collections::HashMap::new();
    for line in lines {
        match line {
            SummaryLine::Result { name, status, reason } => {
                let case = Case::new(name, core_status(*status), reason_of(*status, reason.as_deref()));
                match places.get(&case.name) {
                    Some(&place) => outcome.cases[place] = case,
                    None if outcome.cases.len() < MOST_CASES => {
                        places.insert(case.name.clone(), outcome.cases.len());
                        outcome.cases.push(case);
                    }
                    None => {}
                }
            }
            SummaryLine::ErroneousPackage(why) => outcome.trouble = Some((ExitCode::BAD_PACKAGE, why.clone())),
            SummaryLine::TestbedFailure(why) => outcome.trouble = Some((ExitCode::TESTBED, why.clone())),
            SummaryLine::Unexpected => {
                outcome.trouble = Some((ExitCode::OTHER, "unexpected error, see log".to_owned()));
            }
            SummaryLine::Blame(_) | SummaryLine::BadPackage(_) => {}
        }
    }
    outcome
}

/// The status as a ticket has it.
fn core_status(word: Word) -> TestStatus {
    match word {
        Word::Pass | Word::PassSuperficial => TestStatus::Pass,
        Word::Fail => TestStatus::Fail,
        Word::Skip => TestStatus::Skip,
        Word::Flaky => TestStatus::Flaky,
    }
}

fn reason_of(word: Word, reason: Option<&str>) -> Option<&str> {
    match word {
        Word::PassSuperficial => Some("superficial"),
        _ => reason,
    }
}

/// The exit code that autopkgtest would have had.
pub(crate) fn exit_code(cases: &[Case], trouble: Option<&(ExitCode, String)>) -> ExitCode {
    if let Some((code, _)) = trouble {
        return *code;
    }
    let of_case = |case: &Case| match (case.status, case.reason.as_deref()) {
        (TestStatus::Pass, _) => ExitCode::PASS,
        (TestStatus::Fail, Some("badpkg")) => ExitCode::BAD_PACKAGE,
        (TestStatus::Fail, _) => ExitCode::FAILED,
        (TestStatus::Flaky | TestStatus::Skip, _) => ExitCode::SKIPPED,
    };
    let code = ExitCode::combine(cases.iter().map(of_case));
    let says = |case: &Case| case.status == TestStatus::Pass && case.reason.as_deref() != Some("superficial");
    if matches!(code, ExitCode::PASS | ExitCode::SKIPPED) && !cases.iter().any(says) {
        ExitCode::NO_TESTS
    } else {
        code
    }
}

#[cfg(test)]
mod tests {
    use preflight_report::summary;

    use super::*;

    fn of_text(text: &str) -> Outcome {
        of_lines(&summary::parse(text).unwrap())
    }

    #[test]
    fn a_summary_has_an_exit_code() {
        for (text, expected) in [
            ("", 8),
            ("* SKIP no tests in this package\n", 8),
            ("a PASS\n", 0),
            ("a PASS (superficial)\n", 8),
            ("a PASS\nb SKIP why\n", 2),
            ("a FLAKY non-zero exit status 1\nb PASS\n", 2),
            ("a FAIL timed out\nb SKIP x\n", 6),
            ("a FAIL badpkg\nblame: x\nbadpkg: y\nb SKIP x\n", 14),
            ("a PASS\nerroneous package: no\n", 12),
            ("a FAIL timed out\ntestbed failure: gone\n", 16),
            ("quitting: unexpected error, see log\n", 20),
        ] {
            let outcome = of_text(text);
            let code = exit_code(&outcome.cases, outcome.trouble.as_ref());
            assert_eq!(code.code(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_printed_twice_is_one_test() {
        let outcome = of_text("a SKIP unknown restriction x\na SKIP unknown restriction x\nb PASS\n");
        assert_eq!(outcome.cases.len(), 2);
    }
}
