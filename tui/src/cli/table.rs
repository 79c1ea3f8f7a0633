//! Tables that fit the terminal's width; elsewhere each row is one line, whatever its width.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Row};
use ratatui::style::{Color as ScreenColor, Modifier};
use unicode_width::UnicodeWidthStr;

use super::output::Output;
use crate::safe;
use crate::theme::{Look, Role};

/// Columns between two cells.
const GAP: usize = 2;

/// A table in the making.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    output: Output,
    /// The terminal's width; none where rows may be as long as they are.
    width: Option<usize>,
}

#[derive(Debug)]
struct Column {
    heading: &'static str,
    right: bool,
    spare: bool,
}

impl Table {
    /// An empty table with its headings. One that starts with `?` is left out where the terminal is too narrow, the
    /// last such one first; one that starts with `>` is of a column of numbers.
    #[must_use]
    pub fn new(output: Output, headings: &[&'static str]) -> Self {
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let column = |heading: &&'static str| Column {
            heading: heading.trim_start_matches(['?', '>']),
            right: heading.contains('>'),
            spare: heading.starts_with('?'),
        };
        Self {
            columns: headings.iter().map(column).collect(),
            rows: vec![],
            output,
            width: output.terminal.then_some(width),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The columns that fit.
    fn shown(&self) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let Some(width) = self.width else { return shown };
        let widest = |at: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.content().width());
            cells.chain([self.columns[at].heading.width()]).max().unwrap_or(0) + GAP
        };
        // The last one needs no gap.
        while shown.iter().map(|at| widest(*at)).sum::<usize>() > width + GAP {
            match shown.iter().rposition(|at| self.columns[*at].spare) {
                Some(place) => drop(shown.remove(place)),
                None => break,
            }
        }
        shown
    }

    fn table(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        if self.output.out.theme.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        match self.width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::try_from(width.max(40) + GAP).unwrap_or(u16::MAX)),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let shown = self.shown();
        table.set_header(
            shown
                .iter()
                .map(|at| Cell::new(self.columns[*at].heading).add_attribute(Attribute::Dim)),
        );
        for row in &self.rows {
            table.add_row(Row::from(
                shown.iter().filter_map(|at| row.get(*at).cloned()).collect::<Vec<_>>(),
            ));
        }
        for (column, at) in table.column_iter_mut().zip(&shown) {
            column.set_padding((0, GAP as u16));
            if self.columns[*at].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
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
        for line in self.table().lines() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Paint;
    use crate::theme::Theme;

    fn table(width: Option<usize>) -> String {
        let paint = Paint {
            theme: Theme {
                colour: false,
                unicode: true,
            },
        };
        let output = Output {
            out: paint,
            err: paint,
            terminal: true,
        };
        let mut table = Table::new(output, &[">#", "TITLE", "?SERIES", "?OWNER", ">AGE"]);
        table.width = width;
        let row = ["12", "hello 2.10-3 and more", "debian-bookworm", "jane", "3d"];
        table.row(row.iter().map(|text| table.text(text)).collect());
        table.to_string()
    }

    #[test]
    fn a_table_fits_the_width() {
        let all = " #  TITLE                  SERIES           OWNER  AGE\n12  hello 2.10-3 and more  debian-bookworm  jane    3d\n";
        for (width, shown) in [
            (None, all),
            (Some(54), all),
            (
                Some(53),
                " #  TITLE                  SERIES           AGE\n12  hello 2.10-3 and more  debian-bookworm   3d\n",
            ),
            (
                Some(40),
                " #  TITLE                  AGE\n12  hello 2.10-3 and more   3d\n",
            ),
        ] {
            assert_eq!(table(width), shown, "{width:?}");
        }
    }
}
