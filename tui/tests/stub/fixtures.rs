//! Invented tickets that look like real ones.

use std::path::{Path, PathBuf};

use preflight_protocol::health::{Check, CheckState, DaemonStatus};
use preflight_protocol::ids::{Attempt, ImageId, JobId, Moment, Sequence, Series, Sha256, SubticketId, TicketId};
use preflight_protocol::image::{ImageInfo, ImageKind};
use preflight_protocol::job::{AttemptRecord, FirstError, Job, JobKind, JobState, Progress};
use preflight_protocol::log::{LogInfo, LogName};
use preflight_protocol::result::{Artifact, Finding, FindingKind, NetworkProtocol, Outcome, TestResult, TestStatus};
use preflight_protocol::test_options::TestOptions;
use preflight_protocol::ticket::{
    KeepFailed, Priority, Signature, Subticket, TestCounts, Ticket, TicketStatus, TicketSummary, WorkflowStep,
};

use super::State;

/// The moment at which the invented world stands in tests.
pub(crate) fn noon() -> Moment {
    Moment("2025-06-01T12:00:00Z".parse().unwrap())
}

pub(crate) fn before(now: Moment, seconds: i64) -> Moment {
    Moment(now.0 - jiff::SignedDuration::from_secs(seconds))
}

pub(crate) fn daemon(now: Moment) -> DaemonStatus {
    DaemonStatus {
        version: "0.1.0".into(),
        pid: 4242,
        started_at: before(now, 7200),
        sequence: Sequence(0),
        accelerator: "kvm".into(),
        hypervisor: "qemu:///session".into(),
        queued: 1,
        running: 1,
        machines: 1,
        warnings: vec![],
    }
}

pub(crate) fn summary(id: u64, source: &str, version: &str, now: Moment) -> TicketSummary {
    TicketSummary {
        id: TicketId(id),
        title: format!("{source} {version}"),
        owner: "jane".into(),
        series: Series("debian-bookworm".into()),
        workflow_step: WorkflowStep::Queued,
        status: TicketStatus::Queued,
        outcome: None,
        exit_code: None,
        reason: None,
        sources: vec![source.into()],
        created_at: before(now, 900),
        started_at: None,
        finished_at: None,
        queue_position: None,
        progress: None,
        test_counts: TestCounts::default(),
        gone: vec![],
        kept: false,
    }
}

pub(crate) fn job(ticket: u64, id: u64, kind: JobKind, source: Option<&str>) -> Job {
    Job {
        id: JobId(id),
        ticket: TicketId(ticket),
        kind,
        subticket: source.map(|_| SubticketId(ticket)),
        source: source.map(str::to_owned),
        needs: vec![],
        rerun: None,
        state: JobState::Queued,
        attempt: Attempt(0),
        started_at: None,
        finished_at: None,
        outcome: None,
        reason: None,
        first_error: None,
        log: None,
        progress: None,
        attempts: vec![],
    }
}

/// A ticket with the jobs that one source needs, all of them queued.
pub(crate) fn ticket(id: u64, source: &str, version: &str, now: Moment) -> Ticket {
    let first = id * 10;
    let mut jobs = vec![
        job(id, first + 1, JobKind::Build, Some(source)),
        job(id, first + 2, JobKind::Image, None),
        job(id, first + 3, JobKind::Test, Some(source)),
    ];
    jobs[1].needs = vec![JobId(first + 1)];
    jobs[2].needs = vec![JobId(first + 2)];
    Ticket {
        test_options: TestOptions::default(),
        summary: summary(id, source, version, now),
        description: "Fix the greeting".into(),
        bug: Some("1012345".into()),
        add_packages: vec![],
        remove_packages: vec![],
        snapshot: None,
        pockets: vec![],
        ppas: vec![],
        repositories: vec![],
        replay_of: None,
        keep_failed: KeepFailed::default(),
        priority: Priority::default(),
        subtickets: vec![Subticket {
            id: SubticketId(id),
            source: source.into(),
            version: version.into(),
            origin: PathBuf::from(format!("/home/jane/packages/{source}_{version}.dsc")),
            signature: Signature::Good {
                signer: "Jane Doe <jane@example.org>".into(),
                fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567".into(),
            },
        }],
        jobs,
        tests: vec![],
        findings: vec![],
        artifacts: vec![],
        image: None,
        warnings: vec![],
        origin: None,
        results_origin: None,
    }
}

pub(crate) fn log_name(job: &Job) -> LogName {
    let source = job
        .source
        .as_deref()
        .map(|source| format!("-{source}"))
        .unwrap_or_default();
    LogName(format!("{}-{}{source}.{}.log", job.id, job.kind, job.attempt.0.max(1)))
}

