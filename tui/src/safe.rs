//! Foreign text made harmless: what comes from packages, guests and logs may hold control characters, which must be
//! seen and must never reach a terminal. Knows characters only, no styles and no terminals.

use std::borrow::Cow;

/// Whether a terminal shows the character and does nothing else with it.
#[must_use]
pub fn is_harmless(character: char) -> bool {
    match character {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        // Soft hyphen, zero width, line and paragraph separators, byte order mark, interlinear annotation, tags: not
        // seen. Arabic letter mark and all embeddings, overrides and isolates: they reorder what stands around them.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => false,
        _ => true,
    }
}

/// Appends the character, or what stands for it: `^[` for escape, `<U+202E>` for what is beyond ASCII.
pub fn push(out: &mut String, character: char) {
    match character {
        _ if is_harmless(character) => out.push(character),
        '\u{7f}' => out.push_str("^?"),
        '\0'..='\u{1f}' => {
            out.push('^');
            // 0x00–0x1f plus 0x40 is `@` to `_`.
            out.push(char::from(character as u8 + 0x40));
        }
        _ => out.push_str(&format!("<U+{:04X}>", u32::from(character))),
    }
}

/// One line of text, harmless.
#[must_use]
pub fn text(raw: &str) -> Cow<'_, str> {
    if raw.chars().all(is_harmless) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len() + 8);
    raw.chars().for_each(|character| push(&mut out, character));
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_seen() {
        for (raw, seen) in [
            ("plain ä 漢", "plain ä 漢"),
            ("\x1b]0;title\x07", "^[]0;title^G"),
            ("a\rb\tc\n", "a^Mb^Ic^J"),
            ("\u{9b}31m", "<U+009B>31m"),
            ("abc\u{202e}txt", "abc<U+202E>txt"),
            ("\u{7f}\0", "^?^@"),
        ] {
            assert_eq!(text(raw), seen);
        }
    }

    proptest! {
        #[test]
        fn nothing_harmful_remains(raw in any::<String>()) {
            prop_assert!(text(&raw).chars().all(is_harmless));
        }
    }
}
