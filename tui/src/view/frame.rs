//! The whole screen: the title's line, the view, the keys' line, and what stands before them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::screens;
use super::widgets::{bar, overlay};
use crate::model::state::{Model, Screen};
use crate::theme::Theme;

/// Draws all.
pub fn draw(model: &Model, theme: Theme, buffer: &mut Buffer) {
    let area = buffer.area;
    if area.height < 3 || area.width < 20 {
        return;
    }
    let body = Rect {
        y: area.y + 1,
        height: area.height - 2,
        ..area
    };
    bar::title(model, theme, buffer, Rect { height: 1, ..area });
    match model.screen {
        Screen::Tickets => screens::tickets::draw(model, theme, buffer, body),
        Screen::Ticket => screens::ticket::draw(model, theme, buffer, body),
        Screen::Log => screens::log::draw(model, theme, buffer, body),
    }
    let last = Rect {
        y: area.y + area.height - 1,
        height: 1,
        ..area
    };
    bar::keys(model, theme, buffer, last);
    overlay::draw(model, theme, buffer, body);
}
