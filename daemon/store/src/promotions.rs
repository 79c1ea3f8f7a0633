//! Moves of links: a row each, never changed and never removed. Where a link points follows from them.

use preflight_core::promotion::{LinkMove, LinkName, RepositoryState};
use preflight_core::{Moment, TicketId};
use rusqlite::{Connection, Row, params};

use crate::error::StoreError;
use crate::words::{nonsense, number, unsigned};

/// Writes a move.
pub(crate) fn write(db: &Connection, step: &LinkMove) -> rusqlite::Result<()> {
    let ticket = |state: Option<RepositoryState>| state.map(|state| number(state.ticket.0));
    let generation = |state: Option<RepositoryState>| state.map(|state| state.generation.to_string());
    db.prepare_cached(
        "INSERT INTO link_moves (link, from_ticket, from_generation, to_ticket, to_generation, is_rollback, mover, why,
         moved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        step.link.as_str(),
        ticket(step.from),
        generation(step.from),
        ticket(step.to),
        generation(step.to),
        step.rollback,
        step.by,
        step.why,
        step.at.0,
    ])
    .map(|_| ())
}

/// All moves, oldest first.
pub(crate) fn load(db: &Connection) -> Result<Vec<LinkMove>, StoreError> {
    let mut statement = db.prepare("SELECT * FROM link_moves ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut moves = Vec::new();
    while let Some(row) = rows.next()? {
        moves.push(step(row)?);
    }
    Ok(moves)
}

fn step(row: &Row<'_>) -> Result<LinkMove, StoreError> {
    let link: String = row.get("link")?;
    Ok(LinkMove {
        link: LinkName::new(&link).map_err(|_| nonsense("a link's name", link))?,
        from: state(row.get("from_ticket")?, row.get("from_generation")?)?,
        to: state(row.get("to_ticket")?, row.get("to_generation")?)?,
        rollback: row.get("is_rollback")?,
        by: row.get("mover")?,
        why: row.get("why")?,
        at: Moment(row.get("moved_at")?),
    })
}

fn state(ticket: Option<i64>, generation: Option<String>) -> Result<Option<RepositoryState>, StoreError> {
    let (Some(ticket), Some(generation)) = (ticket, generation) else {
        return Ok(None);
    };
    Ok(Some(RepositoryState {
        ticket: TicketId(unsigned(ticket)),
        generation: generation.parse().map_err(|_| nonsense("a generation", generation))?,
    }))
}
