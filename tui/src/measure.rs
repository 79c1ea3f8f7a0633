//! Durations, ages and sizes in few characters, the same in the command line and on the screen.

use jiff::Timestamp;
use preflight_protocol::ids::Moment;

/// Seconds as `0.3s`, `42s`, `4m12s`, `1h05m` or `3d04h`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    let whole = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if whole < 10.0 {
        return format!("{whole:.1}s");
    }
    // Saturates, and no run is that long.
    let whole = whole.round() as u64;
    match whole {
        0..=59 => format!("{whole}s"),
        60..=3599 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..=86_399 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// Seconds that have passed in whole ones: a clock on the screen that shows tenths would never rest.
#[must_use]
pub fn clock(whole: f64) -> String {
    let whole = whole.max(0.0).floor();
    if whole < 10.0 {
        format!("{whole:.0}s")
    } else {
        seconds(whole)
    }
}

/// The seconds between two moments; 0 where the clock went backwards.
#[must_use]
pub fn between(from: Moment, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.0.as_millisecond()).max(0) as f64 / 1000.0
}

/// How long ago something was, in one unit: `now`, `5m`, `3h`, `12d`.
#[must_use]
pub fn age(then: Moment, now: Timestamp) -> String {
    let seconds = between(then, now) as u64;
    match seconds {
        0..=59 => "now".to_owned(),
        60..=3599 => format!("{}m", seconds / 60),
        3600..=86_399 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The same as a phrase: `5m ago`.
#[must_use]
pub fn ago(then: Moment, now: Timestamp) -> String {
    let age = age(then, now);
    if age == "now" { age } else { format!("{age} ago") }
}

/// Bytes in decimal units as `ls --si` has them: `512 B`, `54 kB`, `1.2 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" || value >= 9.95 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A number with its thousands apart: `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 test`, `3 tests`.
#[must_use]
pub fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (value, shown) in [
            (0.0, "0.0s"),
            (1.24, "1.2s"),
            (42.0, "42s"),
            (252.0, "4m12s"),
            (3900.0, "1h05m"),
            (273_600.0, "3d04h"),
            (-1.0, "0.0s"),
            (f64::NAN, "0.0s"),
        ] {
            assert_eq!(seconds(value), shown);
        }
    }

    #[test]
    fn sizes_and_counts() {
        for (value, shown) in [(0, "0 B"), (999, "999 B"), (54_321, "54 kB"), (1_234_567_890, "1.2 GB")] {
            assert_eq!(bytes(value), shown);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(plural(1, "test"), "1 test");
    }

    #[test]
    fn ages() {
        let now: Timestamp = "2025-06-01T12:00:00Z".parse().unwrap();
        for (then, shown) in [
            ("2025-06-01T11:59:30Z", "now"),
            ("2025-06-01T11:20:00Z", "40m"),
            ("2025-05-30T12:00:00Z", "2d"),
            ("2025-06-02T12:00:00Z", "now"),
        ] {
            assert_eq!(age(Moment(then.parse().unwrap()), now), shown);
        }
    }
}
