//! One ticket on the screen: its rows, and which one is selected.

use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::job::JobState;
use preflight_protocol::log::LogName;
use preflight_protocol::result::Severity;
use preflight_protocol::ticket::Ticket;

use super::fold;

/// What can be selected in a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A job's first error.
    FirstError(JobId),
    /// A job.
    Job(JobId),
    /// A test: its job, source and name.
    Test(JobId, String, String),
    /// A finding, by its place among the ticket's.
    Finding(usize),
}

/// Where a row leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The log.
    pub log: LogName,
    /// The job that writes it.
    pub job: JobId,
    /// The line, counted from 1; the log's end where there is none.
    pub line: Option<u64>,
}

/// Where to go as soon as the ticket is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// To its first error.
    FirstError,
    /// Into the row that is selected then.
    Selected,
}

/// A ticket on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// Its number.
    pub id: TicketId,
    /// The ticket, once the daemon has answered.
    pub ticket: Option<Box<Ticket>>,
    /// Whether the daemon was asked for it and has not answered.
    pub asking: bool,
    /// Events that came while the daemon was asked: the answer may be older than they are.
    pub replay: Vec<EventKind>,
    /// The selected row; none until the owner moves, so that the most useful one is.
    pub selected: Option<Row>,
    /// Where to go as soon as the ticket is there.
    pub jump: Option<Jump>,
}

impl Detail {
    /// A ticket that is asked for.
    #[must_use]
    pub fn new(id: TicketId, jump: Option<Jump>) -> Self {
        Self {
            id,
            ticket: None,
            asking: true,
            replay: vec![],
            selected: None,
            jump,
        }
    }

    /// Takes the daemon's answer.
    pub fn shown(&mut self, mut ticket: Box<Ticket>) {
        for kind in self.replay.drain(..) {
            fold::event(&mut ticket, &kind);
        }
        self.asking = false;
        self.ticket = Some(ticket);
    }

    /// Takes an event that is about this ticket.
    pub fn event(&mut self, kind: &EventKind) {
        if let Some(ticket) = &mut self.ticket {
            fold::event(ticket, kind);
        }
        if self.asking {
            self.replay.push(kind.clone());
        }
    }

    /// All rows in their order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let Some(ticket) = &self.ticket else { return vec![] };
        let errors = fold::failed(ticket).into_iter().map(|job| Row::FirstError(job.id));
        let jobs = ticket.jobs.iter().map(|job| Row::Job(job.id));
        let tests = ticket
            .tests
            .iter()
            .map(|test| Row::Test(test.job, test.source.clone(), test.name.clone()));
        // Warnings can be many: what failed comes before them.
        let mut findings: Vec<usize> = (0..ticket.findings.len()).collect();
        findings.sort_by_key(|place| ticket.findings[*place].severity() > Some(Severity::Error));
        let findings = findings.into_iter().map(Row::Finding);
        errors.chain(jobs).chain(tests).chain(findings).collect()
    }

    /// The selected row's place.
    #[must_use]
    pub fn cursor(&self) -> usize {
        let rows = self.rows();
        if let Some(place) = self
            .selected
            .as_ref()
            .and_then(|selected| rows.iter().position(|row| row == selected))
        {
            return place;
        }
        if matches!(rows.first(), Some(Row::FirstError(_))) {
            return 0;
        }
        let Some(ticket) = &self.ticket else { return 0 };
        // Nothing failed: what runs now, or what ran last.
        let running = ticket.jobs.iter().position(|job| job.state == JobState::Running);
        running
            .or_else(|| ticket.jobs.iter().rposition(|job| job.log.is_some()))
            .unwrap_or(0)
    }

    /// Selects the row `by` further.
    pub fn step(&mut self, by: isize) {
        let rows = self.rows();
        let place = self
            .cursor()
            .saturating_add_signed(by)
            .min(rows.len().saturating_sub(1));
        self.selected = rows.into_iter().nth(place);
    }

    /// The ticket's first error.
    #[must_use]
    pub fn first_error(&self) -> Option<Target> {
        let ticket = self.ticket.as_ref()?;
        let job = fold::failed(ticket).into_iter().next()?;
        self.target(&Row::FirstError(job.id))
    }

    /// Where a row leads to; none for a job that has written nothing yet.
    #[must_use]
    pub fn target(&self, row: &Row) -> Option<Target> {
        let ticket = self.ticket.as_ref()?;
        let job = |id: JobId| ticket.jobs.iter().find(|job| job.id == id);
        match row {
            Row::FirstError(id) => {
                let error = job(*id)?.first_error.as_ref()?;
                Some(Target {
                    log: error.log.clone(),
                    job: *id,
                    line: Some(error.line),
                })
            }
            Row::Job(id) => {
                let job = job(*id)?;
                // The newest attempt's log, which may hold another error than an older one's.
                let log = job.log.clone()?;
                let line = job
                    .first_error
                    .as_ref()
                    .filter(|error| error.log == log)
                    .map(|error| error.line);
                Some(Target { log, job: *id, line })
            }
            Row::Test(id, source, name) => {
                let test = ticket
                    .tests
                    .iter()
                    .find(|test| (test.job, &test.source, &test.name) == (*id, source, name))?;
                Some(Target {
                    log: job(*id)?.log.clone()?,
                    job: *id,
                    line: test.log_line,
                })
            }
            Row::Finding(place) => {
                let finding = ticket.findings.get(*place)?;
                Some(Target {
                    log: job(finding.job)?.log.clone()?,
                    job: finding.job,
                    line: finding.log_line,
                })
            }
        }
    }
}
