//! What a machine is, before any hypervisor knows of it: its name, its size, its disk and its folder. Nothing here
//! does I/O but the check that a folder's sockets can exist at all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::start::{Priority, Start};

/// A unix socket's longest path in bytes, without the final NUL.
pub const LONGEST_SOCKET_PATH: usize = 107;

/// Why something is no machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// An installation's name that could not be told apart in a domain's name.
    #[error("{0:?} is no installation: 1 to 16 lower-case letters and digits")]
    Installation(String),
    /// A domain that is none of ours.
    #[error("{0:?} is no machine's name: preflight-<installation>-<number>")]
    Name(String),
    /// A label that would not survive in XML or on a screen.
    #[error("{0:?} is no label: 1 to 128 printable ASCII characters")]
    Label(String),
    /// A socket that the kernel would refuse.
    #[error(
        "the socket path {path} has {length} bytes, {LONGEST_SOCKET_PATH} are possible; choose a shorter folder \
         (PREFLIGHT_HOME)"
    )]
    SocketPath {
        /// The socket.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// A path that libvirt or QEMU would understand differently.
    #[error("the path {0:?} must be absolute, of UTF-8, and without control characters")]
    Path(PathBuf),
    /// A machine that could not boot.
    #[error("{what} of {value} is not possible: {from} to {to}")]
    Size {
        /// What was asked for.
        what: &'static str,
        /// How much of it.
        value: u64,
        /// The least.
        from: u64,
        /// The most.
        to: u64,
    },
    /// A kernel command line that QEMU or XML can't carry.
    #[error("the kernel command line must be printable ASCII of at most 2000 bytes")]
    CommandLine,
}

/// One installation of Preflight on a host; it keeps our domains apart from those of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstallationId(String);

impl InstallationId {
    /// Takes 1 to 16 lower-case letters and digits.
    ///
    /// # Errors
    /// Anything else.
    pub fn new(name: &str) -> Result<Self, MachineError> {
        let fine = (1..=16).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if fine {
            Ok(Self(name.to_owned()))
        } else {
            Err(MachineError::Installation(name.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A machine's name, `preflight-<installation>-<number>`; a number is never used again while its machine lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineId {
    installation: InstallationId,
    number: u64,
}

impl MachineId {
    /// Names a machine.
    #[must_use]
    pub fn new(installation: InstallationId, number: u64) -> Self {
        Self { installation, number }
    }

    /// Whose machine it is.
    #[must_use]
    pub fn installation(&self) -> &InstallationId {
        &self.installation
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "preflight-{}-{}", self.installation, self.number)
    }
}

impl FromStr for MachineId {
    type Err = MachineError;

    fn from_str(name: &str) -> Result<Self, MachineError> {
        let parsed = || {
            let (installation, number) = name.strip_prefix("preflight-")?.split_once('-')?;
            let id = Self::new(InstallationId::new(installation).ok()?, number.parse().ok()?);
            // Only the one spelling: `+7` and `007` are numbers, too, but no names that we gave.
            (id.to_string() == name).then_some(id)
        };
        parsed().ok_or_else(|| MachineError::Name(name.to_owned()))
    }
}

/// Memory in binary megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MiB(pub u32);

/// Who a machine works for: ticket, job and attempt, as a person looking at `virsh` would want to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// Takes 1 to 128 printable ASCII characters.
    ///
    /// # Errors
    /// Anything else.
    pub fn new(text: &str) -> Result<Self, MachineError> {
        let fine = (1..=128).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(MachineError::Label(text.to_owned()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A disk's format; always told, never probed, for a guest could write another format's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// QEMU's copy-on-write format.
    Qcow2,
    /// A plain image.
    Raw,
}

impl DiskFormat {
    /// The name that QEMU and libvirt give it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        }
    }
}

/// The one disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The image; this machine alone writes to it.
    pub path: PathBuf,
    /// Its format.
    pub format: DiskFormat,
    /// What it is an overlay of, nearest first; told to libvirt so that it does not probe the chain.
    pub backing: Vec<(PathBuf, DiskFormat)>,
}

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU's own emulation: slower, and no isolation boundary that QEMU's authors vouch for.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kvm => "KVM",
            Self::Tcg => "QEMU's emulation (TCG)",
        })
    }
}

/// A machine's folder on the host: its sockets and its console log. It exists before the machine is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFolder(PathBuf);

impl MachineFolder {
    /// Names a folder, whose sockets must not be too long.
    ///
    /// # Errors
    /// A path that is relative, not UTF-8, or too long for a socket in it.
    pub fn new(path: &Path) -> Result<Self, MachineError> {
        check_path(path)?;
        let folder = Self(path.to_owned());
        for socket in [folder.control_socket(), folder.bulk_socket()] {
            check_socket_path(&socket)?;
        }
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The host's end of the port `org.preflight.control`.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control")
    }

