//! The PPAs that were added: a row each, and one for each series that a state of it is known for.

use preflight_core::ppa::{PpaDefinition, PpaLabels, PpaName, PpaRecord, PpaState};
use preflight_core::{Moment, Series};
use rusqlite::{Connection, Row, params};

use crate::error::StoreError;
use crate::words::{nonsense, number, unsigned};

/// Writes a PPA that was added.
pub(crate) fn add(db: &Connection, ppa: &PpaRecord) -> rusqlite::Result<()> {
    let definition = &ppa.definition;
    db.prepare_cached(
        "INSERT INTO ppas (name, uri, suite, components, architectures, keys, fingerprints, priority, packages, private,
         added_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        definition.name.as_str(),
        definition.uri,
        definition.suite,
        definition.components.join("\n"),
        definition.architectures.join("\n"),
        definition.keys,
        definition.fingerprints.join("\n"),
        definition.priority,
        definition.packages.join("\n"),
        definition.private,
        ppa.added_at.0,
    ])?;
    let mut states = ppa.states.iter();
    states.try_for_each(|(series, state)| refresh(db, ppa.name(), series, state))
}

/// Writes the newest state for a series.
pub(crate) fn refresh(db: &Connection, name: &PpaName, series: &Series, state: &PpaState) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO ppa_states (ppa, series, state, suite, date, origin, label, archive, codename, packages,
         refreshed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        name.as_str(),
        series.as_str(),
        state.state.to_string(),
        state.suite,
        state.date.map(|date| date.0),
        state.labels.origin,
        state.labels.label,
        state.labels.suite,
        state.labels.codename,
        number(state.packages),
        state.refreshed_at.0,
    ])
    .map(|_| ())
}

/// Takes a PPA out.
pub(crate) fn remove(db: &Connection, name: &PpaName) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM ppa_states WHERE ppa = ?1",
        "DELETE FROM ppas WHERE name = ?1",
    ] {
        db.prepare_cached(sql)?.execute(params![name.as_str()])?;
    }
    Ok(())
}

/// All PPAs, by name.
pub(crate) fn load(db: &Connection) -> Result<Vec<PpaRecord>, StoreError> {
    let mut statement = db.prepare("SELECT * FROM ppas ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut ppas = Vec::new();
    while let Some(row) = rows.next()? {
        ppas.push(ppa(db, row)?);
    }
    Ok(ppas)
}

fn ppa(db: &Connection, row: &Row<'_>) -> Result<PpaRecord, StoreError> {
    let name: String = row.get("name")?;
    let list = |column| {
        let text: String = row.get(column)?;
        Ok::<_, rusqlite::Error>(text.lines().map(str::to_owned).collect())
    };
    let mut record = PpaRecord {
        definition: PpaDefinition {
            name: name.parse().map_err(|_| nonsense("a PPA's name", name))?,
            uri: row.get("uri")?,
            suite: row.get("suite")?,
            components: list("components")?,
            architectures: list("architectures")?,
            keys: row.get("keys")?,
            fingerprints: list("fingerprints")?,
            priority: row.get("priority")?,
            packages: list("packages")?,
            private: row.get("private")?,
        },
        added_at: Moment(row.get("added_at")?),
        states: [].into(),
    };
    let mut statement = db.prepare_cached("SELECT * FROM ppa_states WHERE ppa = ?1")?;
    let mut rows = statement.query([record.name().as_str()])?;
    while let Some(row) = rows.next()? {
        record.states.insert(Series(row.get("series")?), state(row)?);
    }
    Ok(record)
}

fn state(row: &Row<'_>) -> Result<PpaState, StoreError> {
    let digest: String = row.get("state")?;
    Ok(PpaState {
        state: digest.parse().map_err(|_| nonsense("a PPA's state", digest))?,
        suite: row.get("suite")?,
        date: row.get::<_, Option<i64>>("date")?.map(Moment),
        labels: PpaLabels {
            origin: row.get("origin")?,
            label: row.get("label")?,
            suite: row.get("archive")?,
            codename: row.get("codename")?,
        },
        packages: unsigned(row.get("packages")?),
        refreshed_at: Moment(row.get("refreshed_at")?),
    })
}
