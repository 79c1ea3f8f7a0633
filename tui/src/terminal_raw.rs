//! Raw mode for a shell's terminal: every key is the guest's, every byte of its output the terminal's. Given back when it
//! is dropped and after a panic in any thread; signals are its holder's matter.

use std::io::{self, IsTerminal, Write, stderr, stdout};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use preflight_protocol::shell::TerminalSize;

/// What a process that panics ends with, as Rust has it.
const PANICKED: i32 = 101;
/// What programs of a guest set and a dead guest's cannot unset: the alternate screen, a hidden cursor, mouse reports,
/// bracketed paste, application keys, colours. Where none is set nothing is seen: 1049 goes back to a saved cursor, so
/// the cursor is saved first.
const SETTLE: &[u8] =
    b"\x1b7\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[0m";

/// The terminal in raw mode; dropping it gives it back.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Takes the terminal that standard input is.
    ///
    /// # Errors
    /// Where it is none, or the system refuses.
    pub fn take() -> io::Result<Self> {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = disable_raw_mode();
            usual(panic);
            // A panic in a thread beside the streams would leave a shell that hears no keys.
            std::process::exit(PANICKED);
        }));
        enable_raw_mode()?;
        Ok(Self(()))
    }

    /// Gives it back after a shell that did not end by itself: what its programs had set on the terminal is unset.
    pub fn settle(self) {
        drop(self);
        let screen: &mut dyn Write = if stdout().is_terminal() {
            &mut stdout()
        } else if stderr().is_terminal() {
            &mut stderr()
        } else {
            return;
        };
        // A terminal that is gone cannot be left any better.
        let _ = screen
            .write_all(SETTLE)
            .and_then(|()| screen.write_all(b"\r\n"))
            .and_then(|()| screen.flush());
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
    }
}

/// The terminal's size now; the usual one where it does not tell.
#[must_use]
pub fn size() -> TerminalSize {
    crossterm::terminal::size()
        .ok()
        .and_then(|(cols, rows)| TerminalSize::new(rows, cols))
        .unwrap_or(TerminalSize::USUAL)
}
