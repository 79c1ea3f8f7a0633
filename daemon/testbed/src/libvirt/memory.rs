//! A machine's memory in a file: what QEMU is told of it beside libvirt, which gives no word on where such a file lies nor
//! on who may write to it. libvirt calls such domains tainted and promises nothing; what is used here is QEMU's own and
//! documented: <https://www.qemu.org/docs/master/system/qemu-manpage.html> (memory-backend-file, `-incoming defer`).

use serde::Serialize;
use serde_json::json;

use crate::machine::MachineSpec;
use crate::start::{MemoryName, Method, Start};

/// The namespace of what libvirt hands on to QEMU.
pub(super) const NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";
/// The memory's object. Its name is in every state that is written; another name would make old templates unreadable.
const OBJECT: &str = "tram";
/// From here on QEMU can map a file that it may only read: before it opens the file for writing in any case.
const READS_ONLY: u32 = 8_002_000;

/// One argument of QEMU's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Argument {
    #[serde(rename = "@value")]
    value: String,
}

/// How a machine's memory is called in its state.
pub(super) fn name_of(spec: &MachineSpec) -> MemoryName {
    match &spec.start {
        Start::Clone(frozen) => frozen.memory_name,
        Start::Boot if spec.memory_file.is_some() => MemoryName::Ours,
        Start::Boot => MemoryName::Usual,
    }
}

/// What QEMU `version` is told beside the domain's XML.
pub(super) fn arguments(spec: &MachineSpec, version: u32) -> Vec<Argument> {
    let mut words = Vec::new();
    if name_of(spec) == MemoryName::Ours {
        let size = u64::from(spec.memory.0) << 20;
        let template = match &spec.start {
            Start::Clone(frozen) => frozen.memory.as_ref(),
            Start::Boot => None,
        };
        let object = match (&spec.memory_file, template) {
            (Some(own), _) => json!({ "qom-type": "memory-backend-file", "id": OBJECT, "size": size,
                "mem-path": own.to_string_lossy(), "share": true }),
            (None, Some(shared)) => {
                let mut object = json!({ "qom-type": "memory-backend-file", "id": OBJECT, "size": size,
                    "mem-path": shared.to_string_lossy(), "share": false });
                if version >= READS_ONLY {
                    object["readonly"] = true.into();
                    object["rom"] = "off".into();
                }
                object
            }
            (None, None) => json!({ "qom-type": "memory-backend-ram", "id": OBJECT, "size": size }),
        };
        words.extend(["-object".to_owned(), object.to_string()]);
        words.extend(["-machine".to_owned(), format!("memory-backend={OBJECT}")]);
    }
    if comes_by_migration(spec) {
        words.extend(["-incoming".to_owned(), "defer".to_owned()]);
    }
    words.into_iter().map(|value| Argument { value }).collect()
}

/// Whether the machine's state is sent to it after its start.
pub(super) fn comes_by_migration(spec: &MachineSpec) -> bool {
    matches!(&spec.start, Start::Clone(frozen) if frozen.method == Method::SharedMemory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Accelerator, InstallationId, Label, MachineFolder, MachineId, MiB};
    use crate::start::{Frozen, Priority};

    fn spec(start: Start, memory_file: Option<&str>) -> MachineSpec {
        MachineSpec {
            id: MachineId::new(InstallationId::new("a").unwrap(), 1),
            label: Label::new("x").unwrap(),
            memory: MiB(64),
            cpus: 1,
            boot: None,
            disk: None,
            folder: MachineFolder::new("/m/1".as_ref()).unwrap(),
            accelerator: Accelerator::Tcg,
            start,
            memory_file: memory_file.map(Into::into),
            priority: Priority::Background,
        }
    }

    fn frozen(method: Method, memory_name: MemoryName) -> Start {
        Start::Clone(Frozen {
            method,
            memory_name,
            state: "/t/state".into(),
            memory: (method == Method::SharedMemory).then(|| "/t/memory".into()),
        })
    }

    #[test]
    fn each_start_has_its_memory() {
        let line = |spec: &MachineSpec, version| {
            let words: Vec<String> = arguments(spec, version).into_iter().map(|word| word.value).collect();
            words.join(" ")
        };
        assert_eq!(line(&spec(Start::Boot, None), 7_002_000), "");
        let template = line(&spec(Start::Boot, Some("/t/new, \"memory\"")), 7_002_000);
        assert!(
            template.contains(r#""share":true"#) && template.contains(r#"/t/new, \"memory\""#),
            "{template}"
        );
        assert!(!template.contains("-incoming"), "{template}");
        let clone = spec(frozen(Method::SharedMemory, MemoryName::Ours), None);
        let old = line(&clone, 7_002_000);
        assert!(
            old.contains(r#""share":false"#) && old.contains("/t/memory") && old.ends_with("-incoming defer"),
            "{old}"
        );
        assert!(!old.contains("readonly"));
        assert!(line(&clone, 8_002_000).contains(r#""readonly":true"#));
        let layer = line(
            &spec(frozen(Method::SharedMemory, MemoryName::Ours), Some("/t/2")),
            9_000_000,
        );
        assert!(
            layer.contains(r#""share":true"#) && layer.contains("/t/2") && !layer.contains("readonly"),
            "{layer}"
        );
        let saved = line(&spec(frozen(Method::SaveImage, MemoryName::Ours), None), 7_002_000);
        assert!(
            saved.contains("memory-backend-ram") && !saved.contains("-incoming"),
            "{saved}"
        );
        assert_eq!(
            line(&spec(frozen(Method::SaveImage, MemoryName::Usual), None), 7_002_000),
            ""
        );
    }
}
