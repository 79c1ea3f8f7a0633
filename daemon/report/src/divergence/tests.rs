use proptest::prelude::*;

use super::*;

type Numbered = Option<(u64, String)>;

fn between(first: &str, second: &str) -> Option<(Numbered, Numbered)> {
    let found = first_divergence(first.as_bytes(), second.as_bytes(), |line| line == b"end").unwrap()?;
    let line = |line: Line| (line.number, String::from_utf8_lossy(&line.bytes).into_owned());
    Some((found.first.map(line), found.second.map(line)))
}

fn never(_: &[u8]) -> bool {
    false
}

fn at(number: u64, text: &str) -> Numbered {
    Some((number, text.to_owned()))
}

#[test]
fn the_first_line_that_differs() {
    for (first, second, expected) in [
        ("", "", None),
        ("a\nb\n", "a\nb\n", None),
        ("a\nb", "a\nb\n", None),
        ("a\r\nb\n", "a\nb\n", None),
        ("ran in 0.1s\nok\n", "ran in 7.5s\nok\n", None),
        ("a\nb\nc\n", "a\nx\nc\n", Some((at(2, "b"), at(2, "x")))),
        ("a\n", "a\nmore\n", Some((None, at(2, "more")))),
        ("a\n\n", "a\n", Some((at(2, ""), None))),
        ("a\nend\nb\n", "a\nend\nx\n", None),
        ("a\nend\n", "a\nb\nend\n", Some((None, at(2, "b")))),
        (
            "pid 12\nexpected 3\n",
            "pid 99\nexpected 4\n",
            Some((at(2, "expected 3"), at(2, "expected 4"))),
        ),
    ] {
        assert_eq!(between(first, second), expected, "{first:?} {second:?}");
    }
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let (long, longer) = ("x".repeat(LONGEST), "x".repeat(4 * LONGEST) + "y\nz");
    let (_, second) = between(&long, &longer).unwrap();
    assert_eq!(second, at(2, "z"), "what is over is skipped, not read as lines");
}

proptest! {
    #[test]
    fn fuzz_divergence(first: Vec<u8>, second: Vec<u8>) {
        prop_assert_eq!(first_divergence(&first[..], &first[..], never).unwrap(), None);
        let found = first_divergence(&first[..], &second[..], never).unwrap();
        let back = first_divergence(&second[..], &first[..], never).unwrap();
        let turned = back.map(|back| Divergence { first: back.second, second: back.first });
        prop_assert_eq!(found, turned);
    }

    /// However it is read.
    #[test]
    fn lines_do_not_depend_on_buffers(text in "[a-c\n]{0,40}", other in "[a-c\n]{0,40}", size in 1usize..5) {
        let whole = first_divergence(text.as_bytes(), other.as_bytes(), never).unwrap();
        let read = |text: &str| std::io::BufReader::with_capacity(size, std::io::Cursor::new(text.as_bytes().to_vec()));
        prop_assert_eq!(first_divergence(read(&text), read(&other), never).unwrap(), whole);
    }
}
