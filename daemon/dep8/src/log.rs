//! The look of a log line of autopkgtest's, so that its readers, human or not, find their way in ours.

use jiff::civil::Time;

/// What separates a source's parts of the log.
pub const SECTION: &str = "@@@@@@@@@@@@@@@@@@@@";

/// `autopkgtest [HH:MM:SS]: MESSAGE`, without a newline.
#[must_use]
pub fn line(at: Time, message: &str) -> String {
    format!("autopkgtest [{}]: {message}", at.strftime("%H:%M:%S"))
}

/// Text from a testbed as part of one line: control characters and those that reorder text are dropped.
#[must_use]
pub fn harmless(text: &str) -> String {
    let reorders =
        |letter| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|&letter| letter == '\t' || !(letter.is_control() || reorders(letter)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_like_autopkgtest() {
        let at = jiff::civil::time(7, 5, 9, 0);
        assert_eq!(line(at, "test a: [----"), "autopkgtest [07:05:09]: test a: [----");
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\u{202e}c\td"), "a[2Jbc\td");
    }
}
