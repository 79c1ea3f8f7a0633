//! The rows of replays: which ticket a ticket runs again, and what locks say beside the fetched files.

use preflight_core::{
    Attempt, ImageId, JobId, JobLabel, LockHead, ReplayOf, Sha256, Sha256Error, SourceFile, Ticket, TicketId,
};
use rusqlite::{Connection, Result, Row, params};
use serde::{Deserialize, Serialize};

use super::run;
use crate::error::StoreError;
use crate::words::{Word, nonsense, number, unsigned};

/// Writes what a new ticket runs again.
pub(super) fn write(db: &Connection, ticket: &Ticket) -> Result<()> {
    let Some(replay) = &ticket.options.replay_of else {
        return Ok(());
    };
    let job = replay.job.as_ref();
    run(
        db,
        "UPDATE tickets SET replay_of = ?2, replay_kind = ?3, replay_source = ?4, image = ?5 WHERE id = ?1",
        params![
            number(ticket.id.0),
            number(replay.ticket.0),
            job.map(|job| job.kind.word()),
            job.and_then(|job| job.source.as_deref()),
            ticket.image.as_ref().map(|image| image.as_str()),
        ],
    )
}

/// Reads it.
pub(crate) fn of_ticket(row: &Row<'_>) -> Result<Option<ReplayOf>, StoreError> {
    let Some(ticket) = row.get::<_, Option<i64>>("replay_of")? else {
        return Ok(None);
    };
    let kind: Option<String> = row.get("replay_kind")?;
    let source: Option<String> = row.get("replay_source")?;
    let kind = kind.as_deref().map(Word::read).transpose()?;
    Ok(Some(ReplayOf {
        ticket: TicketId(unsigned(ticket)),
        job: kind.map(|kind| JobLabel { kind, source }),
        image: None,
    }))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    sha256: String,
    size: u64,
}

/// Writes what an attempt's lock says beside the files.
pub(super) fn write_head(db: &Connection, job: JobId, attempt: Attempt, head: &LockHead) -> Result<()> {
    let file = |file: &SourceFile| File {
        name: file.name.clone(),
        sha256: file.sha256.to_string(),
        size: file.size,
    };
    let sources: Vec<File> = head.sources.iter().map(file).collect();
    run(
        db,
        "INSERT OR REPLACE INTO lock_heads (job, attempt, base, archive_state, image, sources)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            number(job.0),
            attempt.0,
            head.base.as_str(),
            head.archive_state.map(|state| state.to_string()),
            head.image.as_ref().map(|image| image.as_str()),
            // Strings and numbers: there is nothing in it that can't be written.
            serde_json::to_string(&sources).unwrap_or_default(),
        ],
    )
}

/// What the locks of a ticket's jobs say beside the files: of each job its newest attempt's.
pub(crate) fn heads(db: &Connection, ticket: TicketId) -> Result<Vec<(JobId, LockHead)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT h.job, h.base, h.archive_state, h.image, h.sources FROM lock_heads h JOIN jobs j ON j.id = h.job
         WHERE j.ticket = ?1 AND h.attempt = (SELECT max(attempt) FROM attempts a WHERE a.job = h.job) ORDER BY h.job",
    )?;
    let mut rows = statement.query(params![number(ticket.0)])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        heads.push((JobId(unsigned(row.get("job")?)), head(row)?));
    }
    Ok(heads)
}

fn head(row: &Row<'_>) -> Result<LockHead, StoreError> {
    let digest = |text: &str| {
        text.parse::<Sha256>()
            .map_err(|error: Sha256Error| nonsense("a digest", error))
    };
    let state: Option<String> = row.get("archive_state")?;
    let sources: String = row.get("sources")?;
    let files: Vec<File> = serde_json::from_str(&sources).map_err(|error| nonsense("a lock's sources", error))?;
    let source = |file: File| {
        Ok::<_, StoreError>(SourceFile {
            sha256: digest(&file.sha256)?,
            name: file.name,
            size: file.size,
        })
    };
    Ok(LockHead {
        base: ImageId(row.get("base")?),
        archive_state: state.as_deref().map(digest).transpose()?,
        image: row.get::<_, Option<String>>("image")?.map(ImageId),
        sources: files.into_iter().map(source).collect::<Result<_, StoreError>>()?,
    })
}
