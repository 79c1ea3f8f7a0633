//! The list of tickets and which one is selected. The selection is a ticket, not a place: news move rows, and the
//! owner's eye stays.

use preflight_protocol::ids::TicketId;
use preflight_protocol::ticket::TicketSummary;

/// The list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tickets {
    /// Newest first.
    pub rows: Vec<TicketSummary>,
    /// The selected one; the newest where none is.
    pub selected: Option<TicketId>,
    /// The first row on the screen.
    pub top: usize,
}

impl Tickets {
    /// The selected row's place.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.selected
            .and_then(|id| self.rows.iter().position(|row| row.id == id))
            .unwrap_or(0)
    }

    /// The selected ticket.
    #[must_use]
    pub fn current(&self) -> Option<&TicketSummary> {
        self.rows.get(self.cursor())
    }

    /// Selects the row `by` further, within the list.
    pub fn step(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        let place = self.cursor().saturating_add_signed(by).min(last);
        self.selected = self.rows.get(place).map(|row| row.id);
    }

    /// Replaces or adds a ticket.
    pub fn put(&mut self, summary: TicketSummary) {
        match self.rows.iter_mut().find(|row| row.id == summary.id) {
            Some(row) => *row = summary,
            None => {
                let place = self.rows.iter().take_while(|row| row.id > summary.id).count();
                self.rows.insert(place, summary);
            }
        }
    }

    /// Takes a ticket off the list; the one that takes its place is selected, where it was.
    pub fn remove(&mut self, id: TicketId) {
        let Some(place) = self.rows.iter().position(|row| row.id == id) else {
            return;
        };
        self.rows.remove(place);
        if self.selected == Some(id) {
            let next = self.rows.get(place).or(self.rows.last());
            self.selected = next.map(|row| row.id);
        }
    }

    /// Replaces all.
    pub fn replace(&mut self, mut rows: Vec<TicketSummary>) {
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        self.rows = rows;
    }

    /// Scrolls so that the selected row is one of `height`.
    pub fn keep_in_view(&mut self, height: usize) {
        self.top = scrolled(self.top, self.cursor(), height, self.rows.len());
    }
}

/// The first visible row, so that `cursor` is visible and no row below is wasted.
#[must_use]
pub fn scrolled(top: usize, cursor: usize, height: usize, rows: usize) -> usize {
    let top = top.min(rows.saturating_sub(height));
    if cursor < top {
        cursor
    } else if cursor >= top + height.max(1) {
        cursor + 1 - height.max(1)
    } else {
        top
    }
}
