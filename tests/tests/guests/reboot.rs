//! A test that has its machine start again, and sees that it is the same machine, in another boot.

use preflight_protocol::result::FindingKind;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

use crate::check::check;

#[test]
fn a_test_outlives_two_boots_of_its_machine() {
    let home = shared::turn("restarting");
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture::dsc("restarting", scratch.path());
    let checked = check(&home, "restarting", &[&source], &["--keep-failed=never"], 0);
    assert_eq!(checked.tests(), ["restarting restarts PASS"]);

    // In the second and in the third boot the network is watched as in the first.
    let names: Vec<_> = checked
        .ticket
        .findings
        .iter()
        .filter_map(|finding| match &finding.kind {
            FindingKind::Network { name, .. } => name.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["after-first.example", "after-second.example"]);
    let tests = format!("state/tickets/{}/tests", checked.ticket.summary.id);
    let artifacts = home.root().join(tests).join("restarting/restarts/artifacts");
    for name in ["one", "two"] {
        let made = std::fs::read_to_string(artifacts.join(name)).unwrap();
        assert_eq!(made.trim_end(), name, "artifacts of all boots are kept");
    }
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}
