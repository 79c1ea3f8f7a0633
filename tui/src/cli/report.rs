//! What `check` says at the end: for people in autopkgtest's words, for programs as one JSON object.

use std::path::PathBuf;

use preflight_protocol::ids::{Attempt, JobId, Sha256, TicketId};
use preflight_protocol::job::{Job, Purpose};
use preflight_protocol::result::{Finding, Outcome, Severity, TestResult, TestStatus};
use preflight_protocol::ticket::{TestCounts, Ticket, WorkflowStep};
use preflight_protocol::verdict::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::code;
use super::output::Paint;
use crate::measure;
use crate::model::fold;
use crate::theme::Role;

/// What `preflight check --json` prints, last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// The ticket's number.
    pub ticket: TicketId,
    /// Where it ended: 1000 for the exit codes 0, 2 and 8, otherwise 999.
    pub workflow_step: WorkflowStep,
    /// The process's exit code; none for a ticket that is not followed.
    pub exit_code: Option<u8>,
    /// How it ended; none for a ticket that is not followed.
    pub outcome: Option<Outcome>,
    /// Its tests.
    pub tests: Vec<Test>,
    /// What its testbeds tried to reach, and were refused.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What its builds have made.
    pub artifacts: Vec<File>,
}

/// One dep8 test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Test {
    /// The source package that it belongs to.
    pub source: String,
    /// Its name; `*` means the whole package.
    pub name: String,
    /// Its result.
    pub status: TestStatus,
    /// Why, in autopkgtest's words.
    pub reason: Option<String>,
    /// Seconds that it ran.
    pub duration_s: f64,
    /// What the result means against its baseline and further runs; none where it speaks for itself, or nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// A file that a build has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Where it is kept.
    pub path: PathBuf,
}

impl From<&TestResult> for Test {
    fn from(test: &TestResult) -> Self {
        Self {
            source: test.source.clone(),
            name: test.name.clone(),
            status: test.status,
            reason: test.reason.clone(),
            duration_s: test.duration_s,
            verdict: test.verdict,
        }
    }
}

impl CheckReport {
    /// The report on a ticket.
    #[must_use]
    pub fn new(ticket: &Ticket) -> Self {
        let summary = &ticket.summary;
        let ended = summary.status.is_final();
        Self {
            ticket: summary.id,
            workflow_step: summary.workflow_step,
            exit_code: ended.then(|| exit_code(ticket)),
            outcome: summary.outcome,
            tests: ticket.own_tests().map(Test::from).collect(),
            findings: ticket.own_findings().cloned().collect(),
            artifacts: ticket
                .artifacts
                .iter()
                .map(|artifact| File {
                    name: artifact.name.clone(),
                    sha256: artifact.sha256.clone(),
                    path: artifact.path.clone(),
                })
                .collect(),
        }
    }
}

/// The exit code that a ticket has come to.
#[must_use]
pub fn exit_code(ticket: &Ticket) -> u8 {
    use preflight_protocol::ticket::TicketStatus;
    match (ticket.summary.exit_code, ticket.summary.status) {
        (Some(code), _) => code,
        (None, TicketStatus::Cancelled) => code::INTERRUPTED,
        (None, TicketStatus::Complete) => 0,
        (None, _) => code::OTHER,
    }
}

/// A test's line in autopkgtest's summary file: `printf("%-20s %s")`.
#[must_use]
pub fn summary_line(name: &str, status: TestStatus, reason: Option<&str>) -> String {
    match (status, reason) {
        (_, None | Some("")) => format!("{name:<20} {status}"),
        // autopkgtest puts what is not a failure's reason in parentheses.
        (TestStatus::Pass, Some(reason)) => {
            format!("{name:<20} {status} ({})", reason.trim_matches(['(', ')']))
        }
        (_, Some(reason)) => format!("{name:<20} {status} {reason}"),
    }
}

/// The failed testbeds of a ticket that are kept: job, attempt, bytes.
#[must_use]
pub fn kept_testbeds(ticket: &Ticket) -> Vec<(JobId, Attempt, u64)> {
    let attempts = |job: &'_ Job| {
        let kept = job
            .attempts
            .iter()
            .filter_map(|record| Some((record.attempt, record.kept?)));
        kept.map(|(attempt, bytes)| (job.id, attempt, bytes))
            .collect::<Vec<_>>()
    };
    ticket.jobs.iter().flat_map(attempts).collect()
}

