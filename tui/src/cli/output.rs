//! What goes to standard output and standard error: colours where they are wanted, foreign text harmless, JSON pretty.

use std::io::{self, IsTerminal, Write};

use ratatui::backend::IntoCrossterm;
use ratatui::style::Style;
use serde::Serialize;

use super::arguments::ColorChoice;
use crate::log::line;
use crate::safe;
use crate::theme::{Look, Role, Theme};

/// Both streams' styles.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Standard output's.
    pub out: Paint,
    /// Standard error's.
    pub err: Paint,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

/// Paints text for one stream.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// What that stream can show.
    pub theme: Theme,
}

impl Output {
    /// As the owner, the environment and the streams want it.
    #[must_use]
    pub fn new(choice: ColorChoice) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paint = |terminal: bool| Paint {
            theme: Theme::from_environment(match choice {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => terminal && !no_color,
            }),
        };
        let terminal = io::stdout().is_terminal();
        // Whether there are colours is decided here, not a second time in the library.
        crossterm::style::force_color_output(true);
        Self {
            out: paint(terminal),
            err: paint(io::stderr().is_terminal()),
            terminal,
        }
    }
}

impl Paint {
    /// Text in a role's style.
    #[must_use]
    pub fn role(self, role: Role, text: &str) -> String {
        self.style(self.theme.style(role), text)
    }

    /// A state's glyph and word.
    #[must_use]
    pub fn look(self, look: &Look) -> String {
        self.style(look.style, &format!("{} {}", look.glyph, look.word))
    }

    /// Harmless text in a style.
    #[must_use]
    pub fn style(self, style: Style, text: &str) -> String {
        let text = safe::text(text);
        if !self.theme.colour || style == Style::default() {
            text.into_owned()
        } else {
            style.into_crossterm().apply(text).to_string()
        }
    }

    /// A log's line, its colours kept where there are colours.
    #[must_use]
    pub fn log_line(self, bytes: &[u8]) -> String {
        line::pieces(bytes)
            .into_iter()
            .map(|piece| self.style(self.theme.foreign(piece.style), &piece.text))
            .collect()
    }
}

/// Prints lines to standard output.
///
/// # Errors
/// Where nobody reads them.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') && !text.is_empty() {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Prints a value as JSON.
///
/// # Errors
/// Where nobody reads it.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    print(&harmless_json(&serde_json::to_string_pretty(value)?))
}

/// The same JSON with what could act on a terminal escaped; such characters stand within strings alone.
fn harmless_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if character == '\n' || safe::is_harmless(character) {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_the_same_and_becomes_harmless() {
        let value = serde_json::json!({ "a": "\u{9b}31m\u{202e}x\u{7f}\u{e0001}\n\u{1b} ä漢" });
        let text = harmless_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            text.chars()
                .all(|character| character == '\n' || safe::is_harmless(character)),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
