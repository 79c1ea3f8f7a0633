//! A whole disk that boots by itself: under free firmware, with no Preflight on the other side. And how two images differ.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use preflight_protocol::image::{FileGroup, FileKind, ImageDifference, ImageFiles, ImageInfo, ImageKind};
use preflight_tests::home::Home;
use preflight_tests::wait::wait_until;
use preflight_tests::{fixture, progress, shared};
use pretty_assertions::assert_eq;

use crate::check::check;

/// Firmware, loader, kernel and init, emulated on a busy host.
const PATIENCE: Duration = Duration::from_secs(240);
/// Debian's and Ubuntu's `ovmf`.
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

#[test]
fn a_tickets_disk_boots_by_itself_and_says_what_it_holds() {
    let home = shared::turn("uefi");
    let checked = check(&home, "uefi", &[&fixture::folder("untested")], &[], 8);
    let id = checked.ticket.summary.id.to_string();
    let scratch = tempfile::tempdir().unwrap();

    let disk = scratch.path().join("disk.qcow2");
    let arguments = ["image", "get", &id, "--uefi", "-o", disk.to_str().unwrap(), "--json"];
    let files: ImageFiles = home.json("image-get.answer", &arguments).parse();
    assert_eq!((&files.disk, &files.kernel, &files.initrd), (&disk, &None, &None));
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    fixture::tool(Command::new("qemu-img").args(["check", "-f", "qcow2"]).arg(&disk));

    let machine = Machine::start(&home, &disk, scratch.path());
    let took = wait_until("a login on the serial console", PATIENCE, || {
        machine.says("testbed login:")
    });
    progress::say(&format!("uefi: a login after {took:.1?}"));
    drop(machine);

    the_images_differ_by_what_the_ticket_installed(&home, &id);
}

fn the_images_differ_by_what_the_ticket_installed(home: &Home, ticket: &str) {
    let images: Vec<ImageInfo> = home.json("image-list.answer", &["image", "list", "--json"]).parse();
    // Another test has made images of another series.
    let is_base = |image: &&ImageInfo| image.kind == ImageKind::Base && image.series.0 == "debian-bookworm";
    let base = images.iter().find(is_base).unwrap();
    let arguments = ["image", "diff", &base.id.0, ticket, "--json"];
    let found: ImageDifference = home.json("image-diff.answer", &arguments).parse();
    let package = found.packages.iter().find(|change| change.name == "untested").unwrap();
    assert!(package.before.is_none() && package.after.is_some(), "{package:?}");
    let file = |path: &str| {
        let change = found.files.iter().find(|change| change.path == path);
        change.unwrap_or_else(|| panic!("{path} is missing: {:#?}", found.files))
    };
    let folder = file("/usr/share/untested");
    assert_eq!(
        (folder.group, folder.package.as_deref()),
        (FileGroup::Package, Some("untested"))
    );
    let state = folder.after.as_ref().unwrap();
    assert_eq!(
        (state.kind, &*state.mode, state.user, &folder.before),
        (FileKind::Folder, "0755", 0, &None)
    );
    let source = file("/etc/apt/sources.list.d/preflight-ticket.list");
    assert_eq!((source.group, &source.package), (FileGroup::Unowned, &None));
    assert!(
        source.after.as_ref().is_some_and(|state| state.sha256.is_some()),
        "{source:?}"
    );
    let changed: Vec<_> = found.files.iter().filter(|change| change.before.is_some()).collect();
    assert!(
        changed.len() < 20,
        "what nobody touched seems to have changed: {changed:#?}"
    );
    wait_until("the end of the testbeds that were asked", PATIENCE, || {
        home.leftovers().is_empty()
    });

    // The second time no guest is asked, and the other way round all is the other way round.
    let back = ["image", "diff", ticket, &base.id.0];
    let told = home.run(&back).with_code(0);
    assert!(told.took < Duration::from_secs(10), "{told}");
    let line = told.stdout.lines().find(|line| line.contains("untested")).unwrap();
    assert!(line.starts_with('-'), "{told}");
    let same = home
        .run(&["image", "diff", "debian-bookworm", "debian-bookworm"])
        .with_code(0);
    assert!(same.stdout.contains("hold the same"), "{same}");
}

/// A machine that QEMU alone runs: firmware, and the disk on a bus that needs drivers which testbeds do without.
struct Machine {
    process: Child,
    console: PathBuf,
}

impl Machine {
    fn start(home: &Home, disk: &Path, scratch: &Path) -> Self {
        let (console, variables) = (scratch.join("console"), scratch.join("variables.fd"));
        std::fs::copy(VARIABLES, &variables).unwrap();
        let status = home.status().unwrap();
        let accelerator = if status.accelerator == "kvm" { "kvm" } else { "tcg" };
        let drive = |options: &str, file: &Path| format!("{options},file={}", file.display());
        let process = Command::new("qemu-system-x86_64")
            .args([
                "-machine",
                "q35",
                "-accel",
                accelerator,
                "-m",
                "1024",
                "-nic",
                "none",
                "-no-reboot",
            ])
            .args(["-display", "none", "-monitor", "none", "-serial"])
            .arg(format!("file:{}", console.display()))
            .arg("-drive")
            .arg(drive("if=pflash,unit=0,format=raw,readonly=on", Path::new(FIRMWARE)))
            .arg("-drive")
            .arg(drive("if=pflash,unit=1,format=raw", &variables))
            .arg("-drive")
            .arg(drive("if=none,id=disk,format=qcow2", disk))
            .args([
                "-device",
                "virtio-scsi-pci",
                "-device",
                "scsi-hd,drive=disk,bootindex=0",
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, console }
    }

    fn says(&self, words: &str) -> bool {
        let said = std::fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&said).contains(words)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let said = std::fs::read(&self.console).unwrap_or_default();
            let end = &said[said.len().saturating_sub(4000)..];
            eprintln!("the end of its console:\n{}", String::from_utf8_lossy(end));
        }
    }
}
