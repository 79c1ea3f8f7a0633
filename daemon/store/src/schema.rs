//! The database's versions. A version that was released is never changed: a change is a new one after it.

use std::path::Path;

use rusqlite::Connection;
use rusqlite_migration::{Error, M, MigrationDefinitionError, Migrations};

use crate::error::StoreError;

/// The versions, oldest first; SQLite's `user_version` counts those that were applied.
const VERSIONS: &[M<'static>] = &[
    M::up(include_str!("schema/001.sql")),
    M::up(include_str!("schema/002.sql")),
    M::up(include_str!("schema/003.sql")),
    M::up(include_str!("schema/004.sql")),
];

/// Brings the database to the newest version that is known here.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    match Migrations::from_slice(VERSIONS).to_latest(connection) {
        Err(Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Err(StoreError::TooNew {
                path: path.to_owned(),
                found,
                known: VERSIONS.len(),
            })
        }
        Err(source) => Err(StoreError::Migration {
            path: path.to_owned(),
            why: source.to_string(),
        }),
        Ok(()) => Ok(()),
    }
}
