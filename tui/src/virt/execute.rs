//! Commands of this server's caller in the testbed: the program that `print-execute-command` names, which is this one with
//! other arguments, and the shell. Standard streams are passed through; the end of one of these processes is the end of its
//! command, and nobody else's.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::shell::connection;
use preflight_protocol::shell::frame::Exit;
use preflight_protocol::shell::word::Word;
use preflight_protocol::shell::{ShellOpen, Variable};
use preflight_protocol::testbed::TestbedId;

use super::command::{self, Place};
use super::lent::tell;
use super::line::quote;
use crate::cli::shell::signals::Signals;
use crate::cli::shell::streams::{self, End, Mode};
use crate::conn::attach::CLIENT;
use crate::terminal_raw::{self, Raw};

/// What autopkgtest takes for a failure of the testbed rather than of the command.
const FAILED: u8 = 254;
/// What a shell answers that does not find a program.
const NOT_FOUND: u8 = 127;

/// The words by which a caller runs a command in the testbed, as they are printed.
///
/// # Errors
/// The system does not tell where this program is.
pub(super) fn words(socket: &Path, testbed: &TestbedId) -> io::Result<String> {
    let words = arguments(socket, testbed, false)?;
    let quoted: Vec<String> = words.iter().map(|word| quote(word.as_bytes())).collect();
    Ok(quoted.join(","))
}

fn arguments(socket: &Path, testbed: &TestbedId, terminal: bool) -> io::Result<Vec<OsString>> {
    let mut at = OsString::from("--socket=");
    at.push(socket);
    let mut words = vec![
        std::env::current_exe()?.into_os_string(),
        at,
        format!("--execute={testbed}").into(),
    ];
    words.extend(terminal.then(|| "--terminal".into()));
    words.push("--".into());
    Ok(words)
}

/// A shell in the testbed, on this process's terminal.
///
/// # Errors
/// There is no terminal, or the shell cannot be started.
pub(super) async fn shell(place: Place<'_>, folder: &[u8], env: &[Vec<u8>]) -> io::Result<()> {
    let mut words = arguments(place.socket, place.testbed, true)?.into_iter();
    let program = words.next().unwrap_or_default();
    let terminal = || OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut command = Command::new(program);
    command
        .args(words)
        .args(["sh", "-c", "cd -- \"$1\"; shift; exec env \"$@\" bash -i", "sh"])
        .arg(OsStr::from_bytes(folder))
        .args(
            env.iter()
                .filter(|word| word.contains(&b'='))
                .map(|word| OsStr::from_bytes(word)),
        )
        .stdin(terminal()?)
        .stdout(terminal()?)
        .stderr(terminal()?);
    let mut child = tokio::process::Command::from(command).spawn()?;
    child.wait().await.map(drop)
}

/// Runs a command in a testbed with this process's streams; answers the exit code that this process ends with.
pub(super) async fn run(socket: PathBuf, testbed: TestbedId, argv: Vec<OsString>, terminal: bool) -> u8 {
    let argv = argv.into_iter().map(OsString::into_vec);
    let request = ShellOpen {
        terminal: terminal.then(terminal_raw::size),
        env: if terminal { terminal_kind() } else { vec![] },
        ..command::request(&testbed, argv)
    };
    if let Err(refused) = request.check() {
        tell(&refused.to_string());
        return FAILED;
    }
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let open = match connection::open(&socket, CLIENT, &request, |_| {}).await {
        Ok(open) => open,
        Err(ClientError::Rpc(error)) if error.code == ErrorCode::InvalidParams => {
            tell(&error.message);
            return NOT_FOUND;
        }
        Err(error) => return failed(&error),
    };
    let here = terminal && io::stdin().is_terminal();
    let mode = Mode {
        follow_size: here,
        raw: here,
        handed_on: false,
    };
    let raw = match here.then(Raw::take).transpose() {
        Ok(raw) => raw,
        Err(error) => return failed(&error),
    };
    let end = streams::run(open.reader, open.writer, &mut signals, mode).await;
    drop(raw);
    match end {
        Ok(End::Exit(exit)) => told(exit),
        Ok(End::Error(error)) => failed(&error),
        Ok(End::Lost(lost)) => failed(&lost),
        Ok(End::Signal(number)) => 128 + number,
        Ok(End::Escaped) => 0,
        // Whoever read it has enough.
        Ok(End::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 141,
        Ok(End::Output(error)) | Err(error) => failed(&error),
    }
}

/// A command's exit code, as its caller is told it: what means that the testbed has failed is told as autopkgtest's own servers
/// tell it.
fn told(exit: Exit) -> u8 {
    match exit.code() {
        FAILED..=u8::MAX => FAILED - 1,
        code => code,
    }
}

fn failed(error: &dyn std::fmt::Display) -> u8 {
    tell(&error.to_string());
    FAILED
}

fn terminal_kind() -> Vec<Variable> {
    let kind = std::env::var_os("TERM").filter(|kind| !kind.is_empty());
    let kind = kind.map(|kind| Variable {
        name: "TERM".into(),
        value: Word(kind.into_vec()),
    });
    kind.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_ends_as_a_testbed_does_that_has_failed() {
        for (exit, code) in [
            (Exit::Code(0), 0),
            (Exit::Code(125), 125),
            (Exit::Code(253), 253),
            (Exit::Code(254), 253),
            (Exit::Code(255), 253),
            (Exit::Signal(9), 137),
        ] {
            assert_eq!(told(exit), code, "{exit:?}");
        }
    }

    #[test]
    fn words_are_one_word_each() {
        let words = words(Path::new("/run/a b,c"), &TestbedId("t-1".into())).unwrap();
        let words: Vec<&str> = words.split(',').collect();
        assert_eq!(words[1..], ["--socket%3D/run/a%20b%2Cc", "--execute%3Dt-1", "--"]);
    }
}
