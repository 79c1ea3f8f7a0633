//! Packages that fail, each in its own way: the step, the exit code, and the line that says why.

use preflight_protocol::job::{Job, JobKind, JobState};
use preflight_protocol::result::{FindingKind, NetworkProtocol};
use preflight_protocol::ticket::Ticket;
use preflight_tests::home::Home;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

use crate::check::{Checked, check, job};
use crate::whole;

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
    // The same line, as editors read it, of a file that the source has.
    let id = checked.ticket.summary.id.to_string();
    let found = home.json("cli-findings", &["findings", &id, "--json"]).json();
    let place = &found["findings"][0]["kind"]["place"];
    assert_eq!(
        (&place["file"], &place["in_source"], &place["line"]),
        (&"sum.c".into(), &true.into(), &5.into()),
        "{found:#}"
    );
    let listed = home.run(&["findings", &id]).with_code(0).stdout;
    assert!(
        listed.starts_with("sum.c:5:") && listed.contains(": error: "),
        "{listed}"
    );
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
        [
            "networked asks-the-network FAIL non-zero exit status 1",
            "networked resolves-a-name PASS",
        ]
    );
    let test = job(&checked.ticket, JobKind::Test);
    let line = first_error(&home, &checked.ticket, test);
    assert!(line.contains("refused") && line.contains("192.0.2.1:80"), "{line}");

    // Found out in either case, with whose doing it is.
    let of = |name: &str| {
        let mut findings = checked.ticket.findings.iter();
        let found = findings.find(|finding| finding.test.as_deref() == Some(name));
        found.unwrap_or_else(|| panic!("nothing found in {name}: {:#?}", checked.ticket.findings))
    };
    let (connection, lookup) = (of("asks-the-network"), of("resolves-a-name"));
    assert!(!connection.declared && !lookup.declared);
    let FindingKind::Network {
        protocol: NetworkProtocol::Tcp,
        destination,
        name: None,
        port: Some(80),
        process: Some(process),
    } = &connection.kind
    else {
        panic!("{connection:#?}")
    };
    assert_eq!(destination.to_string(), "192.0.2.1");
    assert!(
        process
            .command_line
            .iter()
            .any(|word| word.contains("asks-the-network")),
        "{process:?}"
    );
    assert!(!process.parents.is_empty(), "{process:?}");
    let FindingKind::Network {
        protocol: NetworkProtocol::Dns,
        name: Some(name),
        ..
    } = &lookup.kind
    else {
        panic!("{lookup:#?}")
    };
    assert_eq!(name, "updates.example");

    // In results and in the stream, as others read it.
    let id = checked.ticket.summary.id.to_string();
    let results = home.json("cli-results", &["results", &id, "--json"]).json();
    let texts: Vec<_> = results["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| &found["text"])
        .collect();
    for found in [connection, lookup] {
        assert!(texts.contains(&&serde_json::json!(found.text)), "{texts:?}");
    }
    let stream = home
        .command(&["results", &id, "--format", "subunit"])
        .output()
        .unwrap()
        .stdout;
    let version_1 = whole::filter("subunit-2to1", &stream);
    for words in ["192.0.2.1:80", "asking for updates.example", "tags: findings"] {
        assert!(version_1.contains(words), "{words}: {version_1}");
    }
}
