//! Which key does what on which screen: one table, from which keys are looked up and the help is made.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::state::Screen;

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// One row or line down.
    Down,
    /// One row or line up.
    Up,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// To the first row or line.
    First,
    /// To the last row or line.
    Last,
    /// Into what is selected.
    Enter,
    /// Back.
    Back,
    /// To the ticket's first failing line.
    FirstError,
    /// Sideways to the left.
    Left,
    /// Sideways to the right.
    Right,
    /// Follow the log's end, or not.
    Follow,
    /// Search.
    Search,
    /// The next match.
    NextMatch,
    /// The match before.
    PreviousMatch,
    /// Cancel the ticket.
    Cancel,
    /// Ask the daemon again, or start it where it is gone.
    Refresh,
    /// Show the keys.
    Help,
    /// Leave.
    Quit,
}

/// A key: its code and whether Ctrl is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The code.
    pub code: KeyCode,
    /// Whether Ctrl is held.
    pub control: bool,
}

/// A line of the table.
#[derive(Debug)]
pub struct Binding {
    /// What the keys mean.
    pub action: Action,
    /// The keys; the first one is shown at the bottom of the screen.
    pub keys: &'static [Key],
    /// The screens on which they mean that.
    pub screens: &'static [Screen],
    /// What the help says.
    pub help: &'static str,
    /// What the bottom of the screen says; empty where it is not worth the place.
    pub short: &'static str,
}

const fn key(character: char) -> Key {
    Key {
        code: KeyCode::Char(character),
        control: false,
    }
}

const fn control(character: char) -> Key {
    Key {
        code: KeyCode::Char(character),
        control: true,
    }
}

const fn code(code: KeyCode) -> Key {
    Key { code, control: false }
}

const ALL: &[Screen] = &[Screen::Tickets, Screen::Ticket, Screen::Log];
const LISTS: &[Screen] = &[Screen::Tickets, Screen::Ticket];
const INNER: &[Screen] = &[Screen::Ticket, Screen::Log];
const LOG: &[Screen] = &[Screen::Log];

/// The table. Where a key stands twice for one screen, a test fails.
pub const BINDINGS: &[Binding] = &[
    Binding {
        action: Action::Enter,
        keys: &[code(KeyCode::Enter), key('l'), code(KeyCode::Right)],
        screens: LISTS,
        help: "open what is selected",
        short: "open",
    },
    Binding {
        action: Action::Back,
        keys: &[code(KeyCode::Esc), code(KeyCode::Backspace)],
        screens: INNER,
        help: "back",
        short: "back",
    },
    Binding {
        action: Action::Back,
        keys: &[key('h'), code(KeyCode::Left)],
        screens: &[Screen::Ticket],
        help: "back",
        short: "",
    },
    Binding {
        action: Action::FirstError,
        keys: &[key('e')],
        screens: ALL,
        help: "jump to the ticket's first failing line",
        short: "first error",
    },
    Binding {
        action: Action::Down,
        keys: &[key('j'), code(KeyCode::Down)],
        screens: ALL,
        help: "down, up",
        short: "",
    },
    Binding {
        action: Action::Up,
        keys: &[key('k'), code(KeyCode::Up)],
        screens: ALL,
        help: "down, up",
        short: "",
    },
    Binding {
        action: Action::PageDown,
        keys: &[code(KeyCode::PageDown), code(KeyCode::Char(' ')), control('f')],
        screens: ALL,
        help: "a page down, up",
        short: "",
    },
    Binding {
        action: Action::PageUp,
        keys: &[code(KeyCode::PageUp), control('b')],
        screens: ALL,
        help: "a page down, up",
        short: "",
    },
    Binding {
        action: Action::First,
        keys: &[key('g'), code(KeyCode::Home)],
        screens: ALL,
        help: "to the beginning, the end",
        short: "",
    },
    Binding {
        action: Action::Last,
        keys: &[key('G'), code(KeyCode::End)],
        screens: ALL,
        help: "to the beginning, the end",
        short: "",
    },
    Binding {
        action: Action::Left,
        keys: &[key('h'), code(KeyCode::Left)],
        screens: LOG,
        help: "scroll sideways",
        short: "",
    },
    Binding {
        action: Action::Right,
        keys: &[key('l'), code(KeyCode::Right)],
        screens: LOG,
        help: "scroll sideways",
        short: "",
    },
    Binding {
        action: Action::Follow,
        keys: &[key('f')],
        screens: LOG,
        help: "follow the end of the log, or stop following",
        short: "follow",
    },
    Binding {
        action: Action::Search,
        keys: &[key('/')],
        screens: LOG,
        help: "search a regular expression (capitals mind case)",
        short: "search",
    },
    Binding {
        action: Action::NextMatch,
        keys: &[key('n')],
        screens: LOG,
        help: "next match, match before",
        short: "",
    },
    Binding {
        action: Action::PreviousMatch,
        keys: &[key('N')],
        screens: LOG,
        help: "next match, match before",
        short: "",
    },
    Binding {
        action: Action::Cancel,
        keys: &[key('c')],
        screens: ALL,
        help: "cancel the ticket (asks first)",
        short: "cancel",
    },
    Binding {
        action: Action::Refresh,
        keys: &[key('r')],
        screens: ALL,
        help: "ask the daemon again; start it where it is gone",
        short: "",
    },
    Binding {
        action: Action::Help,
        keys: &[key('?'), code(KeyCode::F(1))],
        screens: ALL,
        help: "show or hide these keys",
        short: "keys",
    },
    Binding {
        action: Action::Quit,
        keys: &[key('q'), control('c')],
        screens: ALL,
        help: "quit; tickets run on",
        short: "quit",
    },
];

/// What a key means on a screen.
#[must_use]
pub fn lookup(screen: Screen, event: KeyEvent) -> Option<Action> {
    let pressed = Key {
        code: event.code,
        control: event.modifiers.contains(KeyModifiers::CONTROL),
    };
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    BINDINGS
        .iter()
        .find(|binding| binding.screens.contains(&screen) && binding.keys.contains(&pressed))
        .map(|binding| binding.action)
}

/// A key's name, as it stands on keyboards.
#[must_use]
pub fn name(key: &Key) -> String {
    let plain = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(character) => character.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        KeyCode::PageUp => "PgUp".to_owned(),
        KeyCode::PageDown => "PgDn".to_owned(),
        other => format!("{other:?}"),
    };
    if key.control { format!("Ctrl-{plain}") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_on_one_screen() {
        for screen in ALL {
            let mut seen = Vec::new();
            for binding in BINDINGS.iter().filter(|binding| binding.screens.contains(screen)) {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{} on {screen:?}", name(key));
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn keys_are_looked_up_by_screen() {
        let event = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(lookup(Screen::Tickets, event(KeyCode::Char('l'))), Some(Action::Enter));
        assert_eq!(lookup(Screen::Log, event(KeyCode::Char('l'))), Some(Action::Right));
        assert_eq!(lookup(Screen::Tickets, event(KeyCode::Char('f'))), None);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(lookup(Screen::Log, control_c), Some(Action::Quit));
        // Shift comes with capitals and changes nothing.
        let capital = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(lookup(Screen::Log, capital), Some(Action::Last));
    }

    #[test]
    fn names() {
        assert_eq!(name(&control('c')), "Ctrl-c");
        assert_eq!(name(&code(KeyCode::PageDown)), "PgDn");
        assert_eq!(name(&code(KeyCode::Enter)), "Enter");
    }
}
