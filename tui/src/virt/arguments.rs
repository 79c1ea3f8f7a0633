//! The program's arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use preflight_protocol::ids::{Series, TicketId};
use preflight_protocol::testbed::{TestbedId, TestbedTarget, TestbedVariant};

use crate::cli::package_sources::PackageSources;

const AFTER: &str = "\
Examples:
  autopkgtest hello -- preflight debian-bookworm
  autopkgtest --apt-upgrade ./hello-2.10 -- preflight debian-bookworm
  autopkgtest -B hello -- preflight --pocket=proposed=src:hello debian-bookworm
  autopkgtest hello_2.10-3.dsc -- preflight 12        on what ticket 12 has built
  sbuild --chroot-mode=autopkgtest --autopkgtest-virt-server=preflight \\
    --autopkgtest-virt-server-opt=--variant=build --autopkgtest-virt-server-opt=debian-bookworm \\
    -d bookworm hello_2.10-3.dsc

A bare number is a ticket, all else a series or an image (`preflight image list`). Testbeds are Preflight's own: virtual machines
without a network, whose apt gets packages through the daemon in the state of the image's archive. The daemon is started
where it does not run; a revert is a fresh clone.

Exit codes are those of autopkgtest's own servers: 0 after `quit`, 12 where a request or a testbed fails (standard error says
why), 16 where something unexpected happens.";

/// Preflight's testbeds for autopkgtest, sbuild, and whoever else speaks autopkgtest's virtualisation server protocol.
///
/// autopkgtest starts it for `-- preflight …` and talks to it over standard input and output; what is waited for is told on
/// standard error.
#[derive(Debug, Parser)]
#[command(name = "autopkgtest-virt-preflight", version, about, after_long_help = AFTER)]
pub struct Arguments {
    /// A series, an image, or a ticket's number
    #[arg(value_name = "SERIES|TICKET|IMAGE", required_unless_present_any = ["image", "execute"])]
    pub(super) target: Option<Target>,
    /// Which base image of the series: `test`, which is pristine, or `build`, with build-essential and the packaging tools
    #[arg(long, value_name = "VARIANT", default_value = "test")]
    pub(super) variant: Variant,
    /// An image, by its own name or by what you call it; in the place of SERIES|TICKET|IMAGE
    #[arg(long, value_name = "NAME", conflicts_with = "target")]
    pub(super) image: Option<String>,
    /// Where packages come from; the archive as the image has it without them
    #[command(flatten)]
    pub(super) sources: PackageSources,
    /// Tell each request and each answer on standard error
    #[arg(short, long)]
    pub(super) debug: bool,
    /// Tell nothing of what is waited for
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Run a command in the testbed of this name: what `print-execute-command` prints
    #[arg(long, value_name = "TESTBED", hide = true, requires = "command", requires = "socket")]
    pub(super) execute: Option<String>,
    /// The daemon's socket
    #[arg(long, value_name = "PATH", hide = true)]
    pub(super) socket: Option<PathBuf>,
    /// Give the command a terminal
    #[arg(long, hide = true)]
    pub(super) terminal: bool,
    /// The command
    #[arg(last = true, value_name = "COMMAND", hide = true)]
    pub(super) command: Vec<OsString>,
}

/// What testbeds run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A series or an image.
    Named(String),
    /// A ticket.
    Ticket(u64),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err("a series, an image or a ticket's number is wanted".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| format!("{text} is no ticket's number"))?;
            return Ok(Self::Ticket(number));
        }
        Ok(Self::Named(text.to_owned()))
    }
}

/// The base images of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Variant {
    /// Pristine.
    Test,
    /// With build-essential and the packaging tools.
    Build,
}

impl Arguments {
    /// What testbeds run, as the daemon is asked for it.
    pub(super) fn target(&self) -> Option<TestbedTarget> {
        let named = |name: &str| TestbedTarget::Named(Series(name.to_owned()));
        match (&self.image, &self.target) {
            (Some(image), _) => Some(named(image)),
            (None, Some(Target::Named(name))) => Some(named(name)),
            (None, Some(Target::Ticket(number))) => Some(TestbedTarget::Ticket(TicketId(*number))),
            (None, None) => None,
        }
    }

    /// Which base image.
    pub(super) fn variant(&self) -> TestbedVariant {
        match self.variant {
            Variant::Test => TestbedVariant::Test,
            Variant::Build => TestbedVariant::Build,
        }
    }

    /// The testbed that a command is to be run in.
    pub(super) fn execute(&self) -> Option<TestbedId> {
        self.execute.clone().map(TestbedId)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["autopkgtest-virt-preflight"], words].concat())
    }

    #[test]
    fn arguments_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_testbeds_run_is_named_in_one_way() {
        let target = |words: &[&str]| parse(words).unwrap().target().unwrap();
        let named = |name: &str| TestbedTarget::Named(Series(name.into()));
        assert_eq!(target(&["debian-bookworm"]), named("debian-bookworm"));
        assert_eq!(target(&["--image=mine", "--variant=build"]), named("mine"));
        assert_eq!(target(&["12"]), TestbedTarget::Ticket(TicketId(12)));
        for wrong in [&[][..], &["a", "b"], &["--image=a", "b"], &["--variant=x", "a"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_command_may_look_like_options() {
        let words = ["--socket=/run/s", "--execute=t-1", "--", "env", "--", "-x", "--debug"];
        let arguments = parse(&words).unwrap();
        assert_eq!(arguments.execute(), Some(TestbedId("t-1".into())));
        assert_eq!(arguments.command, ["env", "--", "-x", "--debug"]);
        assert!(!arguments.debug);
    }
}
