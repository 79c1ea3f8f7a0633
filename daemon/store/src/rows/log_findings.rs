//! Findings of what logs say: their rows, one a finding, and how they are read back.

use preflight_core::{Attempt, FilePlace, Finding, FindingKind, FindingRecord, JobId, LogFinding, Severity};
use rusqlite::{Connection, Result, Row, params};

use super::run;
use crate::error::StoreError;
use crate::words::{nonsense, number, unsigned};

const ERROR: &str = "error";
const WARNING: &str = "warning";
const NOTE: &str = "note";

pub(super) fn write(db: &Connection, record: &FindingRecord, said: &LogFinding) -> Result<()> {
    let finding = &record.finding;
    let place = said.place.as_ref();
    run(
        db,
        "INSERT INTO log_findings (job, attempt, test, severity, tool, message, file, in_source, line, column, declared, log_line,
         count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            number(record.job.0),
            record.attempt.0,
            finding.test,
            match said.severity {
                Severity::Error => ERROR,
                Severity::Warning => WARNING,
                Severity::Note => NOTE,
            },
            said.tool,
            said.message,
            place.map(|place| place.file.as_str()),
            place.is_some_and(|place| place.in_source),
            place.and_then(|place| place.line),
            place.and_then(|place| place.column),
            finding.declared,
            finding.log_line.map(number),
            number(finding.count),
        ],
    )
}

/// A whole row.
pub(crate) fn read(row: &Row<'_>) -> std::result::Result<FindingRecord, StoreError> {
    let severity = match row.get::<_, String>("severity")?.as_str() {
        ERROR => Severity::Error,
        WARNING => Severity::Warning,
        NOTE => Severity::Note,
        other => return Err(nonsense("a finding's severity", other)),
    };
    let place = match row.get::<_, Option<String>>("file")? {
        None => None,
        Some(file) => Some(FilePlace {
            file,
            in_source: row.get("in_source")?,
            line: row.get("line")?,
            column: row.get("column")?,
        }),
    };
    Ok(FindingRecord {
        job: JobId(unsigned(row.get("job")?)),
        attempt: Attempt(row.get("attempt")?),
        finding: Finding {
            test: row.get("test")?,
            kind: FindingKind::Log(LogFinding {
                severity,
                tool: row.get("tool")?,
                message: row.get("message")?,
                place,
            }),
            declared: row.get("declared")?,
            log_line: row.get::<_, Option<i64>>("log_line")?.map(unsigned),
            count: unsigned(row.get("count")?),
        },
    })
}
