//! `preflight check --json` and what it prints, held against its schema and against the ticket.

use std::path::Path;

use preflight_protocol::ids::TicketId;
use preflight_protocol::job::{Job, JobKind};
use preflight_protocol::ticket::{Ticket, TicketStatus};
use preflight_tests::home::Home;
use preflight_tests::running::Running;
use preflight_tests::schema;
use serde_json::Value;

/// Starts a check; its progress is told under `name`.
pub(crate) fn start(home: &Home, name: &str, sources: &[&Path], options: &[&str]) -> Running {
    let mut arguments = vec!["check", "--json"];
    arguments.extend(options);
    arguments.extend(sources.iter().map(|path| path.to_str().unwrap()));
    home.start(name, &arguments)
}

/// A check's end: the ticket's number and the object that it printed.
pub(crate) struct Checked {
    pub(crate) report: Value,
    pub(crate) ticket: Ticket,
}

impl Checked {
    /// The tests as lines of autopkgtest's summary, with their sources before them.
    pub(crate) fn tests(&self) -> Vec<String> {
        let tests = self.report["tests"].as_array().unwrap();
        tests
            .iter()
            .map(|test| {
                let word = |key: &str| test[key].as_str().unwrap_or_default();
                format!(
                    "{} {} {} {}",
                    word("source"),
                    word("name"),
                    word("status"),
                    word("reason")
                )
                .trim_end()
                .to_owned()
            })
            .collect()
    }
}

/// Waits for a check's end, and holds report, exit code and ticket against each other.
pub(crate) fn end(home: &Home, check: Running, code: u8) -> Checked {
    let finished = check.wait().with_code(code.into());
    let report = finished.json();
    schema::assert_fits("cli-check", &report);
    let id: TicketId = serde_json::from_value(report["ticket"].clone()).unwrap();
    let ticket = home.ticket(id);
    let step = if matches!(code, 0 | 2 | 8) { 1000 } else { 999 };
    assert_eq!(report["exit_code"], code, "{report:#}");
    assert_eq!(report["workflow_step"], step, "{report:#}");
    assert_eq!(ticket.summary.workflow_step.number(), step);
    assert_eq!(ticket.summary.exit_code, Some(code));
    let status = match (code, step) {
        (130, _) => TicketStatus::Cancelled,
        (_, 1000) => TicketStatus::Complete,
        _ => TicketStatus::Failed,
    };
    assert_eq!(ticket.summary.status, status);
    Checked { report, ticket }
}

/// Runs a check to its end.
pub(crate) fn check(home: &Home, name: &str, sources: &[&Path], options: &[&str], code: u8) -> Checked {
    end(home, start(home, name, sources, options), code)
}

/// A ticket's job of this kind; its only one.
pub(crate) fn job(ticket: &Ticket, kind: JobKind) -> &Job {
    let mut jobs = ticket.jobs.iter().filter(|job| job.kind == kind);
    let job = jobs.next().unwrap_or_else(|| panic!("no {kind} job: {ticket:#?}"));
    assert!(jobs.next().is_none(), "several {kind} jobs: {ticket:#?}");
    job
}
