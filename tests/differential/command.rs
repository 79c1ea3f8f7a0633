//! A command that runs to its end, all that it says in a file. It is asked to end after a while, and stays in this program's
//! process group, so that a Ctrl-C reaches both.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::DifferentialError;

/// How long a command may take to end after it was asked to, before it is killed: it may have a machine to take down.
const FAREWELL: Duration = Duration::from_secs(120);

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none where a signal has ended it.
    pub(crate) code: Option<i32>,
    /// From its start to its end.
    pub(crate) took: Duration,
}

/// Runs a command. Its standard error goes to `log`, and its standard output to `out`, or to the log as well.
pub(crate) fn run(
    mut command: Command,
    log: &Path,
    out: Option<&Path>,
    patience: Duration,
) -> Result<Ended, DifferentialError> {
    let words = words(&command);
    let create = |path: &Path| File::create(path).map_err(DifferentialError::io(path.display().to_string()));
    let errors = create(log)?;
    let output = match out {
        Some(path) => create(path)?,
        None => errors
            .try_clone()
            .map_err(DifferentialError::io(log.display().to_string()))?,
    };
    let since = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(DifferentialError::io(words.as_str()))?;
    let pid = Pid::from_raw(child.id().try_into().unwrap_or_default());
    let (sender, ended) = channel();
    let waiter = std::thread::spawn(move || {
        let status = child.wait();
        // Nobody listens any more only where the program ends.
        let _ = sender.send(());
        status
    });
    let mut timed_out = false;
    for (signal, patience) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, FAREWELL)] {
        if ended.recv_timeout(patience) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        timed_out = true;
        // It may have ended just now.
        let _ = kill(pid, signal);
    }
    let status = match waiter.join() {
        Ok(status) => status.map_err(DifferentialError::io(words.as_str()))?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    if timed_out {
        return Err(DifferentialError::TimedOut {
            command: words,
            patience,
            log: log.to_owned(),
        });
    }
    Ok(Ended {
        code: status.code(),
        took: since.elapsed(),
    })
}

/// Runs a command that has to end well, and answers with what it printed.
pub(crate) fn output(command: Command, log: &Path, patience: Duration) -> Result<String, DifferentialError> {
    let words = words(&command);
    let out = log.with_extension("out");
    let ended = run(command, log, Some(&out), patience)?;
    if ended.code != Some(0) {
        return Err(DifferentialError::Ended {
            command: words,
            code: ended.code,
            log: log.to_owned(),
        });
    }
    std::fs::read_to_string(&out).map_err(DifferentialError::io(out.display().to_string()))
}

/// A command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_it_says_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let ended = run(shell("echo out; echo err >&2; exit 6"), &log, None, FAREWELL).unwrap();
        assert_eq!(ended.code, Some(6));
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "out\nerr\n");
        assert_eq!(
            output(shell("echo out; echo err >&2"), &log, FAREWELL).unwrap(),
            "out\n"
        );
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "err\n");
        let error = output(shell("exit 3"), &log, FAREWELL).unwrap_err().to_string();
        assert!(error.contains("exit 3") && error.contains("Some(3)"), "{error}");
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        // Its end is the signal's doing: nothing else ever comes down that pipe.
        let result = run(shell("exec tail -f /dev/null"), &log, None, Duration::from_millis(50));
        assert!(matches!(result, Err(DifferentialError::TimedOut { .. })), "{result:?}");
    }
}
