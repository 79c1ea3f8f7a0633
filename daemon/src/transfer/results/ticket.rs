//! The ticket that a run becomes: one source, one test job, one attempt. Its numbers are those of nowhere; core gives it
//! those of here.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use preflight_core::{
    Attempt, AttemptRecord, ImportedTicket, Job, JobId, JobKind, JobState, Moment, Options, Origin, ResultsOrigin,
    Series, Signature, Subticket, SubticketId, TestRecord, TestResult, Ticket, TicketEnd, TicketFiles, TicketId,
    TicketStatus, WorkflowStep,
};
use preflight_results::{Case, Format, ResultsError, Run};

use super::WantedResults;

const ID: TicketId = TicketId(1);
const SUBTICKET: SubticketId = SubticketId(1);
const JOB: JobId = JobId(1);
const ATTEMPT: Attempt = Attempt(1);
/// A version that is less than any.
const NO_VERSION: &str = "0~unknown";
const NO_SERIES: &str = "unknown";

fn moment(at: Timestamp) -> Moment {
    Moment(at.as_microsecond())
}

/// The ticket, without what its files say.
pub(super) fn of(wanted: &WantedResults, run: &Run) -> Result<ImportedTicket, ResultsError> {
    let identity = &run.identity;
    let source = identity.source.clone().ok_or(ResultsError::NoSource)?;
    let mut warnings = Vec::new();
    let mut known = |what: &str, found: &Option<String>, otherwise: &str| {
        found.clone().unwrap_or_else(|| {
            warnings.push(format!("the results do not tell the {what}"));
            otherwise.to_owned()
        })
    };
    let version = known("version", &identity.version, NO_VERSION);
    let series = Series(known("series", &identity.series, NO_SERIES));
    warnings.extend(run.left_out.iter().map(|what| format!("not imported: {what}")));
    let began = run.started.map_or(wanted.now, moment);
    let tests = run
        .cases
        .iter()
        .fold(Duration::ZERO, |sum, case| sum.saturating_add(case.duration));
    let took = run.duration.unwrap_or(tests);
    let ended = Moment(
        began
            .0
            .saturating_add(i64::try_from(took.as_micros()).unwrap_or_default()),
    );
    let outcome = run.exit_code.outcome();
    let is_good = run.exit_code.completes();
    let reason = run.reason.clone().filter(|_| !is_good);
    let status = if is_good {
        TicketStatus::Complete
    } else {
        TicketStatus::Failed
    };
    let job = Job {
        id: JOB,
        ticket: ID,
        kind: JobKind::Test,
        subticket: Some(SUBTICKET),
        source: Some(source.clone()),
        needs: Vec::new(),
        rerun: None,
        state: if is_good { JobState::Passed } else { JobState::Failed },
        reason: None,
        attempts: Vec::new(),
    };
    let attempt = AttemptRecord {
        attempt: ATTEMPT,
        started_at: began,
        finished_at: Some(ended),
        outcome: Some(outcome),
        exit_code: Some(run.exit_code),
        reason: reason.clone(),
        log: job.log_name(ATTEMPT),
        first_error: None,
        unresponsive: false,
        kept: None,
    };
    let title = format!("{source} {version}: results of {}", of_whom(run.format));
    let ticket = Ticket {
        id: ID,
        title: wanted.title.clone().unwrap_or(title),
        description: String::new(),
        bug: None,
        owner: wanted.owner.clone(),
        series,
        options: Options::default(),
        step: if is_good {
            WorkflowStep::Complete
        } else {
            WorkflowStep::Failed
        },
        status,
        kept: false,
        created_at: wanted.now,
        queued_at: None,
        queue_position: None,
        started_at: Some(began),
        end: Some(TicketEnd {
            outcome,
            exit_code: run.exit_code,
            reason,
            at: ended,
        }),
        subtickets: vec![Subticket {
            id: SUBTICKET,
            source: source.clone(),
            version,
            origin: wanted.place.clone().into(),
            signature: Signature::None,
            staged: format!("sources/{source}").into(),
            needs_source_package: false,
        }],
        tests: run.cases.iter().map(|case| test(case, &source)).collect(),
        jobs: vec![Job {
            attempts: vec![attempt],
            ..job
        }],
        findings: Vec::new(),
        artifacts: Vec::new(),
        // There never was any.
        gone: BTreeSet::from([TicketFiles::Artifacts, TicketFiles::Sources]),
        image: None,
        warnings,
        origin: None,
    };
    Ok(ImportedTicket {
        ticket,
        origin: Origin::Results(ResultsOrigin {
            place: wanted.place.clone(),
            format: run.format.key().to_owned(),
            imported_at: wanted.now,
        }),
        locks: Vec::new(),
        heads: Vec::new(),
    })
}

fn of_whom(format: Format) -> &'static str {
    match format {
        Format::Autopkgtest | Format::Log => "autopkgtest",
        Format::Debci => "debci",
        Format::ResultTar => "Ubuntu's autopkgtest",
        Format::Subunit1 | Format::Subunit2 => "a subunit stream",
        Format::Junit => "JUnit",
    }
}

fn test(case: &Case, source: &str) -> TestRecord {
    TestRecord {
        job: JOB,
        attempt: ATTEMPT,
        result: TestResult {
            source: source.to_owned(),
            name: case.name.clone(),
            status: case.status,
            reason: case.reason.clone(),
            duration: case.duration,
            log_line: case.log_line,
        },
    }
}
