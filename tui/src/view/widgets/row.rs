//! One line of the screen, written from left to right in cells, with whatever does not fit left out visibly.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::safe;
use crate::theme::{Role, Theme};

/// Writes cells into one line.
#[derive(Debug)]
pub struct Row<'a> {
    buffer: &'a mut Buffer,
    theme: Theme,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Row<'a> {
    /// The line `y` lines below the top of `area`; nothing is written where that is outside.
    pub fn new(buffer: &'a mut Buffer, theme: Theme, area: Rect, y: usize) -> Self {
        let inside = y < usize::from(area.height);
        Self {
            x: area.x,
            y: if inside { area.y + y as u16 } else { area.y },
            end: if inside { area.x + area.width } else { area.x },
            buffer,
            theme,
        }
    }

    /// Columns that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        usize::from(self.end.saturating_sub(self.x))
    }

    /// Writes text as wide as it is.
    pub fn text(&mut self, text: &str, style: Style) -> &mut Self {
        let text = fit(&safe::text(text), self.left(), self.theme);
        let (x, _) = self.buffer.set_stringn(self.x, self.y, &text, self.left(), style);
        self.x = x;
        self
    }

    /// Writes text in a role's style.
    pub fn role(&mut self, text: &str, role: Role) -> &mut Self {
        let style = self.theme.style(role);
        self.text(text, style)
    }

    /// Leaves columns free.
    pub fn space(&mut self, columns: usize) -> &mut Self {
        self.x = (usize::from(self.x) + columns).min(usize::from(self.end)) as u16;
        self
    }

    /// Writes text into a cell of that width.
    pub fn cell(&mut self, text: &str, width: usize, style: Style) -> &mut Self {
        let width = width.min(self.left());
        let end = self.x + width as u16;
        let text = fit(&safe::text(text), width, self.theme);
        self.buffer.set_stringn(self.x, self.y, &text, width, style);
        self.x = end;
        self
    }

    /// Writes text at the right end of a cell of that width.
    pub fn cell_right(&mut self, text: &str, width: usize, style: Style) -> &mut Self {
        let width = width.min(self.left());
        let text = fit(&safe::text(text), width, self.theme);
        self.space(width - text.width().min(width));
        self.text(&text, style)
    }

    /// Writes text at the right end of the line.
    pub fn right(&mut self, text: &str, style: Style) -> &mut Self {
        let left = self.left();
        self.cell_right(text, left, style)
    }
}

/// The text, or as much of it as fits with a sign that it goes on.
#[must_use]
pub fn fit(text: &str, width: usize, theme: Theme) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let sign = theme.pick("…", "~");
    let mut out = String::new();
    let mut columns = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if columns + wide + 1 > width {
            break;
        }
        columns += wide;
        out.push(character);
    }
    if width > 0 {
        out.push_str(sign);
    }
    out
}

/// Gives a whole line a style, over what it has.
pub fn paint(buffer: &mut Buffer, area: Rect, y: usize, style: Style) {
    if y < usize::from(area.height) {
        let line = Rect {
            y: area.y + y as u16,
            height: 1,
            ..area
        };
        buffer.set_style(line, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_columns() {
        let theme = Theme {
            colour: true,
            unicode: true,
        };
        for (text, width, fitted) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("漢字漢字", 5, "漢字…"),
            ("漢字漢字", 4, "漢…"),
            ("ab", 0, ""),
        ] {
            assert_eq!(fit(text, width, theme), fitted);
        }
    }
}
