//! A ticket's tests held against the same tests without its packages: what the archive has is installed then.

use preflight_protocol::job::{Job, Purpose};
use preflight_tests::{fixture, shared};
use serde_json::Value;

use crate::check::check;

#[test]
fn what_a_package_makes_worse_and_better_is_told_from_what_never_worked() {
    let home = shared::turn("baseline");
    let scratch = tempfile::tempdir().unwrap();
    let tree = fixture::copy("newer-ed", scratch.path());
    let source = fixture::dsc_of(&tree);
    let options = ["--baseline=all", "--keep-failed=never"];
    let checked = check(&home, "baseline", &[&source], &options, 4);
    let verdict = |test: &Value| (test["name"].clone(), test["verdict"]["meaning"].clone());
    let verdicts: Vec<(Value, Value)> = checked.report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(verdict)
        .collect();
    let expected = [
        ("edits", "regression"),
        ("has-news", "fixed"),
        ("is-perfect", "always_failed"),
    ];
    assert_eq!(verdicts, expected.map(|(name, word)| (name.into(), word.into())));

    let id = checked.ticket.summary.id.to_string();
    let judged = home.run(&["baseline", &id, "--no-run", "--json"]).with_code(4).json();
    preflight_tests::schema::assert_fits("cli-baseline", &judged);
    let edits = &judged["tests"][0];
    assert_eq!(edits["baseline"]["status"], "PASS", "{judged:#}");
    let package = &edits["packages"][0];
    assert_eq!(
        (&package["name"], &package["with"]),
        (&"ed".into(), &"99".into()),
        "{judged:#}"
    );
    assert!(package["without"].is_string(), "{judged:#}");
    // Its first line has a time and a process's number in it.
    let lines = ["with", "without"].map(|run| edits["divergence"][run]["text"].clone());
    assert_eq!(lines, ["an editor: none", "an editor: /usr/bin/ed"], "{judged:#}");

    // What was found is taken when the same is asked again: of a ticket whose tree is the same but for its changelog.
    let changelog = tree.join("debian/changelog");
    fixture::replace(&changelog, "(99)", "(100)");
    std::fs::remove_file(&source).unwrap();
    let source = fixture::dsc_of(&tree);
    let again = check(
        &home,
        "baseline-again",
        &[&source],
        &["--baseline", "--keep-failed=never"],
        4,
    );
    let judged = home
        .run(&["baseline", &again.ticket.summary.id.to_string(), "--no-run", "--json"])
        .with_code(4)
        .json();
    let taken = judged["tests"].as_array().unwrap().iter();
    let taken: Vec<&Value> = taken.map(|test| &test["baseline"]["taken_from"]["ticket"]).collect();
    assert_eq!(
        taken,
        [&checked.report["ticket"], &checked.report["ticket"]],
        "{judged:#}"
    );
    let is_baseline = |job: &&Job| {
        job.rerun
            .as_ref()
            .is_some_and(|rerun| rerun.purpose == Purpose::Baseline)
    };
    assert_eq!(
        again.ticket.jobs.iter().filter(is_baseline).count(),
        2,
        "that which passes has none"
    );
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}
