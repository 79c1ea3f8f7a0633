//! The PPA pool's repositories: a row each.

use preflight_core::pool::{PoolNumber, PoolRepository, PoolState};
use preflight_core::{Moment, TicketId};
use rusqlite::{Connection, Row, params};

use crate::error::StoreError;
use crate::words::{nonsense, number, unsigned};

// Words that are there already are never changed.
const FREE: &str = "free";
const RESERVED: &str = "reserved";
const DIRTY: &str = "dirty";
const CLEANING: &str = "cleaning";

/// Writes a repository as it stands now.
pub(crate) fn write(db: &Connection, repository: &PoolRepository) -> rusqlite::Result<()> {
    let state = match repository.state {
        PoolState::Free => FREE,
        PoolState::Reserved(_) => RESERVED,
        PoolState::Dirty => DIRTY,
        PoolState::Cleaning => CLEANING,
    };
    let holder = repository.state.holder();
    db.prepare_cached("INSERT OR REPLACE INTO pool (number, state, ticket, since) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            repository.number.0,
            state,
            holder.map(|ticket| number(ticket.0)),
            repository.since.0,
        ])
        .map(|_| ())
}

/// All repositories, by number.
pub(crate) fn load(db: &Connection) -> Result<Vec<PoolRepository>, StoreError> {
    let mut statement = db.prepare("SELECT * FROM pool ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut pool = Vec::new();
    while let Some(row) = rows.next()? {
        pool.push(repository(row)?);
    }
    Ok(pool)
}

fn repository(row: &Row<'_>) -> Result<PoolRepository, StoreError> {
    let holder = row.get::<_, Option<i64>>("ticket")?;
    let state: String = row.get("state")?;
    Ok(PoolRepository {
        number: PoolNumber(row.get("number")?),
        state: match (state.as_str(), holder) {
            (FREE, None) => PoolState::Free,
            (RESERVED, Some(ticket)) => PoolState::Reserved(TicketId(unsigned(ticket))),
            (DIRTY, None) => PoolState::Dirty,
            (CLEANING, None) => PoolState::Cleaning,
            _ => return Err(nonsense("a pool repository's state", state)),
        },
        since: Moment(row.get("since")?),
    })
}
