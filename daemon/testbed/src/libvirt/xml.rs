//! A domain's XML, as types that serde writes. Only what our machines have is here; the format is
//! <https://libvirt.org/formatdomain.html>. No network card, no USB, no graphics, no balloon: each would be a way out
//! of the guest, or a time-out in it.

use serde::{Deserialize, Serialize};

use super::memory::{self, Argument};
use crate::machine::{Accelerator, Disk, MachineError, MachineSpec};

/// The namespace of our metadata.
pub(super) const NAMESPACE: &str = "urn:preflight:machine:1";

/// What of the host goes into every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    /// QEMU's program.
    pub(super) emulator: String,
    /// Pinned, as `pc-q35-7.2`: what a template was frozen with must mean the same after an upgrade.
    pub(super) machine_type: String,
    /// libvirt's name of the architecture.
    pub(super) architecture: String,
    /// QEMU's version, 1000000 × major + 1000 × minor + release.
    pub(super) qemu: u32,
}

/// Writes a machine's domain.
pub(super) fn domain(spec: &MachineSpec, platform: &Platform) -> Result<String, String> {
    spec.check().map_err(|error: MachineError| error.to_string())?;
    quick_xml::se::to_string(&Domain::new(spec, platform)).map_err(|error| error.to_string())
}

/// Reads the label out of our metadata element.
pub(super) fn label(metadata: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Found {
        label: String,
    }
    quick_xml::de::from_str::<Found>(metadata).ok().map(|found| found.label)
}

/// By these, Linux and the C library copy memory with `rep movsb`. Processors do that by the cache line, QEMU byte by byte:
/// without them a pipe in an emulated guest carries three times as much.
const SLOW_EMULATED: [&str; 2] = ["erms", "fsrm"];
/// Of the guest's serial device; the first one is the console's, which there is none on. Each has two queues, and two
/// queues belong to the device: with an interrupt each (and one for changes) no queue is looked at for another one's.
const PORTS: u8 = 3;

#[derive(Serialize)]
#[serde(rename = "domain")]
struct Domain {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@xmlns:qemu", skip_serializing_if = "Option::is_none")]
    qemu_namespace: Option<&'static str>,
    name: String,
    metadata: Metadata,
    memory: Amount,
    vcpu: u16,
    os: Os,
    features: Features,
    cpu: Cpu,
    clock: Clock,
    on_poweroff: &'static str,
    on_reboot: &'static str,
    on_crash: &'static str,
    devices: Devices,
    #[serde(rename = "qemu:commandline", skip_serializing_if = "Option::is_none")]
    commandline: Option<CommandLine>,
}

/// What libvirt hands on to QEMU unread.
#[derive(Serialize)]
struct CommandLine {
    #[serde(rename = "qemu:arg")]
    arg: Vec<Argument>,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "preflight:machine")]
    machine: Machine,
}

#[derive(Serialize)]
struct Machine {
    #[serde(rename = "@xmlns:preflight")]
    namespace: &'static str,
    #[serde(rename = "preflight:label")]
    label: String,
}

#[derive(Serialize)]
struct Amount {
    #[serde(rename = "@unit")]
    unit: &'static str,
    #[serde(rename = "$text")]
    value: u32,
}

#[derive(Serialize)]
struct Os {
    r#type: OsType,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initrd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline: Option<String>,
}

#[derive(Serialize)]
struct OsType {
    #[serde(rename = "@arch")]
    architecture: String,
    #[serde(rename = "@machine")]
    machine: String,
    #[serde(rename = "$text")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Features {
    acpi: Empty,
    apic: Empty,
}

#[derive(Serialize)]
struct Cpu {
    #[serde(rename = "@mode")]
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feature: Vec<CpuFeature>,
}

#[derive(Serialize)]
struct CpuFeature {
    #[serde(rename = "@policy")]
    policy: &'static str,
    #[serde(rename = "@name")]
    name: &'static str,
}

#[derive(Serialize)]
struct Clock {
    #[serde(rename = "@offset")]
    offset: &'static str,
}

