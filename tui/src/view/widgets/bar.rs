//! The first and the last line: where one is and how the daemon is reached; the keys, a question or a word to the owner.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::row::{Row, paint};
use crate::keymap::{self, BINDINGS};
use crate::model::state::{Link, Model, Notice, Screen};
use crate::theme::{Role, Theme};

/// The first line.
pub fn title(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let separator = theme.pick(" › ", " > ");
    let mut path = " Preflight".to_owned();
    if model.screen >= Screen::Ticket
        && let Some(detail) = &model.detail
    {
        path.push_str(&format!("{separator}#{}", detail.id));
    }
    if model.screen == Screen::Log
        && let Some(log) = &model.log
    {
        path.push_str(&format!("{separator}{}", log.name));
    }
    let (glyph, link, role) = match &model.link {
        Link::Connecting => (theme.pick("…", "."), "connecting".to_owned(), Role::Plain),
        Link::Starting => (theme.pick("…", "."), "starting the daemon".to_owned(), Role::Plain),
        Link::Attached(daemon) => {
            // Before the probe there is nothing to tell of it.
            let accelerator = match daemon.accelerator.as_str() {
                "" | "unknown" => String::new(),
                known => format!(", {known}"),
            };
            if daemon.warnings.is_empty() {
                (theme.pick("●", "*"), format!("attached{accelerator}"), Role::Plain)
            } else {
                let hint = "see `preflight status`";
                ("!", format!("attached{accelerator}, {hint}"), Role::Warning)
            }
        }
        Link::Lost(_) => (
            theme.pick("✗", "x"),
            "daemon gone, looking for it".to_owned(),
            Role::Bad,
        ),
    };
    let bar = theme.style(Role::Bar);
    let link = format!("{glyph} {link} ");
    let width = usize::from(area.width).saturating_sub(link.width() + 1);
    Row::new(buffer, theme, area, 0)
        .cell(&path, width, theme.style(Role::Heading))
        .right(&link, theme.style(role));
    paint(buffer, area, 0, bar);
}

/// The last line.
pub fn keys(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let mut row = Row::new(buffer, theme, area, 0);
    if let Some(typing) = model.log.as_ref().and_then(|log| log.typing.as_deref()) {
        row.role("/", Role::Key).text(typing, theme.style(Role::Plain));
        row.role(" ", Role::Selected);
        return;
    }
    match (&model.notice, &model.link) {
        (Some(Notice::Done(text)), _) => {
            row.space(1).role(text, Role::Good);
        }
        (Some(Notice::Trouble(text)), _) => {
            row.space(1).role(text, Role::Warning);
        }
        (None, Link::Lost(why)) => {
            row.space(1)
                .role("r", Role::Key)
                .role(" start the daemon  ", Role::Plain)
                .role(&why.replace('\n', " "), Role::Warning);
        }
        (None, _) => hints(model.screen, &mut row),
    }
}

fn hints(screen: Screen, row: &mut Row<'_>) {
    row.space(1);
    let shown = BINDINGS
        .iter()
        .filter(|binding| binding.screens.contains(&screen) && !binding.short.is_empty());
    // Help and leaving are found even where the rest does not fit.
    let (always, others): (Vec<_>, Vec<_>) =
        shown.partition(|binding| matches!(binding.action, keymap::Action::Help | keymap::Action::Quit));
    let name = |binding: &keymap::Binding| binding.keys.first().map(keymap::name).unwrap_or_default();
    let width = |binding: &keymap::Binding| name(binding).width() + 1 + binding.short.width() + 2;
    let mut left = row
        .left()
        .saturating_sub(always.iter().map(|binding| width(binding)).sum());
    for binding in others.into_iter().filter(|binding| {
        let fits = width(binding) <= left;
        left -= if fits { width(binding) } else { 0 };
        fits
    }) {
        hint(row, &name(binding), binding.short);
    }
    for binding in always {
        hint(row, &name(binding), binding.short);
    }
}

fn hint(row: &mut Row<'_>, key: &str, what: &str) {
    row.role(key, Role::Key).space(1).role(what, Role::Dim).space(2);
}
