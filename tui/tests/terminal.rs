//! `preflight` on a real pseudo-terminal, its screen read back by a terminal emulator: two keys to the failing line, and
//! a terminal that is left as it was, however it ends.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod pty;
mod stub;

use std::io::Write;

use pty::{Terminal, attributes};
use stub::{Shared, Stub, fixtures};

fn world() -> (Stub, Shared, tempfile::TempDir) {
    let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
    let mut state = fixtures::world(&folder.path().join("logs"), fixtures::noon());
    // The failed one is the newest, and so the one that is selected.
    state.tickets.retain(|ticket| ticket.summary.id.0 <= 3);
    state.logs.retain(|(id, _)| id.0 <= 3);
    let state = state.shared();
    (Stub::start(folder.path(), &state), state, folder)
}

#[test]
fn two_keys_lead_to_the_failing_line_and_q_leaves_the_terminal_as_it_was() {
    let (_stub, _state, folder) = world();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.until_text("hello 2.10-4");
    assert!(terminal.parser.screen().alternate_screen());
    assert_ne!(attributes(&*terminal.master), terminal.before);
    terminal.press("\r");
    terminal.until_text("First error");
    terminal.press("\r");
    terminal.until_text(fixtures::ERROR_TEXT.split(" got").next().unwrap());
    // The hostile line before it has changed nothing but its own line.
    terminal.until_text("a title and a clear screen: ^[]0;owned^G^[[2J^[[H");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_left_as_it_was();
}

#[test]
fn keys_pressed_at_once_lead_there_too() {
    let (_stub, _state, folder) = world();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.until_text("hello 2.10-4");
    terminal.press("\r\r");
    terminal.until_text("expected 'Hello, world!'");
    terminal.press("\u{3}");
    assert!(terminal.end().success());
    terminal.is_left_as_it_was();
}

#[test]
fn a_panic_gives_the_terminal_back_and_says_what_happened() {
    let (_stub, _state, folder) = world();
    let mut terminal = Terminal::start(folder.path(), &["--provoke-panic"]);
    let status = terminal.end();
    assert_eq!(status.exit_code(), 101);
    terminal.is_left_as_it_was();
    assert!(
        terminal.screen().contains("provoked by --provoke-panic"),
        "{}",
        terminal.screen()
    );
}

#[test]
fn a_termination_signal_gives_the_terminal_back() {
    let (_stub, _state, folder) = world();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.until_text("hello 2.10-4");
    let pid = nix::unistd::Pid::from_raw(terminal.child.process_id().unwrap() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    terminal.end();
    terminal.is_left_as_it_was();
}

#[test]
fn a_daemon_that_goes_and_comes_back_is_found_again() {
    let (stub, state, folder) = world();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.until_text("attached");
    drop(stub);
    terminal.until_text("daemon gone");
    // The list stays readable, and keys are still heard.
    terminal.press("?");
    terminal.until_text("show or hide these keys");
    terminal.press("?");
    let new = fixtures::ticket(9, "cowsay", "3.03-1", fixtures::noon());
    state.lock().unwrap().tickets.push(new);
    let _stub = Stub::start(folder.path(), &state);
    terminal.until_text("cowsay 3.03-1");
    terminal.until_text("attached");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_left_as_it_was();
}

#[test]
fn events_and_log_growth_are_seen_as_they_come() {
    let (_stub, state, folder) = world();
    let running = fixtures::running(4, "python-greeting", "1.4.2-1", fixtures::noon());
    let job = running.jobs[2].clone();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.until_text("hello 2.10-4");
    let path = {
        let mut state = state.lock().unwrap();
        fixtures::put_log(&mut state, folder.path(), &job, "the first line\n");
        let id = running.summary.id;
        state.happen(
            id,
            preflight_protocol::event::EventKind::TicketCreated(Box::new(running)),
        );
        state.logs.last().unwrap().1.path.clone()
    };
    terminal.until_text("python-greeting");
    terminal.press("g\r");
    terminal.until_text("Jobs");
    terminal.press("\r");
    terminal.until_text("the first line");
    let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    for number in 0..100 {
        writeln!(log, "line number {number}").unwrap();
    }
    terminal.until_text("line number 99");
    terminal.until_text("following");
    terminal.press("q");
    assert!(terminal.end().success());
}
