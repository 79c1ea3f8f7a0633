//! How states look: a glyph, a word and a style each, so that nothing is told by colour alone. Only the terminal's own
//! sixteen colours are used, so that light and dark terminals both stay readable.

use preflight_protocol::job::JobState;
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{TicketStatus, TicketSummary};
use preflight_protocol::verdict::Meaning;
use ratatui::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Colours; `NO_COLOR` turns them off.
    pub colour: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
}

/// How a state looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// One column wide.
    pub glyph: &'static str,
    /// The word.
    pub word: String,
    /// The style of both.
    pub style: Style,
}

/// What a piece of text is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Plain text.
    Plain,
    /// Headings.
    Heading,
    /// What matters less.
    Dim,
    /// The selected row, the marked line.
    Selected,
    /// Something went well.
    Good,
    /// Something failed.
    Bad,
    /// Something wants attention.
    Warning,
    /// Something runs.
    Running,
    /// The title's and the keys' lines.
    Bar,
    /// A key's name.
    Key,
}

impl Role {
    /// What a verdict is to the reader.
    #[must_use]
    pub fn of_verdict(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Regression => Self::Bad,
            Meaning::Fixed => Self::Good,
            Meaning::AlwaysFailed | Meaning::Flaky | Meaning::TestbedBroken => Self::Warning,
            Meaning::New => Self::Plain,
        }
    }
}

/// States by what they mean to the reader.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Good,
    Bad,
    Broken,
    Running,
    Queued,
    Waiting,
    Cancelled,
    Skipped,
}

impl Theme {
    /// What this process's environment says: `NO_COLOR` (no-color.org) and the locale's character set.
    #[must_use]
    pub fn from_environment(colour: bool) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty())
            .unwrap_or_default()
            .to_ascii_uppercase();
        // The console's fonts hold few glyphs.
        let console = std::env::var("TERM").is_ok_and(|term| term == "linux" || term == "dumb");
        Self {
            colour,
            unicode: (locale.contains("UTF-8") || locale.contains("UTF8")) && !console,
        }
    }

    /// The style for a role.
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        let plain = Style::default();
        let (style, colour) = match role {
            Role::Plain => (plain, None),
            Role::Heading => (plain.add_modifier(Modifier::BOLD), None),
            Role::Dim => (plain.add_modifier(Modifier::DIM), None),
            Role::Selected | Role::Bar => (plain.add_modifier(Modifier::REVERSED), None),
            Role::Good => (plain, Some(Color::Green)),
            Role::Bad => (plain.add_modifier(Modifier::BOLD), Some(Color::Red)),
            Role::Warning => (plain, Some(Color::Yellow)),
            Role::Running => (plain, Some(Color::Cyan)),
            Role::Key => (plain.add_modifier(Modifier::BOLD), None),
        };
        match colour {
            Some(colour) if self.colour => style.fg(colour),
            _ => style,
        }
    }

    /// A log's own style, as far as colours are wanted.
    #[must_use]
    pub fn foreign(self, style: Style) -> Style {
        if self.colour {
            style
        } else {
            Style {
                fg: None,
                bg: None,
                underline_color: None,
                ..style
            }
        }
    }

    /// One of two texts: for terminals with and without characters beyond ASCII.
    #[must_use]
    pub fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    fn look(self, mark: Mark, word: impl Into<String>) -> Look {
        let (unicode, ascii, role) = match mark {
            Mark::Good => ("✓", "+", Role::Good),
            Mark::Bad => ("✗", "x", Role::Bad),
            Mark::Broken => ("!", "!", Role::Warning),
            Mark::Running => ("▶", ">", Role::Running),
            Mark::Queued => ("·", ".", Role::Plain),
            Mark::Waiting => ("‖", "|", Role::Dim),
            Mark::Cancelled => ("⊘", "-", Role::Dim),
            Mark::Skipped => ("○", "o", Role::Warning),
        };
        Look {
            glyph: self.pick(unicode, ascii),
            word: word.into(),
            style: self.style(role),
        }
    }

    /// A ticket.
    #[must_use]
    pub fn ticket(self, ticket: &TicketSummary) -> Look {
        match (ticket.status, ticket.outcome) {
            (TicketStatus::Waiting, _) => self.look(Mark::Waiting, "waiting"),
            (TicketStatus::Queued, _) => self.look(
                Mark::Queued,
                match ticket.queue_position {
                    Some(place) => format!("queued, place {place}"),
                    None => "queued".to_owned(),
                },
            ),
            (TicketStatus::Running, _) => self.look(Mark::Running, ticket.workflow_step.name()),
            (TicketStatus::Cancelled, _) => self.look(Mark::Cancelled, "cancelled"),
            (_, Some(outcome)) => self.outcome(outcome),
            (TicketStatus::Complete, None) => self.look(Mark::Good, "complete"),
            (TicketStatus::Failed, None) => self.look(Mark::Bad, "failed"),
        }
    }

    /// An outcome.
    #[must_use]
    pub fn outcome(self, outcome: Outcome) -> Look {
        let mark = match outcome {
            Outcome::Pass => Mark::Good,
            Outcome::Fail | Outcome::BadPackage => Mark::Bad,
            Outcome::Skipped | Outcome::NoTests => Mark::Skipped,
            Outcome::TestbedBroken => Mark::Broken,
            Outcome::Cancelled => Mark::Cancelled,
        };
        self.look(mark, outcome.to_string())
    }

    /// A job.
    #[must_use]
    pub fn job(self, state: JobState) -> Look {
        let mark = match state {
            JobState::Queued => Mark::Queued,
            JobState::Running => Mark::Running,
            JobState::Passed => Mark::Good,
            JobState::Failed => Mark::Bad,
            JobState::Cancelled => Mark::Cancelled,
            JobState::Skipped => Mark::Skipped,
        };
        self.look(mark, state.to_string())
    }

    /// A test.
    #[must_use]
    pub fn test(self, status: TestStatus) -> Look {
        let mark = match status {
            TestStatus::Pass => Mark::Good,
            TestStatus::Fail => Mark::Bad,
            TestStatus::Skip => Mark::Skipped,
            TestStatus::Flaky => Mark::Broken,
        };
        self.look(mark, status.to_string())
    }
}
