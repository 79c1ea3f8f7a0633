//! A command that runs, and the moment at which each line of it came. It is given up after a while, and does not outlive
//! its owner. It stays in the bench's process group, so that a Ctrl-C reaches both.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::BenchError;

/// How long a command may take to end after it was asked to, before it is killed.
const FAREWELL: Duration = Duration::from_secs(20);

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A line, and when it came.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Since the command's start.
    pub(crate) after: Duration,
    /// Where it came from.
    pub(crate) stream: Stream,
    /// Without its end.
    pub(crate) text: String,
}

/// A command that runs.
#[derive(Debug)]
pub(crate) struct Live {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    since: Instant,
    lines: Receiver<Line>,
    heard: Vec<Line>,
    over: bool,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What was run.
    pub(crate) command: String,
    /// Its exit code; none where a signal has ended it.
    pub(crate) code: Option<i32>,
    /// From its start to its end.
    pub(crate) took: Duration,
    /// All that it said.
    pub(crate) lines: Vec<Line>,
}

impl Live {
    /// Starts a command. With `input`, [`Self::send`] and [`Self::hang_up`] feed it; otherwise its input is empty.
    pub(crate) fn start(mut command: Command, input: bool) -> Result<Self, BenchError> {
        let words = words(&command);
        let since = Instant::now();
        let mut child = command
            .stdin(if input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(BenchError::io(words.as_str()))?;
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            listen(out, Stream::Out, since, sender.clone());
        }
        if let Some(err) = child.stderr.take() {
            listen(err, Stream::Err, since, sender);
        }
        let stdin = child.stdin.take();
        Ok(Self {
            command: words,
            child,
            stdin,
            since,
            lines,
            heard: Vec::new(),
            over: false,
        })
    }

    /// Sends it a line.
    pub(crate) fn send(&mut self, line: &str) -> Result<(), BenchError> {
        let Some(stdin) = &mut self.stdin else {
            return Err(BenchError::Unexpected(format!("`{}` has no input", self.command)));
        };
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stdin.flush())
            .map_err(BenchError::io(format!("`{}`, told {line:?}", self.command)))
    }

    /// Ends its input.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for the first line, from now on, for which `wanted` holds.
    pub(crate) fn await_line(
        &mut self,
        awaited: &str,
        patience: Duration,
        wanted: impl Fn(&Line) -> bool,
    ) -> Result<Line, BenchError> {
        let deadline = Instant::now() + patience;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if wanted(&line) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(BenchError::TimedOut {
                        command: self.command.clone(),
                        awaited: awaited.to_owned(),
                        patience,
                    });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let code = self.reap()?;
                    return Err(BenchError::Ended {
                        command: self.command.clone(),
                        code,
                        last: last(&self.heard),
                    });
                }
            }
        }
    }

    /// Waits for its end, and tells each line to `told` as it comes.
    pub(crate) fn finish(mut self, patience: Duration, mut told: impl FnMut(&Line)) -> Result<Ended, BenchError> {
        self.hang_up();
        let deadline = Instant::now() + patience;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    told(&line);
                    self.heard.push(line);
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(BenchError::TimedOut {
                        command: self.command.clone(),
                        awaited: "its end".to_owned(),
                        patience,
                    });
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let code = self.reap()?;
        Ok(Ended {
            command: self.command.clone(),
            code,
            took: self.since.elapsed(),
            lines: std::mem::take(&mut self.heard),
        })
    }

    /// Waits for the process: it has closed what it spoke through.
    fn reap(&mut self) -> Result<Option<i32>, BenchError> {
        let status = self.child.wait().map_err(BenchError::io(self.command.as_str()))?;
        self.over = true;
        Ok(status.code())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.stdin = None;
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself. What it has started is its own to end.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + FAREWELL;
        while self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The same, if it ended with one of these codes.
    pub(crate) fn with_code(self, wanted: &[i32]) -> Result<Self, BenchError> {
        if self.code.is_some_and(|code| wanted.contains(&code)) {
            return Ok(self);
        }
        Err(BenchError::Ended {
            last: last(&self.lines),
            command: self.command,
            code: self.code,
        })
    }

    /// The lines of its standard output.
    pub(crate) fn output(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.stream == Stream::Out)
    }

    /// Its standard output.
    pub(crate) fn text(&self) -> String {
        self.output()
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// When the first line of its standard output came.
    pub(crate) fn first_output(&self) -> Result<Duration, BenchError> {
        self.output()
            .next()
            .map(|line| line.after)
            .ok_or_else(|| BenchError::Unexpected(format!("`{}` said nothing: {}", self.command, last(&self.lines))))
    }
}

/// Runs a command to its end, which has to be a good one.
pub(crate) fn run(command: Command, patience: Duration) -> Result<Ended, BenchError> {
    Live::start(command, false)?.finish(patience, |_| {})?.with_code(&[0])
}

/// What is run, for messages: no folders, and not all of many words.
fn words(command: &Command) -> String {
    const MOST: usize = 80;
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    match words.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", &words[..end]),
        None => words,
    }
}

/// The last that was said, for messages.
fn last(lines: &[Line]) -> String {
    let spoken = lines.iter().rev().find(|line| !line.text.trim().is_empty());
    spoken.map_or_else(|| "nothing was said".to_owned(), |line| line.text.clone())
}

fn listen(from: impl Read + Send + 'static, stream: Stream, since: Instant, sender: Sender<Line>) {
    std::thread::spawn(move || {
        for bytes in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = Line {
                after: since.elapsed(),
                stream,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_come_in_order_with_their_stream() {
        let ended = Live::start(shell("echo a; echo b >&2; exit 3"), false).unwrap();
        let ended = ended.finish(PATIENCE, |_| {}).unwrap();
        assert_eq!(ended.code, Some(3));
        assert_eq!(ended.text(), "a");
        assert!(ended.first_output().unwrap() <= ended.took);
        assert!(ended.with_code(&[0]).is_err());
    }

    #[test]
    fn commands_are_named_briefly() {
        let mut command = Command::new("/usr/bin/tool");
        assert_eq!(words(command.arg("go")), "tool go");
        assert_eq!(words(command.arg("é".repeat(90))).chars().count(), 82);
    }

    #[test]
    fn a_conversation_is_held() {
        let mut live = Live::start(shell("while read -r line; do echo \"got $line\"; done"), true).unwrap();
        live.send("one").unwrap();
        let line = live.await_line("an answer", PATIENCE, |line| line.stream == Stream::Out);
        assert_eq!(line.unwrap().text, "got one");
        assert_eq!(live.finish(PATIENCE, |_| {}).unwrap().code, Some(0));
    }

    #[test]
    fn an_early_end_is_told_with_its_last_words() {
        let mut live = Live::start(shell("echo gone >&2; exit 4"), false).unwrap();
        let error = live.await_line("an answer", PATIENCE, |_| false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c echo gone >&2; exit 4` ended with Some(4): gone"
        );
    }

    #[test]
    fn a_command_does_not_outlive_its_owner() {
        let mut live = Live::start(shell("echo $$; exec sleep 600"), true).unwrap();
        let pid = live.await_line("its number", PATIENCE, |_| true).unwrap().text;
        let since = Instant::now();
        drop(live);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        assert!(since.elapsed() < FAREWELL, "it had to be killed");
    }
}
