//! The rows of a ticket that was not run here: what the events of its life would have written, had it had that
//! here, and where it comes from.

use preflight_core::{AttemptRecord, Job, Origin, Ticket, TicketFiles};
use rusqlite::{Connection, Result, params};

use super::tickets::{create, end_ticket};
use super::{add_artifact, add_test, findings, run};
use crate::words::{Word, number};

pub(super) fn import(db: &Connection, ticket: &Ticket) -> Result<()> {
    create(db, ticket)?;
    run(
        db,
        "UPDATE tickets SET started_at = ?2, image = ?3, artifacts_gone = ?4, sources_gone = ?5 WHERE id = ?1",
        params![
            number(ticket.id.0),
            ticket.started_at.map(|at| at.0),
            ticket.image.as_ref().map(|image| image.as_str()),
            ticket.gone.contains(&TicketFiles::Artifacts),
            ticket.gone.contains(&TicketFiles::Sources),
        ],
    )?;
    if let Some(end) = &ticket.end {
        end_ticket(db, ticket.id.0, ticket.status, end)?;
    }
    for job in &ticket.jobs {
        run(
            db,
            "UPDATE jobs SET reason = ?2 WHERE id = ?1",
            params![number(job.id.0), job.reason],
        )?;
        job.attempts
            .iter()
            .try_for_each(|record| add_attempt(db, job, record))?;
    }
    ticket.tests.iter().try_for_each(|test| add_test(db, test))?;
    ticket
        .findings
        .iter()
        .try_for_each(|finding| findings::write(db, finding))?;
    ticket
        .artifacts
        .iter()
        .try_for_each(|artifact| add_artifact(db, artifact))?;
    ticket
        .origin
        .as_ref()
        .map_or(Ok(()), |origin| add_origin(db, ticket, origin))
}

fn add_origin(db: &Connection, ticket: &Ticket, origin: &Origin) -> Result<()> {
    match origin {
        Origin::Ticket(origin) => run(
            db,
            "INSERT INTO imports (ticket, host, number, exported_at) VALUES (?1, ?2, ?3, ?4)",
            params![
                number(ticket.id.0),
                origin.host,
                number(origin.ticket.0),
                origin.exported_at.0
            ],
        ),
        Origin::Results(origin) => run(
            db,
            "INSERT INTO imported_results (ticket, place, format, imported_at) VALUES (?1, ?2, ?3, ?4)",
            params![number(ticket.id.0), origin.place, origin.format, origin.imported_at.0],
        ),
    }
}

fn add_attempt(db: &Connection, job: &Job, record: &AttemptRecord) -> Result<()> {
    let error = record.first_error.as_ref();
    run(
        db,
        "INSERT INTO attempts (job, attempt, started_at, finished_at, outcome, exit_code, reason, log, error_log,
         error_line, error_text, unresponsive, kept) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            number(job.id.0),
            record.attempt.0,
            record.started_at.0,
            record.finished_at.map(|at| at.0),
            record.outcome.map(Word::word),
            record.exit_code.map(preflight_core::ExitCode::code),
            record.reason,
            record.log.as_str(),
            error.map(|error| error.log.as_str()),
            error.map(|error| number(error.line)),
            error.map(|error| error.text.as_str()),
            record.unresponsive,
            record.kept.map(number),
        ],
    )
}