/// What came of reruns, in autopkgtest's words; they count for nothing.
#[must_use]
pub fn reruns(ticket: &Ticket, paint: Paint) -> Vec<String> {
    let tests = ticket.tests.iter().filter(|test| ticket.is_rerun(test.job));
    let line = |test: &TestResult| {
        let look = paint.theme.test(test.status);
        let line = summary_line(&test.name, test.status, test.reason.as_deref());
        let purpose = ticket.jobs.iter().find(|job| job.id == test.job);
        let purpose = purpose.and_then(|job| job.rerun.as_ref()).map(|rerun| rerun.purpose);
        let purpose = match purpose {
            Some(Purpose::Baseline) => ", baseline",
            Some(Purpose::Repeat) => ", repeat",
            Some(Purpose::Asked) | None => "",
        };
        let dirty = if test.dirty { ", dirty" } else { "" };
        paint.style(look.style, &format!("{line}  (job {}{purpose}{dirty})", test.job))
    };
    let lines: Vec<String> = tests.map(line).collect();
    if lines.is_empty() {
        return lines;
    }
    let heading = paint.role(Role::Heading, "reruns:");
    std::iter::once(heading).chain(lines).collect()
}

/// The tests of a ticket in autopkgtest's words, under their sources where there are several.
#[must_use]
pub fn tests(ticket: &Ticket, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let mut source = None;
    let first = ticket.own_tests().next().map(|test| &test.source);
    let many = ticket.own_tests().any(|test| Some(&test.source) != first);
    for test in ticket.own_tests() {
        if many && source != Some(&test.source) {
            source = Some(&test.source);
            lines.push(paint.role(Role::Heading, &format!("{}:", test.source)));
        }
        let look = paint.theme.test(test.status);
        let line = summary_line(&test.name, test.status, test.reason.as_deref());
        let line = paint.style(look.style, &line);
        lines.push(match test.verdict {
            Some(verdict) => {
                let word = paint.role(Role::of_verdict(verdict.meaning), &format!("[{verdict}]"));
                format!("{line}  {word}")
            }
            None => line,
        });
    }
    lines
}

/// So many errors of logs are shown with others; `preflight findings` lists all.
const MOST_ERRORS: usize = 20;

/// What testbeds tried to reach, and were refused, and what logs say of errors; warnings are counted. What a ticket shows as a
/// first error anyway is left out.
pub fn findings<'a>(ticket: &Ticket, findings: impl Iterator<Item = &'a Finding>, paint: Paint) -> Vec<String> {
    let is_first_error = |finding: &Finding| {
        let mut jobs = ticket.jobs.iter().filter(|job| job.id == finding.job);
        let error = jobs.find_map(|job| job.first_error.as_ref());
        finding.severity().is_some() && error.is_some_and(|error| Some(error.line) == finding.log_line)
    };
    let mut lines = Vec::new();
    let (mut errors, mut others) = (0, 0);
    for finding in findings {
        let role = match finding.severity() {
            Some(Severity::Error) if is_first_error(finding) => continue,
            Some(Severity::Error) if errors < MOST_ERRORS => {
                errors += 1;
                Role::Bad
            }
            Some(_) => {
                others += 1;
                continue;
            }
            None if finding.declared => Role::Dim,
            None => Role::Warning,
        };
        lines.push(format!(
            "    {}  {}",
            paint.role(Role::Dim, &finding.subject()),
            paint.role(role, &finding.text)
        ));
    }
    if others > 0 {
        let words = format!("{others} more in logs: preflight findings {} --all", ticket.summary.id);
        lines.push(format!("    {}", paint.role(Role::Dim, &words)));
    }
    if !lines.is_empty() {
        lines.insert(0, paint.role(Role::Heading, "findings:"));
    }
    lines
}

