//! `preflight shell`: a shell in a testbed on this terminal, or one command with standard streams passed through. It ends
//! with the command's exit code.

mod escape;
pub(crate) mod signals;
pub(crate) mod streams;
mod target;
mod threads;
mod wait;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use preflight_protocol::shell::word::Word;
use preflight_protocol::shell::{ShellOpen, ShellOpened, ShellTarget, Variable};

use super::context::Context;
use super::error::{CliError, code};
use crate::terminal_raw::{self, Raw};
use crate::theme::Role;
use signals::Signals;
use streams::{End, Mode};
use target::{JobArgument, Target};
use wait::Opening;

/// What `preflight shell --help` says last.
pub const AFTER: &str = "\
Examples:
  preflight shell debian-bookworm                    a fresh testbed
  preflight shell 12                                 where ticket 12's newest failure stopped
  preflight shell 12 --job test/hello                where that test stopped
  tar c . | preflight shell debian-bookworm -- tar x -C /srv
  preflight shell 12 -- sh -c 'cat /proc/version' > version

A bare number is a ticket, all else a series or an image. Each shell has a testbed of its own, which is gone when the shell ends: a
look never spoils what was kept. What the shell writes goes to the terminal as it is, as with ssh.

On a terminal, `Enter ~ .` leaves a shell that hangs, and `Enter ~ ~` types a `~`. A command has no terminal unless -t is
given: its standard input, output and error are this one's, byte for byte, and SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 are
handed on to it; SIGQUIT (Ctrl-\\) ends this program, and with it the command. As ssh does, it reads its standard input
to the end: in a loop say `< /dev/null`.

Exit codes:
  that of the command; 128 and the signal's number where a signal ended it
   16  the testbed failed, or this host lacks something (see `preflight doctor`)
   20  no shell: wrong usage, no such ticket or series, no daemon, or it was lost or left
  129, 130, 143  ended by a signal to this program
  Preflight's own errors are told on standard error in a line that begins with `error (`.";

/// Arguments of `preflight shell`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A series or a named image, for a fresh testbed, or a ticket's number
    #[arg(value_name = "SERIES|IMAGE|TICKET")]
    target: Target,
    /// Which job of the ticket: its number, or what it does (`build`, `test`), or that of a source (`test/hello`)
    #[arg(short, long, value_name = "JOB")]
    job: Option<JobArgument>,
    /// The user in the testbed; whose command failed, or root
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The folder in the testbed; where the job failed, or the user's home
    #[arg(short = 'C', long, value_name = "FOLDER")]
    chdir: Option<PathBuf>,
    /// Set a variable of the shell's environment, or hand this one's on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,
    /// Give the command a terminal
    #[arg(short, long)]
    terminal: bool,
    /// Do not say what is waited for and where the shell is
    #[arg(short, long)]
    quiet: bool,
    /// Panic once the terminal is raw, to see that it is given back
    #[arg(long, hide = true)]
    provoke_panic: bool,
    /// A command instead of a shell, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command.
///
/// # Errors
/// Where no shell can be opened, or it is lost.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let here = io::stdin().is_terminal();
    let with_terminal = args.terminal || (args.command.is_empty() && here);
    let mode = Mode {
        follow_size: with_terminal && here,
        raw: with_terminal && here,
        handed_on: true,
    };
    // Standard error is the command's, unless somebody looks at it.
    let talk = !args.quiet && io::stderr().is_terminal();
    // Before the terminal's size is asked for, so that no change after it is missed.
    let mut signals = Signals::listen()?;
    let provoke_panic = args.provoke_panic;
    let request = request(args, with_terminal)?;
    let connection = match wait::open(context, &request, &mut signals, talk).await? {
        Opening::Done(connection) => connection,
        Opening::Signal(number) => return Ok(128 + number),
    };
    let opened = connection.opened;
    if talk {
        for line in greeting(&opened, &request.target, mode.raw) {
            eprintln!("{}", context.output.err.role(Role::Dim, &line));
        }
    }
    let raw = if mode.raw {
        Some(Raw::take().map_err(CliError::file("the terminal"))?)
    } else {
        None
    };
    assert!(!provoke_panic, "provoked by --provoke-panic");
    let end = streams::run(connection.reader, connection.writer, &mut signals, mode).await;
    if let Some(raw) = raw
        && !matches!(end, Ok(End::Exit(_)))
    {
        raw.settle();
    }
    finish(end?, &opened)
}