#[derive(Serialize)]
struct Devices {
    emulator: String,
    disk: Vec<DiskDevice>,
    controller: Vec<Controller>,
    serial: Serial,
    console: Serial,
    channel: Vec<Channel>,
    memballoon: Model,
    rng: Rng,
    panic: Model,
}

#[derive(Serialize)]
struct DiskDevice {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@device")]
    device: &'static str,
    driver: DiskDriver,
    source: File,
    #[serde(rename = "backingStore")]
    backing: Backing,
    target: DiskTarget,
}

#[derive(Serialize)]
struct DiskDriver {
    #[serde(rename = "@name")]
    name: &'static str,
    #[serde(rename = "@type")]
    format: &'static str,
    #[serde(rename = "@cache")]
    cache: &'static str,
    #[serde(rename = "@discard")]
    discard: &'static str,
}

#[derive(Serialize)]
struct File {
    #[serde(rename = "@file")]
    path: String,
}

#[derive(Serialize)]
struct DiskTarget {
    #[serde(rename = "@dev")]
    device: &'static str,
    #[serde(rename = "@bus")]
    bus: &'static str,
}

/// The chain below a disk; an empty element ends it, and keeps libvirt from looking into the image.
#[derive(Serialize, Default)]
struct Backing {
    #[serde(rename = "@type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<File>,
    #[serde(rename = "backingStore", skip_serializing_if = "Option::is_none")]
    next: Option<Box<Backing>>,
}

#[derive(Serialize)]
struct Format {
    #[serde(rename = "@type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Controller {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@index")]
    index: u8,
    #[serde(rename = "@model", skip_serializing_if = "Option::is_none")]
    model: Option<&'static str>,
    #[serde(rename = "@ports", skip_serializing_if = "Option::is_none")]
    ports: Option<u8>,
    #[serde(rename = "@vectors", skip_serializing_if = "Option::is_none")]
    vectors: Option<u8>,
}

#[derive(Serialize)]
struct Serial {
    #[serde(rename = "@type")]
    kind: &'static str,
    source: LogFile,
    target: SerialTarget,
}

#[derive(Serialize)]
struct LogFile {
    #[serde(rename = "@path")]
    path: String,
    #[serde(rename = "@append")]
    append: &'static str,
}

#[derive(Serialize)]
struct SerialTarget {
    #[serde(rename = "@type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(rename = "@port")]
    port: u8,
}

#[derive(Serialize)]
struct Channel {
    #[serde(rename = "@type")]
    kind: &'static str,
    source: Socket,
    target: ChannelTarget,
}

#[derive(Serialize)]
struct Socket {
    #[serde(rename = "@mode")]
    mode: &'static str,
    #[serde(rename = "@path")]
    path: String,
}

#[derive(Serialize)]
struct ChannelTarget {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@name")]
    name: &'static str,
}

#[derive(Serialize)]
struct Model {
    #[serde(rename = "@model")]
    model: &'static str,
}

#[derive(Serialize)]
struct Rng {
    #[serde(rename = "@model")]
    model: &'static str,
    backend: Backend,
}

#[derive(Serialize)]
struct Backend {
    #[serde(rename = "@model")]
    model: &'static str,
    #[serde(rename = "$text")]
    source: &'static str,
}

