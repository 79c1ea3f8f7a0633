//! `preflight check` against a stub daemon: from the submission to the exit code, over the daemon's death, with Ctrl-C.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::TicketId;
use preflight_protocol::result::Outcome;
use preflight_protocol::ticket::{Ticket, TicketStatus, WorkflowStep};
use preflight_tui::cli::report::CheckReport;
use pretty_assertions::assert_eq;
use stub::{Shared, State, Stub, fixtures};

const PATIENCE: Duration = Duration::from_secs(60);
const ID: TicketId = TicketId(1);

struct World {
    folder: tempfile::TempDir,
    state: Shared,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        std::fs::create_dir_all(folder.path().join("hello/debian")).unwrap();
        let mut state = State::new(fixtures::noon());
        state.intake = Box::new(|id, _| Ok(fixtures::ticket(id.0, "hello", "2.10-3", fixtures::noon())));
        Self {
            folder,
            state: state.shared(),
        }
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn check(&self, arguments: &[&str], daemon: &Path) -> Checking {
        let mut child = Command::new(env!("CARGO_BIN_EXE_preflight"))
            .arg("check")
            .args(arguments)
            .env("PREFLIGHT_HOME", self.home())
            .env("PREFLIGHT_DAEMON", daemon)
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.home().join("hello"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Checking { child, lines }
    }

    fn end(&self, change: impl FnOnce(&mut Ticket)) {
        let mut state = self.state.lock().unwrap();
        let mut ticket = state.ticket(ID).clone();
        change(&mut ticket);
        let summary = ticket.summary.clone();
        *state.ticket(ID) = ticket;
        state.happen(ID, EventKind::TicketChanged(Box::new(summary)));
    }
}

struct Checking {
    child: Child,
    lines: Receiver<String>,
}

impl Checking {
    /// Waits for a line of progress.
    fn until(&self, words: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = line.contains(words);
                    seen.push(line);
                    if found {
                        return seen;
                    }
                }
                Err(error) => panic!("{error} while waiting for {words:?}; seen: {seen:#?}"),
            }
        }
    }

    fn end(mut self) -> (i32, String) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap().code().unwrap(), out)
    }

    fn interrupt(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    }
}

fn nobody() -> PathBuf {
    "/nonexistent/preflightd".into()
}

#[test]
fn a_check_ends_with_its_tickets_code_and_one_object() {
    for (ticket, code, outcome, step) in [
        (
            fixtures::passed as fn(u64, &str, &str, _) -> Ticket,
            0,
            Outcome::Pass,
            WorkflowStep::Complete,
        ),
        (fixtures::failed, 4, Outcome::Fail, WorkflowStep::Failed),
        (fixtures::bad_package, 12, Outcome::BadPackage, WorkflowStep::Failed),
    ] {
        let world = World::new();
        let _stub = Stub::start(world.home(), &world.state);
        let check = world.check(&["--json"], &nobody());
        check.until("ticket #1");
        world.end(|open| *open = ticket(1, "hello", "2.10-3", fixtures::noon()));
        let (ended, out) = check.end();
        let report: CheckReport = serde_json::from_str(&out).unwrap();
        assert_eq!(ended, code);
        assert_eq!(
            (report.ticket, report.exit_code, report.outcome, report.workflow_step),
            (ID, Some(code as u8), Some(outcome), step)
        );
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/schema/cli-check.json");
        let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
        jsonschema::validate(&schema, &serde_json::from_str(&out).unwrap()).unwrap();
    }
}

#[test]
fn a_check_can_print_the_tests_as_a_stream_while_they_run() {
    // The format's own vector, "foo exists", of which all is ASCII but this.
    const PACKET: [u8; 12] = [0xb3, 0x29, 0x01, 0x0c, 0x03, 0x66, 0x6f, 0x6f, 0x08, 0x55, 0x5f, 0x1b];
    let world = World::new();
    let _stub = Stub::start(world.home(), &world.state);
    let mut check = world.check(&["--subunit"], &nobody());
    check.until("ticket #1");
    let path = world.home().join("3.subunit");
    let append = |bytes: &[u8]| {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        std::io::Write::write_all(&mut file.unwrap(), bytes).unwrap();
    };
    append(&PACKET[..5]);
    let file = preflight_protocol::method::ResultStreamFile {
        job: preflight_protocol::ids::JobId(3),
        path: path.clone(),
        size: 5,
    };
    world.state.lock().unwrap().streams.push((ID, file));
    append(&PACKET[5..]);
    let mut first = [0; PACKET.len()];
    let out = check.child.stdout.as_mut().unwrap();
    out.read_exact(&mut first).unwrap();
    assert_eq!(first, PACKET);
    append(&PACKET);
    world.end(|ticket| *ticket = fixtures::failed(1, "hello", "2.10-3", fixtures::noon()));
    let mut rest = Vec::new();
    check.child.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, PACKET);
    assert_eq!(check.child.wait().unwrap().code(), Some(4));
    // The report is on standard error.
    check.until("(exit code 4)");
}

