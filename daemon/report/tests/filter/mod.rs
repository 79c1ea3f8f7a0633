//! Others' programs that read a stream, as oracles.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a filter answers: exit code, standard output, standard error.
pub(crate) fn filter(program: &str, arguments: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; see .ci/packages"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A reader that has seen enough may close its end.
    let _ = writer.join().expect("the writer's thread");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), output.stdout, errors)
}
