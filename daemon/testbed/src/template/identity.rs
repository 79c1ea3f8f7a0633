//! What a template was frozen under, and the name that follows from it. A template whose identity is not exactly the one
//! that is wanted has another name: it is never tried.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::machine::Accelerator;
use crate::start::Method;

/// The version of what a frozen machine means to this release: counts up when something changes that no other field tells.
const GENERATION: u32 = 2;

/// All that a template depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateIdentity {
    /// How it was frozen.
    pub method: Method,
    /// The image that was booted.
    pub image: String,
    /// The initrd, by its digest's name: the image's modules and the agent.
    pub initrd: String,
    /// The kernel's command line.
    pub cmdline: String,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub cpus: u16,
    /// The machine type's pinned name.
    pub machine_type: String,
    /// What executes it, and so which processor it sees.
    pub accelerator: Accelerator,
    /// The host's processor, where the guest sees that one; empty under emulation.
    pub processor: String,
    /// QEMU's version.
    pub qemu: String,
    /// libvirt's version.
    pub libvirt: String,
    /// What was done in it after the boot, in order: empty for a template of an image, or what a layer adds to the
    /// template below it.
    pub contents: Vec<String>,
    /// The template below, for a layer.
    pub below: Option<TemplateId>,
}

impl TemplateIdentity {
    /// The name.
    #[must_use]
    pub fn id(&self) -> TemplateId {
        // A map's order is the fields' order here, and nothing in it can fail to be written.
        let text = serde_json::to_string(&(GENERATION, self)).unwrap_or_default();
        TemplateId(blake3::hash(text.as_bytes()).to_hex()[..LENGTH].to_owned())
    }

    /// A layer on top of this template.
    #[must_use]
    pub fn with(&self, contents: Vec<String>) -> Self {
        Self {
            contents,
            below: Some(self.id()),
            ..self.clone()
        }
    }
}

/// Hexadecimal digits of a name.
const LENGTH: usize = 24;

/// A template's name: the digest of its identity, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateId(String);

/// Text that is no template's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no template: {LENGTH} hexadecimal digits")]
pub struct NoTemplateId(String);

impl TemplateId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for TemplateId {
    type Err = NoTemplateId;

    fn from_str(text: &str) -> Result<Self, NoTemplateId> {
        let fine = text.len() == LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoTemplateId(text.to_owned()))
        }
    }
}

impl TryFrom<String> for TemplateId {
    type Error = NoTemplateId;

    fn try_from(text: String) -> Result<Self, NoTemplateId> {
        text.parse()
    }
}

impl From<TemplateId> for String {
    fn from(id: TemplateId) -> Self {
        id.0
    }
}

#[cfg(test)]
pub(super) fn example() -> TemplateIdentity {
    TemplateIdentity {
        method: Method::SharedMemory,
        image: "debian-bookworm-test-1".into(),
        initrd: "initrd-1.cpio".into(),
        cmdline: "quiet".into(),
        memory_mib: 64,
        cpus: 2,
        machine_type: "pc-q35-7.2".into(),
        accelerator: Accelerator::Tcg,
        processor: String::new(),
        qemu: "7.2.0".into(),
        libvirt: "9.0.0".into(),
        contents: Vec::new(),
        below: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_has_another_name() {
        type Change = fn(&mut TemplateIdentity);
        let changes: [Change; 12] = [
            |it| it.method = Method::SaveImage,
            |it| it.image += "x",
            |it| it.initrd += "x",
            |it| it.cmdline += "x",
            |it| it.memory_mib += 1,
            |it| it.cpus += 1,
            |it| it.machine_type += "x",
            |it| it.accelerator = Accelerator::Kvm,
            |it| it.processor += "x",
            |it| it.qemu += "x",
            |it| it.libvirt += "x",
            |it| it.contents.push("hello".into()),
        ];
        let mut ids = vec![example().id(), example().with(vec!["hello".into()]).id()];
        for change in changes {
            let mut other = example();
            change(&mut other);
            ids.push(other.id());
        }
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(example().id(), example().id());
    }

    #[test]
    fn names_are_read_back_and_nothing_else() {
        let id = example().id();
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for text in ["", "..", "0123", &id.as_str().to_uppercase(), &format!("{id}0")] {
            assert!(text.parse::<TemplateId>().is_err() || text == id.as_str(), "{text:?}");
        }
    }
}
