//! What stands before the view: the keys, made from the keymap, and questions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, BorderType, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::row::Row;
use crate::keymap::{self, BINDINGS};
use crate::model::state::{Model, Overlay};
use crate::theme::{Role, Theme};

/// Draws what stands before the view, if anything does.
pub fn draw(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    match &model.overlay {
        None => {}
        Some(Overlay::Help) => help(model, theme, buffer),
        Some(Overlay::ConfirmCancel(id)) => {
            let title = model
                .tickets
                .rows
                .iter()
                .find(|row| row.id == *id)
                .map(|row| &row.title);
            let lines = [
                format!("Cancel ticket #{id} {}?", title.map_or("", String::as_str)),
                "Its running job and that job's machine are ended.".to_owned(),
            ];
            let width = lines.iter().map(|line| line.width()).max().unwrap_or(0).max(40);
            let inner = window(theme, buffer, area, " cancel ", width, 4);
            for (y, line) in lines.iter().enumerate() {
                Row::new(buffer, theme, inner, y).text(line, theme.style(Role::Plain));
            }
            Row::new(buffer, theme, inner, 3)
                .role("y", Role::Key)
                .role(" cancel it   ", Role::Plain)
                .role("any other key", Role::Key)
                .role(" let it run", Role::Plain);
        }
    }
}

fn help(model: &Model, theme: Theme, buffer: &mut Buffer) {
    // Over all lines: the lowest screens have just enough.
    let area = buffer.area;
    let mut lines: Vec<(String, &str)> = Vec::new();
    for binding in BINDINGS
        .iter()
        .filter(|binding| binding.screens.contains(&model.screen))
    {
        let keys = binding.keys.iter().map(keymap::name).collect::<Vec<_>>().join(" ");
        match lines.iter_mut().find(|(_, help)| *help == binding.help) {
            Some((known, _)) => *known = format!("{known} {keys}"),
            None => lines.push((keys, binding.help)),
        }
    }
    let keys = lines.iter().map(|(keys, _)| keys.width()).max().unwrap_or(0);
    let helps = lines.iter().map(|(_, help)| help.width()).max().unwrap_or(0);
    let one = keys + 2 + helps;
    // Two columns of keys where the screen is too low for one and wide enough.
    let fits = lines.len() + 2 <= usize::from(area.height);
    let columns = if fits || usize::from(area.width) < one * 2 + 7 {
        1
    } else {
        2
    };
    let height = lines.len().div_ceil(columns);
    let inner = window(theme, buffer, area, " keys ", one * columns + (columns - 1) * 3, height);
    for (at, (names, help)) in lines.iter().enumerate() {
        let place = Rect {
            x: inner.x + ((at / height) * (one + 3)) as u16,
            width: inner.width.saturating_sub(((at / height) * (one + 3)) as u16),
            ..inner
        };
        Row::new(buffer, theme, place, at % height)
            .cell(names, keys, theme.style(Role::Key))
            .space(2)
            .role(help, Role::Plain);
    }
}

/// An empty framed window in the middle; answers what is inside.
fn window(theme: Theme, buffer: &mut Buffer, area: Rect, title: &str, width: usize, height: usize) -> Rect {
    let width = (width as u16).saturating_add(4).min(area.width);
    let height = (height as u16).saturating_add(2).min(area.height);
    let outer = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(outer, buffer);
    let mut block = Block::bordered().title(title.to_owned());
    block = if theme.unicode {
        block.border_type(BorderType::Rounded)
    } else {
        block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        })
    };
    let inner = block.inner(outer);
    block.render(outer, buffer);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}
