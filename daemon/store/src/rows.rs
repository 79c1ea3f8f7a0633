//! What each event changes in the tables. The rows follow from the events alone: nothing is read here.

pub(crate) mod findings;
mod imports;
pub(crate) mod log_findings;
pub(crate) mod package_sources;
pub(crate) mod replays;
pub(crate) mod test_options;
mod tickets;

use preflight_core::{
    ArtifactRecord, Attempt, Ending, Event, JobId, JobState, Moment, Sequence, TestRecord, TicketFiles, TicketStatus,
};
use rusqlite::{Connection, Result, params};

use crate::words::{Word, microseconds, number, path_bytes};
use crate::{events, pool, ppas, promotions};

use tickets::{add_job, create, end_ticket, remove, step_number, warn};

/// An event as it is stored.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its place.
    pub seq: Sequence,
    /// When it happened.
    pub at: Moment,
    /// What happened.
    pub event: Event,
    /// Its name on the wire.
    pub kind: String,
    /// As subscribers are told of it.
    pub json: String,
}

/// Writes an event and what it changes.
pub(crate) fn write(db: &Connection, written: &Written) -> Result<()> {
    events::write(db, written)?;
    rows(db, &written.event)
}

fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<()> {
    db.prepare_cached(sql)?.execute(params).map(|_| ())
}

fn rows(db: &Connection, event: &Event) -> Result<()> {
    match event {
        Event::TicketCreated(ticket) => create(db, ticket),
        Event::TicketImported(ticket) => imports::import(db, ticket),
        Event::TicketEdited { ticket, edit } => run(
            db,
            "UPDATE tickets SET title = coalesce(?2, title), description = coalesce(?3, description),
             bug = coalesce(?4, bug), owner = coalesce(?5, owner), kept = coalesce(?6, kept) WHERE id = ?1",
            params![
                number(ticket.0),
                edit.title,
                edit.description,
                edit.bug,
                edit.owner,
                edit.kept
            ],
        ),
        Event::TicketQueued { ticket, at } => run(
            db,
            "UPDATE tickets SET status = ?2, queued_at = ?3 WHERE id = ?1",
            params![number(ticket.0), TicketStatus::Queued.word(), at.0],
        ),
        Event::QueuePlaced { ticket, position } => run(
            db,
            "UPDATE tickets SET queue_position = ?2 WHERE id = ?1",
            params![number(ticket.0), position],
        ),
        Event::TicketAdvanced { ticket, step, at } => run(
            db,
            "UPDATE tickets SET status = ?2, step = ?3, started_at = coalesce(started_at, ?4), queue_position = NULL
             WHERE id = ?1",
            params![number(ticket.0), TicketStatus::Running.word(), step_number(*step), at.0],
        ),
        Event::TicketEnded { ticket, status, end } => end_ticket(db, ticket.0, *status, end),
        Event::JobStarted {
            job, attempt, log, at, ..
        } => {
            run(
                db,
                "UPDATE jobs SET state = 'running' WHERE id = ?1",
                params![number(job.0)],
            )?;
            run(
                db,
                "INSERT INTO attempts (job, attempt, started_at, log) VALUES (?1, ?2, ?3, ?4)",
                params![number(job.0), attempt.0, at.0, log.as_str()],
            )
        }
        Event::AttemptEnded {
            job,
            attempt,
            ending,
            retry,
            at,
            ..
        } => end_attempt(db, *job, *attempt, ending, *retry, *at),
        Event::AttemptInterrupted {
            job,
            attempt,
            reason,
            at,
            ..
        } => {
            run(
                db,
                "UPDATE attempts SET finished_at = ?3, reason = ?4 WHERE job = ?1 AND attempt = ?2",
                params![number(job.0), attempt.0, at.0, reason],
            )?;
            run(
                db,
                "UPDATE jobs SET state = 'queued' WHERE id = ?1 AND state = 'running'",
                params![number(job.0)],
            )
        }
        Event::JobAdded(job) => add_job(db, job),
        Event::TestbedKept {
            job, attempt, bytes, ..
        } => keep(db, *job, *attempt, Some(*bytes)),
        Event::TestbedForgotten { job, attempt, .. } => keep(db, *job, *attempt, None),
        Event::JobSkipped { job, reason, .. } => run(
            db,
            "UPDATE jobs SET state = 'skipped', reason = ?2 WHERE id = ?1",
            params![number(job.0), reason],
        ),
        Event::JobCancelled { job, .. } => run(
            db,
            "UPDATE jobs SET state = 'cancelled' WHERE id = ?1",
            params![number(job.0)],
        ),
        Event::TestRecorded { test, .. } => add_test(db, test),
        Event::ArtifactStored { artifact, .. } => add_artifact(db, artifact),
        Event::FindingRecorded { finding, .. } => findings::write(db, finding),
        Event::LockRecorded {
            job, attempt, entries, ..
        } => {
            run(
                db,
                "DELETE FROM locks WHERE job = ?1 AND attempt = ?2",
                params![number(job.0), attempt.0],
            )?;
            entries.iter().zip(0i64..).try_for_each(|(entry, place)| {
                run(
                    db,
                    "INSERT INTO locks (job, attempt, place, url, sha256, size, origin)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        number(job.0),
                        attempt.0,
                        place,
                        entry.url,
                        entry.sha256.to_string(),
                        number(entry.size),
                        entry.origin
                    ],
                )
            })
        }
        Event::LockHeadRecorded { job, attempt, head, .. } => replays::write_head(db, *job, *attempt, head),
        Event::WarningRaised { ticket, text } => warn(db, ticket.0, text),
        Event::FilesForgotten { ticket, files } => {
            let column = match files {
                TicketFiles::Artifacts => "artifacts_gone",
                TicketFiles::Sources => "sources_gone",
            };
            let sql = format!("UPDATE tickets SET {column} = 1 WHERE id = ?1");
            run(db, &sql, params![number(ticket.0)])
        }
        Event::ImageAdded { ticket, image } => {
            if image.kind == preflight_core::ImageKind::Ticket {
                run(
                    db,
                    "UPDATE tickets SET image = ?2 WHERE id = ?1",
                    params![number(ticket.0), image.id.as_str()],
                )?;
            }
            run(
                db,
                "INSERT OR REPLACE INTO images (id, series, kind, parent, size, created_at, path)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    image.id.as_str(),
                    image.series.as_str(),
                    image.kind.word(),
                    image.parent.as_ref().map(|id| id.as_str()),
                    number(image.size),
                    image.created_at.0,
                    path_bytes(&image.path),
                ],
            )
        }
        Event::TicketRemoved { ticket } => remove(db, ticket.0),
        Event::LinkMoved(step) => promotions::write(db, step),
        Event::PoolChanged(repository) => pool::write(db, repository),
        Event::PpaAdded(ppa) => ppas::add(db, ppa),
        Event::PpaRefreshed { name, series, state } => ppas::refresh(db, name, series, state),
        Event::PpaRemoved { name } => ppas::remove(db, name),
        Event::ImageRemoved { id } => run(db, "DELETE FROM images WHERE id = ?1", params![id.as_str()]),
    }
}

