//! One line of a log as text with colours: SGR sequences (ECMA-48, 8.3.117) become styles, all else that could act on a
//! terminal becomes visible, bytes that are no UTF-8 become `<9B>`. It knows nothing of files and screens.

use std::fmt::Write as _;

use ratatui::style::{Color, Modifier, Style};

use crate::safe;

/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Harmless text.
    pub text: String,
    /// Its style.
    pub style: Style,
}

/// A line's bytes, without the line feed, as pieces.
#[must_use]
pub fn pieces(line: &[u8]) -> Vec<Piece> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut out = Out::default();
    for chunk in line.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(character) = rest.chars().next() {
            if let Some((parameters, after)) = sgr(rest) {
                let mut style = out.style;
                apply(&mut style, parameters);
                out.switch(style);
                rest = after;
                continue;
            }
            out.push(character);
            rest = &rest[character.len_utf8()..];
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out.text, "<{byte:02X}>");
        }
    }
    out.switch(Style::default());
    out.pieces
}

/// A line's text alone, as it is searched and printed without colours.
#[must_use]
pub fn plain(line: &[u8]) -> String {
    pieces(line).into_iter().map(|piece| piece.text).collect()
}

#[derive(Default)]
struct Out {
    pieces: Vec<Piece>,
    text: String,
    style: Style,
    /// The columns of the pieces before `text`, for tab stops.
    before: usize,
}

impl Out {
    fn push(&mut self, character: char) {
        if character == '\t' {
            let column = self.before + unicode_width::UnicodeWidthStr::width(self.text.as_str());
            self.text.extend(std::iter::repeat_n(' ', TAB - column % TAB));
        } else {
            safe::push(&mut self.text, character);
        }
    }

    fn switch(&mut self, style: Style) {
        if !self.text.is_empty() {
            self.before += unicode_width::UnicodeWidthStr::width(self.text.as_str());
            self.pieces.push(Piece {
                text: std::mem::take(&mut self.text),
                style: self.style,
            });
        }
        self.style = style;
    }
}

/// `ESC [ parameters m` at the start of `text`: the parameters, and what follows.
fn sgr(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.find(|character: char| !matches!(character, '0'..='9' | ';' | ':'))?;
    let after = body[end..].strip_prefix('m')?;
    Some((&body[..end], after))
}

fn apply(style: &mut Style, parameters: &str) {
    let mut numbers = parameters.split([';', ':']).map(|number| {
        if number.is_empty() {
            0
        } else {
            number.parse().unwrap_or(u16::MAX)
        }
    });
    while let Some(number) = numbers.next() {
        *style = match number {
            0 => Style::default(),
            1 => style.add_modifier(Modifier::BOLD),
            2 => style.add_modifier(Modifier::DIM),
            3 => style.add_modifier(Modifier::ITALIC),
            4 => style.add_modifier(Modifier::UNDERLINED),
            7 => style.add_modifier(Modifier::REVERSED),
            9 => style.add_modifier(Modifier::CROSSED_OUT),
            22 => without(*style, Modifier::BOLD | Modifier::DIM),
            23 => without(*style, Modifier::ITALIC),
            24 => without(*style, Modifier::UNDERLINED),
            27 => without(*style, Modifier::REVERSED),
            29 => without(*style, Modifier::CROSSED_OUT),
            30..=37 | 90..=97 => style.fg(basic(number)),
            38 => match extended(&mut numbers) {
                Some(colour) => style.fg(colour),
                None => *style,
            },
            39 => Style { fg: None, ..*style },
            40..=47 | 100..=107 => style.bg(basic(number - 10)),
            48 => match extended(&mut numbers) {
                Some(colour) => style.bg(colour),
                None => *style,
            },
            49 => Style { bg: None, ..*style },
            // Blinking and hiding are nothing that a log should do; the rest is unknown.
            _ => *style,
        };
    }
}

fn without(mut style: Style, modifier: Modifier) -> Style {
    style.add_modifier.remove(modifier);
    style
}

fn basic(number: u16) -> Color {
    const COLOURS: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    let at = if number >= 90 { number - 90 + 8 } else { number - 30 };
    COLOURS.get(usize::from(at)).copied().unwrap_or(Color::Reset)
}

/// What follows 38 or 48: `5;N`, or `2;R;G;B`.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<Color> {
    let mut byte = || numbers.next().and_then(|number| u8::try_from(number).ok());
    match byte()? {
        5 => Some(Color::Indexed(byte()?)),
        2 => Some(Color::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn piece(text: &str, style: Style) -> Piece {
        Piece {
            text: text.to_owned(),
            style,
        }
    }

    #[test]
    fn colours_become_styles() {
        let red = Style::default().fg(Color::Red);
        let plain = Style::default();
        let table: [(&[u8], Vec<Piece>); 8] = [
            (b"", vec![]),
            (b"plain\r", vec![piece("plain", plain)]),
            (
                b"a\x1b[31merror:\x1b[0m b",
                vec![piece("a", plain), piece("error:", red), piece(" b", plain)],
            ),
            (
                b"\x1b[1;38;5;208mx\x1b[22;39my\x1b[m",
                vec![
                    piece("x", plain.fg(Color::Indexed(208)).add_modifier(Modifier::BOLD)),
                    piece("y", plain),
                ],
            ),
            (b"\x1b[38:2:1:2:3mx", vec![piece("x", plain.fg(Color::Rgb(1, 2, 3)))]),
            (
                b"\x1b[97;101mx",
                vec![piece("x", plain.fg(Color::White).bg(Color::LightRed))],
            ),
            (b"a\tb", vec![piece("a       b", plain)]),
            (
                b"\x1b[31ma\x1b[32m\tb",
                vec![piece("a", red), piece("       b", red.fg(Color::Green))],
            ),
        ];
        for (bytes, expected) in table {
            assert_eq!(pieces(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_seen() {
        for (bytes, seen) in [
            (&b"\x1b]52;c;aGk=\x07"[..], "^[]52;c;aGk=^G"),
            (b"\x1b[2J\x1b[H", "^[[2J^[[H"),
            (b"\x1b[31", "^[[31"),
            (b"50%\r100%", "50%^M100%"),
            (b"\x9b31m", "<9B>31m"),
            (b"caf\xe9", "caf<E9>"),
            ("x\u{202e}y".as_bytes(), "x<U+202E>y"),
        ] {
            assert_eq!(plain(bytes), seen);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_harmless_text(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(plain(&bytes).chars().all(safe::is_harmless));
        }

        #[test]
        fn any_sgr_parameters_are_taken(parameters in "[0-9;:]{0,40}") {
            let line = format!("a\x1b[{parameters}mb");
            prop_assert_eq!(plain(line.as_bytes()), "ab");
        }
    }
}
