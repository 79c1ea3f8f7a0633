//! Waits until something holds, and says what was awaited when it does not come.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until it is so, and answers with how long that took.
///
/// # Panics
/// It is not so within `patience`.
pub fn wait_until(awaited: &str, patience: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !is_so() {
        assert!(
            since.elapsed() < patience,
            "{awaited} has not come within {} s",
            patience.as_secs()
        );
        pause();
    }
    since.elapsed()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits for other processes' files"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
