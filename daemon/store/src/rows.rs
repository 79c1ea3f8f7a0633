//! What each event changes in the tables. The rows follow from the events alone: nothing is read here.

use preflight_core::{
    Attempt, Ending, Event, Job, JobId, JobState, Moment, Sequence, Signature, Subticket, Ticket, TicketEnd,
    TicketStatus, WorkflowStep,
};
use rusqlite::{Connection, Result, params};

use crate::words::{Word, microseconds, number, path_bytes};

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
    let ticket = written.event.ticket().map(|id| number(id.0));
    run(
        db,
        "INSERT INTO events (seq, at, ticket, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![number(written.seq.0), written.at.0, ticket, written.kind, written.json],
    )?;
    rows(db, &written.event)
}

fn run(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<()> {
    db.prepare_cached(sql)?.execute(params).map(|_| ())
}

fn rows(db: &Connection, event: &Event) -> Result<()> {
    match event {
        Event::TicketCreated(ticket) => create(db, ticket),
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
        Event::TestRecorded { test, .. } => run(
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
        ),
        Event::ArtifactStored { artifact, .. } => run(
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
        ),
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
                    "INSERT INTO locks (job, attempt, place, url, sha256, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        number(job.0),
                        attempt.0,
                        place,
                        entry.url,
                        entry.sha256.to_string(),
                        number(entry.size)
                    ],
                )
            })
        }
        Event::WarningRaised { ticket, text } => warn(db, ticket.0, text),
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
        Event::ImageRemoved { id } => run(db, "DELETE FROM images WHERE id = ?1", params![id.as_str()]),
    }
}

fn step_number(step: WorkflowStep) -> i64 {
    // The words of steps are their numbers.
    step.word().parse().unwrap_or_default()
}

fn warn(db: &Connection, ticket: u64, text: &str) -> Result<()> {
    run(
        db,
        "INSERT INTO warnings (ticket, text) VALUES (?1, ?2)",
        params![number(ticket), text],
    )
}

fn create(db: &Connection, ticket: &Ticket) -> Result<()> {
    let id = number(ticket.id.0);
    let options = &ticket.options;
    run(
        db,
        "INSERT INTO tickets (id, title, description, bug, owner, series, offline, test_timeout, build_timeout, step,
         status, created_at, queued_at, queue_position, keep_going, keep_failed, priority, kept)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            id,
            ticket.title,
            ticket.description,
            ticket.bug,
            ticket.owner,
            ticket.series.as_str(),
            options.offline,
            options.test_timeout.map(microseconds),
            options.build_timeout.map(microseconds),
            step_number(ticket.step),
            ticket.status.word(),
            ticket.created_at.0,
            ticket.queued_at.map(|at| at.0),
            ticket.queue_position,
            options.keep_going,
            options.keep_failed.word(),
            options.priority.word(),
            ticket.kept,
        ],
    )?;
    for (verb, names) in [("add", &options.add_packages), ("remove", &options.remove_packages)] {
        for name in names {
            run(
                db,
                "INSERT INTO packages (ticket, verb, name) VALUES (?1, ?2, ?3)",
                params![id, verb, name],
            )?;
        }
    }
    for subticket in &ticket.subtickets {
        add_subticket(db, id, subticket)?;
    }
    for job in &ticket.jobs {
        add_job(db, job)?;
    }
    ticket.warnings.iter().try_for_each(|text| warn(db, ticket.id.0, text))
}

fn add_job(db: &Connection, job: &Job) -> Result<()> {
    let rerun = job.rerun.as_ref();
    run(
        db,
        "INSERT INTO jobs (id, ticket, kind, subticket, source, state, rerun, dirty, staged)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            number(job.id.0),
            number(job.ticket.0),
            job.kind.word(),
            job.subticket.map(|id| number(id.0)),
            job.source,
            job.state.word(),
            rerun.map(|rerun| rerun.test.as_str()),
            rerun.is_some_and(|rerun| rerun.dirty),
            rerun.and_then(|rerun| rerun.staged.as_deref()).map(path_bytes),
        ],
    )?;
    job.needs.iter().zip(0i64..).try_for_each(|(need, place)| {
        run(
            db,
            "INSERT INTO needs (job, place, need) VALUES (?1, ?2, ?3)",
            params![number(job.id.0), place, number(need.0)],
        )
    })
}

fn keep(db: &Connection, job: JobId, attempt: Attempt, bytes: Option<u64>) -> Result<()> {
    run(
        db,
        "UPDATE attempts SET kept = ?3 WHERE job = ?1 AND attempt = ?2",
        params![number(job.0), attempt.0, bytes.map(number)],
    )
}

/// All rows of a ticket but its events, which tell what was; its numbers stay taken.
fn remove(db: &Connection, ticket: u64) -> Result<()> {
    const NUMBERS: [(&str, &str); 3] = [
        ("ticket", "SELECT ?2"),
        ("subticket", "SELECT max(id) FROM subtickets WHERE ticket = ?2"),
        ("job", "SELECT max(id) FROM jobs WHERE ticket = ?2"),
    ];
    for (what, last) in NUMBERS {
        let sql = format!(
            "INSERT INTO numbers (what, last) SELECT ?1, last FROM (SELECT ({last}) AS last) WHERE last IS NOT NULL
             ON CONFLICT (what) DO UPDATE SET last = max(last, excluded.last)"
        );
        run(db, &sql, params![what, number(ticket)])?;
    }
    // What refers to another row goes before it.
    for table in ["tests", "artifacts", "locks", "attempts", "needs"] {
        let sql = format!("DELETE FROM {table} WHERE job IN (SELECT id FROM jobs WHERE ticket = ?1)");
        run(db, &sql, params![number(ticket)])?;
    }
    for table in ["jobs", "subtickets", "packages", "warnings"] {
        let sql = format!("DELETE FROM {table} WHERE ticket = ?1");
        run(db, &sql, params![number(ticket)])?;
    }
    run(db, "DELETE FROM tickets WHERE id = ?1", params![number(ticket)])
}

fn add_subticket(db: &Connection, ticket: i64, subticket: &Subticket) -> Result<()> {
    let (state, signer, fingerprint, reason) = match &subticket.signature {
        Signature::None => ("none", None, None, None),
        Signature::Good { signer, fingerprint } => ("good", Some(signer), Some(fingerprint), None),
        Signature::Unverified { reason } => ("unverified", None, None, Some(reason)),
    };
    run(
        db,
        "INSERT INTO subtickets (id, ticket, source, version, origin, signature, signer, fingerprint,
         signature_reason, staged, needs_source_package) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            number(subticket.id.0),
            ticket,
            subticket.source,
            subticket.version,
            path_bytes(&subticket.origin),
            state,
            signer,
            fingerprint,
            reason,
            path_bytes(&subticket.staged),
            subticket.needs_source_package,
        ],
    )
}

fn end_ticket(db: &Connection, ticket: u64, status: TicketStatus, end: &TicketEnd) -> Result<()> {
    let step = if status == TicketStatus::Complete {
        WorkflowStep::Complete
    } else {
        WorkflowStep::Failed
    };
    run(
        db,
        "UPDATE tickets SET status = ?2, step = ?3, outcome = ?4, exit_code = ?5, reason = ?6, finished_at = ?7,
         queue_position = NULL WHERE id = ?1",
        params![
            number(ticket),
            status.word(),
            step_number(step),
            end.outcome.word(),
            end.exit_code.code(),
            end.reason,
            end.at.0
        ],
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