pub(crate) fn start(job: &mut Job, at: Moment) {
    job.state = JobState::Running;
    job.attempt = Attempt(job.attempt.0 + 1);
    job.started_at = Some(at);
    job.finished_at = None;
    let log = log_name(job);
    job.attempts.push(AttemptRecord {
        attempt: job.attempt,
        started_at: at,
        finished_at: None,
        outcome: None,
        reason: None,
        log: log.clone(),
        first_error: None,
        unresponsive: false,
        kept: None,
    });
    job.log = Some(log);
}

pub(crate) fn end(job: &mut Job, at: Moment, outcome: Outcome, reason: Option<&str>) {
    job.state = match outcome {
        Outcome::Pass | Outcome::Skipped | Outcome::NoTests => JobState::Passed,
        Outcome::Cancelled => JobState::Cancelled,
        _ => JobState::Failed,
    };
    job.finished_at = Some(at);
    job.outcome = Some(outcome);
    job.reason = reason.map(str::to_owned);
    job.progress = None;
    if let Some(last) = job.attempts.last_mut() {
        last.finished_at = Some(at);
        last.outcome = Some(outcome);
        last.reason = job.reason.clone();
    }
}

pub(crate) fn test(job: &Job, name: &str, status: TestStatus, reason: Option<&str>, duration_s: f64) -> TestResult {
    TestResult {
        source: job.source.clone().unwrap_or_default(),
        name: name.into(),
        status,
        reason: reason.map(str::to_owned),
        duration_s,
        job: job.id,
        log_line: None,
        dirty: false,
        verdict: None,
    }
}

pub(crate) fn finding(job: &Job, test: Option<&str>, log_line: u64, count: u64) -> Finding {
    let times = if count > 1 {
        format!(", {count} times")
    } else {
        String::new()
    };
    Finding {
        job: job.id,
        attempt: job.attempt,
        source: job.source.clone(),
        test: test.map(str::to_owned),
        kind: FindingKind::Network {
            protocol: NetworkProtocol::Dns,
            destination: std::net::Ipv4Addr::new(192, 0, 2, 53).into(),
            name: Some("www.example".into()),
            port: Some(53),
            process: None,
        },
        declared: false,
        log_line: Some(log_line),
        count,
        text: format!(
            "network attempt refused: dns to 192.0.2.53 (asking for www.example) by a process that was gone{times}"
        ),
    }
}

pub(crate) fn artifact(job: &Job, name: &str, size: u64) -> Artifact {
    Artifact {
        name: name.into(),
        sha256: digest(size),
        size,
        path: PathBuf::from(format!(
            "/home/jane/.local/state/preflight/artifacts/{}/{name}",
            job.ticket
        )),
        job: job.id,
    }
}

pub(crate) fn digest(number: u64) -> Sha256 {
    Sha256(format!("{number:064x}"))
}

/// Ends a ticket; the counts come from its tests.
pub(crate) fn finish(ticket: &mut Ticket, at: Moment, outcome: Outcome, exit_code: u8, reason: Option<&str>) {
    let failed = !matches!(exit_code, 0 | 2 | 8);
    ticket.summary.status = match (outcome, failed) {
        (Outcome::Cancelled, _) => TicketStatus::Cancelled,
        (_, true) => TicketStatus::Failed,
        (_, false) => TicketStatus::Complete,
    };
    ticket.summary.workflow_step = if failed {
        WorkflowStep::Failed
    } else {
        WorkflowStep::Complete
    };
    ticket.summary.outcome = Some(outcome);
    ticket.summary.exit_code = Some(exit_code);
    ticket.summary.reason = reason.map(str::to_owned);
    ticket.summary.finished_at = Some(at);
    ticket.summary.progress = None;
    ticket.summary.queue_position = None;
    count(ticket);
}

pub(crate) fn count(ticket: &mut Ticket) {
    let of = |status| ticket.tests.iter().filter(|test| test.status == status).count() as u32;
    ticket.summary.test_counts = TestCounts {
        pass: of(TestStatus::Pass),
        fail: of(TestStatus::Fail),
        flaky: of(TestStatus::Flaky),
        skip: of(TestStatus::Skip),
    };
}

