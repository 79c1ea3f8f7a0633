//! The whole of what the screen shows.

use jiff::Timestamp;
use preflight_protocol::health::DaemonStatus;
use preflight_protocol::ids::TicketId;
use preflight_protocol::ticket::TicketStatus;

use super::detail::Detail;
use super::logview::LogView;
use super::tickets::Tickets;

/// Which view fills the screen. Each is reached from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screen {
    /// The list of tickets.
    Tickets,
    /// One ticket.
    Ticket,
    /// One log.
    Log,
}

/// How the daemon is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// Not yet.
    Connecting,
    /// The daemon is being started.
    Starting,
    /// It is.
    Attached(Box<DaemonStatus>),
    /// It was, and is looked for again.
    Lost(String),
}

/// What stands before the view and takes the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The keys.
    Help,
    /// Whether that ticket is to be cancelled.
    ConfirmCancel(TicketId),
}

/// A word to the owner in the last line, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something was done.
    Done(String),
    /// Something went wrong.
    Trouble(String),
}

/// What the screen shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The terminal's columns and rows.
    pub size: (u16, u16),
    /// The time, for clocks and ages.
    pub now: Timestamp,
    /// How the daemon is reached.
    pub link: Link,
    /// Which view fills the screen.
    pub screen: Screen,
    /// The list of tickets.
    pub tickets: Tickets,
    /// The open ticket.
    pub detail: Option<Detail>,
    /// The open log.
    pub log: Option<LogView>,
    /// What stands before the view.
    pub overlay: Option<Overlay>,
    /// A word to the owner.
    pub notice: Option<Notice>,
    /// How many logs were opened.
    pub openings: u64,
    /// Whether the daemon has told its tickets once.
    pub loaded: bool,
}

impl Model {
    /// Before anything is known.
    #[must_use]
    pub fn new(size: (u16, u16), now: Timestamp) -> Self {
        Self {
            size,
            now,
            link: Link::Connecting,
            screen: Screen::Tickets,
            tickets: Tickets::default(),
            detail: None,
            log: None,
            overlay: None,
            notice: None,
            openings: 0,
            loaded: false,
        }
    }

    /// Lines between the title and the keys.
    #[must_use]
    pub fn body_height(&self) -> usize {
        usize::from(self.size.1.saturating_sub(2))
    }

    /// Rows of tickets: the body without the headings and the lines on the selected ticket.
    #[must_use]
    pub fn list_height(&self) -> usize {
        self.body_height().saturating_sub(1 + self.strip_height()).max(1)
    }

    /// Lines on the selected ticket below the list.
    #[must_use]
    pub fn strip_height(&self) -> usize {
        if self.size.1 >= 12 { 3 } else { 0 }
    }

    /// Lines of a log: the body without the line on where one is.
    #[must_use]
    pub fn log_height(&self) -> usize {
        self.body_height().saturating_sub(1).max(1)
    }

    /// Whether a clock on the screen runs, so that every second shows something else.
    #[must_use]
    pub fn clock_runs(&self) -> bool {
        match self.screen {
            Screen::Log => false,
            Screen::Tickets | Screen::Ticket => self.tickets.rows.iter().any(|row| row.status == TicketStatus::Running),
        }
    }

    /// The ticket that is meant by a key.
    #[must_use]
    pub fn current(&self) -> Option<TicketId> {
        match self.screen {
            Screen::Tickets => self.tickets.current().map(|row| row.id),
            Screen::Ticket | Screen::Log => self.detail.as_ref().map(|detail| detail.id),
        }
    }
}
