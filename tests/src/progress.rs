//! Lines that tell how far a long test is. libtest keeps what tests print until they fail; guests take minutes, so these
//! go past it.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

/// Says something at once, with the seconds since the first word.
pub fn say(text: &str) {
    static START: OnceLock<Instant> = OnceLock::new();
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs();
    let line = format!("[{seconds:>4} s] {text}\n");
    // Nobody reads: then nobody misses it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
