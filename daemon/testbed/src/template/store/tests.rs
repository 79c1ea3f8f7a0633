//! What of a template survives what: restarts, reboots, changed files, other releases.

use super::super::identity::example;
use super::*;
use crate::start::Method;

fn made(store: &TemplateStore, contents: &str) -> Arc<Template> {
    let draft = store.draft(contents).unwrap();
    fs::write(draft.disk(), b"disk").unwrap();
    fs::write(draft.state(), b"state").unwrap();
    fs::write(draft.memory(), b"memory").unwrap();
    let frozen = Frozen {
        method: Method::SharedMemory,
        memory_name: MemoryName::Ours,
        state: draft.state(),
        memory: Some(draft.memory()),
    };
    let identity = match contents {
        "" => example(),
        contents => example().with(vec![contents.to_owned()]),
    };
    let chain = [(store.folder().join("base.raw"), DiskFormat::Raw)];
    fs::write(&chain[0].0, b"").unwrap_or_default();
    store
        .publish(
            draft,
            &frozen,
            identity,
            &chain,
            "a test's".into(),
            serde_json::json!({"lock": 7}),
        )
        .unwrap()
}

fn opened(folder: &Path) -> TemplateStore {
    // What the tests' chain names is no template, and the sweep's business neither.
    let _ = fs::remove_file(folder.join("t/base.raw"));
    let store = TemplateStore::open(folder.join("t")).unwrap();
    fs::write(folder.join("t/base.raw"), b"").unwrap();
    store
}

#[test]
fn a_sealed_template_survives_and_a_changed_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    let template = made(&store, "");
    store.seal(&template).unwrap();
    let id = template.id().clone();
    let again = opened(folder.path());
    let found = again.get(&id).unwrap().unwrap();
    assert_eq!(found.record().notes["lock"], 7);
    assert_eq!(found.frozen(), template.frozen());
    assert!(found.record().digests.is_some());

    fs::set_permissions(template.disk(), fs::Permissions::from_mode(0o644)).unwrap();
    for (file, content) in [
        (template.disk(), "disk"),
        (template.frozen().state, "state"),
        (template.frozen().memory.unwrap(), "memory"),
    ] {
        // As long as it was, and not touched as far as its times tell: only its digest does.
        let (time, other) = (
            fs::metadata(&file).unwrap().modified().unwrap(),
            vec![b'x'; content.len()],
        );
        let change = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            fs::File::options()
                .append(true)
                .open(&file)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        change(&other);
        assert!(opened(folder.path()).get(&id).unwrap().is_some());
        reboot(&template);
        let third = opened(folder.path());
        // A copy, since looking at it takes it away.
        let saved = folder.path().join("saved");
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(template.folder())
            .arg(&saved)
            .status();
        assert!(copied.unwrap().success());
        assert!(third.get(&id).unwrap().is_none(), "{}", file.display());
        assert!(!template.folder().exists());
        fs::rename(&saved, template.folder()).unwrap();
        change(content.as_bytes());
        assert!(opened(folder.path()).get(&id).unwrap().is_some());
    }
    fs::write(template.frozen().state, b"other").unwrap();
    assert!(opened(folder.path()).get(&id).unwrap().is_none());
}

/// The host has been started anew since the template was made.
fn reboot(template: &Template) {
    let record = Record {
        boot: "another".into(),
        ..read_record(template.folder()).unwrap()
    };
    write_record(template.folder(), &record).unwrap();
}

#[test]
fn one_that_is_not_sealed_is_good_in_this_boot_only() {
    let folder = tempfile::tempdir().unwrap();
    let template = made(&opened(folder.path()), "");
    assert!(opened(folder.path()).get(template.id()).unwrap().is_some());
    reboot(&template);
    assert!(opened(folder.path()).get(template.id()).unwrap().is_none());
}

#[test]
fn what_is_used_or_below_a_layer_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    let (below, layer) = (made(&store, ""), made(&store, "hello"));
    assert_eq!(layer.record().identity.below.as_ref(), Some(below.id()));
    let (below_id, layer_id) = (below.id().clone(), layer.id().clone());
    drop(below);
    assert!(matches!(store.remove(&below_id), Err(TemplateError::InUse(_))));
    assert!(matches!(store.remove(&layer_id), Err(TemplateError::InUse(_))));
    drop(layer);
    store.remove(&layer_id).unwrap();
    store.remove(&below_id).unwrap();
    assert!(store.records().is_empty());
    assert!(store.get(&below_id).unwrap().is_none());
}

#[test]
fn what_another_release_has_made_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let template = made(&opened(folder.path()), "");
    let record = Record {
        format: FORMAT + 1,
        ..template.record().clone()
    };
    write_record(template.folder(), &record).unwrap();
    opened(folder.path());
    assert!(!template.folder().exists());
}

#[test]
fn drafts_and_distrusted_ones_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    let draft = store.draft("1").unwrap();
    fs::write(draft.disk(), b"half").unwrap();
    std::mem::forget(draft);
    let template = made(&store, "");
    store.distrust(template.id());
    assert!(store.get(template.id()).unwrap().is_none());
    let again = opened(folder.path());
    let left: Vec<_> = fs::read_dir(again.folder())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["base.raw"]);
}