fn request(args: Args, with_terminal: bool) -> Result<ShellOpen, CliError> {
    let mut env = if with_terminal { handed_on() } else { vec![] };
    for variable in args.env {
        let variable = own_variable(variable)?;
        env.retain(|other| other.name != variable.name);
        env.push(variable);
    }
    let target = match (args.target, args.job) {
        (Target::Series(series), None) => ShellTarget::Series(series),
        (Target::Ticket(ticket), job) => ShellTarget::Ticket {
            ticket,
            job: job.map(|JobArgument(choice)| choice),
        },
        (Target::Series(series), Some(_)) => {
            return Err(CliError::usage(
                format!("--job is for a ticket, and {series} is a series"),
                "give the ticket's number",
            ));
        }
    };
    let request = ShellOpen {
        target,
        command: (!args.command.is_empty()).then(|| args.command.into_iter().map(word).collect()),
        terminal: with_terminal.then(terminal_raw::size),
        env,
        cwd: args.chdir.map(|folder| word(folder.into_os_string())),
        user: args.user,
    };
    request.check().map_err(|refused| CliError::Usage {
        message: refused.to_string(),
        hint: None,
    })?;
    Ok(request)
}

fn word(text: OsString) -> Word {
    Word(text.into_vec())
}

/// `NAME=VALUE`, or `NAME` with this process's value.
fn own_variable(text: OsString) -> Result<Variable, CliError> {
    let bytes = text.as_bytes();
    if let Some(place) = bytes.iter().position(|&byte| byte == b'=') {
        return Ok(Variable {
            name: Word(bytes[..place].to_vec()),
            value: Word(bytes[place + 1..].to_vec()),
        });
    }
    let value = std::env::var_os(&text).ok_or_else(|| {
        let name = text.to_string_lossy();
        CliError::usage(
            format!("--env {name}: it is not set here"),
            format!("give a value: --env {name}=…"),
        )
    })?;
    Ok(Variable {
        name: word(text),
        value: word(value),
    })
}

/// What a terminal's programs want to know of it. A testbed has no locales but C's: of ours it is told whether it is
/// UTF-8, since Perl and apt complain of one that is missing.
fn handed_on() -> Vec<Variable> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let variable = |name: &str, value: OsString| Variable {
        name: name.into(),
        value: word(value),
    };
    let mut env: Vec<Variable> = ["TERM", "COLORTERM"]
        .into_iter()
        .filter_map(|name| Some(variable(name, set(name)?)))
        .collect();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    if locale.is_some_and(|locale| is_utf8(&locale.to_string_lossy())) {
        env.push(variable("LANG", "C.UTF-8".into()));
    }
    env
}

fn is_utf8(locale: &str) -> bool {
    let codeset = locale.split_once('.').map_or("", |(_, codeset)| codeset);
    let codeset = codeset.split('@').next().unwrap_or_default();
    codeset.eq_ignore_ascii_case("UTF-8") || codeset.eq_ignore_ascii_case("utf8")
}

/// Where the shell is, for who looks at a terminal.
fn greeting(opened: &ShellOpened, target: &ShellTarget, raw: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if raw {
        let place = match (target, opened.job) {
            (ShellTarget::Ticket { ticket, .. }, Some(job)) if opened.resumed => {
                format!("ticket {ticket}, job {job}: a clone of the testbed as it was kept")
            }
            (ShellTarget::Ticket { ticket, .. }, _) => format!("ticket {ticket}: a fresh testbed of {}", opened.image),
            (ShellTarget::Series(series), _) => format!("{series}: a fresh testbed"),
            (ShellTarget::Testbed(id), _) => format!("the lent testbed {id}"),
        };
        lines.push(format!("{place}; `Enter ~ .` leaves it if it hangs"));
    }
    lines.extend(opened.note.clone());
    lines
}

fn finish(end: End, opened: &ShellOpened) -> Result<u8, CliError> {
    match end {
        End::Exit(exit) => Ok(exit.code()),
        End::Error(error) => Err(CliError::Refused(error)),
        End::Lost(lost) => Err(CliError::NoDaemon(
            format!("{lost}; the shell's testbed {} is gone with it", opened.machine),
            Some("`preflight daemon status` shows how it is, its log why".to_owned()),
        )),
        End::Escaped => {
            eprintln!("left; the shell's testbed {} is gone", opened.machine);
            Ok(code::OTHER)
        }
        End::Signal(number) => Ok(128 + number),
        End::Output(error) => Err(CliError::Output(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_are_told_apart() {
        for (locale, utf8) in [
            ("C.UTF-8", true),
            ("de_DE.utf8", true),
            ("de_DE.UTF-8@euro", true),
            ("de_DE.ISO-8859-15", false),
            ("C", false),
            ("POSIX", false),
        ] {
            assert_eq!(is_utf8(locale), utf8, "{locale}");
        }
    }

    #[test]
    fn variables_have_a_name_and_a_value() {
        let variable = own_variable("A=b=c".into()).unwrap();
        assert_eq!((variable.name, variable.value), ("A".into(), "b=c".into()));
        assert!(own_variable("PREFLIGHT_NO_SUCH_VARIABLE".into()).is_err());
    }
}
