//! Reading the state back, at the daemon's start, and the locks, which no state holds.

use std::collections::BTreeMap;

use preflight_core::{
    Artifact, ArtifactRecord, Attempt, AttemptRecord, FindingRecord, FirstError, ImageId, ImageName, ImageRebuild,
    ImageRecord, Job, JobId, LockEntry, LogName, Moment, Numbers, Options, Origin, Rerun, ResultsOrigin, Sequence,
    Series, Sha256, Signature, State, Subticket, SubticketId, TestRecord, TestResult, Ticket, TicketEnd, TicketFiles,
    TicketId, TicketOrigin,
};
use rusqlite::{Connection, Row, params};

use crate::error::StoreError;
use crate::rows::{findings, log_findings, package_sources, replays, test_options};
use crate::words::{Word, duration, exit_code, nonsense, number, path, unsigned};
use crate::{pool, ppas, promotions};

type Result<T> = std::result::Result<T, StoreError>;

/// What the database holds.
#[derive(Debug)]
pub struct Loaded {
    /// All tickets and images.
    pub state: State,
    /// The last event's place.
    pub seq: Sequence,
}

pub(crate) fn load(db: &Connection) -> Result<Loaded> {
    let mut tickets: BTreeMap<TicketId, Ticket> = BTreeMap::new();
    for ticket in all(db, "SELECT * FROM tickets ORDER BY id", ticket)? {
        tickets.insert(ticket.id, ticket);
    }
    let mut each = |rows: Vec<(u64, Part)>| {
        for (id, part) in rows {
            if let Some(ticket) = tickets.get_mut(&TicketId(id)) {
                part.add_to(ticket);
            }
        }
    };
    each(all(db, "SELECT * FROM packages ORDER BY id", package)?);
    each(all(db, "SELECT * FROM subtickets ORDER BY id", subticket)?);
    each(all(db, "SELECT * FROM jobs ORDER BY id", job)?);
    each(all(
        db,
        "SELECT ticket, n.* FROM needs n JOIN jobs ON id = job ORDER BY job, place",
        need,
    )?);
    each(all(
        db,
        "SELECT ticket, a.* FROM attempts a JOIN jobs ON id = job ORDER BY job, attempt",
        attempt,
    )?);
    // What earlier attempts have left is kept, and counts no more.
    let newest = "JOIN jobs j ON j.id = x.job
        WHERE x.attempt = (SELECT max(attempt) FROM attempts a WHERE a.job = x.job) ORDER BY x.job, x.id";
    each(all(db, &format!("SELECT j.ticket, x.* FROM tests x {newest}"), test)?);
    each(all(
        db,
        &format!("SELECT j.ticket, x.* FROM findings x {newest}"),
        finding,
    )?);
    each(all(
        db,
        &format!("SELECT j.ticket, x.* FROM log_findings x {newest}"),
        log_finding,
    )?);
    each(all(
        db,
        &format!("SELECT j.ticket, x.* FROM artifacts x {newest}"),
        artifact,
    )?);
    each(all(db, "SELECT * FROM warnings ORDER BY id", |row| {
        Ok((ticket_of(row)?, Part::Warning(row.get("text")?)))
    })?);
    each(all(db, "SELECT * FROM imports", origin)?);
    each(all(db, "SELECT * FROM imported_results", results_origin)?);
    each(all(db, "SELECT * FROM image_rebuilds", rebuild)?);
    for ticket in tickets.values_mut() {
        ticket.findings.sort_by_key(FindingRecord::order);
    }
    let images = all(db, "SELECT * FROM images ORDER BY id", image)?;
    let seq: Option<i64> = db.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
    Ok(Loaded {
        state: State::restore(tickets.into_values().collect(), images, numbers(db)?)
            .with_links(promotions::load(db)?)
            .with_pool(pool::load(db)?)
            .with_ppas(ppas::load(db)?),
        seq: Sequence(seq.map_or(0, unsigned)),
    })
}

/// The last numbers of what has been removed; those of what is there follow from it.
fn numbers(db: &Connection) -> Result<Numbers> {
    let mut last = Numbers::default();
    for (what, number) in all(db, "SELECT what, last FROM numbers", |row| {
        Ok((row.get::<_, String>("what")?, unsigned(row.get("last")?)))
    })? {
        match what.as_str() {
            "ticket" => last.ticket = TicketId(number),
            "subticket" => last.subticket = SubticketId(number),
            "job" => last.job = JobId(number),
            other => return Err(nonsense("what is numbered", other)),
        }
    }
    Ok(last)
}

