//! `preflight` on a real pseudo-terminal, its screen read back by a terminal emulator.
#![expect(clippy::unwrap_used, reason = "a harness that cannot go on fails its test")]

use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

pub(crate) struct Terminal {
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    pub(crate) parser: vt100::Parser,
    pub(crate) before: Termios,
}

impl Terminal {
    pub(crate) fn start(home: &std::path::Path, arguments: &[&str]) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = attributes(&*pair.master);
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_preflight"));
        command.args(arguments);
        command.env("PREFLIGHT_HOME", home);
        command.env("PREFLIGHT_DAEMON", "/nonexistent/preflightd");
        command.env("LC_ALL", "C.UTF-8");
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        // A backtrace is longer than the screen.
        command.env("RUST_BACKTRACE", "0");
        command.cwd(home);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count) = reader.read(&mut chunk) {
                if count == 0 || tell.send(chunk[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            master: pair.master,
            keys,
            output,
            parser: vt100::Parser::new(ROWS, COLUMNS, 0),
            before,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// Reads until the screen is as awaited.
    pub(crate) fn until(&mut self, awaited: &str, done: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self.parser.screen()) {
            match self
                .output
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.parser.process(&bytes),
                Err(error) => panic!("{error} while waiting for {awaited}:\n{}", self.screen()),
            }
        }
    }

    pub(crate) fn until_text(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Waits for the end; answers how it ended, once all output is read.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .output
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.screen()),
            }
        }
    }

    pub(crate) fn is_left_as_it_was(&self) {
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(!screen.bracketed_paste());
        let after = attributes(&*self.master);
        assert!(
            after
                .local_flags
                .contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
        );
        assert_eq!(after, self.before, "raw mode is off");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where a test has failed before its end.
        let _ = self.child.kill();
    }
}

#[expect(
    unsafe_code,
    reason = "the pseudo-terminal hands out a raw descriptor; it is open as long as `master` lives"
)]
pub(crate) fn attributes(master: &dyn MasterPty) -> Termios {
    let raw = master.as_raw_fd().unwrap();
    tcgetattr(unsafe { BorrowedFd::borrow_raw(raw) }).unwrap()
}
