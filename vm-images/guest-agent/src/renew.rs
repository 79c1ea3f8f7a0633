//! Makes a clone of a template a machine of its own: random numbers first, because all else may draw some, then the time,
//! then the names in files. The files are written below a given root; the kernel's own state is a guest's only.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use preflight_guest_protocol::message::{FailureKind, Renewal};

use crate::clock;
use crate::failure::Refusal;

const MACHINE_ID: &str = "etc/machine-id";
const DBUS_MACHINE_ID: &str = "var/lib/dbus/machine-id";
const RANDOM_SEED: &str = "var/lib/systemd/random-seed";
const HOST_NAME: &str = "etc/hostname";
const HOSTS: &str = "etc/hosts";
/// The longest name that the kernel takes (`HOST_NAME_MAX`).
const LONGEST_NAME: usize = 64;

/// Whose identity a renewal changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Renews {
    /// The guest's that the agent runs in.
    Guest,
    /// That of the files below this folder, and no more: for tests.
    Files(std::path::PathBuf),
}

impl Renews {
    /// Renews it.
    pub(crate) fn renew(&self, renewal: &Renewal) -> Result<(), Refusal> {
        let name = renewal.hostname.as_deref().map(checked).transpose()?;
        if renewal.machine_id == [0; 16] {
            return Err(Refusal::plain(FailureKind::Unsuitable, "a machine id of zeros"));
        }
        let root = match self {
            Self::Guest => {
                clock::seed(&renewal.seed)?;
                clock::set(renewal.seconds, renewal.nanoseconds)?;
                Path::new("/")
            }
            Self::Files(root) => root,
        };
        write_identity(root, renewal.machine_id)?;
        if let Some(name) = name {
            if *self == Self::Guest {
                nix::unistd::sethostname(name)
                    .map_err(io::Error::from)
                    .map_err(Refusal::io("setting the host name"))?;
            }
            write_name(root, name)?;
        }
        Ok(())
    }
}

fn checked(name: &str) -> Result<&str, Refusal> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= LONGEST_NAME && name.split('.').all(is_label) {
        return Ok(name);
    }
    let detail = format!("{name:?} is no host name: letters, digits, dots and hyphens, {LONGEST_NAME} at most");
    Err(Refusal::plain(FailureKind::Unsuitable, detail))
}

fn write_identity(root: &Path, machine_id: [u8; 16]) -> Result<(), Refusal> {
    let line = format!("{:032x}\n", u128::from_be_bytes(machine_id));
    let machine_id = root.join(MACHINE_ID);
    overwrite(&machine_id, line.as_bytes()).map_err(Refusal::io("writing /etc/machine-id"))?;
    // Usually a link to the other.
    let of_dbus = root.join(DBUS_MACHINE_ID);
    if is_file(&of_dbus) {
        overwrite(&of_dbus, line.as_bytes()).map_err(Refusal::io("writing D-Bus's machine id"))?;
    }
    // What systemd feeds the kernel with at the next boot: a reboot must not make the clones alike again.
    let seed = root.join(RANDOM_SEED);
    if is_file(&seed) {
        let renewed = fs::metadata(&seed).and_then(|metadata| {
            let mut bytes = Vec::new();
            let length = metadata.len().clamp(32, 4096);
            File::open("/dev/urandom")?.take(length).read_to_end(&mut bytes)?;
            overwrite(&seed, &bytes)
        });
        renewed.map_err(Refusal::io("writing systemd's random seed"))?;
    }
    Ok(())
}

fn write_name(root: &Path, name: &str) -> Result<(), Refusal> {
    overwrite(&root.join(HOST_NAME), format!("{name}\n").as_bytes()).map_err(Refusal::io("writing /etc/hostname"))?;
    // A machine looks up its own name all the time, and there is nobody else to ask.
    let hosts = root.join(HOSTS);
    let known = fs::read(&hosts).unwrap_or_default();
    if !knows(&String::from_utf8_lossy(&known), name) {
        let line = if known.last().is_none_or(|last| *last == b'\n') {
            format!("127.0.1.1\t{name}\n")
        } else {
            format!("\n127.0.1.1\t{name}\n")
        };
        File::options()
            .append(true)
            .create(true)
            .open(&hosts)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(Refusal::io("writing /etc/hosts"))?;
    }
    Ok(())
}

/// Whether a hosts file has an address for the name.
fn knows(hosts: &str, name: &str) -> bool {
    hosts.lines().any(|line| {
        let entry = line.split('#').next().unwrap_or_default();
        entry.split_whitespace().skip(1).any(|word| word == name)
    })
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Writes a small file in place, with its owner and mode as they were and never empty in between.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_names_are_host_names() {
        for good in ["a", "pf-1", "a.b.example", &"x".repeat(64)] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", "-a", "a-", "a b", "a\nb", "ä", "a/b", &"x".repeat(65)] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_known_as_a_word_behind_an_address() {
        let hosts = "127.0.0.1 localhost # pf-2\n\n127.0.1.1\tdebian.example debian\n";
        for (name, known) in [
            ("localhost", true),
            ("debian", true),
            ("debian.example", true),
            ("pf-2", false),
            ("127.0.0.1", false),
            ("deb", false),
        ] {
            assert_eq!(knows(hosts, name), known, "{name}");
        }
    }
}
