//! The list of tickets, and a few words on the selected one.

use preflight_protocol::ticket::{TicketStatus, TicketSummary};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::measure;
use crate::model::state::{Link, Model};
use crate::theme::{Role, Theme};
use crate::view::widgets::row::{Row, paint};
use crate::view::widgets::steps;

const TIME: usize = 8;

/// The columns that fit.
struct Columns {
    state: usize,
    id: usize,
    title: usize,
    series: usize,
    tests: usize,
    progress: usize,
    owner: usize,
}

impl Columns {
    fn of(width: usize, model: &Model, theme: Theme) -> Self {
        let widest = |text: fn(&TicketSummary) -> usize, most: usize| {
            model.tickets.rows.iter().map(text).max().unwrap_or(0).min(most)
        };
        let state = |row| theme.ticket(row).word.chars().count() + 2;
        let state = model.tickets.rows.iter().map(state).max().unwrap_or(0).clamp(12, 22);
        let id = widest(|row| row.id.to_string().len() + 1, 8).max(3);
        let when = |at: usize, columns: usize| if width >= at { columns } else { 0 };
        let series = when(90, widest(|row| row.series.0.len(), 18).max(6));
        let tests = when(66, 9);
        let progress = when(110, 26);
        let owner = when(100, widest(|row| row.owner.len(), 12).max(5));
        let taken: usize = [state, id, series, tests, progress, owner, TIME]
            .iter()
            .filter(|columns| **columns > 0)
            .map(|columns| columns + 1)
            .sum();
        Self {
            state,
            id,
            title: width.saturating_sub(taken + 2),
            series,
            tests,
            progress,
            owner,
        }
    }
}

/// Draws the screen.
pub fn draw(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    if model.tickets.rows.is_empty() {
        return empty(model, theme, buffer, area);
    }
    let columns = Columns::of(usize::from(area.width), model, theme);
    headings(theme, buffer, area, &columns);
    let height = model.list_height();
    for (y, row) in model
        .tickets
        .rows
        .iter()
        .skip(model.tickets.top)
        .take(height)
        .enumerate()
    {
        ticket(model, row, theme, buffer, area, y + 1, &columns);
    }
    let cursor = model.tickets.cursor().saturating_sub(model.tickets.top) + 1;
    paint(buffer, area, cursor, theme.style(Role::Selected));
    if model.strip_height() > 0
        && let Some(selected) = model.tickets.current()
    {
        let strip = Rect {
            y: area.y + area.height.saturating_sub(model.strip_height() as u16),
            height: model.strip_height() as u16,
            ..area
        };
        words(model, selected, theme, buffer, strip);
    }
}

fn empty(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let middle = usize::from(area.height) / 2;
    let (what, hint) = match (&model.link, model.loaded) {
        (Link::Lost(_), _) => (
            "The daemon does not answer.",
            "Press r to start it, or see `preflight daemon status`.",
        ),
        (_, false) => ("Asking the daemon for its tickets …", ""),
        (_, true) => ("No tickets yet.", "Run `preflight check` in a package's folder."),
    };
    for (y, text, role) in [
        (middle.saturating_sub(1), what, Role::Heading),
        (middle, hint, Role::Plain),
    ] {
        let indent = usize::from(area.width).saturating_sub(text.chars().count()) / 2;
        Row::new(buffer, theme, area, y).space(indent).role(text, role);
    }
}

fn headings(theme: Theme, buffer: &mut Buffer, area: Rect, columns: &Columns) {
    let style = theme.style(Role::Dim);
    let mut row = Row::new(buffer, theme, area, 0);
    row.space(1)
        .cell("  STATE", columns.state, style)
        .space(1)
        .cell_right("#", columns.id, style)
        .space(1)
        .cell("TITLE", columns.title, style)
        .space(1);
    for (name, width) in [
        ("PROGRESS", columns.progress),
        ("TESTS", columns.tests),
        ("SERIES", columns.series),
        ("OWNER", columns.owner),
    ] {
        if width > 0 {
            row.cell(name, width, style).space(1);
        }
    }
    row.cell_right("TIME", TIME, style);
}