/// The locks of a ticket's jobs: of each job its newest attempt's.
pub(crate) fn locks(db: &Connection, ticket: TicketId) -> Result<Vec<(JobId, Vec<LockEntry>)>> {
    let mut statement = db.prepare_cached(
        "SELECT l.job, l.url, l.sha256, l.size, l.origin FROM locks l JOIN jobs j ON j.id = l.job WHERE j.ticket = ?1
         AND l.attempt = (SELECT max(attempt) FROM attempts a WHERE a.job = l.job) ORDER BY l.job, l.place",
    )?;
    let mut rows = statement.query(params![number(ticket.0)])?;
    let mut locks: Vec<(JobId, Vec<LockEntry>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let job = JobId(unsigned(row.get("job")?));
        let entry = LockEntry {
            url: row.get("url")?,
            sha256: digest(row)?,
            size: unsigned(row.get("size")?),
            origin: row.get("origin")?,
        };
        match locks.last_mut() {
            Some((last, entries)) if *last == job => entries.push(entry),
            _ => locks.push((job, vec![entry])),
        }
    }
    Ok(locks)
}

/// What belongs to a ticket and stands in another table.
enum Part {
    Added(String),
    Removed(String),
    Subticket(Subticket),
    Job(Job),
    Need(JobId, JobId),
    Attempt(JobId, AttemptRecord),
    Test(TestRecord),
    Finding(FindingRecord),
    Artifact(ArtifactRecord),
    Warning(String),
    Origin(Origin),
    Rebuild(ImageRebuild),
}

impl Part {
    fn add_to(self, ticket: &mut Ticket) {
        let mut to_job = |id: JobId, change: &mut dyn FnMut(&mut Job)| {
            if let Some(job) = ticket.jobs.iter_mut().find(|job| job.id == id) {
                change(job);
            }
        };
        match self {
            Self::Added(name) => ticket.options.add_packages.push(name),
            Self::Removed(name) => ticket.options.remove_packages.push(name),
            Self::Subticket(subticket) => ticket.subtickets.push(subticket),
            Self::Job(job) => ticket.jobs.push(job),
            Self::Need(job, need) => to_job(job, &mut |job| job.needs.push(need)),
            Self::Attempt(job, record) => to_job(job, &mut |job| job.attempts.push(record.clone())),
            Self::Test(test) => ticket.tests.push(test),
            Self::Finding(finding) => ticket.findings.push(finding),
            Self::Artifact(artifact) => ticket.artifacts.push(artifact),
            Self::Warning(text) => ticket.warnings.push(text),
            Self::Origin(origin) => ticket.origin = Some(origin),
            Self::Rebuild(rebuild) => ticket.options.rebuild = Some(rebuild),
        }
    }
}