/// All went well.
pub(crate) fn passed(id: u64, source: &str, version: &str, now: Moment) -> Ticket {
    let mut ticket = ticket(id, source, version, now);
    ticket.summary.started_at = Some(before(now, 800));
    for (job, (from, to)) in ticket.jobs.iter_mut().zip([(800, 540), (540, 480), (480, 400)]) {
        start(job, before(now, from));
        end(job, before(now, to), Outcome::Pass, None);
    }
    ticket.tests = vec![
        test(&ticket.jobs[2], "command1", TestStatus::Pass, None, 1.2),
        test(&ticket.jobs[2], "upstream-tests", TestStatus::Pass, None, 31.4),
    ];
    ticket.artifacts = vec![
        artifact(&ticket.jobs[0], &format!("{source}_{version}_amd64.deb"), 53_404),
        artifact(&ticket.jobs[0], &format!("{source}_{version}_amd64.buildinfo"), 6_012),
    ];
    ticket.image = Some(ImageId(format!("ticket-{id}-0f3a9c21")));
    finish(&mut ticket, before(now, 400), Outcome::Pass, 0, None);
    ticket
}

/// Its second test failed. The line of the error is of [`test_log`].
pub(crate) fn failed(id: u64, source: &str, version: &str, now: Moment) -> Ticket {
    let mut ticket = passed(id, source, version, now);
    let job = &mut ticket.jobs[2];
    end(
        job,
        before(now, 400),
        Outcome::Fail,
        Some("test upstream-tests: non-zero exit status 1"),
    );
    let error = FirstError {
        log: job.log.clone().unwrap(),
        line: ERROR_LINE,
        text: ERROR_TEXT.into(),
    };
    job.first_error = Some(error.clone());
    job.attempts.last_mut().unwrap().first_error = Some(error);
    ticket.tests[1].status = TestStatus::Fail;
    ticket.tests[1].reason = Some("non-zero exit status 1".into());
    ticket.tests[1].log_line = Some(200);
    ticket.image = None;
    ticket.warnings = vec!["the source is not signed by a known key".into()];
    finish(
        &mut ticket,
        before(now, 400),
        Outcome::Fail,
        4,
        Some("test upstream-tests failed: non-zero exit status 1"),
    );
    ticket
}

/// Its build does not end well.
pub(crate) fn bad_package(id: u64, source: &str, version: &str, now: Moment) -> Ticket {
    let mut ticket = ticket(id, source, version, now);
    ticket.summary.started_at = Some(before(now, 3700));
    start(&mut ticket.jobs[0], before(now, 3700));
    end(
        &mut ticket.jobs[0],
        before(now, 3600),
        Outcome::BadPackage,
        Some("dpkg-buildpackage: exit status 2"),
    );
    let error = FirstError {
        log: ticket.jobs[0].log.clone().unwrap(),
        line: ERROR_LINE,
        text: "src/main.c:42:5: error: implicit declaration of function 'greet'".into(),
    };
    ticket.jobs[0].first_error = Some(error);
    ticket.jobs[1].state = JobState::Skipped;
    ticket.jobs[2].state = JobState::Skipped;
    finish(
        &mut ticket,
        before(now, 3600),
        Outcome::BadPackage,
        12,
        Some("the build of the package failed: dpkg-buildpackage: exit status 2"),
    );
    ticket
}

/// It runs its tests now.
pub(crate) fn running(id: u64, source: &str, version: &str, now: Moment) -> Ticket {
    let mut ticket = ticket(id, source, version, now);
    ticket.summary.started_at = Some(before(now, 372));
    for (job, (from, to)) in ticket.jobs.iter_mut().zip([(372, 100), (100, 42)]) {
        start(job, before(now, from));
        end(job, before(now, to), Outcome::Pass, None);
    }
    start(&mut ticket.jobs[2], before(now, 42));
    let progress = Progress {
        phase: "running test upstream-tests".into(),
        fraction: Some(0.6),
        estimate_s: Some(95),
    };
    ticket.jobs[2].progress = Some(progress.clone());
    ticket.tests = vec![test(&ticket.jobs[2], "command1", TestStatus::Pass, None, 1.2)];
    ticket.summary.progress = Some(progress);
    ticket.summary.status = TicketStatus::Running;
    ticket.summary.workflow_step = WorkflowStep::ImageTesting;
    count(&mut ticket);
    ticket
}

/// Where [`test_log`] fails.
pub(crate) const ERROR_LINE: u64 = 312;
pub(crate) const ERROR_TEXT: &str = "FAIL: tests/greeting-1.sh: expected 'Hello, world!', got 'Hullo, world!'";