#[test]
fn progress_is_told_in_plain_lines_and_the_end_in_autopkgtests_words() {
    let world = World::new();
    let _stub = Stub::start(world.home(), &world.state);
    let check = world.check(&[], &nobody());
    check.until("ticket #1");
    {
        let mut state = world.state.lock().unwrap();
        let mut job = state.ticket(ID).jobs[0].clone();
        fixtures::start(&mut job, fixtures::before(fixtures::noon(), 30));
        state.happen(ID, EventKind::JobChanged(Box::new(job)));
        state.change(ID, |summary| summary.status = TicketStatus::Running);
    }
    check.until("build hello running");
    {
        let mut state = world.state.lock().unwrap();
        let mut job = state.ticket(ID).jobs[0].clone();
        fixtures::end(&mut job, fixtures::noon(), Outcome::Pass, None);
        state.happen(ID, EventKind::JobChanged(Box::new(job)));
    }
    check.until("build hello passed in 30s");
    world.end(|ticket| *ticket = fixtures::failed(1, "hello", "2.10-3", fixtures::noon()));
    let (code, out) = check.end();
    assert_eq!(code, 4);
    insta::assert_snapshot!("report", out);
}

#[test]
fn a_check_survives_the_daemons_death_and_starts_it_again() {
    let world = World::new();
    let stub = Stub::start(world.home(), &world.state);
    // Says that it was started, and lives until its standard input's other end is closed.
    let started = world.home().join("started");
    let hold = world.home().join("hold");
    for fifo in [&started, &hold] {
        nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let program = world.home().join("preflightd");
    script(
        &program,
        &format!("echo started > {}; read wait < {}", started.display(), hold.display()),
    );
    let check = world.check(&["--json"], &program);
    check.until("ticket #1");
    drop(stub);
    check.until("the daemon is gone: starting it again");
    // Blocks until the daemon's program has been run.
    assert_eq!(std::fs::read_to_string(&started).unwrap(), "started\n");
    // What the daemon did before it answers again is in its snapshot.
    world.state.lock().unwrap().seq += 5;
    let _stub = Stub::start(world.home(), &world.state);
    check.until("the daemon is back");
    world.end(|ticket| *ticket = fixtures::passed(1, "hello", "2.10-3", fixtures::noon()));
    let (code, out) = check.end();
    std::fs::write(&hold, "go\n").unwrap();
    assert_eq!(code, 0);
    assert!(out.contains("\"outcome\": \"pass\""), "{out}");
    let requests = &world.state.lock().unwrap().requests;
    let made = requests.iter().filter(|(method, _)| method == "ticket/create").count();
    assert_eq!(made, 1, "the ticket is submitted once");
}

#[test]
fn ctrl_c_cancels_the_ticket() {
    let world = World::new();
    let _stub = Stub::start(world.home(), &world.state);
    let check = world.check(&["--json"], &nobody());
    // Following has begun once a job's start is told.
    check.until("ticket #1");
    {
        let mut state = world.state.lock().unwrap();
        let mut job = state.ticket(ID).jobs[0].clone();
        fixtures::start(&mut job, fixtures::noon());
        state.happen(ID, EventKind::JobChanged(Box::new(job)));
    }
    check.until("build hello running");
    check.interrupt();
    check.until("cancelling ticket #1");
    let (code, out) = check.end();
    assert_eq!(code, 130);
    let report: CheckReport = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (report.exit_code, report.outcome),
        (Some(130), Some(Outcome::Cancelled))
    );
}

#[test]
fn bad_input_ends_with_20_and_prints_nothing() {
    let world = World::new();
    world.state.lock().unwrap().intake = Box::new(|_, _| {
        Err(
            RpcError::new(ErrorCode::InvalidParams, "the series debian-nosuch is unknown")
                .with_hint("known are debian-bookworm, ubuntu-noble"),
        )
    });
    let _stub = Stub::start(world.home(), &world.state);
    let check = world.check(&["--json", "--series", "debian-nosuch"], &nobody());
    let seen = check.until("hint: known are");
    assert!(
        seen[0].contains("error (refused): the series debian-nosuch is unknown"),
        "{seen:?}"
    );
    assert_eq!(check.end(), (20, String::new()));
}

#[test]
fn a_detached_check_leaves_at_once() {
    let world = World::new();
    let _stub = Stub::start(world.home(), &world.state);
    let (code, out) = world.check(&["--detach", "--quiet"], &nobody()).end();
    assert_eq!(
        (code, out.as_str()),
        (0, "ticket #1 is made; `preflight ticket show 1` tells how it goes\n")
    );
    assert_eq!(
        world.state.lock().unwrap().ticket(ID).summary.status,
        TicketStatus::Queued
    );
}

fn script(path: &Path, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
