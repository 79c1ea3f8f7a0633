//! A log's lines: found by a bounded reader, cleaned of what a terminal would obey. Knows no pattern.

use std::io::{self, BufRead, BufReader, Read};

use preflight_dep8::log;

/// The longest text of a finding, in characters.
pub const MAX_TEXT: usize = 400;
/// More than this of a line is not looked at, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// Calls `each` with every line's number (from 1) and its beginning, without the newline.
pub(super) fn for_each(log: impl Read, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, log);
    let mut number = 1;
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', buffer);
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        let room = MAX_LINE - line.len();
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = piece.len() + usize::from(end.is_some());
        if end.is_some() {
            each(number, &line);
            line.clear();
            number += 1;
        }
        reader.consume(used);
    }
    if !line.is_empty() {
        each(number, &line);
    }
    Ok(())
}

/// The line as a terminal would leave it: escape sequences gone, of what carriage returns overwrite the last.
pub(super) fn plain(line: &[u8]) -> String {
    // Nearly every line of nearly every log.
    if let (true, Ok(text)) = (
        line.iter().all(|byte| (b' '..=b'~').contains(byte)),
        str::from_utf8(line),
    ) {
        return text.trim_end().to_owned();
    }
    let shown = line
        .rsplit(|byte| *byte == b'\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(shown);
    let text = if memchr::memchr(0x1b, shown).is_some() {
        without_escapes(&text)
    } else {
        text.into_owned()
    };
    log::harmless(&text).replace('\t', " ").trim_end().to_owned()
}

/// Text of a guest as one short line: no control characters, no escape sequences, at most [`MAX_TEXT`] characters.
#[must_use]
pub fn harmless(text: &str) -> String {
    plain(text.as_bytes()).chars().take(MAX_TEXT).collect()
}

/// ECMA-48: `ESC [ … final`, `ESC ] … BEL` or `ESC ] … ESC \`, and `ESC` with one character.
fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            kept.push(letter);
            continue;
        }
        match letters.next() {
            Some('[') => {
                while letters
                    .next()
                    .is_some_and(|letter| !('\u{40}'..='\u{7e}').contains(&letter))
                {}
            }
            Some(']' | 'P' | 'X' | '^' | '_') => {
                while let Some(letter) = letters.next() {
                    if letter == '\u{7}' {
                        break;
                    }
                    if letter == '\u{1b}' && letters.next_if_eq(&'\\').is_some() {
                        break;
                    }
                }
            }
            Some('(' | ')' | '#' | '%') => drop(letters.next()),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_overwritten_text_go() {
        for (raw, expected) in [
            ("\u{1b}[01m\u{1b}[Kfoo.c:1:\u{1b}[m error", "foo.c:1: error"),
            ("\u{1b}]0;title\u{7}text\u{1b}]8;;http://x\u{1b}\\link", "textlink"),
            ("10%\r50%\r100%\r", "100%"),
            ("a\tb\u{8}\u{202e}c", "a bc"),
            ("\u{1b}(B\u{1b}=x", "x"),
        ] {
            assert_eq!(plain(raw.as_bytes()), expected, "{raw:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_but_counted() {
        let log = [vec![b'x'; 3 * MAX_LINE], b"\nsecond".to_vec()].concat();
        let mut seen = Vec::new();
        for_each(&log[..], |number, line| seen.push((number, line.len()))).unwrap();
        assert_eq!(seen, [(1, MAX_LINE), (2, 6)]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(text in "[a\n]{0,60}") {
            let mut seen = Vec::new();
            for_each(text.as_bytes(), |number, line| seen.push((number, String::from_utf8(line.to_vec()).unwrap()))).unwrap();
            let expected: Vec<_> = text.lines().enumerate().map(|(position, line)| (position as u64 + 1, line.to_owned())).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn nothing_a_terminal_obeys_is_left(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!plain(&bytes).chars().any(char::is_control));
        }
    }
}
