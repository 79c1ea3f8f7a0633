//! What a request asks of a tree that is served: which file, which part of it. Pure.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// A path below the tree, without anything that could lead out of it or to a file in the making; none where the request's
/// path is no such. Empty segments and `.` are left out, since apt asks for `/./InRelease`.
pub(super) fn path(asked: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(asked).decode_utf8().ok()?;
    let mut path = PathBuf::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            _ if segment.starts_with('.') || segment.contains(['\0', '\\']) => return None,
            _ => path.push(segment),
        }
    }
    Some(path)
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// So many bytes from there on; at least one.
    Some {
        /// The first byte.
        start: u64,
        /// How many.
        length: u64,
    },
    /// None that the file has.
    Outside,
}

/// What a `Range` asks for of a file of this size. Several ranges, and what is none, may be answered with the whole (RFC
/// 9110, 14.2).
pub(super) fn part(range: &str, size: u64) -> Part {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(size)),
        (Some(start), None) if last.is_empty() => (start, size),
        (None, Some(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Part::Whole,
    };
    match end.checked_sub(start) {
        None | Some(0) => Part::Outside,
        Some(length) => Part::Some { start, length },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        for (asked, wanted) in [
            ("/", Some("")),
            ("/./InRelease", Some("InRelease")),
            (
                "//pool/0123/g%2B+_1.0%7Erc1_all.deb",
                Some("pool/0123/g++_1.0~rc1_all.deb"),
            ),
            ("/by-hash/SHA256/aa", Some("by-hash/SHA256/aa")),
            ("/..", None),
            ("/pool/../../etc/passwd", None),
            ("/%2e%2e/etc/passwd", None),
            ("/pool%2f..%2f..%2fetc", None),
            ("/.preflight-aside/file", None),
            ("/a%00b", None),
            ("/..\\x", None),
            ("/a\\..\\b", None),
            ("/%ff", None),
        ] {
            assert_eq!(path(asked), wanted.map(PathBuf::from), "{asked}");
        }
    }

    #[test]
    fn parts() {
        let some = |start, length| Part::Some { start, length };
        for (range, wanted) in [
            ("bytes=0-", some(0, 10)),
            ("bytes=4-5", some(4, 2)),
            ("bytes=4-99", some(4, 6)),
            ("bytes=-3", some(7, 3)),
            ("bytes=-99", some(0, 10)),
            ("bytes=10-", Part::Outside),
            ("bytes=11-12", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(range, 10), wanted, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside);
    }

    proptest! {
        #[test]
        fn no_path_leads_out(asked in "(/|%2f|%2F|\\.|%2e|\\\\|%5c|[a-z]){0,20}") {
            if let Some(path) = path(&asked) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
            }
        }

        #[test]
        fn a_part_is_of_the_file(first in "[0-9]{0,3}", last in "[0-9]{0,20}", size in 0_u64..300) {
            if let Part::Some { start, length } = part(&format!("bytes={first}-{last}"), size) {
                prop_assert!(length > 0 && start + length <= size);
            }
        }
    }
}
