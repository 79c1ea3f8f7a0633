//! A log: a window of its lines with their numbers, and a line on where one is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use regex::bytes::Regex;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::log::file::Line;
use crate::log::line::{self, Piece};
use crate::log::reader;
use crate::measure;
use crate::model::logview::LogView;
use crate::model::state::Model;
use crate::theme::{Role, Theme};
use crate::view::widgets::row::{Row, paint};

/// Draws the screen.
pub fn draw(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let Some(log) = &model.log else { return };
    let height = model.log_height();
    let gutter = log.lines.max(1).to_string().len().max(4);
    let pattern = log.pattern.as_deref().and_then(|pattern| reader::compile(pattern).ok());
    if log.lines == 0 {
        let text = if log.complete {
            "The log is empty so far."
        } else {
            "Opening the log …"
        };
        Row::new(buffer, theme, area, 1).space(1).role(text, Role::Dim);
    }
    for y in 0..height {
        let number = log.top + y as u64;
        if number >= log.lines {
            break;
        }
        let marked = log.mark == Some(number);
        let sign = if marked { theme.pick("▶", ">") } else { " " };
        Row::new(buffer, theme, area, y).role(sign, Role::Bad).cell_right(
            &(number + 1).to_string(),
            gutter,
            theme.style(Role::Dim),
        );
        if let Some(text) = log.line(number) {
            let place = Rect {
                x: area.x + gutter as u16 + 2,
                width: area.width.saturating_sub(gutter as u16 + 2),
                ..area
            };
            draw_text(text, log.left, pattern.as_ref(), theme, buffer, place, y);
        }
        if marked {
            paint(buffer, area, y, theme.style(Role::Selected));
        }
    }
    draw_place(log, height, theme, buffer, area);
}

fn draw_text(
    text: &Line,
    left: usize,
    pattern: Option<&Regex>,
    theme: Theme,
    buffer: &mut Buffer,
    area: Rect,
    y: usize,
) {
    let mut pieces = line::pieces(&text.bytes);
    if let Some(pattern) = pattern {
        pieces = highlighted(pieces, pattern, theme.style(Role::Selected));
    }
    let mut row = Row::new(buffer, theme, area, y);
    let mut skip = left;
    if left > 0 {
        row.role(theme.pick("‹", "<"), Role::Dim);
        skip += 1;
    }
    for piece in pieces {
        let shown = without_columns(&piece.text, &mut skip);
        row.text(shown, theme.foreign(piece.style));
    }
    if text.cut > 0 {
        row.role(&format!(" [{} more bytes]", measure::count(text.cut)), Role::Warning);
    }
}

/// The pieces with every match of the pattern in a style of its own.
fn highlighted(pieces: Vec<Piece>, pattern: &Regex, style: Style) -> Vec<Piece> {
    let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    let mut found = pattern.find_iter(text.as_bytes()).map(|found| found.range()).peekable();
    let mut out = Vec::new();
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.text.len();
        let mut at = start;
        while at < end {
            while found.peek().is_some_and(|range| range.end <= at) {
                found.next();
            }
            let (until, inside) = match found.peek() {
                Some(range) if range.start <= at => (range.end.min(end), true),
                Some(range) => (range.start.min(end), false),
                None => (end, false),
            };
            // A pattern over bytes may end inside a character; then the line is left as it is.
            let Some(part) = piece.text.get(at - start..until - start) else {
                out.push(piece.clone());
                break;
            };
            out.push(Piece {
                text: part.to_owned(),
                style: if inside { piece.style.patch(style) } else { piece.style },
            });
            at = until;
        }
        start = end;
    }
    out
}

fn without_columns<'a>(text: &'a str, skip: &mut usize) -> &'a str {
    if *skip == 0 {
        return text;
    }
    for (at, character) in text.char_indices() {
        if *skip == 0 {
            return &text[at..];
        }
        *skip = skip.saturating_sub(character.width().unwrap_or(0));
    }
    ""
}

fn draw_place(log: &LogView, height: usize, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let last = (log.top + height as u64).min(log.lines);
    let first = if log.lines == 0 { 0 } else { log.top + 1 };
    let counting = if log.complete { "" } else { " so far" };
    let place = format!(
        " lines {}–{} of {}{counting}",
        measure::count(first),
        measure::count(last),
        measure::count(log.lines)
    );
    let place = if theme.unicode {
        place
    } else {
        place.replace('–', "-")
    };
    let state = match (log.follow, log.mark) {
        (true, _) => "following ".to_owned(),
        (false, Some(mark)) => format!("at line {} ", measure::count(mark + 1)),
        (false, None) => String::new(),
    };
    let width = usize::from(area.width).saturating_sub(state.width());
    Row::new(buffer, theme, area, height)
        .cell(&place, width, theme.style(Role::Dim))
        .right(
            &state,
            theme.style(if log.follow { Role::Running } else { Role::Plain }),
        );
}