    /// The host's end of the port `org.preflight.bulk`.
    #[must_use]
    pub fn bulk_socket(&self) -> PathBuf {
        self.0.join("bulk")
    }

    /// A folder that QEMU may write to, for the sockets over which a machine's state comes and goes.
    #[must_use]
    pub fn transit(&self) -> PathBuf {
        self.0.join("t")
    }

    /// What the guest says on its serial console; raw bytes of a hostile source.
    #[must_use]
    pub fn console_log(&self) -> PathBuf {
        self.0.join("console.log")
    }
}

/// All that is needed to start a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSpec {
    /// Its name.
    pub id: MachineId,
    /// Who it works for.
    pub label: Label,
    /// Its memory.
    pub memory: MiB,
    /// Its virtual processors.
    pub cpus: u16,
    /// What to boot; without a kernel the firmware looks at the disk, and with neither it waits for ever.
    pub boot: Option<DirectBoot>,
    /// Its disk.
    pub disk: Option<Disk>,
    /// Where its sockets and its console log are.
    pub folder: MachineFolder,
    /// What executes it.
    pub accelerator: Accelerator,
    /// How it comes to be.
    pub start: Start,
    /// A file for its memory, which a later [`freeze`](crate::Hypervisor::freeze) by shared memory needs. It must not exist
    /// yet; a clone's begins as a copy of what its template's memory was. Without one the machine's memory is its own.
    pub memory_file: Option<PathBuf>,
    /// Whom it works for.
    pub priority: Priority,
}

/// A kernel that is booted without a boot loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectBoot {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initial file system.
    pub initrd: PathBuf,
    /// Its command line.
    pub cmdline: String,
}

impl MachineSpec {
    /// Refuses what could not work or would be understood differently by libvirt.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), MachineError> {
        let sizes = [
            ("memory in MiB", u64::from(self.memory.0), 32, 1 << 20),
            ("processors", self.cpus.into(), 1, 255),
        ];
        for (what, value, from, to) in sizes {
            if !(from..=to).contains(&value) {
                return Err(MachineError::Size { what, value, from, to });
            }
        }
        if let Some(boot) = &self.boot {
            check_path(&boot.kernel)?;
            check_path(&boot.initrd)?;
            let fine = boot.cmdline.len() <= 2000 && boot.cmdline.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if !fine {
                return Err(MachineError::CommandLine);
            }
        }
        if let Some(file) = &self.memory_file {
            check_path(file)?;
        }
        if let Some(disk) = &self.disk {
            check_path(&disk.path)?;
            disk.backing.iter().try_for_each(|(path, _)| check_path(path))?;
        }
        Ok(())
    }
}

/// Refuses a socket whose path is too long, by name.
///
/// # Errors
/// A path of more than [`LONGEST_SOCKET_PATH`] bytes.
pub fn check_socket_path(path: &Path) -> Result<(), MachineError> {
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET_PATH {
        return Err(MachineError::SocketPath {
            path: path.to_owned(),
            length,
        });
    }
    Ok(())
}

fn check_path(path: &Path) -> Result<(), MachineError> {
    let fine = path.is_absolute() && path.to_str().is_some_and(|text| !text.chars().any(char::is_control));
    if fine {
        Ok(())
    } else {
        Err(MachineError::Path(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for name in ["preflight-ab12-0", "preflight-a-18446744073709551615"] {
            assert_eq!(name.parse::<MachineId>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "debian",
            "preflight-ab12",
            "preflight-ab12-",
            "preflight--1",
            "preflight-AB-1",
            "preflight-a-+1",
        ]
        .into_iter()
        .chain([
            "preflight-a-01",
            "preflight-a-b-1",
            "preflight-a-1 ",
            "preflight-a-18446744073709551616",
        ]) {
            assert!(name.parse::<MachineId>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_long_socket_is_refused_by_name() {
        let folder = PathBuf::from(format!("/{}", "a".repeat(98)));
        let fits = MachineFolder::new(&folder).unwrap();
        assert_eq!(fits.control_socket().as_os_str().len(), LONGEST_SOCKET_PATH);
        let refused = MachineFolder::new(&folder.join("b")).unwrap_err().to_string();
        assert!(refused.contains("/b/control") && refused.contains("107"), "{refused}");
    }

    #[test]
    fn labels_are_printable() {
        assert!(Label::new("ticket 3, build hello, attempt 1").is_ok());
        for text in ["", "a\nb", "ü", "\u{1b}[0m", &"x".repeat(129)] {
            assert!(Label::new(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn names_come_back(installation in "[a-z0-9]{1,16}", number: u64) {
            let id = MachineId::new(InstallationId::new(&installation).unwrap(), number);
            prop_assert_eq!(id.to_string().parse::<MachineId>().unwrap(), id);
        }
    }
}