/// A test's log with colours, a hostile line, and its error at [`ERROR_LINE`].
pub(crate) fn test_log() -> String {
    let mut lines = Vec::new();
    for number in 1..=400_u64 {
        lines.push(match number {
            1 => "autopkgtest [12:01:07]: starting date and time: 2025-06-01 12:01:07+0000".to_owned(),
            2 => "autopkgtest [12:01:07]: version 5.28".to_owned(),
            200 => "autopkgtest [12:03:11]: test upstream-tests: [-----------------------".to_owned(),
            310 => "\x1b[32mPASS\x1b[0m: tests/hello-1.sh".to_owned(),
            311 => "a title and a clear screen: \x1b]0;owned\x07\x1b[2J\x1b[H".to_owned(),
            ERROR_LINE => format!("\x1b[31mFAIL\x1b[0m{}", &ERROR_TEXT["FAIL".len()..]),
            313 => "make[2]: *** [Makefile:1523: check-TESTS] Error 1".to_owned(),
            _ if number % 7 == 0 => format!("checking for feature {number}... \x1b[1myes\x1b[0m"),
            _ => format!("gcc -DHAVE_CONFIG_H -I. -g -O2 -ffile-prefix-map=/build/hello=. -c -o src/part{number}.o src/part{number}.c"),
        });
    }
    lines.join("\n") + "\n"
}

/// Writes a job's log and makes it known.
pub(crate) fn put_log(state: &mut State, folder: &Path, job: &Job, content: &str) {
    let name = job.log.clone().unwrap_or_else(|| log_name(job));
    let path = folder.join(format!("{}-{name}", job.ticket));
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, content).unwrap();
    state.logs.push((
        job.ticket,
        LogInfo {
            name,
            job: job.id,
            attempt: job.attempt,
            index: path.with_extension("idx"),
            path,
            size: content.len() as u64,
            growing: job.state == JobState::Running,
        },
    ));
}

pub(crate) fn images(now: Moment) -> Vec<ImageInfo> {
    let image = |id: &str, kind, size, users: &[u64]| ImageInfo {
        id: ImageId(id.into()),
        series: Series("debian-bookworm".into()),
        kind,
        size,
        created_at: before(now, 86_400 * 3),
        users: users.iter().copied().map(TicketId).collect(),
        path: PathBuf::from(format!("/home/jane/.cache/preflight/images/{id}/disk.qcow2")),
        names: vec![],
    };
    vec![
        image(
            "debian-bookworm-base-5d1c0a7e",
            ImageKind::Base,
            412_000_000,
            &[1, 2, 3, 4, 5, 6, 7],
        ),
        image(
            "debian-bookworm-build-77aa10f2",
            ImageKind::BaseBuild,
            731_000_000,
            &[1, 2],
        ),
        image("ticket-3-0f3a9c21", ImageKind::Ticket, 23_400_000, &[3]),
    ]
}

pub(crate) fn checks() -> Vec<Check> {
    let check = |name: &str, state, detail: &str, hint: Option<&str>| Check {
        name: name.into(),
        state,
        detail: detail.into(),
        hint: hint.map(str::to_owned),
    };
    vec![
        check("QEMU", CheckState::Ok, "7.2.9, /usr/bin/qemu-system-x86_64", None),
        check(
            "KVM",
            CheckState::Warning,
            "/dev/kvm is there, but a probe guest did not answer under it",
            Some("emulation is used: slower, and no isolation boundary that QEMU's authors vouch for"),
        ),
        check(
            "mmdebstrap",
            CheckState::Missing,
            "not found on PATH",
            Some("apt install mmdebstrap"),
        ),
    ]
}

/// A world with one ticket of each kind, newest first: running, failed, passed, bad package, waiting.
pub(crate) fn world(folder: &Path, now: Moment) -> State {
    let mut state = State::new(now);
    let tickets = [
        bad_package(1, "libgreet", "0.9-1", now),
        passed(2, "hello", "2.10-3", now),
        failed(3, "hello", "2.10-4", now),
        running(4, "python-greeting", "1.4.2-1", now),
    ];
    for ticket in tickets {
        for job in ticket.jobs.clone() {
            if job.log.is_some() {
                let content = if job.first_error.is_some() || job.kind == JobKind::Test {
                    test_log()
                } else {
                    format!("{} of {}\nall is well\n", job.kind, ticket.summary.title)
                };
                put_log(&mut state, folder, &job, &content);
            }
        }
        state.tickets.push(ticket);
    }
    let mut queued = ticket(5, "cowsay", "3.03+dfsg2-8", now);
    queued.summary.queue_position = Some(1);
    state.tickets.push(queued);
    state.images = images(now);
    state.checks = checks();
    state
}
