//! `preflight rerun` against a stub daemon: what is asked for, the log as it grows, the exit code, Ctrl-C.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use preflight_protocol::event::EventKind;
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::Job;
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_tui::cli::rerun::RerunReport;
use pretty_assertions::assert_eq;
use serde_json::json;
use stub::{Shared, State, Stub, fixtures};

const ID: TicketId = TicketId(1);

struct World {
    folder: tempfile::TempDir,
    state: Shared,
    _stub: Stub,
}

impl World {
    /// One ticket that has passed.
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        let mut state = State::new(fixtures::noon());
        state
            .tickets
            .push(fixtures::passed(1, "hello", "2.10-3", fixtures::noon()));
        let state = state.shared();
        let stub = Stub::start(folder.path(), &state);
        Self {
            folder,
            state,
            _stub: stub,
        }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_preflight"))
            .args(["rerun", "1"])
            .args(arguments)
            .env("PREFLIGHT_HOME", self.folder.path())
            .env("PREFLIGHT_DAEMON", "/nonexistent/preflightd")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts the rerun's job, once it was asked for, with a first line in its log.
    fn run(&self) -> Job {
        let asked = || {
            let mut state = self.state.lock().unwrap();
            let jobs = &state.ticket(ID).jobs;
            jobs.iter().find(|job| job.rerun.is_some()).cloned()
        };
        let mut job = std::iter::repeat_with(|| {
            std::thread::yield_now();
            asked()
        })
        .find_map(|job| job)
        .unwrap();
        let mut state = self.state.lock().unwrap();
        fixtures::start(&mut job, fixtures::noon());
        fixtures::put_log(&mut state, self.folder.path(), &job, "the first line\n");
        state.happen(ID, EventKind::JobChanged(Box::new(job.clone())));
        job
    }

    fn end(&self, mut job: Job, outcome: Outcome, status: TestStatus) {
        let mut state = self.state.lock().unwrap();
        let path = state.logs.last().unwrap().1.path.clone();
        let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        // The last line comes with the end.
        log.write_all(b"the last line\n").unwrap();
        let mut test = fixtures::test(&job, "smoke", status, None, 1.5);
        test.dirty = job.rerun.as_ref().unwrap().dirty;
        state.happen(ID, EventKind::TestRecorded(test));
        fixtures::end(&mut job, fixtures::noon(), outcome, None);
        state.happen(ID, EventKind::JobChanged(Box::new(job)));
    }
}

fn until(out: &mut ChildStdout, text: &str) {
    let mut read = vec![0; text.len()];
    out.read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), text);
}

#[test]
fn the_log_is_seen_as_it_comes_and_the_end_is_the_tests() {
    for (outcome, status, code, line) in [
        (Outcome::Pass, TestStatus::Pass, 0, "smoke                PASS\n"),
        (Outcome::Fail, TestStatus::Fail, 4, "smoke                FAIL\n"),
        (Outcome::Skipped, TestStatus::Skip, 2, "smoke                SKIP\n"),
    ] {
        let world = World::new();
        let mut child = world.start(&["smoke"]);
        let job = world.run();
        // While the job runs.
        until(child.stdout.as_mut().unwrap(), "the first line\n");
        world.end(job, outcome, status);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            (output.status.code(), text),
            (Some(code), format!("the last line\n{line}"))
        );
    }
}

#[test]
fn what_was_edited_is_named_and_its_result_is_dirty() {
    let world = World::new();
    let mut child = world.start(&["hello/smoke", "--with", "tree"]);
    let job = world.run();
    let asked = world
        .state
        .lock()
        .unwrap()
        .requests
        .iter()
        .find(|(method, _)| method == "ticket/rerun")
        .unwrap()
        .1
        .clone();
    let with = world.folder.path().join("tree");
    assert_eq!(asked, json!({"ticket": 1, "test": "hello/smoke", "with": with}));
    until(child.stdout.as_mut().unwrap(), "the first line\n");
    world.end(job, Outcome::Pass, TestStatus::Pass);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(
        text.ends_with("\ndirty: never counts for a promotion or a submission\n"),
        "{text}"
    );

    let world = World::new();
    let child = world.start(&["smoke", "--with", "tree", "--json"]);
    let job = world.run();
    world.end(job.clone(), Outcome::Fail, TestStatus::Fail);
    let output = child.wait_with_output().unwrap();
    let report: RerunReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report.job, report.exit_code, report.dirty), (job.id, 4, true));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "the first line\nthe last line\n"
    );
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/schema/cli-rerun.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    jsonschema::validate(&schema, &serde_json::from_slice(&output.stdout).unwrap()).unwrap();
}

#[test]
fn ctrl_c_cancels_no_ticket_that_still_runs() {
    let world = World::new();
    world.state.lock().unwrap().change(ID, |summary| {
        summary.status = preflight_protocol::ticket::TicketStatus::Running;
    });
    let mut child = world.start(&["smoke"]);
    world.run();
    until(child.stdout.as_mut().unwrap(), "the first line\n");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the test runs on"));
    let state = world.state.lock().unwrap();
    assert!(state.requests.iter().all(|(method, _)| method != "ticket/cancel"));
}