/// `1 passed, 2 failed`.
#[must_use]
pub fn counts(counts: TestCounts) -> String {
    let parts: Vec<String> = [
        (counts.pass, "passed"),
        (counts.fail, "failed"),
        (counts.flaky, "flaky"),
        (counts.skip, "skipped"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    if parts.is_empty() {
        "no test ran".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Counts the results themselves: the summary's counts may be an event behind.
#[must_use]
pub fn count(ticket: &Ticket) -> TestCounts {
    let of = |status| ticket.own_tests().filter(|test| test.status == status).count() as u32;
    TestCounts {
        pass: of(TestStatus::Pass),
        fail: of(TestStatus::Fail),
        flaky: of(TestStatus::Flaky),
        skip: of(TestStatus::Skip),
    }
}

/// The whole report for people.
#[must_use]
pub fn text(ticket: &Ticket, paint: Paint) -> String {
    let summary = &ticket.summary;
    let id = summary.id;
    // One that just makes an image or takes a snapshot says of what in its title, and has no tests to count.
    let (heading, counted) = match summary.sources.is_empty() {
        true => (summary.title.clone(), String::new()),
        false => (
            format!("{} on {}", summary.title, summary.series),
            format!(": {}", counts(count(ticket))),
        ),
    };
    let mut lines = vec![paint.role(Role::Heading, &heading)];
    lines.extend(tests(ticket, paint));
    lines.push(String::new());
    let took = match (summary.started_at, summary.finished_at) {
        (Some(start), Some(end)) => format!(" in {}", measure::seconds(measure::between(start, end.0))),
        _ => String::new(),
    };
    lines.push(format!(
        "{}{counted} (exit code {}){took}",
        paint.look(&paint.theme.ticket(summary)),
        exit_code(ticket),
    ));
    if let Some(reason) = &summary.reason {
        lines.push(paint.role(Role::Plain, reason));
    }
    let failed = fold::failed(ticket);
    if let Some(error) = failed.first().and_then(|job| job.first_error.as_ref()) {
        lines.push(format!("first error, {}:{}:", error.log, error.line));
        lines.push(paint.role(Role::Bad, &format!("    {}", error.text.trim())));
    }
    lines.extend(findings(ticket, ticket.own_findings(), paint));
    if !ticket.artifacts.is_empty() {
        lines.push("artifacts:".to_owned());
        for artifact in &ticket.artifacts {
            lines.push(paint.role(Role::Plain, &format!("    {}", artifact.path.display())));
        }
    }
    let mut next = Vec::new();
    if !failed.is_empty() {
        next.push((
            format!("preflight logs {id} --first-error"),
            "the failing line and what stands around it",
        ));
        let is_kept = |job: &Job| job.attempts.iter().any(|attempt| attempt.kept.is_some());
        if ticket.jobs.iter().any(is_kept) {
            next.push((format!("preflight shell {id}"), "the failed testbed, as it was"));
        }
    }
    if ticket.own_tests().any(|test| test.verdict.is_some()) {
        next.push((
            format!("preflight baseline {id} --no-run"),
            "what differs without the change",
        ));
    }
    if failed.is_empty() && exit_code(ticket) != 0 && ticket.jobs.iter().any(|job| job.log.is_some()) {
        next.push((format!("preflight logs {id}"), "all logs"));
    }
    // What was asked for by its own command tells of its result itself.
    if !summary.sources.is_empty() {
        if ticket.image.is_some() {
            next.push((
                format!("preflight image get {id} -o image.qcow2"),
                "the image that was tested",
            ));
        }
        next.push(("preflight".to_owned(), "all tickets on the screen"));
    }
    if !next.is_empty() {
        lines.push("next:".to_owned());
    }
    let width = next.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    for (command, what) in next {
        lines.push(format!("    {command:<width$}  {}", paint.role(Role::Dim, what)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_are_autopkgtests() {
        for (name, status, reason, line) in [
            ("command1", TestStatus::Pass, None, "command1             PASS"),
            (
                "smoke",
                TestStatus::Pass,
                Some("superficial"),
                "smoke                PASS (superficial)",
            ),
            (
                "smoke",
                TestStatus::Pass,
                Some("(superficial)"),
                "smoke                PASS (superficial)",
            ),
            (
                "a-name-longer-than-twenty-columns",
                TestStatus::Fail,
                Some("non-zero exit status 1"),
                "a-name-longer-than-twenty-columns FAIL non-zero exit status 1",
            ),
            (
                "*",
                TestStatus::Skip,
                Some("no tests in this package"),
                "*                    SKIP no tests in this package",
            ),
        ] {
            assert_eq!(summary_line(name, status, reason), line);
        }
    }

    #[test]
    fn counts_leave_out_what_is_not() {
        assert_eq!(counts(TestCounts::default()), "no test ran");
        let some = TestCounts {
            pass: 2,
            skip: 1,
            ..TestCounts::default()
        };
        assert_eq!(counts(some), "2 passed, 1 skipped");
    }
}
