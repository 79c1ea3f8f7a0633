//! One package of the differential runs: Preflight, and Debian's autopkgtest over our virtualisation server, say the same of
//! its tests. `make differential` compares the others.

use std::process::Command;

use preflight_tests::running::Running;
use preflight_tests::{programs, shared};

/// One test of each kind of result, none of which needs a package.
const PACKAGE: &str = "dep8-plain";

#[test]
fn preflight_and_autopkgtest_agree_about_a_package() {
    let home = shared::turn("differential");
    let scratch = tempfile::tempdir().unwrap();
    let table = scratch.path().join("RESULTS.md");
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight-differential"));
    command
        .args(["--only", PACKAGE, "--runners", "ours,server"])
        .arg("--folder")
        .arg(scratch.path())
        .arg("--home")
        .arg(home.root())
        .arg("--table")
        .arg(&table)
        .env(programs::VARIABLE, programs::folder());
    let finished = Running::start(command, Some("differential")).wait();
    // What it printed is the differences.
    let finished = finished.with_code(0);
    let table = std::fs::read_to_string(&table).unwrap();
    let row = table
        .lines()
        .find(|line| line.starts_with(&format!("| {PACKAGE} ")))
        .unwrap();
    let cells: Vec<&str> = row.split(" | ").collect();
    assert_eq!(
        cells[3..5],
        ["exit 6, 2 PASS, 1 FLAKY, 3 FAIL, 2 SKIP", "the same"],
        "{finished}\n{table}"
    );
}
