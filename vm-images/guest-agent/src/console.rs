//! Where the agent's own words go: the kernel's log, which the host sees on the serial console. Never fails.

use std::fs::OpenOptions;
use std::io::Write;

/// Writes one line for people.
pub(crate) fn say(line: &str) {
    let text = format!("preflight: {line}\n");
    // One write a line: /dev/kmsg takes each as a record.
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut log| log.write_all(text.as_bytes()));
    if written.is_err() {
        eprint!("{text}");
    }
}
