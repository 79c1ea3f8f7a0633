//! The command line against a stub daemon: what is printed, which schema it fits, which code it ends with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

use std::path::Path;
use std::process::{Command, Output};

use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::job::{JobKind, Rerun};
use preflight_protocol::method;
use preflight_protocol::result::TestStatus;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use stub::{Shared, Stub, fixtures};

struct World {
    folder: tempfile::TempDir,
    state: Shared,
    stub: Option<Stub>,
}

impl World {
    fn new() -> Self {
        // The socket's path must be short, whatever TMPDIR is.
        let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        let state = fixtures::world(&folder.path().join("logs"), fixtures::noon()).shared();
        let stub = Some(Stub::start(folder.path(), &state));
        Self { folder, state, stub }
    }

    fn command(&self) -> Command {
        preflight(self.folder.path())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }
}

fn preflight(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
    command
        .env("PREFLIGHT_HOME", home)
        // Nothing that a test starts may be a real daemon.
        .env("PREFLIGHT_DAEMON", "/nonexistent/preflightd")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("NO_COLOR")
        .current_dir(home);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn listings_fit_their_schemas() {
    let world = World::new();
    let answers = method::schemas();
    let answer = |name: &str| {
        let (_, _, schema) = answers.iter().find(|(method, _, _)| *method == name).unwrap();
        serde_json::to_value(schema).unwrap()
    };
    let own = |name: &str| -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../protocol/schema")
            .join(name);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    for (arguments, schema) in [
        (&["ticket", "list", "--json"][..], answer("ticket/list")),
        (&["ticket", "list", "--open", "--json"], answer("ticket/list")),
        (&["ticket", "show", "3", "--json"], answer("ticket/show")),
        (&["status", "3", "--json"], answer("ticket/show")),
        (&["status", "--json"], own("cli-status.json")),
        (&["logs", "3", "--json"], answer("log/list")),
        (&["logs", "3", "--first-error", "--json"], own("cli-first-error.json")),
        (&["results", "3", "--format", "json"], own("cli-results.json")),
        (&["results", "3", "--json"], own("cli-results.json")),
        (&["image", "list", "--json"], answer("image/list")),
        (&["image", "get", "3", "-o", "x.qcow2", "--json"], answer("image/get")),
        (&["lock", "3", "--json"], answer("lock/show")),
        (&["doctor", "--json"], answer("daemon/doctor")),
        (&["daemon", "status", "--json"], own("cli-daemon-status.json")),
        (&["ticket", "cancel", "5", "--json"], answer("ticket/cancel")),
    ] {
        let value = world.json(arguments);
        let errors: Vec<String> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{arguments:?}: {errors:?}");
    }
}

#[test]
fn a_ticket_has_the_fields_that_are_promised() {
    let world = World::new();
    let ticket = world.json(&["ticket", "show", "3", "--json"]);
    for field in ["id", "title", "workflow_step", "status", "subtickets", "jobs"] {
        assert!(ticket.get(field).is_some(), "{field}");
    }
    for field in [
        "id",
        "kind",
        "state",
        "attempt",
        "started_at",
        "finished_at",
        "reason",
        "first_error",
    ] {
        assert!(ticket["jobs"][2].get(field).is_some(), "{field}");
    }
    assert_eq!(
        ticket["jobs"][2]["first_error"],
        json!({ "log": "33-test-hello.1.log", "line": 312, "text": fixtures::ERROR_TEXT })
    );
    assert_eq!(ticket["workflow_step"], 999);
}

#[test]
fn tables_and_words() {
    let world = World::new();
    // Ages grow; the rest is compared.
    let ages = regex::Regex::new(r"(?m) +(\d+d|AGE)\b").unwrap();
    for (name, arguments) in [
        ("list", &["ticket", "list"][..]),
        ("results", &["results", "3"]),
        ("first_error", &["logs", "3", "--first-error", "-C", "2"]),
        ("images", &["image", "list"]),
        ("doctor", &["doctor"]),
    ] {
        let output = world.run(arguments);
        let text = text(&output.stdout);
        assert!(!text.contains('\x1b'), "{arguments:?}: no colours in a pipe");
        insta::assert_snapshot!(name, ages.replace_all(&text, "  AGE"));
    }
}

#[test]
fn colours_are_asked_for_or_not() {
    let world = World::new();
    let coloured = |arguments: &[&str], no_color: &str| {
        let output = world
            .command()
            .env("NO_COLOR", no_color)
            .args(arguments)
            .output()
            .unwrap();
        text(&output.stdout).contains('\x1b')
    };
    assert!(coloured(&["--color", "always", "ticket", "list"], ""));
    assert!(coloured(&["ticket", "list", "--color=always"], "1"));
    assert!(!coloured(&["ticket", "list", "--color=never"], ""));
    assert!(!coloured(&["ticket", "list"], ""));
}

#[test]
fn logs_are_raw_bytes_in_a_pipe() {
    let world = World::new();
    world.state.lock().unwrap().logs.clear();
    let job = world.state.lock().unwrap().ticket(TicketId(3)).jobs[2].clone();
    let path = {
        let mut state = world.state.lock().unwrap();
        fixtures::put_log(&mut state, world.folder.path(), &job, "");
        state.logs[0].1.path.clone()
    };
    let bytes = b"one\x1b[31m\xff\r\ntwo without an end".to_vec();
    std::fs::write(path, &bytes).unwrap();
    let output = world.run(&["logs", "3", "--job", "33"]);
    assert_eq!((output.stdout, output.status.code()), (bytes, Some(0)));
}

#[test]
fn several_logs_have_headings() {
    let world = World::new();
    let output = text(&world.run(&["logs", "3"]).stdout);
    for name in ["31-build-hello.1.log", "32-image.1.log", "33-test-hello.1.log"] {
        assert!(output.contains(&format!("==> {name} <==\n")), "{output}");
    }
}

#[test]
fn a_followed_log_ends_with_its_job() {
    let world = World::new();
    let id = TicketId(4);
    let child = world
        .command()
        .args(["logs", "4", "--follow", "--job", "43"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    {
        let mut state = world.state.lock().unwrap();
        let log = state
            .logs
            .iter()
            .find(|(_, log)| log.job == JobId(43))
            .unwrap()
            .1
            .clone();
        let content = std::fs::read_to_string(&log.path).unwrap() + "the last line\n";
        std::fs::write(&log.path, content).unwrap();
        let mut job = state.ticket(id).jobs[2].clone();
        fixtures::end(
            &mut job,
            fixtures::noon(),
            preflight_protocol::result::Outcome::Pass,
            None,
        );
        state.happen(id, preflight_protocol::event::EventKind::JobChanged(Box::new(job)));
    }
    let output = child.wait_with_output().unwrap();
    let text = text(&output.stdout);
    assert!(text.ends_with("the last line\n"), "{text}");
    assert_eq!(text.matches("the last line").count(), 1);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn subunit_is_the_files_one_after_another() {
    let world = World::new();
    for (job, bytes) in [(JobId(33), &b"\xb3first"[..]), (JobId(34), b"\xb3second")] {
        let path = world.folder.path().join(format!("{job}.subunit"));
        std::fs::write(&path, bytes).unwrap();
        let size = bytes.len() as u64;
        let file = method::ResultStreamFile { job, path, size };
        world.state.lock().unwrap().streams.push((TicketId(3), file));
    }
    let output = world.run(&["results", "3", "--format", "subunit"]);
    assert_eq!(output.stdout, b"\xb3first\xb3second");
}

#[test]
fn a_followed_stream_ends_with_its_ticket_and_its_code() {
    // The format's own vector: a test exists.
    const PACKET: [u8; 12] = [0xb3, 0x29, 0x01, 0x0c, 0x03, 0x66, 0x6f, 0x6f, 0x08, 0x55, 0x5f, 0x1b];
    let world = World::new();
    let id = TicketId(4);
    let path = world.folder.path().join("43.subunit");
    std::fs::write(&path, &PACKET[..7]).unwrap();
    let file = method::ResultStreamFile {
        job: JobId(43),
        path: path.clone(),
        size: 7,
    };
    world.state.lock().unwrap().streams.push((id, file));
    let mut child = world
        .command()
        .args(["results", "4", "--format", "subunit", "--follow"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let append = |bytes: &[u8]| {
        let file = std::fs::OpenOptions::new().append(true).open(&path);
        std::io::Write::write_all(&mut file.unwrap(), bytes).unwrap();
    };
    append(&[&PACKET[7..], &PACKET].concat());
    // It comes while the ticket runs.
    let mut first = [0; 24];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(first[..], [PACKET, PACKET].concat());
    append(&PACKET);
    world.state.lock().unwrap().change(id, |ticket| {
        ticket.status = preflight_protocol::ticket::TicketStatus::Failed;
        ticket.exit_code = Some(6);
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!((&output.stdout[..], output.status.code()), (&PACKET[..], Some(6)));
}

#[test]
fn results_go_where_they_are_wanted() {
    let world = World::new();
    for (arguments, out) in [
        (
            &["results", "3", "--format", "autopkgtest", "-o", "adt"][..],
            "adt/summary",
        ),
        (&["results", "3", "--format", "junit", "-o", "junit.xml"], "junit.xml"),
    ] {
        let output = world.run(arguments);
        let (said, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert!(
            said.starts_with("the results of hello are in ") && said.contains(": 1 file, "),
            "{said}"
        );
        assert!(
            err.starts_with("note: artifacts/a is the one of test b") && !err.contains('\u{1b}'),
            "{err}"
        );
        let there = std::fs::read_to_string(world.folder.path().join(out)).unwrap();
        assert!(
            there.contains("upstream-tests       FAIL non-zero exit status 1\n"),
            "{there}"
        );
    }
    let printed = world.run(&["results", "3", "--format", "pyunit"]);
    assert!(
        text(&printed.stdout).contains("upstream-tests       FAIL"),
        "{printed:?}"
    );
    let json = ["results", "3", "--format", "json", "-o", "results.json"];
    assert_eq!(world.run(&json).status.code(), Some(0));
    let json = std::fs::read(world.folder.path().join("results.json")).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&json).unwrap()["tests"].is_array());
    for (arguments, words) in [
        (
            &["results", "3", "--format", "debci"][..],
            "is more than can be printed",
        ),
        (&["results", "3", "--follow"], "--follow is for the format subunit"),
        (&["results", "4", "--format", "junit"], "the tests have not ended"),
    ] {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(20));
        assert!(text(&output.stderr).contains(words), "{output:?}");
    }
}

#[test]
fn errors_have_kind_hint_and_code() {
    let world = World::new();
    for (arguments, code, words) in [
        (
            &["ticket", "show", "99"][..],
            20,
            &["error (not found): there is no ticket 99", "hint: "][..],
        ),
        (
            &["ticket", "cancel", "3"],
            20,
            &["error (conflict): ticket 3 has ended"],
        ),
        (
            &["ticket", "update", "3"],
            20,
            &["error (usage): nothing to change", "--queue"],
        ),
        (
            &["image", "remove", "x"],
            20,
            &["there is no image x", "hint: `preflight image list`"],
        ),
        (&["logs", "2", "--first-error"], 20, &["ticket #2 has no failing line"]),
        (&["check", "/nonexistent"], 20, &["error (file): /nonexistent: "]),
        (
            &["check", "."],
            20,
            &["error (usage): . is a folder without debian/", "hint: "],
        ),
        (&["no-such-command"], 20, &["unrecognized subcommand"]),
        (&["ticket", "show", "x"], 20, &["invalid value 'x'"]),
        (&["doctor"], 16, &[]),
        (&[], 20, &["the terminal UI needs a terminal", "hint: "]),
    ] {
        let output = world.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{arguments:?}: {err}");
        }
    }
}

#[test]
fn the_ci_engines_words_work() {
    let world = World::new();
    let package = world.folder.path().join("hello");
    std::fs::create_dir_all(package.join("debian")).unwrap();
    world.state.lock().unwrap().intake =
        Box::new(|id, _| Ok(fixtures::ticket(id.0, "hello", "2.10-5", fixtures::noon())));
    let create = [
        "create_ticket",
        "-t",
        "Title",
        "-d",
        "Words",
        "-b",
        "123",
        "-o",
        "joe",
        "-s",
        "hello",
        "-s",
        "hello",
        "-w",
        "--pool",
    ];
    assert_eq!(world.run(&create).status.code(), Some(0));
    assert_eq!(world.run(&["update_ticket", "6", "--queue"]).status.code(), Some(0));
    assert_eq!(world.run(&["status"]).status.code(), Some(0));
    assert_eq!(
        world.run(&["get_image", "2", "-o", "image.qcow2"]).status.code(),
        Some(0)
    );
    let state = world.state.lock().unwrap();
    let request = |name: &str| &state.requests.iter().find(|(method, _)| method == name).unwrap().1;
    let created: method::TicketCreate = serde_json::from_value(request("ticket/create").clone()).unwrap();
    let package = package.canonicalize().unwrap();
    assert_eq!(
        created,
        method::TicketCreate {
            sources: vec![package.clone(), package],
            title: Some("Title".into()),
            description: Some("Words".into()),
            bug: Some("123".into()),
            owner: Some("joe".into()),
            wait: true,
            pool: true,
            ..method::TicketCreate::default()
        }
    );
    let updated: method::TicketUpdate = serde_json::from_value(request("ticket/update").clone()).unwrap();
    assert!(updated.queue && updated.id == TicketId(6));
    let got: method::ImageGet = serde_json::from_value(request("image/get").clone()).unwrap();
    assert_eq!(
        (got.ticket, got.output.is_absolute(), got.uefi),
        (Some(TicketId(2)), true, false)
    );
}

#[test]
fn the_daemon_is_looked_at_without_being_started() {
    let mut world = World::new();
    let output = world.run(&["daemon", "status"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&world.run(&["daemon", "stop"]).stdout), "the daemon is stopped\n");
    world.stub = None;
    let output = world.run(&["daemon", "status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).starts_with("no daemon runs"));
    assert_eq!(text(&world.run(&["daemon", "stop"]).stdout), "no daemon runs\n");
}

#[test]
fn a_daemon_that_does_not_start_is_told_with_its_log() {
    let mut world = World::new();
    world.stub = None;
    let program = world.folder.path().join("preflightd");
    script(&program, "echo 'the disk is on fire' >&2; exit 7");
    let output = world
        .command()
        .env("PREFLIGHT_DAEMON", &program)
        .args(["ticket", "list"])
        .output()
        .unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(20));
    assert!(
        err.contains("exit status: 7") && err.contains("the disk is on fire"),
        "{err}"
    );
    let socket = world.folder.path().join("x".repeat(110));
    let output = preflight(&socket).current_dir("/").arg("status").output().unwrap();
    assert!(text(&output.stderr).contains("107"), "{output:?}");
    assert_eq!(output.status.code(), Some(20));
}

fn script(path: &Path, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_command_has_help_with_an_example() {
    use clap::CommandFactory;
    fn walk(command: &clap::Command, path: &str) {
        for child in command.get_subcommands() {
            let path = format!("{path} {}", child.get_name());
            // The aliases' help is the command's own; the hidden one is not for people.
            if child.is_hide_set() || child.has_subcommands() {
                walk(child, &path);
                continue;
            }
            let after = child.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example"), "{path}");
            assert!(child.get_about().is_some(), "{path}");
        }
    }
    let mut command = preflight_tui::cli::arguments::Cli::command();
    command.build();
    walk(&command, "preflight");
}

#[test]
fn tickets_are_removed_unless_they_are_kept_or_run() {
    let world = World::new();
    let ended: Vec<TicketId> = {
        let state = world.state.lock().unwrap();
        let ended = state.tickets.iter().filter(|ticket| ticket.summary.status.is_final());
        ended.map(|ticket| ticket.summary.id).collect()
    };
    let (first, second) = (ended[0].to_string(), ended[1].to_string());
    let kept = world.json(&["ticket", "keep", &first, "--json"]);
    assert_eq!(kept[0]["kept"], true);
    assert!(text(&world.run(&["ticket", "show", &first]).stdout).contains("kept         yes"));
    let output = world.run(&["ticket", "remove", &first, &second]);
    assert_eq!(output.status.code(), Some(20));
    assert_eq!(text(&output.stdout), format!("ticket #{second} is removed\n"));
    assert!(text(&output.stderr).contains(&format!("error (conflict): ticket {first}")));
    let output = world.run(&["ticket", "unkeep", &first]);
    assert_eq!(text(&output.stdout), format!("ticket #{first} is no longer kept\n"));
    assert_eq!(world.json(&["ticket", "remove", &first, "--json"]), json!([ended[0]]));
    assert_eq!(world.run(&["ticket", "show", &first]).status.code(), Some(20));
}

#[test]
fn findings_are_shown_beside_the_results() {
    let world = World::new();
    {
        let mut state = world.state.lock().unwrap();
        let ticket = state
            .tickets
            .iter_mut()
            .find(|ticket| ticket.summary.id.0 == 2)
            .unwrap();
        let mut rerun = fixtures::job(2, 99, JobKind::Test, Some("hello"));
        rerun.rerun = Some(Rerun {
            test: "command1".into(),
            purpose: preflight_protocol::job::Purpose::Asked,
            dirty: false,
            verdict: None,
        });
        ticket.findings = vec![
            fixtures::finding(&ticket.jobs[2], Some("command1"), 31, 3),
            fixtures::finding(&ticket.jobs[0], None, 5, 1),
            fixtures::finding(&rerun, Some("of-a-rerun"), 5, 1),
        ];
        ticket.jobs.push(rerun);
    }
    let words = "network attempt refused: dns to 192.0.2.53 (asking for www.example)";
    let shown = text(&world.run(&["ticket", "show", "2"]).stdout);
    for part in [
        "findings:",
        "hello/command1  network",
        ", 3 times",
        "job 21  network",
        "hello/of-a-rerun",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in {shown}");
    }
    // What is printed stays a summary file; what was found stands beside it.
    let results = world.run(&["results", "2"]);
    assert!(!text(&results.stdout).contains("refused"), "{results:?}");
    let beside = text(&results.stderr);
    assert!(beside.contains(words) && !beside.contains("of-a-rerun"), "{beside}");

    let results = world.json(&["results", "2", "--json"]);
    let found = results["findings"].as_array().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["test"], &found[0]["count"], &found[0]["kind"]["name"]),
        (&json!("command1"), &json!(3), &json!("www.example"))
    );
    let ticket = world.json(&["ticket", "show", "2", "--json"]);
    assert_eq!(ticket["findings"].as_array().unwrap().len(), 3);
}

#[test]
fn reruns_and_kept_testbeds_are_shown_and_do_not_count() {
    let world = World::new();
    let (id, before) = {
        let mut state = world.state.lock().unwrap();
        let ticket = state
            .tickets
            .iter_mut()
            .find(|ticket| ticket.tests.len() > 1 && ticket.summary.status.is_final())
            .unwrap();
        let before = ticket.tests.len();
        let mut job = fixtures::job(ticket.summary.id.0, 99, JobKind::Test, Some("hello"));
        job.rerun = Some(Rerun {
            test: "upstream".into(),
            purpose: preflight_protocol::job::Purpose::Asked,
            dirty: true,
            verdict: None,
        });
        let mut test = fixtures::test(&job, "upstream", TestStatus::Fail, Some("non-zero exit status 7"), 1.0);
        test.dirty = true;
        ticket.tests.push(test);
        ticket.jobs.push(job);
        let record = ticket.jobs[0].attempts.last_mut().unwrap();
        record.kept = Some(100 << 20);
        (ticket.summary.id.to_string(), before)
    };
    let shown = text(&world.run(&["ticket", "show", &id]).stdout);
    for part in [
        "rerun (dirty)",
        "hello/upstream",
        "reruns:",
        "non-zero exit status 7  (job 99, dirty)",
        &format!("preflight shell {id} --job "),
    ] {
        assert!(shown.contains(part), "{part:?} is missing in {shown}");
    }
    assert!(!text(&world.run(&["results", &id]).stdout).contains("exit status 7"));
    let results = world.json(&["results", &id, "--json"]);
    assert_eq!(results["tests"].as_array().unwrap().len(), before);
}
