//! The events as subscribers were told of them: history for whoever looks into the database. The state does not follow
//! from them, so that old ones may go.

use preflight_core::Sequence;
use rusqlite::{Connection, Result, params};

use crate::rows::Written;
use crate::words::number;

/// How many of the newest events are kept: weeks of busy use, and some tens of megabytes.
const KEPT: u64 = 100_000;
/// After how many events old ones are looked for.
const STEP: u64 = 1024;

/// Writes an event.
pub(crate) fn write(db: &Connection, written: &Written) -> Result<()> {
    let ticket = written.event.ticket().map(|id| number(id.0));
    db.prepare_cached("INSERT INTO events (seq, at, ticket, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            number(written.seq.0),
            written.at.0,
            ticket,
            written.kind,
            written.json
        ])?;
    if written.seq.0.is_multiple_of(STEP) {
        prune(db, written.seq, KEPT)?;
    }
    Ok(())
}

/// Removes all but so many of the newest.
fn prune(db: &Connection, newest: Sequence, kept: u64) -> Result<()> {
    let last = newest.0.saturating_sub(kept);
    db.prepare_cached("DELETE FROM events WHERE seq <= ?1")?
        .execute(params![number(last)])
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use preflight_core::{Event, ImageId, Moment};

    use super::*;
    use crate::schema;

    #[test]
    fn the_newest_events_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preflight.db");
        let mut db = Connection::open(&path).unwrap();
        schema::migrate(&mut db, &path).unwrap();
        for seq in 1..=STEP + 10 {
            let written = Written {
                seq: Sequence(seq),
                at: Moment(0),
                event: Event::ImageRemoved {
                    id: ImageId("x".to_owned()),
                },
                kind: "image_removed".to_owned(),
                json: "{}".to_owned(),
            };
            write(&db, &written).unwrap();
        }
        let range = |db: &Connection| {
            db.query_row("SELECT min(seq), max(seq) FROM events", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .unwrap()
        };
        assert_eq!(range(&db), (1, 1034), "there are not too many yet");
        prune(&db, Sequence(1034), 34).unwrap();
        assert_eq!(range(&db), (1001, 1034));
    }
}
