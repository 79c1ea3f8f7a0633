//! Snapshots of an archive: two tickets at once, on two snapshots of the same series, come to different results because of
//! them.

use preflight_protocol::archive::SnapshotDiff;
use preflight_tests::repository::Repository;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

use crate::check::{end, start};
use crate::own_archive::{self, SERIES, update};

const PACKAGE: &str = "preflight-extra";

#[test]
fn two_tickets_on_two_snapshots_see_two_archives() {
    let home = shared::turn("snapshots");
    let archive = Repository::start();
    let scratch = tempfile::tempdir().unwrap();
    let keyring = scratch.path().join("archive.gpg");
    own_archive::configure(&home, &archive, &keyring);

    archive.publish(&[(PACKAGE, "1")]);
    let first = update(&home);
    // Nothing has changed: it is the same one.
    assert_eq!(update(&home).name, first.name);
    archive.publish(&[(PACKAGE, "2")]);
    let second = update(&home);
    assert_ne!(first.name, second.name);
    let diff: SnapshotDiff = home
        .json(
            "archive-diff.answer",
            &["archive", "diff", &first.name, &second.name, "--json"],
        )
        .parse();
    let changes: Vec<_> = diff
        .changes
        .iter()
        .map(|change| {
            (
                change.package.as_str(),
                change.before.as_deref(),
                change.after.as_deref(),
            )
        })
        .collect();
    assert_eq!(changes, [(PACKAGE, Some("1"), Some("2"))]);

    let source = fixture::folder("follower");
    let check =
        |name: &str, snapshot: &str| start(&home, name, &[&source], &["--series", SERIES, "--snapshot", snapshot]);
    let [old, new] = [check("first", &first.name), check("second", &second.name)];
    let old = end(&home, old, 0);
    assert_eq!(old.tests(), ["follower first-version PASS"]);
    assert_eq!(old.ticket.snapshot.as_ref(), Some(&first.name));
    let new = end(&home, new, 4);
    assert_eq!(new.tests(), ["follower first-version FAIL non-zero exit status 1"]);
    own_archive::forget(&home);
}
