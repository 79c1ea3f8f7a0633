//! A daemon of invented tickets, to look at the screen and the command line without a single machine:
//! `PREFLIGHT_HOME=/tmp/x cargo run -p preflight --example stub-daemon`, then `PREFLIGHT_HOME=/tmp/x preflight`.
#![expect(clippy::expect_used, reason = "an example that cannot go on ends")]

#[path = "../tests/stub/mod.rs"]
mod stub;

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use preflight_protocol::event::{Beat, EventKind};
use preflight_protocol::ids::{Moment, TicketId};
use preflight_protocol::job::{JobState, Progress};
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{TicketStatus, WorkflowStep};
use stub::{Shared, Stub, fixtures};

const OLD: u64 = 200;

fn main() {
    let home: PathBuf = std::env::var_os("PREFLIGHT_HOME")
        .expect("PREFLIGHT_HOME names a folder")
        .into();
    let logs = home.join("state/logs");
    let now = Moment(jiff::Timestamp::now());
    let mut state = fixtures::world(&logs, now);
    // The newest first: those of the world above the old ones.
    for ticket in &mut state.tickets {
        renumber(ticket, OLD);
    }
    for (id, _) in &mut state.logs {
        id.0 += OLD;
    }
    for id in 1..=OLD {
        let mut ticket = match id % 9 {
            0 => fixtures::failed(id, "hello", &format!("2.9-{id}"), now),
            4 => fixtures::bad_package(id, "libgreet", &format!("0.8-{id}"), now),
            _ => fixtures::passed(id, "hello", &format!("2.9-{id}"), now),
        };
        let age = (OLD - id + 1) as i64 * 7_000;
        ticket.summary.created_at = fixtures::before(now, age + 900);
        ticket.summary.started_at = Some(fixtures::before(now, age + 800));
        ticket.summary.finished_at = Some(fixtures::before(now, age));
        state.tickets.push(ticket);
    }
    state.intake = Box::new(move |id, request| {
        let source = request.sources[0]
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut ticket = fixtures::ticket(id.0, &source, "1.0-1", Moment(jiff::Timestamp::now()));
        ticket.summary.created_at = Moment(jiff::Timestamp::now());
        ticket.warnings.push("the source is not signed".into());
        Ok(ticket)
    });
    let state = state.shared();
    let stub = Stub::start(&home, &state);
    let (stop, stopped) = channel();
    let life = std::thread::spawn(move || live(&state, &logs, &stopped));
    stub.wait();
    drop(stop);
    let _ = life.join();
}

fn renumber(ticket: &mut preflight_protocol::ticket::Ticket, by: u64) {
    ticket.summary.id.0 += by;
    for job in &mut ticket.jobs {
        job.ticket.0 += by;
    }
}

/// Four times a second: the newest open ticket goes its way.
fn live(state: &Shared, logs: &std::path::Path, stopped: &Receiver<()>) {
    let mut steps = 0_u32;
    while stopped.recv_timeout(Duration::from_millis(250)) == Err(RecvTimeoutError::Timeout) {
        steps += 1;
        let mut state = state.lock().expect("no test panics here");
        let now = Moment(jiff::Timestamp::now());
        state.now = now;
        let current = state
            .tickets
            .iter()
            .filter(|ticket| !ticket.summary.status.is_final() && ticket.summary.status != TicketStatus::Waiting)
            .map(|ticket| ticket.summary.id)
            .max();
        if let Some(id) = current {
            step(&mut state, logs, id, now, steps);
        }
    }
}

/// A job takes so many steps.
const JOB: u32 = 60;

fn step(state: &mut stub::State, logs: &std::path::Path, id: TicketId, now: Moment, steps: u32) {
    let ticket = state.ticket(id).clone();
    let at = |kind: &EventKind| kind.clone();
    let Some(job) = ticket.jobs.iter().find(|job| job.state == JobState::Running).cloned() else {
        let Some(mut job) = ticket.jobs.iter().find(|job| job.state == JobState::Queued).cloned() else {
            let mut done = ticket.clone();
            fixtures::finish(&mut done, now, Outcome::Pass, 0, None);
            state.happen(id, at(&EventKind::TicketChanged(Box::new(done.summary))));
            return;
        };
        fixtures::start(&mut job, now);
        fixtures::put_log(state, logs, &job, "");
        let workflow_step = match job.kind {
            preflight_protocol::job::JobKind::Test => WorkflowStep::ImageTesting,
            preflight_protocol::job::JobKind::Image => WorkflowStep::ImageBuilding,
            _ => WorkflowStep::PackageBuilding,
        };
        state.happen(id, EventKind::JobChanged(Box::new(job)));
        state.change(id, |summary| {
            summary.status = TicketStatus::Running;
            summary.workflow_step = workflow_step;
            summary.queue_position = None;
            summary.started_at = summary.started_at.or(Some(now));
        });
        return;
    };
    let log = state
        .logs
        .iter()
        .find(|(owner, log)| *owner == id && log.job == job.id)
        .map(|(_, log)| log.clone());
    let Some(log) = log else { return };
    let line = match steps % 5 {
        0 => format!("\x1b[32mPASS\x1b[0m: tests/check-{steps}.sh\n"),
        1 => format!("\x1b[33mwarning:\x1b[0m unused variable \u{2018}part{steps}\u{2019} [-Wunused-variable]\n"),
        _ => format!("gcc -g -O2 -fstack-protector-strong -Wformat -c -o src/part{steps}.o src/part{steps}.c\n"),
    };
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&log.path)
        .expect("the log is there");
    file.write_all(line.as_bytes()).expect("the log is written");
    let done = steps % JOB;
    state.beat(&Beat {
        ticket: id,
        job: job.id,
        progress: Some(Progress {
            phase: match job.kind {
                preflight_protocol::job::JobKind::Test => "running test upstream-tests".into(),
                _ if done < 20 => "installing build dependencies".into(),
                _ => "dpkg-buildpackage".into(),
            },
            fraction: Some(done as f32 / JOB as f32),
            estimate_s: Some((JOB - done) / 4),
        }),
        log: log.name.clone(),
        log_size: std::fs::metadata(&log.path).map_or(0, |file| file.len()),
    });
    if done == JOB - 1 {
        let mut job = job;
        if job.kind == preflight_protocol::job::JobKind::Test {
            let test = fixtures::test(&job, "upstream-tests", TestStatus::Pass, None, 12.5);
            state.happen(id, EventKind::TestRecorded(test));
        }
        fixtures::end(&mut job, now, Outcome::Pass, None);
        state.happen(id, EventKind::JobChanged(Box::new(job)));
    }
}
