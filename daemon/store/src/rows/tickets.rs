//! The rows of a ticket as a whole: what is written when it is made, added to, ended and removed.

use preflight_core::{Job, Signature, Subticket, Ticket, TicketEnd, TicketStatus, WorkflowStep};
use rusqlite::{Connection, Result, params};

use super::{package_sources, replays, run, test_options};
use crate::words::{Word, microseconds, number, path_bytes};

pub(super) fn step_number(step: WorkflowStep) -> i64 {
    // The words of steps are their numbers.
    step.word().parse().unwrap_or_default()
}

pub(super) fn warn(db: &Connection, ticket: u64, text: &str) -> Result<()> {
    run(
        db,
        "INSERT INTO warnings (ticket, text) VALUES (?1, ?2)",
        params![number(ticket), text],
    )
}

pub(super) fn create(db: &Connection, ticket: &Ticket) -> Result<()> {
    let id = number(ticket.id.0);
    let options = &ticket.options;
    run(
        db,
        "INSERT INTO tickets (id, title, description, bug, owner, series, offline, test_timeout, build_timeout, step,
         status, created_at, queued_at, queue_position, keep_going, keep_failed, priority, kept,
         package_sources, pool_repositories, test_options)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
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
            package_sources::write(&options.sources),
            options.pool_repositories,
            test_options::write(&options.tests),
        ],
    )?;
    replays::write(db, ticket)?;
    for (verb, names) in [("add", &options.add_packages), ("remove", &options.remove_packages)] {
        for name in names {
            run(
                db,
                "INSERT INTO packages (ticket, verb, name) VALUES (?1, ?2, ?3)",
                params![id, verb, name],
            )?;
        }
    }
    if let Some(rebuild) = &options.rebuild {
        run(
            db,
            "INSERT INTO image_rebuilds (ticket, base, name) VALUES (?1, ?2, ?3)",
            params![
                id,
                rebuild.base.as_ref().map(|base| base.as_str()),
                rebuild.name.as_str()
            ],
        )?;
    }
    for subticket in &ticket.subtickets {
        add_subticket(db, id, subticket)?;
    }
    for job in &ticket.jobs {
        add_job(db, job)?;
    }
    ticket.warnings.iter().try_for_each(|text| warn(db, ticket.id.0, text))
}

pub(super) fn add_job(db: &Connection, job: &Job) -> Result<()> {
    let rerun = job.rerun.as_ref();
    run(
        db,
        "INSERT INTO jobs (id, ticket, kind, subticket, source, state, rerun, dirty, staged, purpose)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
            rerun.map(|rerun| rerun.purpose.word()),
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

/// All rows of a ticket but its events, which tell what was; its numbers stay taken.
pub(super) fn remove(db: &Connection, ticket: u64) -> Result<()> {
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
    for table in [
        "tests",
        "findings",
        "log_findings",
        "artifacts",
        "locks",
        "lock_heads",
        "attempts",
        "needs",
    ] {
        let sql = format!("DELETE FROM {table} WHERE job IN (SELECT id FROM jobs WHERE ticket = ?1)");
        run(db, &sql, params![number(ticket)])?;
    }
    for table in [
        "imports",
        "imported_results",
        "image_rebuilds",
        "jobs",
        "subtickets",
        "packages",
        "warnings",
    ] {
        let sql = format!("DELETE FROM {table} WHERE ticket = ?1");
        run(db, &sql, params![number(ticket)])?;
    }
    run(db, "DELETE FROM tickets WHERE id = ?1", params![number(ticket)])
}

pub(super) fn add_subticket(db: &Connection, ticket: i64, subticket: &Subticket) -> Result<()> {
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

pub(super) fn end_ticket(db: &Connection, ticket: u64, status: TicketStatus, end: &TicketEnd) -> Result<()> {
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