fn ticket(
    model: &Model,
    row: &TicketSummary,
    theme: Theme,
    buffer: &mut Buffer,
    area: Rect,
    y: usize,
    columns: &Columns,
) {
    let look = theme.ticket(row);
    let plain = Style::default();
    let mut line = Row::new(buffer, theme, area, y);
    line.space(1)
        .cell(&format!("{} {}", look.glyph, look.word), columns.state, look.style)
        .space(1)
        .cell_right(&format!("#{}", row.id), columns.id, plain)
        .space(1)
        .cell(&row.title, columns.title, plain)
        .space(1);
    if columns.progress > 0 {
        line.cell(&progress(row, theme), columns.progress, theme.style(Role::Running))
            .space(1);
    }
    if columns.tests > 0 {
        line.cell(&tests(row), columns.tests, plain).space(1);
    }
    if columns.series > 0 {
        line.cell(&row.series.0, columns.series, plain).space(1);
    }
    if columns.owner > 0 {
        line.cell(&row.owner, columns.owner, plain).space(1);
    }
    line.cell_right(&time(model, row), TIME, theme.style(Role::Dim));
}

fn progress(row: &TicketSummary, theme: Theme) -> String {
    let Some(progress) = row.progress.as_ref().filter(|_| row.status == TicketStatus::Running) else {
        return String::new();
    };
    match progress.fraction {
        Some(fraction) => format!("{} {}", steps::bar(fraction, 8, theme), progress.phase),
        None => progress.phase.clone(),
    }
}

/// `3/4`: passed of all; empty before the first.
fn tests(row: &TicketSummary) -> String {
    let counts = row.test_counts;
    let all = counts.pass + counts.fail + counts.flaky + counts.skip;
    if all == 0 {
        return String::new();
    }
    format!("{}/{all} ok", counts.pass)
}

/// How long it has run, or how long ago it ended or was made.
fn time(model: &Model, row: &TicketSummary) -> String {
    match (row.status, row.started_at, row.finished_at) {
        (TicketStatus::Running, Some(start), _) => measure::clock(measure::between(start, model.now)),
        (_, _, Some(end)) => measure::ago(end, model.now),
        _ => measure::ago(row.created_at, model.now),
    }
}

fn words(model: &Model, row: &TicketSummary, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let rule = theme.pick("─", "-").repeat(usize::from(area.width));
    Row::new(buffer, theme, area, 0).role(&rule, Role::Dim);
    let mut first = Row::new(buffer, theme, area, 1);
    first
        .space(1)
        .role(&format!("#{} {}", row.id, row.title), Role::Heading)
        .space(2);
    let took = match (row.started_at, row.finished_at) {
        (Some(start), Some(end)) => format!(", took {}", measure::seconds(measure::between(start, end.0))),
        _ => String::new(),
    };
    // A title that names the sources need not be followed by them.
    let named = row.sources.iter().all(|source| row.title.contains(source.as_str()));
    let sources = if named {
        String::new()
    } else {
        format!("{}, ", row.sources.join(", "))
    };
    first.role(&format!("{sources}by {} on {}{took}", row.owner, row.series), Role::Dim);
    let mut second = Row::new(buffer, theme, area, 2);
    second.space(1);
    match (&row.reason, &row.progress) {
        (Some(reason), _) => {
            second.text(reason, theme.ticket(row).style);
        }
        (None, Some(progress)) if row.status == TicketStatus::Running => {
            second.role(&format!("{}: {}", row.workflow_step, progress.phase), Role::Running);
            if let Some(fraction) = progress.fraction {
                let columns = if model.size.0 >= 100 { 20 } else { 10 };
                second
                    .space(2)
                    .role(&steps::bar(fraction, columns, theme), Role::Running)
                    .role(&format!(" {:.0}%", fraction * 100.0), Role::Plain);
            }
            if let Some(left) = progress.estimate_s {
                second
                    .space(2)
                    .role(&format!("about {} left", measure::clock(f64::from(left))), Role::Dim);
            }
        }
        _ => {
            second.role(
                &format!("workflow step {} {}", row.workflow_step.number(), row.workflow_step),
                Role::Dim,
            );
        }
    }
}
