//! Prefetching: a check that may fetch nothing finds all that it needs in the store, also what has gone from there since.

use std::collections::BTreeSet;
use std::path::Path;

use preflight_protocol::archive::LockEntry;
use preflight_protocol::ids::TicketId;
use preflight_tests::home::Home;
use preflight_tests::{fixture, schema, shared};
use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::check::check;

/// What a build, a package and a test of the source need, each by itself, and nothing else that is tested here.
const NEEDS: [&str; 3] = ["figlet", "hello", "sl"];

/// What `archive prefetch --json` prints.
fn prefetch(home: &Home, options: &[&str], code: i32) -> Value {
    let words = [&["archive", "prefetch", "--json", "--quiet"], options].concat();
    let report = home.run(&words).with_code(code).json();
    schema::assert_fits("cli-prefetch", &report);
    report
}

fn ticket_of(report: &Value) -> TicketId {
    serde_json::from_value(report["ticket"].clone()).unwrap()
}

/// All that a ticket has fetched.
fn fetched(home: &Home, ticket: TicketId) -> BTreeSet<LockEntry> {
    home.locks(ticket).into_iter().flat_map(|lock| lock.entries).collect()
}

fn urls(entries: &BTreeSet<LockEntry>) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.url.as_str()).collect()
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_check_without_a_network_finds_what_was_prefetched() {
    let home = shared::turn("prefetch");
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture::copy("greet", scratch.path());
    let [build, package, test] = NEEDS;
    let control = source.join("debian/control");
    replace(&control, "Build-Depends: ed", &format!("Build-Depends: ed, {build}"));
    replace(&control, "\nDepends: ", &format!("\nDepends: {package}, "));
    let tests = format!("Test-Command: hello && test -e /usr/games/sl\nDepends: @, {test}\n");
    std::fs::write(source.join("debian/tests/control"), tests).unwrap();

    let report = prefetch(&home, &["--source", source.to_str().unwrap()], 0);
    let first = ticket_of(&report);
    let entries = fetched(&home, first);
    for name in NEEDS {
        let file = format!("/{name}_");
        assert!(
            entries.iter().any(|entry| entry.url.contains(&file)),
            "{name}: {entries:#?}"
        );
    }

    // As on a host that has never had them.
    for entry in &entries {
        let digest = entry.sha256.to_string();
        let (folder, name) = digest.split_at(2);
        let object = home.folders.cache.join("archive/objects").join(folder).join(name);
        std::fs::remove_file(object).unwrap();
    }
    let id = first.to_string();
    let report = prefetch(&home, &["--offline", "--ticket", &id], 4);
    let missing = report["result"]["missing"].as_array().unwrap();
    assert_eq!(missing.len(), entries.len(), "{report:#}");
    let report = prefetch(&home, &["--ticket", &id], 0);
    assert_eq!(report["result"]["fetched"]["files"], entries.len(), "{report:#}");
    assert_eq!(fetched(&home, ticket_of(&report)), entries);

    let options = ["--offline", "--series", "debian-bookworm"];
    let checked = check(&home, "offline", &[&source], &options, 0);
    assert_eq!(checked.tests(), ["greet command1 PASS"]);
    let needed = fetched(&home, checked.ticket.summary.id);
    assert!(urls(&needed).is_subset(&urls(&entries)), "{needed:#?} {entries:#?}");
}
