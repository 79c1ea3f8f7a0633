//! A command that runs beside the test. What it says on standard error is told as it comes and can be waited for; a test
//! that gives up kills what it has started.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::finished::Finished;
use crate::progress;

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    since: Instant,
    lines: Receiver<String>,
    readers: Option<(JoinHandle<String>, JoinHandle<String>)>,
}

impl Running {
    /// Starts a command. Lines of its standard error are told under `name`; without one they are only kept.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(mut command: Command, name: Option<&str>) -> Self {
        let words: Vec<_> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let words = words.join(" ");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        let (mut out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let name = name.map(str::to_owned);
        let (sender, lines) = channel();
        let out = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            for line in BufReader::new(err).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                // A base image's packages are hundreds of lines.
                if let Some(name) = name.as_ref().filter(|_| !line.starts_with("  base image:")) {
                    progress::say(&format!("{name}: {line}"));
                }
                text += &line;
                text.push('\n');
                // The test may have heard enough.
                let _ = sender.send(line);
            }
            text
        });
        Self {
            command: words,
            child,
            since: Instant::now(),
            lines,
            readers: Some((out, err)),
        }
    }

    /// Waits for a line of its standard error that holds `part`, and answers with what stands after that.
    ///
    /// # Panics
    /// It ends without such a line, or does not say it within `patience`.
    #[must_use]
    pub fn says(&self, part: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some((_, rest)) = line.split_once(part) {
                        return rest.to_owned();
                    }
                }
                Err(error) => panic!("`{}` did not say {part:?}: {error}", self.command),
            }
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// The system does not say how it ended.
    #[must_use]
    pub fn wait(mut self) -> Finished {
        let status = self.child.wait().unwrap();
        let took = self.since.elapsed();
        let (out, err) = self.readers.take().unwrap();
        Finished {
            command: self.command.clone(),
            code: status.code(),
            stdout: out.join().unwrap(),
            stderr: err.join().unwrap(),
            took,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.readers.is_some() {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
