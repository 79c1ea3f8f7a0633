//! What libvirt says about the host's QEMU: where it is, which machine type it calls by which pinned name, and as whom
//! a system's libvirt runs it.

use serde::Deserialize;
use virt::connect::Connect;

use super::xml::Platform;
use crate::hypervisor::HypervisorError;

/// What is asked for: an alias, which libvirt answers with the pinned name.
const MACHINE_TYPE: &str = "q35";

/// Asks for the platform of the host's own architecture.
pub(super) fn platform(connect: &Connect) -> Result<Platform, HypervisorError> {
    let architecture = std::env::consts::ARCH;
    if architecture != "x86_64" {
        return Err(HypervisorError::Unavailable {
            message: format!("machines of {architecture} are not supported"),
            hint: "run Preflight on x86_64".into(),
        });
    }
    let qemu = connect
        .hyp_version()
        .map_err(|error| HypervisorError::Libvirt(error.message().to_owned()))?;
    let text = connect
        .domain_capabilities(None, Some(architecture), Some(MACHINE_TYPE), Some("qemu"), 0)
        .map_err(|error| HypervisorError::Unavailable {
            message: error.message().to_owned(),
            hint: "install QEMU (Debian: qemu-system-x86)".into(),
        })?;
    parse(&text, qemu)
}

fn parse(text: &str, qemu: u32) -> Result<Platform, HypervisorError> {
    #[derive(Deserialize)]
    struct Capabilities {
        path: String,
        machine: String,
        arch: String,
    }
    let found: Capabilities =
        quick_xml::de::from_str(text).map_err(|error| HypervisorError::Libvirt(error.to_string()))?;
    Ok(Platform {
        emulator: found.path,
        machine_type: found.machine,
        architecture: found.arch,
        qemu,
    })
}

/// What beside ordinary permissions confines QEMU, by the host's capabilities: `apparmor` or `selinux`.
pub(super) fn confinement(text: &str) -> Option<String> {
    let models = models(text)?;
    let found = models
        .into_iter()
        .find(|model| !["dac", "none", ""].contains(&model.model.as_str()))?;
    Some(found.model)
}

/// As which user number libvirt runs QEMU, by the host's capabilities; `None` where it does not say.
pub(super) fn qemu_uid(text: &str) -> Option<u32> {
    let models = models(text)?;
    let dac = models.iter().find(|model| model.model == "dac")?;
    dac.baselabel
        .first()?
        .trim_start_matches('+')
        .split(':')
        .next()?
        .parse()
        .ok()
}

#[derive(Deserialize)]
struct SecurityModel {
    model: String,
    #[serde(default)]
    baselabel: Vec<String>,
}

fn models(text: &str) -> Option<Vec<SecurityModel>> {
    #[derive(Deserialize)]
    struct Capabilities {
        host: Host,
    }
    #[derive(Deserialize)]
    struct Host {
        #[serde(default)]
        secmodel: Vec<SecurityModel>,
    }
    let found: Capabilities = quick_xml::de::from_str(text).ok()?;
    Some(found.host.secmodel)
}

/// Writes libvirt's number of a version, 1000000 × major + 1000 × minor + release, as people do.
pub(super) fn version(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_name_is_found() {
        let text = "<domainCapabilities>\n  <path>/usr/bin/qemu-system-x86_64</path>\n  <domain>qemu</domain>\n  \
                    <machine>pc-q35-7.2</machine>\n  <arch>x86_64</arch>\n  <vcpu max='288'/>\n</domainCapabilities>";
        let found = parse(text, 7_002_022).unwrap();
        assert_eq!(
            (found.machine_type.as_str(), found.architecture.as_str()),
            ("pc-q35-7.2", "x86_64")
        );
        assert!(parse("<domainCapabilities/>", 0).is_err());
    }

    #[test]
    fn the_user_of_qemu_is_found() {
        let text = "<capabilities><host><uuid>1</uuid><secmodel><model>none</model><doi>0</doi></secmodel><secmodel>\
                    <model>dac</model><doi>0</doi><baselabel type='kvm'>+64055:+106</baselabel><baselabel type='qemu'>\
                    +64055:+106</baselabel></secmodel></host></capabilities>";
        assert_eq!(qemu_uid(text), Some(64055));
        assert_eq!(
            qemu_uid("<capabilities><host><uuid>1</uuid></host></capabilities>"),
            None
        );
    }

    #[test]
    fn versions_read_well() {
        assert_eq!(version(9_000_000), "9.0.0");
        assert_eq!(version(7_002_022), "7.2.22");
    }
}
