//! When a package's own commands ran, found in a log by the words that dpkg-buildpackage and autopkgtest put around them.
//! Preflight's logs and the peer's have the same words, so that both are measured by the same ruler; only the moment at
//! which dpkg-buildpackage was started, a second before its first word, is told by Preflight alone.

use std::time::Duration;

/// A span of time, from one moment to another of the same clock.
pub(crate) type Span = (Duration, Duration);

/// The spans of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    /// dpkg-buildpackage's run, from its first word to its last.
    pub(crate) build: Option<Span>,
    /// The tests' own runs, in the log's order.
    pub(crate) tests: Vec<Span>,
}

impl Spans {
    /// Reads a log: each line with the moment at which it came.
    pub(crate) fn of<'a>(lines: impl IntoIterator<Item = (Duration, &'a str)>) -> Self {
        let mut spans = Self::default();
        let mut running = None;
        for (at, line) in lines {
            let line = line.trim_end();
            if line.starts_with("dpkg-buildpackage: info: ") || is_start(line) {
                let start = spans.build.map_or(at, |(start, _)| start);
                spans.build = Some((start, at));
            } else if line.contains("]: test ") && line.ends_with(": [-----------------------") {
                running = Some(at);
            } else if line.contains("]: test ") && line.ends_with(": -----------------------]") {
                spans.tests.extend(running.take().map(|start| (start, at)));
            }
        }
        spans
    }

    /// From each test's end to the next one's start.
    pub(crate) fn between_tests(&self) -> Vec<Duration> {
        self.tests
            .windows(2)
            .map(|pair| pair[1].0.saturating_sub(pair[0].1))
            .collect()
    }

    /// All spans.
    pub(crate) fn all(&self) -> Vec<Span> {
        self.build.iter().chain(&self.tests).copied().collect()
    }
}

/// Preflight's own word: `preflight: USER runs dpkg-buildpackage … in TREE`.
fn is_start(line: &str) -> bool {
    line.starts_with("preflight: ") && line.contains(" runs dpkg-buildpackage ")
}

/// How long at least one of the spans ran: what ran side by side counts once.
pub(crate) fn union(mut spans: Vec<Span>) -> Duration {
    spans.sort();
    let mut sum = Duration::ZERO;
    let mut covered = Duration::ZERO;
    for (start, end) in spans {
        sum += end.saturating_sub(start.max(covered));
        covered = covered.max(end);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(numbers: &[(u64, u64)]) -> Vec<Span> {
        let second = Duration::from_secs;
        numbers
            .iter()
            .map(|(start, end)| (second(*start), second(*end)))
            .collect()
    }

    #[test]
    fn a_log_is_read() {
        let lines = [
            "autopkgtest [07:22:00]: testing package hello version 2.10-3",
            "dpkg-buildpackage: info: source package hello",
            "checking for gcc... gcc",
            "dpkg-buildpackage: info: binary-only upload (no source included)",
            "autopkgtest [07:22:26]: test first: preparing testbed",
            "autopkgtest [07:22:26]: test first: [-----------------------",
            "ok",
            "autopkgtest [07:22:26]: test first: -----------------------]",
            "autopkgtest [07:22:26]: test first:  - - - - - - - - - - results - - - - - - - - - -",
            "autopkgtest [07:22:26]: test second: [-----------------------",
        ];
        let spans = Spans::of((0..).map(Duration::from_secs).zip(lines));
        assert_eq!(spans.build, Some(seconds(&[(1, 3)])[0]));
        assert_eq!(spans.tests, seconds(&[(5, 7)]), "the second one has not ended");
    }

    #[test]
    fn a_build_begins_when_it_is_started() {
        let lines = [
            "preflight: preflight runs dpkg-buildpackage --build=binary in /build/tree",
            "dpkg-buildpackage: info: source package hello",
            "dpkg-buildpackage: info: binary-only upload (no source included)",
        ];
        let spans = Spans::of((3..).map(Duration::from_secs).zip(lines));
        assert_eq!(spans.build, Some(seconds(&[(3, 5)])[0]));
    }

    #[test]
    fn gaps_are_from_end_to_start() {
        let spans = Spans {
            build: None,
            tests: seconds(&[(1, 2), (5, 6), (7, 9)]),
        };
        assert_eq!(spans.between_tests(), [3, 1].map(Duration::from_secs));
    }

    #[test]
    fn what_runs_side_by_side_counts_once() {
        let table: &[(&[(u64, u64)], u64)] = &[
            (&[], 0),
            (&[(1, 3)], 2),
            (&[(1, 3), (5, 6)], 3),
            (&[(5, 6), (1, 3), (2, 4)], 4),
            (&[(1, 9), (2, 3)], 8),
            (&[(4, 2)], 0),
        ];
        for (spans, sum) in table {
            assert_eq!(union(seconds(spans)), Duration::from_secs(*sum), "{spans:?}");
        }
    }
}
