//! `preflight shell` against a stub daemon whose testbeds are processes of this host: streams byte for byte, signals, ends,
//! and a terminal that is left as it was, however the shell ends.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod pty;
mod stub;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::PtySize;
use pretty_assertions::assert_eq;
use pty::{Terminal, attributes};
use serde_json::{Value, json};
use stub::{Shared, State, Stub, fixtures};

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    folder: tempfile::TempDir,
    state: Shared,
    stub: Option<Stub>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        let state = State::new(fixtures::noon()).shared();
        let stub = Some(Stub::start(folder.path(), &state));
        Self { folder, state, stub }
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
        command
            .arg("shell")
            .args(arguments)
            .env("PREFLIGHT_HOME", self.home())
            .env("PREFLIGHT_DAEMON", "/nonexistent/preflightd")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `sh -c SCRIPT` there to its end.
    fn script(&self, script: &str) -> Output {
        let words = ["debian-bookworm", "--", "sh", "-c", script];
        self.command(&words).stdin(Stdio::null()).output().unwrap()
    }

    /// Starts `sh -c SCRIPT` there and waits for its first line.
    fn started(&self, script: &str) -> Child {
        let words = ["debian-bookworm", "--", "sh", "-c", script];
        let mut child = self.command(&words).spawn().unwrap();
        let mut line = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"ready\n");
        child
    }

    fn asked(&self) -> Value {
        self.state.lock().unwrap().requests.last().unwrap().1.clone()
    }
}

fn tell(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits until a process of this host is gone.
fn until_gone(pid: i32) {
    let deadline = Instant::now() + PATIENCE;
    while kill(Pid::from_raw(pid), None).is_ok() {
        assert!(Instant::now() < deadline, "{pid} is still there");
        std::thread::yield_now();
    }
}

#[test]
fn ten_megabytes_pass_both_ways_byte_for_byte() {
    let world = World::new();
    let mut state = 1u32;
    let sent: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(10 << 20)
    .collect();
    let words = ["debian-bookworm", "--", "sh", "-c", "cat; echo end >&2; exit 3"];
    let mut child = world.command(&words).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            stdin.write_all(&sent).unwrap();
            drop(stdin);
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.stdout == sent, "{} bytes came back", output.stdout.len());
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(3), "end\n")
    );
}

#[test]
fn it_ends_as_the_command_does() {
    let world = World::new();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("exec <&-; exit 4", 4),
    ] {
        let output = world.script(script);
        assert_eq!(output.status.code(), Some(code), "{script}: {output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    // Without a terminal here, a shell reads its commands from standard input.
    let mut child = world.command(&["debian-bookworm"]).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"echo $((6 * 7)); exit 9")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(9), b"42\n".to_vec()));
}

#[test]
fn what_is_asked_for_is_what_was_said() {
    let world = World::new();
    let run = |words: &[&str]| {
        let output = world
            .command(words)
            .env("B", "own")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        (world.asked(), text(&output.stderr))
    };
    let (asked, said) = run(&[
        "12",
        "--job",
        "test/hello",
        "-u",
        "root",
        "-C",
        "/srv",
        "-e",
        "A=1",
        "-e",
        "B",
        "--",
        "true",
        "-t",
    ]);
    let expected = json!({
        "target": {"ticket": {"ticket": 12, "job": {"kind": {"kind": "test", "source": "hello"}}}},
        "command": ["true", "-t"],
        "terminal": null,
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "own"}],
        "cwd": "/srv",
        "user": "root",
    });
    assert_eq!(asked, expected);
    // Standard error is the command's where nobody looks at it.
    assert_eq!(said, "");
    assert_eq!(
        run(&["12", "-j", "31", "--", "true"]).0["target"]["ticket"]["job"],
        json!({"id": 31})
    );
    let (asked, _) = run(&[
        "debian-bookworm",
        "-t",
        "-e",
        "TERM=dumb",
        "--",
        "sh",
        "-c",
        "test -t 0 && test -t 1 && test \"$TERM\" = dumb",
    ]);
    assert_eq!(asked["target"], json!({"series": "debian-bookworm"}));
    assert!(asked["terminal"]["rows"].is_u64(), "{asked}");
    assert!(
        asked["env"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "LANG", "value": "C.UTF-8"})),
        "{asked}"
    );

    for (words, code, said) in [
        (
            &["debian-nosuch", "--", "true"][..],
            20,
            "error (refused): there is no recipe for debian-nosuch",
        ),
        (
            &["debian-broken", "--", "true"],
            16,
            "error (host): the testbed does not start",
        ),
        (
            &["debian-bookworm", "--job", "3", "--", "true"],
            20,
            "error (usage): --job is for a ticket",
        ),
        (&["12", "--job", "tset", "--", "true"], 20, "invalid value 'tset'"),
        (&["debian-bookworm", "--", ""], 20, "the command has no program"),
    ] {
        let output = world.command(words).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(text(&output.stderr).contains(said), "{words:?}: {output:?}");
    }
}

