//! How the disk boots: systemd's boot loader where firmware looks on a disk that it does not know, and one entry of the
//! Boot Loader Specification that names kernel, initrd and command line as plain text, which its owner can edit.

use std::path::PathBuf;

use super::error::UefiError;
use crate::image::ImageMetadata;

/// Where Debian and Ubuntu put the loader.
const FOLDER: &str = "/usr/lib/systemd/boot/efi";
/// The kernel on the system partition.
pub(super) const KERNEL: &str = "/preflight/vmlinuz";
/// The initrd on the system partition.
pub(super) const INITRD: &str = "/preflight/initrd";
/// The entry on the system partition.
pub(super) const ENTRY: &str = "/loader/entries/preflight.conf";
/// The loader's configuration on the system partition.
pub(super) const CONFIGURATION: &str = "/loader/loader.conf";
/// No menu; the space bar brings it all the same.
pub(super) const CONFIGURED: &str = "default preflight.conf\ntimeout 0\n";

/// The loader for an architecture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loader {
    /// On this host.
    pub(super) source: PathBuf,
    /// On the system partition: UEFI specification 2.10, 3.5.1.1, "Removable Media Boot Behavior".
    pub(super) path: String,
}

impl Loader {
    /// The loader by Debian's name of the architecture.
    pub(super) fn of(architecture: &str) -> Result<Self, UefiError> {
        let (ours, theirs) = match architecture {
            "amd64" => ("x64", "X64"),
            "arm64" => ("aa64", "AA64"),
            "riscv64" => ("riscv64", "RISCV64"),
            other => return Err(UefiError::NoLoader(other.to_owned())),
        };
        Ok(Self {
            source: PathBuf::from(FOLDER).join(format!("systemd-boot{ours}.efi")),
            path: format!("/EFI/BOOT/BOOT{theirs}.EFI"),
        })
    }
}

/// The kernel's command line. No agent is left on a machine that nobody talks to: it would take the network away, and wait.
pub(super) fn command_line(architecture: &str, root: &str) -> String {
    let serial = if architecture == "arm64" { "ttyAMA0" } else { "ttyS0" };
    // The last console that there is is the one that init talks to: a serial line where the machine has one. Newer systemd
    // asks a terminal what it can do, and a line that nobody reads never answers a clever one.
    format!(
        "preflight.root=PARTLABEL={root} preflight.rootfstype=ext4 preflight.agent=off console=tty0 console={serial} \
         net.ifnames=0 TERM=dumb"
    )
}

/// The entry.
pub(super) fn entry(image: &ImageMetadata, command_line: &str) -> String {
    format!(
        "title {} {} (Preflight)\nversion {}\nlinux {KERNEL}\ninitrd {INITRD}\noptions {command_line}\n",
        image.distribution, image.series, image.kernel_release
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::metadata;
    use crate::recipe::Variant;
    use pretty_assertions::assert_eq;

    #[test]
    fn firmware_finds_the_loader_by_its_architecture() {
        for (architecture, path, source) in [
            ("amd64", "/EFI/BOOT/BOOTX64.EFI", "systemd-bootx64.efi"),
            ("arm64", "/EFI/BOOT/BOOTAA64.EFI", "systemd-bootaa64.efi"),
            ("riscv64", "/EFI/BOOT/BOOTRISCV64.EFI", "systemd-bootriscv64.efi"),
        ] {
            let loader = Loader::of(architecture).unwrap();
            assert_eq!(loader.path, path);
            assert!(loader.source.ends_with(source), "{loader:?}");
        }
        assert!(matches!(Loader::of("s390x"), Err(UefiError::NoLoader(_))));
    }

    #[test]
    fn an_entry_has_one_key_a_line() {
        let metadata = metadata(Variant::Test, "a", jiff::Timestamp::UNIX_EPOCH);
        let line = command_line("amd64", "preflight-1");
        let entry = entry(&metadata, &line);
        let keys: Vec<&str> = entry.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(keys, ["title", "version", "linux", "initrd", "options"]);
        assert!(entry.contains("preflight.root=PARTLABEL=preflight-1 "), "{entry}");
        assert!(command_line("arm64", "x").contains("console=ttyAMA0"));
    }
}
