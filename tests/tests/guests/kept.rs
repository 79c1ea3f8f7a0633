//! Failed testbeds that are kept: looked at, after the daemon's death too, without the evidence being spoilt.

use std::time::Duration;

use preflight_protocol::job::JobKind;
use preflight_tests::wait::wait_until;
use preflight_tests::{fixture, shared};

use crate::check::{check, job};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_failed_build_is_looked_at_as_it_failed_and_each_look_is_its_own() {
    let home = shared::turn("kept");
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture::dsc("broken-build", scratch.path());
    let checked = check(&home, "kept", &[&source], &[], 12);
    let build = job(&checked.ticket, JobKind::Build);
    assert!(
        build.attempts.last().unwrap().kept.is_some_and(|bytes| bytes > 1 << 20),
        "{build:#?}"
    );

    let id = checked.ticket.summary.id.to_string();
    let look = "pwd; id -un; echo $DEB_BUILD_OPTIONS; ls sum.c; test ! -e spoilt; touch spoilt";
    let shell = |script: &str| home.run(&["shell", &id, "--", "sh", "-ec", script]).with_code(0).stdout;
    let seen = shell(look);
    assert!(seen.starts_with("/build/tree\npreflight\nparallel="), "{seen}");
    home.kill_daemon();
    assert_eq!(shell(look), seen);
    wait_until("nothing is left", PATIENCE, || home.leftovers().is_empty());
}

#[test]
fn what_is_not_wanted_is_not_kept() {
    let home = shared::turn("not kept");
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture::dsc("broken-build", scratch.path());
    let checked = check(&home, "not kept", &[&source], &["--keep-failed=never"], 12);
    let build = job(&checked.ticket, JobKind::Build);
    assert_eq!(build.attempts.last().unwrap().kept, None);
}