fn add_test(db: &Connection, test: &TestRecord) -> Result<()> {
    run(
        db,
        "INSERT INTO tests (job, attempt, source, name, status, reason, duration, log_line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            number(test.job.0),
            test.attempt.0,
            test.result.source,
            test.result.name,
            test.result.status.word(),
            test.result.reason,
            microseconds(test.result.duration),
            test.result.log_line.map(number),
        ],
    )
}

fn add_artifact(db: &Connection, artifact: &ArtifactRecord) -> Result<()> {
    run(
        db,
        "INSERT OR REPLACE INTO artifacts (job, attempt, name, sha256, size, path)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            number(artifact.job.0),
            artifact.attempt.0,
            artifact.artifact.name,
            artifact.artifact.sha256.to_string(),
            number(artifact.artifact.size),
            path_bytes(&artifact.artifact.path),
        ],
    )
}

fn keep(db: &Connection, job: JobId, attempt: Attempt, bytes: Option<u64>) -> Result<()> {
    run(
        db,
        "UPDATE attempts SET kept = ?3 WHERE job = ?1 AND attempt = ?2",
        params![number(job.0), attempt.0, bytes.map(number)],
    )
}

fn end_attempt(db: &Connection, job: JobId, attempt: Attempt, ending: &Ending, retry: bool, at: Moment) -> Result<()> {
    let error = ending.first_error.as_ref();
    run(
        db,
        "UPDATE attempts SET finished_at = ?3, outcome = ?4, exit_code = ?5, reason = ?6, error_log = ?7,
         error_line = ?8, error_text = ?9, unresponsive = ?10 WHERE job = ?1 AND attempt = ?2",
        params![
            number(job.0),
            attempt.0,
            at.0,
            ending.outcome.word(),
            ending.exit_code.code(),
            ending.reason,
            error.map(|error| error.log.as_str()),
            error.map(|error| number(error.line)),
            error.map(|error| error.text.as_str()),
            ending.unresponsive,
        ],
    )?;
    let state = match ending.outcome.is_good() {
        _ if retry => JobState::Queued,
        true => JobState::Passed,
        false => JobState::Failed,
    };
    run(
        db,
        "UPDATE jobs SET state = ?2 WHERE id = ?1 AND state = 'running'",
        params![number(job.0), state.word()],
    )
}
