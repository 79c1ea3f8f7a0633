//! Packages that fail, each in its own way: the step, the exit code, and the line that says why.

use preflight_protocol::job::{Job, JobKind, JobState};
use preflight_protocol::ticket::Ticket;
use preflight_tests::home::Home;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

use crate::check::{Checked, check, job};

/// Checks a fixture, given as `.dsc`.
fn failing(home: &Home, name: &str, options: &[&str], code: u8) -> Checked {
    let scratch = tempfile::tempdir().unwrap();
    check(home, name, &[&fixture::dsc(name, scratch.path())], options, code)
}

/// The line that a failed job says why it failed by; it stands where it is said to stand.
fn first_error(home: &Home, ticket: &Ticket, job: &Job) -> String {
    assert_eq!(job.state, JobState::Failed, "{job:#?}");
    let error = job
        .first_error
        .as_ref()
        .unwrap_or_else(|| panic!("no first error: {job:#?}"));
    assert_eq!(Some(&error.log), job.log.as_ref());
    let id = ticket.summary.id.to_string();
    let log = home.run(&["logs", &id, "--job", &job.id.to_string()]).with_code(0);
    let line = usize::try_from(error.line).unwrap();
    assert_eq!(log.stdout.lines().nth(line - 1), Some(&*error.text), "{error:?}");
    let shown = home.json("cli-first-error", &["logs", &id, "--first-error", "--json"]);
    assert_eq!(shown.json()["first_error"]["text"], error.text);
    error.text.clone()
}

#[test]
fn a_build_that_fails_names_the_compilers_line() {
    let home = shared::turn("broken-build");
    let checked = failing(&home, "broken-build", &[], 12);
    let build = job(&checked.ticket, JobKind::Build);
    let line = first_error(&home, &checked.ticket, build);
    assert!(line.starts_with("sum.c:5:") && line.contains("error:"), "{line}");
    assert_eq!(checked.tests(), [""; 0]);
    assert_eq!(job(&checked.ticket, JobKind::Image).state, JobState::Skipped);
    assert_eq!(job(&checked.ticket, JobKind::Test).state, JobState::Skipped);
}

#[test]
fn a_test_that_fails_names_its_own_line_and_the_next_test_runs() {
    let home = shared::turn("second-fails");
    let checked = failing(&home, "second-fails", &[], 4);
    assert_eq!(
        checked.tests(),
        [
            "second-fails first PASS",
            "second-fails second FAIL non-zero exit status 3",
            "second-fails third PASS",
        ]
    );
    let test = job(&checked.ticket, JobKind::Test);
    assert_eq!(first_error(&home, &checked.ticket, test), "FAIL: expected 4, found 5");
}

#[test]
fn a_test_that_hangs_is_ended_and_names_its_last_line() {
    let home = shared::turn("hanging");
    let checked = failing(&home, "hanging", &["--test-timeout", "5"], 4);
    assert_eq!(checked.tests(), ["hanging hangs FAIL timed out"]);
    let test = job(&checked.ticket, JobKind::Test);
    assert_eq!(
        first_error(&home, &checked.ticket, test),
        "waiting for what never comes"
    );
}

#[test]
fn a_test_that_asks_the_network_names_the_refused_connection() {
    let home = shared::turn("networked");
    let checked = failing(&home, "networked", &[], 4);
    assert_eq!(
        checked.tests(),
        ["networked asks-the-network FAIL non-zero exit status 1"]
    );
    let test = job(&checked.ticket, JobKind::Test);
    let line = first_error(&home, &checked.ticket, test);
    assert!(line.contains("refused") && line.contains("192.0.2.1:80"), "{line}");
}