#[test]
fn signals_are_handed_on() {
    let world = World::new();
    let mut child = world.started("trap 'echo got; exit 7' INT; echo ready; read nothing; exit 1");
    let stdin = child.stdin.take();
    tell(&child, Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!((output.status.code(), output.stdout), (Some(7), b"got\n".to_vec()));
    let child = world.started("echo ready; exec sleep 1000");
    tell(&child, Signal::SIGTERM);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    // With its terminal gone, or by Ctrl-\, the client ends, and the command with it.
    for signal in [Signal::SIGHUP, Signal::SIGQUIT] {
        let mut child = world.started("trap '' HUP INT TERM; echo ready; echo $$; exec sleep 1000");
        let mut pid = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut pid)
            .unwrap();
        tell(&child, signal);
        assert!(!child.wait().unwrap().success());
        until_gone(pid.trim().parse().unwrap());
    }
}

#[test]
fn a_reader_that_goes_ends_it_and_a_daemon_that_goes_is_told() {
    let mut world = World::new();
    let mut child = world.started("echo ready; echo $$; exec yes");
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut pid = String::new();
    out.read_line(&mut pid).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(141), ""));
    until_gone(pid.trim().parse().unwrap());

    let child = world.started("echo ready; exec sleep 1000");
    world.stub = None;
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(20));
    assert!(
        text(&output.stderr).contains("error (daemon): the daemon has closed the connection"),
        "{output:?}"
    );
}

/// A shell on a terminal, at its first prompt.
fn shell(world: &World) -> Terminal {
    let mut terminal = Terminal::start(world.home(), &["shell", "debian-bookworm"]);
    terminal.until_text("guest$");
    terminal.until_text("a fresh testbed; `Enter ~ .` leaves it");
    assert!(attributes(&*terminal.master) != terminal.before, "the terminal is raw");
    terminal
}

#[test]
fn a_terminal_has_its_size_and_job_control_and_is_left_as_it_was() {
    let world = World::new();
    let mut terminal = shell(&world);
    terminal.press("stty size; echo $TERM\r");
    terminal.until_text("24 80\nxterm-256color");
    // However early the signal comes: what is waited for ends by it.
    terminal.press("sleep 1000 & trap 'stty size; kill $!' WINCH; echo trap''ped; wait\r");
    terminal.until_text("trapped");
    terminal
        .master
        .resize(PtySize {
            rows: 30,
            cols: 100,
            pixel_width: 0,
            pixel_height: 0,
        })
        .unwrap();
    terminal.until_text("30 100");
    // Ctrl-C and Ctrl-Z are the command's, once it says that it is in the foreground.
    let wait = |word: &str| format!("sh -c 'echo {word}''ing; exec sleep 1000'");
    terminal.press(&format!("{}\r", wait("paus")));
    terminal.until_text("pausing");
    terminal.press("\u{1a}");
    terminal.until_text("Stopped");
    terminal.press(&format!("kill -9 %+; {}\r", wait("end")));
    terminal.until_text("ending");
    terminal.press("\u{3}");
    terminal.until("the prompt behind ^C", |screen| {
        let text = screen.contents();
        text.contains("^C") && text.trim_end().ends_with("guest$")
    });
    terminal.press("echo code $?\r");
    terminal.until_text("code 130");
    terminal.press("exit 3\r");
    assert_eq!(terminal.end().exit_code(), 3);
    terminal.is_left_as_it_was();
}

#[test]
fn a_shell_that_hangs_is_left_by_the_escape() {
    let world = World::new();
    let mut terminal = shell(&world);
    terminal
        .press("printf '\\033[?1049h\\033[?25l\\033[?1003h\\033[?2004hfull screen'; stty -echo raw; exec sleep 1000\r");
    terminal.until("the alternate screen", |screen| screen.alternate_screen());
    terminal.press("\u{3}\r~.");
    assert_eq!(terminal.end().exit_code(), 20);
    assert!(
        terminal.screen().contains("left; the shell's testbed stub-1 is gone"),
        "{}",
        terminal.screen()
    );
    terminal.is_left_as_it_was();
}

#[test]
fn however_it_ends_the_terminal_is_left_as_it_was() {
    let world = World::new();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let mut terminal = shell(&world);
        kill(Pid::from_raw(terminal.child.process_id().unwrap() as i32), signal).unwrap();
        assert_eq!(terminal.end().exit_code(), code);
        terminal.is_left_as_it_was();
    }
    let mut terminal = Terminal::start(world.home(), &["shell", "--provoke-panic", "debian-bookworm"]);
    assert_eq!(terminal.end().exit_code(), 101);
    terminal.is_left_as_it_was();
    assert!(terminal.screen().contains("provoked by"), "{}", terminal.screen());
    let mut terminal = shell(&world);
    let World {
        folder: _folder, stub, ..
    } = world;
    drop(stub);
    assert_eq!(terminal.end().exit_code(), 20);
    terminal.is_left_as_it_was();
    assert!(
        terminal.screen().contains("the daemon has closed the connection"),
        "{}",
        terminal.screen()
    );
}
