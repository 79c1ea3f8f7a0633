//! Takes the terminal and gives it back: after the last frame, after a panic in any thread, whatever happens.

use std::io::{self, Stdout, stdout};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// What a process that panics ends with, as Rust has it.
const PANICKED: i32 = 101;

/// The terminal while the screen is ours; dropping it gives it back.
pub struct Taken {
    /// Where frames are drawn.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

/// Takes the terminal.
///
/// # Errors
/// Where there is none, or the system refuses.
pub fn take() -> io::Result<Taken> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        usual(panic);
        // A panic in a task beside the screen would leave a screen that hears no keys.
        std::process::exit(PANICKED);
    }));
    enable_raw_mode()?;
    if let Err(error) = execute!(stdout(), EnterAlternateScreen, Hide) {
        give_back();
        return Err(error);
    }
    match Terminal::new(CrosstermBackend::new(stdout())) {
        Ok(terminal) => Ok(Taken { terminal }),
        Err(error) => {
            give_back();
            Err(error)
        }
    }
}

/// Leaves the terminal as it was. A terminal that is gone cannot be left any better.
fn give_back() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}
