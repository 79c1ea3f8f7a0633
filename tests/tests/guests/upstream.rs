//! A few of autopkgtest's own tests of virtualisation servers, against ours: the program that users run, over the real protocol,
//! judged by those who specify it. `make upstream-tests` runs all.

use std::path::Path;
use std::process::{Command, Stdio};

use preflight_tests::{programs, shared};

/// What the tests answer where autopkgtest's source package cannot be fetched.
const SKIPPED: i32 = 77;

#[test]
fn autopkgtests_own_tests_pass() {
    let home = shared::turn("upstream");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("upstream/tests.py");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs::folder().to_owned()).chain(std::env::split_paths(&path)));
    let output = Command::new("python3")
        .arg(script)
        .arg("--folder")
        .arg(home.root().with_file_name("upstream-tests"))
        .args(["--few", "--again", "--virt=--variant=build"])
        .env("PATH", path.unwrap())
        .env("PREFLIGHT_HOME", home.root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => assert!(said.contains("2 pass"), "{said}"),
        Some(SKIPPED) => eprintln!("{said}"),
        _ => panic!("{said}{}", String::from_utf8_lossy(&output.stderr)),
    }
}
