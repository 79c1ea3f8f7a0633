//! `preflight findings` and what shows findings beside other things, against a stub daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use preflight_protocol::result::{FilePlace, Finding, FindingKind, Severity};
use preflight_tui::cli::findings::FindingsReport;
use pretty_assertions::assert_eq;
use stub::fixtures;
use world::World;

/// A line of a job's log that matters.
fn said(of: &Finding, severity: Severity, message: &str, place: Option<(&str, Option<u32>, Option<u32>)>) -> Finding {
    let place = place.map(|(file, line, column)| FilePlace {
        file: file.to_owned(),
        in_source: true,
        line,
        column,
    });
    Finding {
        kind: FindingKind::Log {
            severity,
            tool: "gcc".to_owned(),
            message: message.to_owned(),
            place,
        },
        text: format!("{severity:?}: {message}").to_lowercase(),
        ..of.clone()
    }
}

/// The world, with findings of the ticket #2.
fn world() -> World {
    let world = World::new();
    {
        let mut state = world.state.lock().unwrap();
        let mut tickets = state.tickets.iter_mut();
        let ticket = tickets.find(|ticket| ticket.summary.id.0 == 2).unwrap();
        let of_build = fixtures::finding(&ticket.jobs[0], None, 5, 1);
        let of_test = fixtures::finding(&ticket.jobs[2], Some("command1"), 31, 1);
        ticket.findings = vec![
            of_test.clone(),
            said(
                &of_build,
                Severity::Error,
                "'x' undeclared",
                Some(("src/a.c", Some(44), Some(30))),
            ),
            said(
                &of_build,
                Severity::Warning,
                "unused \u{1b}[31m",
                Some(("src/a.c", Some(3), None)),
            ),
            said(&of_test, Severity::Error, "it hangs", None),
            said(&of_build, Severity::Note, "so much for that", Some(("b.c", None, None))),
        ];
    }
    world
}

fn shows(world: &World, arguments: &str) -> (String, String) {
    let output = world.command(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn errors_are_listed_as_editors_read_them() {
    let world = world();
    let (listed, beside) = shows(&world, "findings 2");
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "src/a.c:44:30: error: 'x' undeclared");
    // What is said of no file leads to the log.
    assert!(lines[1].ends_with(".log:31: error: it hangs (command1)"), "{listed}");
    assert!(lines[1].starts_with('/'), "{listed}");
    assert_eq!(lines.len(), 2);
    assert_eq!(beside, "3 more with --all: warnings and notes\n");

    let (listed, beside) = shows(&world, "findings 2 --all");
    assert!(
        listed.contains(".log:31: warning: network attempt refused: dns"),
        "{listed}"
    );
    assert!(listed.contains("\nb.c: note: so much for that\n"), "{listed}");
    assert!(!listed.contains('\u{1b}'), "{listed}");
    assert_eq!((listed.lines().count(), beside.as_str()), (5, ""));
}

#[test]
fn json_counts_all_and_has_what_is_asked_for() {
    let world = world();
    let report = |arguments: &str| -> FindingsReport { serde_json::from_str(&shows(&world, arguments).0).unwrap() };
    let errors = report("findings 2 --json");
    assert_eq!((errors.errors, errors.warnings, errors.notes), (2, 2, 1));
    assert_eq!(errors.findings.len(), 2);
    assert_eq!(report("findings 2 --json --all").findings.len(), 5);
    assert_eq!(report("findings 2 --json --all --source hello").findings.len(), 5);
    let none = world.command("findings 2 --source nope").output().unwrap();
    assert_eq!(none.status.code(), Some(20));
    let (_, beside) = shows(&world, "findings 1");
    assert_eq!(beside, "ticket #1 has no findings\n");
}

#[test]
fn a_ticket_shows_errors_and_counts_the_rest() {
    let world = world();
    let (shown, _) = shows(&world, "ticket show 2");
    for part in [
        "error: 'x' undeclared",
        "error: it hangs",
        "2 more in logs: preflight findings 2 --all",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in {shown}");
    }
    assert!(!shown.contains("unused"), "{shown}");
}
