//! Words that come from outside, made fit to be stored and shown: bounded, and without control characters.

/// The longest name of a source or test that is kept, in characters.
pub(crate) const LONGEST_NAME: usize = 256;
/// The longest line (a reason, a warning, a log's line) that is kept, in characters.
pub(crate) const LONGEST_LINE: usize = 2000;

/// The text with control characters made visible, an ellipsis in the place of what is too long.
pub(crate) fn clean(text: &str, longest: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(longest));
    for (place, c) in text.chars().enumerate() {
        if place == longest {
            clean.push('…');
            break;
        }
        match c {
            '\t' => clean.push(' '),
            c if c.is_control() => clean.extend(c.escape_default()),
            // Marks that turn the writing direction can make a line read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn control_characters_are_shown_and_length_is_bounded() {
        for (text, longest, expected) in [
            ("plain ü", 10, "plain ü"),
            ("a\u{1b}[31mb\n", 10, "a\\u{1b}[31mb\\n"),
            ("\u{202e}x", 10, "\\u{202e}x"),
            ("12345678901", 10, "1234567890…"),
        ] {
            assert_eq!(clean(text, longest), expected);
        }
    }
}
