//! One test of a ticket, edited and run once more.

use preflight_protocol::job::JobKind;
use preflight_tests::{fixture, shared};

use crate::check::{check, job};

#[test]
fn an_edited_test_runs_in_a_warm_clone_and_changes_nothing_of_its_ticket() {
    let home = shared::turn("rerun");
    let scratch = tempfile::tempdir().unwrap();
    let tree = fixture::copy("second-fails", scratch.path());
    let source = fixture::dsc_of(&tree);
    let checked = check(&home, "rerun", &[&source], &["--keep-failed=never"], 4);
    let id = checked.ticket.summary.id.to_string();

    let again = home.run(&["rerun", &id, "second"]).with_code(4);
    assert!(again.to_string().contains("FAIL: expected 4, found 5"), "{again}");

    fixture::replace(&tree.join("debian/tests/second"), "exit 3", "exit 0");
    let edited = home
        .run(&["rerun", &id, "second", "--with", tree.to_str().unwrap()])
        .with_code(0);
    assert!(edited.to_string().contains("dirty"), "{edited}");

    let ticket = home.ticket(checked.ticket.summary.id);
    assert_eq!(ticket.summary.status, checked.ticket.summary.status);
    assert_eq!(ticket.summary.exit_code, checked.ticket.summary.exit_code);
    let first = job(&checked.ticket, JobKind::Test);
    let same = ticket.jobs.iter().find(|job| job.id == first.id).unwrap();
    assert_eq!(same.attempts, first.attempts);
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}
