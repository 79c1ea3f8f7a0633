//! A log on the screen: which lines are seen, whether it follows, what is searched. Lines are counted from 0 here and
//! from 1 on the screen.

use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::log::LogName;

use crate::log::file::Line;

/// A log on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// Which opening of a log this is: news of an earlier one are not for it.
    pub generation: u64,
    /// The ticket.
    pub ticket: TicketId,
    /// The job.
    pub job: JobId,
    /// The log.
    pub name: LogName,
    /// Lines that are there.
    pub lines: u64,
    /// Whether all lines are counted.
    pub complete: bool,
    /// The first line on the screen.
    pub top: u64,
    /// Columns that are scrolled away on the left.
    pub left: usize,
    /// Whether the end is kept in view.
    pub follow: bool,
    /// The line that is pointed at: the first error, or what a search has found.
    pub mark: Option<u64>,
    /// Whether `mark` waits for the file to be read that far, to be put in the middle.
    pub seek: bool,
    /// The first of the lines that are held.
    pub held_from: u64,
    /// The lines that are held.
    pub held: Vec<Line>,
    /// What was searched last.
    pub pattern: Option<String>,
    /// What is being typed after `/`.
    pub typing: Option<String>,
    /// The lines that the reader was last asked for: the first one, and how many.
    pub asked: Option<(u64, usize)>,
}

impl LogView {
    /// A log that is opened at its end, or at a line, counted from 1.
    #[must_use]
    pub fn new(generation: u64, ticket: TicketId, job: JobId, name: LogName, line: Option<u64>) -> Self {
        Self {
            generation,
            ticket,
            job,
            name,
            lines: 0,
            complete: false,
            top: 0,
            left: 0,
            follow: line.is_none(),
            mark: line.map(|line| line.saturating_sub(1)),
            seek: line.is_some(),
            held_from: 0,
            held: vec![],
            pattern: None,
            typing: None,
            asked: None,
        }
    }

    /// The greatest `top`: the last line at the bottom.
    #[must_use]
    pub fn last_top(&self, height: usize) -> u64 {
        self.lines.saturating_sub(height as u64)
    }

    /// Scrolls by lines. Going up ends following; coming to the end of a growing log does not begin it again.
    pub fn scroll(&mut self, by: i64, height: usize) {
        let last = self.last_top(height);
        self.top = self.top.saturating_add_signed(by).min(last);
        self.seek = false;
        if by < 0 {
            self.follow = false;
        }
    }

    /// Puts a line in view, a third down where it has to move.
    pub fn point_at(&mut self, line: u64, height: usize) {
        self.mark = Some(line);
        self.follow = false;
        if line < self.top || line >= self.top + height as u64 {
            self.top = line.saturating_sub(height as u64 / 3).min(self.last_top(height));
        }
    }

    /// The lines that are wanted of the reader now, with a page above and below; none where they are held or on
    /// their way.
    pub fn wanted(&mut self, height: usize) -> Option<(u64, usize)> {
        let end = (self.top + height as u64).min(self.lines);
        let covers = |first: u64, count: usize| first <= self.top && first + count as u64 >= end;
        if end == 0 || self.asked.is_some_and(|(first, count)| covers(first, count)) {
            return None;
        }
        let wanted = (self.top.saturating_sub(height as u64), height * 3);
        self.asked = Some(wanted);
        Some(wanted)
    }

    /// More lines are there.
    pub fn grown(&mut self, lines: u64, complete: bool, height: usize) {
        // The last line may have been a piece of one, and lines beyond it were asked for in vain.
        if self
            .asked
            .is_some_and(|(first, count)| first + count as u64 >= self.lines)
        {
            self.asked = None;
        }
        self.lines = lines;
        self.complete = complete;
        if self.seek
            && let Some(mark) = self.mark
        {
            self.top = mark.saturating_sub(height as u64 / 3).min(self.last_top(height));
            self.seek = !complete && mark + (height as u64) >= lines;
        }
        if self.follow {
            self.top = self.last_top(height);
        }
        self.top = self.top.min(self.last_top(height));
    }

    /// The line with that number, if it is held.
    #[must_use]
    pub fn line(&self, number: u64) -> Option<&Line> {
        let place = usize::try_from(number.checked_sub(self.held_from)?).ok()?;
        self.held.get(place)
    }
}
