//! What differs between two runs of the same test though nothing is different: times, durations, process ids, temporary names,
//! addresses. It stands as a word of its kind in a masked line.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// What is masked: the word that stands for it, and what it looks like. The first that matches at a place counts. Where a
/// part is named `keep`, it stays before the word, where it is named `rest`, after it.
const MASKS: [(&str, &str); 15] = [
    // 2026-11-20T18:43:12.123456+00:00
    (
        "date",
        r"\b\d{4}-\d\d-\d\d(?:[T _]\d\d[:.]?\d\d(?:[:.]?\d\d(?:[.,]\d+)?)?(?: ?(?:Z\b|[+-]\d\d:?\d\d\b))?)?",
    ),
    // Fri Nov 20 18:43:12 UTC 2026, Fri, 20 Nov 2026 18:43:12 +0000
    (
        "date",
        r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:\d{1,2} +)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: +\d{1,4})?(?: +\d\d:\d\d:\d\d)?(?: +[A-Z]{3,4}\b)?(?: +[+-]?\d{4})?",
    ),
    // syslog's
    (
        "date",
        r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} +\d\d:\d\d:\d\d\b",
    ),
    ("time", r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b"),
    // the kernel's
    ("uptime", r"\[ *\d+\.\d{6}\]"),
    ("address", r"\b0[xX][0-9a-fA-F]+\b"),
    (
        "uuid",
        r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
    ),
    // 0.05s, 12 ms, 1.2 seconds, and make's and time's 0m0.012s
    ("duration", r"\b(?:\d+h)?(?:\d+m)\d+(?:[.,]\d+)?s\b"),
    (
        "duration",
        r"\b\d+(?:[.,]\d+)? ?(?:ns|us|µs|ms|s|secs?|seconds?|milliseconds?|microseconds?|minutes?|wallclock secs)\b",
    ),
    // perl's `CPU 0.01 usr` and its like
    (
        "duration",
        r"\b\d+\.\d+ (?P<rest>usr|sys|cusr|csys|CPU|real|user|elapsed)\b",
    ),
    // mktemp's, python's and autopkgtest's names
    ("temporary", r"(?P<keep>/(?:var/)?tmp/)[^\s/'\x22:,;)\]>]+"),
    (
        "temporary",
        r"\b(?P<keep>[A-Za-z][A-Za-z_-]*[._-])?(?:tmp[._-]?[A-Za-z0-9_]{6,12}|[A-Za-z0-9]{10}\.tmp)\b",
    ),
    (
        "process",
        r"(?i)\b(?P<keep>(?:pid|process|ppid|thread|tid)[ :=#]*)\d+\b",
    ),
    // daemon[123]:
    ("process", r"(?P<keep>[A-Za-z][\w.-]*)\[\d+\](?P<rest>:)"),
    // a port that the kernel chose
    (
        "port",
        r"(?P<keep>(?:\b127\.0\.0\.\d+|\blocalhost|\[::1\]|\b0\.0\.0\.0):)[3-6]\d{4}\b",
    ),
];

static MASK: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let compiled = MASKS
        .iter()
        .map(|(word, pattern)| Some((*word, Regex::new(pattern).ok()?)));
    compiled.flatten().collect()
});

/// A line with what differs from run to run masked.
#[must_use]
pub fn mask(line: &[u8]) -> Vec<u8> {
    let mut masked: Cow<'_, [u8]> = Cow::Borrowed(line);
    for (word, pattern) in MASK.iter() {
        let replaced = pattern.replace_all(&masked, |found: &Captures<'_>| {
            let part = |name: &str| found.name(name).map_or(&b""[..], |part| part.as_bytes());
            [
                part("keep"),
                b"<",
                word.as_bytes(),
                b">",
                separator(found),
                part("rest"),
            ]
            .concat()
        });
        if let Cow::Owned(replaced) = replaced {
            masked = Cow::Owned(replaced);
        }
    }
    masked.into_owned()
}

/// What parts a mask from the word after it.
fn separator(found: &Captures<'_>) -> &'static [u8] {
    match found.name("rest").map(|rest| rest.as_bytes()) {
        Some(b":") | None => b"",
        Some(_) => b" ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(MASK.len(), MASKS.len());
    }

    #[test]
    fn what_differs_from_run_to_run_is_masked() {
        for (one, other) in [
            ("autopkgtest [18:43:12]: test x", "autopkgtest [09:01:59]: test x"),
            ("at 2026-11-20T18:43:12.5+00:00 it", "at 2025-01-02 03:04:05 it"),
            ("Fri Nov 20 18:43:12 UTC 2026", "Sat Jan  3 00:00:01 UTC 2026"),
            (
                "Date: Fri, 20 Nov 2026 18:43:12 +0000",
                "Date: Mon, 1 Jun 2026 08:00:00 +0000",
            ),
            ("[   12.345678] usb 1", "[  112.000001] usb 1"),
            ("<Foo object at 0x7f3a5c0d>", "<Foo object at 0x55aa>"),
            ("Ran 3 tests in 0.012s", "Ran 3 tests in 11.4s"),
            ("real\t0m0.012s", "real\t1m2.500s"),
            ("took 12 ms", "took 900 ms"),
            ("3 passed in 1.23 seconds", "3 passed in 0.9 seconds"),
            ("CPU: 0.01 usr + 0.00 sys", "CPU: 1.25 usr + 0.31 sys"),
            ("cd /tmp/tmp.AbCdEf1234/x", "cd /tmp/tmp.ZyXwVu9876/x"),
            ("open '/tmp/tmpab12_x9z'", "open '/tmp/tmpqq8_zz1t'"),
            ("pid 123 ended", "pid 4567 ended"),
            ("sshd[123]: bye", "sshd[99]: bye"),
            ("listening on 127.0.0.1:43211", "listening on 127.0.0.1:39999"),
            (
                "id 123e4567-e89b-12d3-a456-426614174000",
                "id 00000000-1111-2222-3333-444444444444",
            ),
        ] {
            let masked = |line: &str| String::from_utf8(mask(line.as_bytes())).unwrap();
            assert_eq!(masked(one), masked(other));
            assert!(masked(one).contains('<'), "{one}");
        }
    }

    #[test]
    fn what_may_be_the_difference_is_not() {
        for line in [
            "expected 3, got 4",
            "hello 2.10-3",
            "libfoo.so.1.2.3: undefined symbol bar",
            "connect to 127.0.0.1:80: refused",
            "array[3] is 5",
            "exit status 1",
            "not ok 3 - it works",
            "template is missing",
            "/usr/lib/x.py:12: error",
            "5 tests failed",
        ] {
            assert_eq!(mask(line.as_bytes()), line.as_bytes(), "{line}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        assert_eq!(mask(b"\xff\xfe 12:00:00 \x1b[0m"), b"\xff\xfe <time> \x1b[0m");
    }
}
