//! The order of kernel releases, which is that of Debian's version numbers (deb-version(7)): the last one is what a boot
//! loader would start.

use std::cmp::Ordering;

/// Compares two releases, such as `6.1.0-9-amd64` and `6.1.0-10-amd64`.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    compare_parts(one.0, other.0).then_with(|| compare_parts(one.1, other.1))
}

/// What stands before the last hyphen, and after it.
fn parts(release: &str) -> (&str, &str) {
    release.rsplit_once('-').unwrap_or((release, ""))
}

fn compare_parts(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() || !other.is_empty() {
        let texts = (text(&mut one), text(&mut other));
        let ordering = compare_texts(texts.0, texts.1);
        if ordering != Ordering::Equal {
            return ordering;
        }
        let ordering = compare_numbers(digits(&mut one), digits(&mut other));
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

/// Takes what stands before the first digit.
fn text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    take(rest, |byte| !byte.is_ascii_digit())
}

fn digits<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    take(rest, u8::is_ascii_digit)
}

fn take<'a>(rest: &mut &'a [u8], belongs: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|byte| !belongs(byte)).unwrap_or(rest.len());
    let (taken, left) = rest.split_at(end);
    *rest = left;
    taken
}

fn compare_numbers(one: &[u8], other: &[u8]) -> Ordering {
    let without_zeros = |digits: &[u8]| {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.get(zeros..).unwrap_or_default().to_vec()
    };
    let (one, other) = (without_zeros(one), without_zeros(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

/// A tilde before the end, the end before letters, letters before all else.
fn compare_texts(one: &[u8], other: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    for place in 0..one.len().max(other.len()) {
        let ordering = weight(one.get(place)).cmp(&weight(other.get(place)));
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: dpkg.
    #[test]
    fn releases_are_in_dpkgs_order() {
        let all = [
            "5.10.0-28-amd64",
            "6.1.0-9-amd64",
            "6.1.0-10-amd64",
            "6.1.0-10-cloud-amd64",
            "6.1.0-10-rt-amd64",
            "6.1.0-010-amd64",
            "6.2~rc1-amd64",
            "6.2-amd64",
            "6.12.43+deb12-amd64",
            "6.12.43-amd64",
            "6.8.0-31-generic",
            "6.8.0-31",
        ];
        for one in all {
            for other in all {
                let is = |relation: &str| {
                    let asked = std::process::Command::new("dpkg")
                        .args(["--compare-versions", one, relation, other])
                        .status();
                    asked.is_ok_and(|status| status.success())
                };
                let expected = match (is("lt"), is("gt")) {
                    (true, _) => Ordering::Less,
                    (_, true) => Ordering::Greater,
                    _ => Ordering::Equal,
                };
                assert_eq!(compare(one, other), expected, "{one} {other}");
            }
        }
    }
}
