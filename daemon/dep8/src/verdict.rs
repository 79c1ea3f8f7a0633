//! What a test's end means: exit status, time and standard error against its restrictions, as autopkgtest judges them.
//! Runs nothing.

use std::time::Duration;

use crate::{
    dialect::Dialect,
    log,
    machine::ExitStatus,
    outcome::{Reason, TestResult, TestStatus},
    plan::PlannedTest,
    restriction::Restriction,
};

/// So much of a test's stderr is shown again after its result.
const STDERR_SHOWN: usize = 64 * 1024;
/// So much of a line of stderr becomes part of the reason.
const STDERR_LINE: usize = 1000;

/// How a test ended.
pub(crate) struct TestEnd {
    /// `None` when its time was up.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) duration: Duration,
    pub(crate) stderr: Head,
}

/// The beginning of an output.
#[derive(Default)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let room = STDERR_SHOWN.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first line, as Python's text files have lines, made harmless.
    pub(crate) fn first_line(&self) -> String {
        let line = self
            .0
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(STDERR_LINE)]);
        log::harmless(&line).trim_end().to_owned()
    }
}

/// By whose rules, and on what terms, a test is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The autopkgtest whose rules they are.
    pub dialect: Dialect,
    /// Whether a test that needs the internet can count on it; without, its failure says nothing (autopkgtest's
    /// `--needs-internet=try`).
    pub is_internet_certain: bool,
}

impl Default for Rules {
    /// The newest rules, for tests that find what they need.
    fn default() -> Self {
        Self {
            dialect: Dialect::NEWEST,
            is_internet_certain: true,
        }
    }
}

/// The verdict.
pub(crate) fn judge(test: &PlannedTest, end: &TestEnd, rules: Rules) -> TestResult {
    let code = end.status.map(|status| rules.dialect.exit_status(status.shell_code()));
    let is_excused = test.is(Restriction::NeedsInternet) && !rules.is_internet_certain;
    let reason = match code {
        None => Some(Reason::TimedOut),
        Some(77) if test.is(Restriction::Skippable) => Some(Reason::Skippable),
        Some(0) if !end.stderr.0.is_empty() && !test.is(Restriction::AllowStderr) => {
            Some(Reason::Stderr(end.stderr.first_line()))
        }
        Some(0) => None,
        Some(_) if is_excused => Some(Reason::NoInternet),
        Some(code) => Some(Reason::ExitStatus(code)),
    };
    let status = match &reason {
        None if test.is(Restriction::Superficial) => TestStatus::PassSuperficial,
        None => TestStatus::Pass,
        Some(Reason::Skippable | Reason::NoInternet) => TestStatus::Skip,
        Some(_) if test.is(Restriction::Flaky) => TestStatus::Flaky,
        Some(_) => TestStatus::Fail,
    };
    TestResult {
        name: test.name.as_str().to_owned(),
        status,
        reason,
        duration: end.duration,
        detail: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::TestControl,
        plan::{Capabilities, Setting, plan},
        source::SourceControl,
    };

    fn judged(restrictions: &str, status: Option<i32>, stderr: &[u8], rules: Rules) -> String {
        let control = format!("Test-Command: a\nDepends:\nRestrictions: {restrictions}\n");
        let control = TestControl::parse(control.as_bytes()).unwrap();
        let setting = Setting {
            capabilities: Capabilities::of_a_guest().with(Capabilities::INTERNET),
            ..Setting::of_a_guest("amd64")
        };
        let plan = plan(Some(&control), &SourceControl::default(), &setting).unwrap();
        let mut head = Head::default();
        head.feed(stderr);
        let end = TestEnd {
            status: status.map(ExitStatus::Code),
            duration: Duration::ZERO,
            stderr: head,
        };
        let result = judge(plan.runs().next().unwrap(), &end, rules).to_string();
        result.trim_start_matches("command1").trim_start().to_owned()
    }

    /// As `--needs-internet=try`: a status is excused, and nothing else.
    #[test]
    fn what_cannot_count_on_the_internet_is_skipped_when_it_fails() {
        let uncertain = Rules {
            is_internet_certain: false,
            ..Rules::default()
        };
        let excuse = "SKIP Failed, but test has needs-internet and that's not guaranteed";
        for (restrictions, status, stderr, expected) in [
            ("needs-internet", Some(1), "", excuse),
            ("needs-internet, flaky", Some(1), "", excuse),
            ("needs-internet", Some(0), "", "PASS"),
            ("needs-internet", Some(0), "oh\n", "FAIL stderr: oh"),
            ("needs-internet, flaky", Some(0), "oh\n", "FLAKY stderr: oh"),
            ("needs-internet", None, "", "FAIL timed out"),
            (
                "needs-internet, skippable",
                Some(77),
                "",
                "SKIP exit status 77 and marked as skippable",
            ),
            ("superficial", Some(1), "", "FAIL non-zero exit status 1"),
        ] {
            let result = judged(restrictions, status, stderr.as_bytes(), uncertain);
            assert_eq!(result, expected, "{restrictions} {status:?}");
        }
        assert_eq!(
            judged("needs-internet", Some(1), b"", Rules::default()),
            "FAIL non-zero exit status 1"
        );
    }

    #[test]
    fn two_exit_statuses_are_autopkgtests_own() {
        for (version, expected) in [("5.28", 255), ("5.38", 255), ("5.39", 253), ("6.0", 253)] {
            let rules = Rules {
                dialect: version.parse().unwrap(),
                ..Rules::default()
            };
            let result = judged("", Some(255), b"", rules);
            assert_eq!(result, format!("FAIL non-zero exit status {expected}"), "{version}");
        }
    }
}