impl Domain {
    fn new(spec: &MachineSpec, platform: &Platform) -> Self {
        let boot = spec.boot.as_ref();
        let arguments = memory::arguments(spec, platform.qemu);
        let passes_arguments = !arguments.is_empty();
        Self {
            qemu_namespace: passes_arguments.then_some(memory::NAMESPACE),
            commandline: passes_arguments.then_some(CommandLine { arg: arguments }),
            kind: match spec.accelerator {
                Accelerator::Kvm => "kvm",
                Accelerator::Tcg => "qemu",
            },
            name: spec.id.to_string(),
            metadata: Metadata {
                machine: Machine {
                    namespace: NAMESPACE,
                    label: spec.label.to_string(),
                },
            },
            memory: Amount {
                unit: "MiB",
                value: spec.memory.0,
            },
            vcpu: spec.cpus,
            os: Os {
                r#type: OsType {
                    architecture: platform.architecture.clone(),
                    machine: platform.machine_type.clone(),
                    kind: "hvm",
                },
                kernel: boot.map(|boot| text(&boot.kernel)),
                initrd: boot.map(|boot| text(&boot.initrd)),
                cmdline: boot.map(|boot| boot.cmdline.clone()),
            },
            features: Features {
                acpi: Empty {},
                apic: Empty {},
            },
            // Emulated, the largest model boots and computes as fast as the smallest (measured), and a program that
            // looks for a modern processor finds one.
            cpu: Cpu {
                mode: match spec.accelerator {
                    Accelerator::Kvm => "host-passthrough",
                    Accelerator::Tcg => "maximum",
                },
                feature: match spec.accelerator {
                    Accelerator::Tcg if platform.architecture == "x86_64" => SLOW_EMULATED
                        .iter()
                        .map(|&name| CpuFeature {
                            policy: "disable",
                            name,
                        })
                        .collect(),
                    Accelerator::Tcg | Accelerator::Kvm => vec![],
                },
            },
            clock: Clock { offset: "utc" },
            on_poweroff: "destroy",
            on_reboot: "destroy",
            on_crash: "destroy",
            devices: Devices::new(spec, platform),
        }
    }
}

impl Devices {
    fn new(spec: &MachineSpec, platform: &Platform) -> Self {
        let log = |kind| Serial {
            kind: "file",
            source: LogFile {
                path: text(&spec.folder.console_log()),
                append: "on",
            },
            target: SerialTarget { kind, port: 0 },
        };
        let channel = |path: &std::path::Path, name| Channel {
            kind: "unix",
            source: Socket {
                mode: "bind",
                path: text(path),
            },
            target: ChannelTarget { kind: "virtio", name },
        };
        Self {
            emulator: platform.emulator.clone(),
            disk: spec.disk.iter().map(DiskDevice::new).collect(),
            controller: vec![
                Controller {
                    kind: "virtio-serial",
                    index: 0,
                    model: None,
                    ports: Some(PORTS),
                    vectors: Some(2 * (PORTS + 1) + 1),
                },
                Controller {
                    kind: "usb",
                    index: 0,
                    model: Some("none"),
                    ports: None,
                    vectors: None,
                },
            ],
            serial: log(None),
            console: log(Some("serial")),
            channel: vec![
                channel(&spec.folder.control_socket(), "org.preflight.control"),
                channel(&spec.folder.bulk_socket(), "org.preflight.bulk"),
            ],
            memballoon: Model { model: "none" },
            rng: Rng {
                model: "virtio",
                backend: Backend {
                    model: "random",
                    source: "/dev/urandom",
                },
            },
            panic: Model { model: "isa" },
        }
    }
}

impl DiskDevice {
    fn new(disk: &Disk) -> Self {
        let mut backing = Backing::default();
        for (path, format) in disk.backing.iter().rev() {
            backing = Backing {
                kind: Some("file"),
                format: Some(Format { kind: format.as_str() }),
                source: Some(File { path: text(path) }),
                next: Some(Box::new(backing)),
            };
        }
        Self {
            kind: "file",
            device: "disk",
            driver: DiskDriver {
                name: "qemu",
                format: disk.format.as_str(),
                // The disk is thrown away with its machine; what an overlay has to keep is flushed when QEMU ends.
                cache: "unsafe",
                discard: "unmap",
            },
            source: File { path: text(&disk.path) },
            backing,
            target: DiskTarget {
                device: "vda",
                bus: "virtio",
            },
        }
    }
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;
    use crate::machine::{DirectBoot, DiskFormat, InstallationId, Label, MachineFolder, MachineId, MiB};
    use crate::start::{Frozen, MemoryName, Method, Priority, Start};

