//! Tables that fit the terminal's width; elsewhere each row is one line, whatever its width.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Row};
use ratatui::style::{Color as ScreenColor, Modifier};

use super::output::Output;
use crate::safe;
use crate::theme::{Look, Role};

/// A table in the making.
#[derive(Debug)]
pub struct Table {
    table: comfy_table::Table,
    output: Output,
}

impl Table {
    /// An empty table with its headings; one that starts with `>` is of a column of numbers.
    #[must_use]
    pub fn new(output: Output, headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        if output.out.theme.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
        if output.terminal {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.max(40));
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(
            headings
                .iter()
                .map(|heading| Cell::new(heading.trim_start_matches('>')).add_attribute(Attribute::Dim)),
        );
        for (column, heading) in table.column_iter_mut().zip(headings) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table, output }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.table.add_row(Row::from(cells));
    }

    /// A cell of foreign text.
    #[must_use]
    pub fn text(&self, text: &str) -> Cell {
        Cell::new(safe::text(text))
    }

    /// A cell of a state.
    #[must_use]
    pub fn look(&self, look: &Look) -> Cell {
        let cell = Cell::new(format!("{} {}", look.glyph, look.word));
        self.styled(cell, look.style)
    }

    /// A cell in a role's style.
    #[must_use]
    pub fn role(&self, role: Role, text: &str) -> Cell {
        self.styled(self.text(text), self.output.out.theme.style(role))
    }

    fn styled(&self, mut cell: Cell, style: ratatui::style::Style) -> Cell {
        if let Some(colour) = style.fg.and_then(colour) {
            cell = cell.fg(colour);
        }
        for (modifier, attribute) in [(Modifier::BOLD, Attribute::Bold), (Modifier::DIM, Attribute::Dim)] {
            if self.output.out.theme.colour && style.add_modifier.contains(modifier) {
                cell = cell.add_attribute(attribute);
            }
        }
        cell
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The padding of the last column is no part of a line.
        for line in self.table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The colours that states have.
fn colour(colour: ScreenColor) -> Option<Color> {
    match colour {
        ScreenColor::Green => Some(Color::Green),
        ScreenColor::Red => Some(Color::Red),
        ScreenColor::Yellow => Some(Color::Yellow),
        ScreenColor::Cyan => Some(Color::Cyan),
        _ => None,
    }
}
