//! The command line of the keeper. Only the daemon writes it, so it is parsed by hand: no abbreviation, no defaults
//! but the grace period.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "usage: preflight-keeper start|run|stop|status --home DIR --installation ID \
[--libvirt none|private|session] [--grace SECONDS] [--qemu-user USER --qemu-group GROUP] [--cache DIR] [--hide-kvm]";

/// What the keeper is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Start a keeper in the background and return when it answers.
    Start,
    /// Be the keeper.
    Run,
    /// Take down the machines, libvirt's daemon and the keeper.
    Stop,
    /// Say what the keeper holds.
    Status,
}

/// Which libvirt daemon the keeper starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LibvirtKind {
    /// None: a configured or a system's daemon is used.
    None,
    /// One of our own, with its own folders, in a mount namespace (root).
    Private,
    /// The user's session daemon, if none answers.
    Session,
}

/// The parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) verb: Verb,
    pub(crate) home: PathBuf,
    pub(crate) installation: String,
    pub(crate) libvirt: LibvirtKind,
    /// How long the machines are kept after the last daemon has gone.
    pub(crate) grace: Duration,
    pub(crate) qemu_user: String,
    pub(crate) qemu_group: String,
    /// Where libvirt keeps what it learnt about QEMU; sharing it saves a new home seconds.
    pub(crate) cache: Option<PathBuf>,
    /// Keep `/dev/kvm` out of libvirt's sight, for it does not work or QEMU's user may not open it.
    pub(crate) hide_kvm: bool,
}

impl Arguments {
    /// Parses all arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments;
        let verb = match arguments.next().as_ref().and_then(|verb| verb.to_str()) {
            Some("start") => Verb::Start,
            Some("run") => Verb::Run,
            Some("stop") => Verb::Stop,
            Some("status") => Verb::Status,
            other => return Err(format!("unknown verb {other:?}")),
        };
        let mut parsed = Self {
            verb,
            home: PathBuf::new(),
            installation: String::new(),
            libvirt: LibvirtKind::None,
            grace: Duration::from_secs(60),
            qemu_user: String::new(),
            qemu_group: String::new(),
            cache: None,
            hide_kvm: false,
        };
        while let Some(name) = arguments.next() {
            let name = name.to_string_lossy().into_owned();
            if name == "--hide-kvm" {
                parsed.hide_kvm = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            let text = value.to_string_lossy().into_owned();
            match name.as_str() {
                "--home" => parsed.home = PathBuf::from(value),
                "--cache" => parsed.cache = Some(PathBuf::from(value)),
                "--installation" => parsed.installation = text,
                "--qemu-user" => parsed.qemu_user = text,
                "--qemu-group" => parsed.qemu_group = text,
                "--grace" => {
                    parsed.grace =
                        Duration::from_secs(text.parse().map_err(|_| format!("--grace {text}: not a number"))?);
                }
                "--libvirt" => {
                    parsed.libvirt = match text.as_str() {
                        "none" => LibvirtKind::None,
                        "private" => LibvirtKind::Private,
                        "session" => LibvirtKind::Session,
                        _ => return Err(format!("--libvirt {text}: none, private or session")),
                    };
                }
                _ => return Err(format!("unknown option {name}")),
            }
        }
        parsed.check()
    }

    /// What a daemon must know to see that a running keeper is the one that it would start.
    pub(crate) fn settings(&self) -> String {
        match self.libvirt {
            LibvirtKind::None => "none".to_owned(),
            LibvirtKind::Session => "session".to_owned(),
            LibvirtKind::Private => {
                let kvm = if self.hide_kvm { "hidden" } else { "shown" };
                format!("private {}:{} kvm-{kvm}", self.qemu_user, self.qemu_group)
            }
        }
    }

    fn check(self) -> Result<Self, String> {
        if !self.home.is_absolute() {
            return Err("--home must be an absolute path".into());
        }
        if matches!(self.verb, Verb::Stop | Verb::Status) {
            return Ok(self);
        }
        // It becomes part of the pattern by which processes are killed: an empty one would match other installations.
        let fine = !self.installation.is_empty()
            && self
                .installation
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !fine {
            return Err(format!(
                "--installation {:?}: lower-case letters and digits",
                self.installation
            ));
        }
        if self.libvirt == LibvirtKind::Private {
            for (name, value) in [("--qemu-user", &self.qemu_user), ("--qemu-group", &self.qemu_group)] {
                let plain = !value.is_empty()
                    && value
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
                if !plain || value == "root" {
                    return Err(format!(
                        "{name} {value:?}: a private libvirt needs an unprivileged account for QEMU"
                    ));
                }
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_full_line_parses() {
        let parsed = parse(
            "run --home /run/p --installation ab12 --libvirt private --grace 3 --qemu-user q --qemu-group q --hide-kvm",
        )
        .unwrap();
        assert_eq!(parsed.libvirt, LibvirtKind::Private);
        assert_eq!(parsed.grace, Duration::from_secs(3));
        assert!(parsed.hide_kvm);
        assert_eq!(parsed.settings(), "private q:q kvm-hidden");
    }

    #[test]
    fn what_would_harm_is_refused() {
        for line in [
            "",
            "dance --home /run/p",
            "run --home run/p --installation a",
            "run --home /run/p",
            "run --home /run/p --installation A-b",
            "run --home /run/p --installation a --grace soon",
            "run --home /run/p --installation a --libvirt private",
            "run --home /run/p --installation a --libvirt private --qemu-user root --qemu-group root",
            "run --home /run/p --installation a --qemu-user",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