    fn spec(accelerator: Accelerator) -> MachineSpec {
        MachineSpec {
            id: MachineId::new(InstallationId::new("ab12").unwrap(), 7),
            label: Label::new("ticket 1 & <job> 2").unwrap(),
            memory: MiB(512),
            cpus: 2,
            boot: Some(DirectBoot {
                kernel: "/images/vmlinuz".into(),
                initrd: "/images/initrd".into(),
                cmdline: "console=ttyS0 root=/dev/vda quote=\"'<&>".into(),
            }),
            disk: Some(Disk {
                path: "/overlays/7 & 8.qcow2".into(),
                format: DiskFormat::Qcow2,
                backing: vec![
                    (PathBuf::from("/images/ticket.qcow2"), DiskFormat::Qcow2),
                    (PathBuf::from("/images/base.raw"), DiskFormat::Raw),
                ],
            }),
            folder: MachineFolder::new(Path::new("/run/preflight/m/7")).unwrap(),
            accelerator,
            start: Start::Boot,
            memory_file: None,
            priority: Priority::Background,
        }
    }

    fn platform() -> Platform {
        Platform {
            emulator: "/usr/bin/qemu-system-x86_64".into(),
            machine_type: "pc-q35-7.2".into(),
            architecture: "x86_64".into(),
            qemu: 7_002_022,
        }
    }

    #[test]
    fn the_domain_says_what_it_must() {
        let text = domain(&spec(Accelerator::Tcg), &platform()).unwrap();
        for part in [
            "<domain type=\"qemu\"><name>preflight-ab12-7</name>",
            "<preflight:machine xmlns:preflight=\"urn:preflight:machine:1\">",
            "ticket 1 &amp; &lt;job&gt; 2",
            "machine=\"pc-q35-7.2\"",
            "<cpu mode=\"maximum\"><feature policy=\"disable\" name=\"erms\"/>",
            "file=\"/overlays/7 &amp; 8.qcow2\"",
            "<source mode=\"bind\" path=\"/run/preflight/m/7/control\"/>",
            "<target type=\"virtio\" name=\"org.preflight.bulk\"/>",
            "<memballoon model=\"none\"/>",
            "<controller type=\"usb\" index=\"0\" model=\"none\"/>",
            "<source file=\"/images/base.raw\"/><backingStore/>",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("<interface"));
        let text = domain(&spec(Accelerator::Kvm), &platform()).unwrap();
        assert!(text.contains("<domain type=\"kvm\">") && text.contains("<cpu mode=\"host-passthrough\"/>"));
    }

    #[test]
    fn libvirts_own_schema_accepts_it() {
        let folder = tempfile::tempdir().unwrap();
        let clone = MachineSpec {
            start: Start::Clone(Frozen {
                method: Method::SharedMemory,
                memory_name: MemoryName::Ours,
                state: "/templates/1/state".into(),
                memory: Some("/templates/1/memory & <more>".into()),
            }),
            ..spec(Accelerator::Tcg)
        };
        for spec in [spec(Accelerator::Kvm), spec(Accelerator::Tcg), clone] {
            let file = folder.path().join("domain.xml");
            std::fs::write(&file, domain(&spec, &platform()).unwrap()).unwrap();
            let output = Command::new("virt-xml-validate").arg(&file).arg("domain").output();
            // Without libvirt's client tools or xmllint there is no judge; `make test` installs them.
            let Ok(output) = output else { return };
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() || said.contains("xmllint"), "{said}");
        }
    }

    #[test]
    fn the_label_is_read_back() {
        let given = "<machine xmlns:preflight=\"urn:preflight:machine:1\">\n  <label>T1 &amp; j2</label>\n</machine>";
        assert_eq!(label(given).as_deref(), Some("T1 & j2"));
        assert_eq!(
            label("<preflight:machine><preflight:label>x</preflight:label></preflight:machine>").as_deref(),
            Some("x")
        );
        assert_eq!(label("<nothing/>"), None);
        assert_eq!(label("<"), None);
    }
}