fn all<T>(db: &Connection, sql: &str, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn rebuild(row: &Row<'_>) -> Result<(u64, Part)> {
    let name: String = row.get("name")?;
    let rebuild = ImageRebuild {
        base: row.get::<_, Option<String>>("base")?.map(ImageId),
        name: ImageName::new(&name).map_err(|_| nonsense("an image's name", name))?,
    };
    Ok((ticket_of(row)?, Part::Rebuild(rebuild)))
}

fn ticket_of(row: &Row<'_>) -> Result<u64> {
    Ok(unsigned(row.get("ticket")?))
}

fn job_of(row: &Row<'_>) -> Result<JobId> {
    Ok(JobId(unsigned(row.get("job")?)))
}

fn word<W: Word>(row: &Row<'_>, column: &str) -> Result<W> {
    W::read(&row.get::<_, String>(column)?)
}

fn word_if_any<W: Word>(row: &Row<'_>, column: &str) -> Result<Option<W>> {
    row.get::<_, Option<String>>(column)?
        .map(|word| W::read(&word))
        .transpose()
}

fn moment_if_any(row: &Row<'_>, column: &str) -> Result<Option<Moment>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Moment))
}

fn code_if_any(row: &Row<'_>) -> Result<Option<preflight_core::ExitCode>> {
    row.get::<_, Option<i64>>("exit_code")?.map(exit_code).transpose()
}

fn digest(row: &Row<'_>) -> Result<Sha256> {
    let text: String = row.get("sha256")?;
    text.parse().map_err(|_| nonsense("a digest", text))
}

fn ticket(row: &Row<'_>) -> Result<Ticket> {
    let outcome = word_if_any(row, "outcome")?;
    let end = match (outcome, code_if_any(row)?, moment_if_any(row, "finished_at")?) {
        (Some(outcome), Some(exit_code), Some(at)) => Some(TicketEnd {
            outcome,
            exit_code,
            reason: row.get("reason")?,
            at,
        }),
        _ => None,
    };
    Ok(Ticket {
        id: TicketId(unsigned(row.get("id")?)),
        title: row.get("title")?,
        description: row.get("description")?,
        bug: row.get("bug")?,
        owner: row.get("owner")?,
        series: Series(row.get("series")?),
        options: Options {
            add_packages: vec![],
            remove_packages: vec![],
            rebuild: None,
            sources: package_sources::read(row.get::<_, Option<String>>("package_sources")?.as_deref())
                .map_err(|why| nonsense("package sources", why))?,
            offline: row.get("offline")?,
            test_timeout: row.get::<_, Option<i64>>("test_timeout")?.map(duration),
            build_timeout: row.get::<_, Option<i64>>("build_timeout")?.map(duration),
            keep_going: row.get("keep_going")?,
            keep_failed: word(row, "keep_failed")?,
            priority: word(row, "priority")?,
            pool_repositories: row.get("pool_repositories")?,
            tests: test_options::read(row.get::<_, Option<String>>("test_options")?.as_deref())
                .map_err(|why| nonsense("test options", why))?,
            replay_of: replays::of_ticket(row)?,
        },
        step: Word::read(&row.get::<_, i64>("step")?.to_string())?,
        status: word(row, "status")?,
        kept: row.get("kept")?,
        created_at: Moment(row.get("created_at")?),
        queued_at: moment_if_any(row, "queued_at")?,
        queue_position: row.get("queue_position")?,
        started_at: moment_if_any(row, "started_at")?,
        end,
        subtickets: vec![],
        jobs: vec![],
        tests: vec![],
        findings: vec![],
        artifacts: vec![],
        gone: [
            (TicketFiles::Artifacts, row.get("artifacts_gone")?),
            (TicketFiles::Sources, row.get("sources_gone")?),
        ]
        .into_iter()
        .filter_map(|(files, gone)| Some(files).filter(|_| gone))
        .collect(),
        image: row.get::<_, Option<String>>("image")?.map(ImageId),
        warnings: vec![],
        origin: None,
    })
}

fn package(row: &Row<'_>) -> Result<(u64, Part)> {
    let name = row.get("name")?;
    let part = match row.get::<_, String>("verb")?.as_str() {
        "add" => Part::Added(name),
        _ => Part::Removed(name),
    };
    Ok((ticket_of(row)?, part))
}

fn subticket(row: &Row<'_>) -> Result<(u64, Part)> {
    let signature = match row.get::<_, String>("signature")?.as_str() {
        "none" => Signature::None,
        "good" => Signature::Good {
            signer: row.get("signer")?,
            fingerprint: row.get("fingerprint")?,
        },
        "unverified" => Signature::Unverified {
            reason: row.get("signature_reason")?,
        },
        other => return Err(nonsense("a signature's state", other)),
    };
    let subticket = Subticket {
        id: SubticketId(unsigned(row.get("id")?)),
        source: row.get("source")?,
        version: row.get("version")?,
        origin: path(row.get("origin")?),
        signature,
        staged: path(row.get("staged")?),
        needs_source_package: row.get("needs_source_package")?,
    };
    Ok((ticket_of(row)?, Part::Subticket(subticket)))
}

fn job(row: &Row<'_>) -> Result<(u64, Part)> {
    let ticket = ticket_of(row)?;
    let job = Job {
        id: JobId(unsigned(row.get("id")?)),
        ticket: TicketId(ticket),
        kind: word(row, "kind")?,
        subticket: row
            .get::<_, Option<i64>>("subticket")?
            .map(|id| SubticketId(unsigned(id))),
        source: row.get("source")?,
        needs: vec![],
        rerun: rerun(row)?,
        state: word(row, "state")?,
        reason: row.get("reason")?,
        attempts: vec![],
    };
    Ok((ticket, Part::Job(job)))
}

fn rerun(row: &Row<'_>) -> Result<Option<Rerun>> {
    let Some(test) = row.get("rerun")? else {
        return Ok(None);
    };
    Ok(Some(Rerun {
        test,
        purpose: word_if_any(row, "purpose")?.unwrap_or_default(),
        dirty: row.get("dirty")?,
        staged: row.get::<_, Option<Vec<u8>>>("staged")?.map(path),
    }))
}

fn need(row: &Row<'_>) -> Result<(u64, Part)> {
    Ok((
        ticket_of(row)?,
        Part::Need(job_of(row)?, JobId(unsigned(row.get("need")?))),
    ))
}

fn attempt(row: &Row<'_>) -> Result<(u64, Part)> {
    let first_error = match row.get::<_, Option<String>>("error_log")? {
        Some(log) => Some(FirstError {
            log: LogName(log),
            line: unsigned(row.get("error_line")?),
            text: row.get("error_text")?,
        }),
        None => None,
    };
    let record = AttemptRecord {
        attempt: Attempt(row.get("attempt")?),
        started_at: Moment(row.get("started_at")?),
        finished_at: moment_if_any(row, "finished_at")?,
        outcome: word_if_any(row, "outcome")?,
        exit_code: code_if_any(row)?,
        reason: row.get("reason")?,
        log: LogName(row.get("log")?),
        first_error,
        unresponsive: row.get("unresponsive")?,
        kept: row.get::<_, Option<i64>>("kept")?.map(unsigned),
    };
    Ok((ticket_of(row)?, Part::Attempt(job_of(row)?, record)))
}

fn test(row: &Row<'_>) -> Result<(u64, Part)> {
    let result = TestResult {
        source: row.get("source")?,
        name: row.get("name")?,
        status: word(row, "status")?,
        reason: row.get("reason")?,
        duration: duration(row.get("duration")?),
        log_line: row.get::<_, Option<i64>>("log_line")?.map(unsigned),
    };
    let record = TestRecord {
        job: job_of(row)?,
        attempt: Attempt(row.get("attempt")?),
        result,
    };
    Ok((ticket_of(row)?, Part::Test(record)))
}

fn log_finding(row: &Row<'_>) -> Result<(u64, Part)> {
    Ok((ticket_of(row)?, Part::Finding(log_findings::read(row)?)))
}

fn finding(row: &Row<'_>) -> Result<(u64, Part)> {
    Ok((ticket_of(row)?, Part::Finding(findings::read(row)?)))
}

fn artifact(row: &Row<'_>) -> Result<(u64, Part)> {
    let artifact = Artifact {
        name: row.get("name")?,
        sha256: digest(row)?,
        size: unsigned(row.get("size")?),
        path: path(row.get("path")?),
    };
    let record = ArtifactRecord {
        job: job_of(row)?,
        attempt: Attempt(row.get("attempt")?),
        artifact,
    };
    Ok((ticket_of(row)?, Part::Artifact(record)))
}

fn origin(row: &Row<'_>) -> Result<(u64, Part)> {
    let origin = TicketOrigin {
        host: row.get("host")?,
        ticket: TicketId(unsigned(row.get("number")?)),
        exported_at: Moment(row.get("exported_at")?),
    };
    Ok((ticket_of(row)?, Part::Origin(Origin::Ticket(origin))))
}

fn results_origin(row: &Row<'_>) -> Result<(u64, Part)> {
    let origin = ResultsOrigin {
        place: row.get("place")?,
        format: row.get("format")?,
        imported_at: Moment(row.get("imported_at")?),
    };
    Ok((ticket_of(row)?, Part::Origin(Origin::Results(origin))))
}

fn image(row: &Row<'_>) -> Result<ImageRecord> {
    Ok(ImageRecord {
        id: ImageId(row.get("id")?),
        series: Series(row.get("series")?),
        kind: word(row, "kind")?,
        parent: row.get::<_, Option<String>>("parent")?.map(ImageId),
        size: unsigned(row.get("size")?),
        created_at: Moment(row.get("created_at")?),
        path: path(row.get("path")?),
    })
}
