//! The committed JSON schemas are those of the types. `UPDATE_SCHEMAS=1 cargo test -p preflight-protocol` writes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use preflight_protocol::method;
use schemars::Schema;

/// A method's name as a file's: `ticket/show` is `ticket-show`.
fn file(method: &str, part: &str) -> String {
    format!("{}.{part}.json", method.replace('/', "-"))
}

fn schemas() -> BTreeMap<String, Schema> {
    let methods = method::schemas()
        .into_iter()
        .flat_map(|(name, params, answer)| [(file(name, "params"), params), (file(name, "answer"), answer)]);
    methods
        .chain([
            (
                "event.json".to_owned(),
                schemars::schema_for!(preflight_protocol::event::Envelope),
            ),
            (
                "beat.json".to_owned(),
                schemars::schema_for!(preflight_protocol::event::Beat),
            ),
            (
                "shell-progress.json".to_owned(),
                schemars::schema_for!(preflight_protocol::shell::ShellProgress),
            ),
            (
                "error.json".to_owned(),
                schemars::schema_for!(preflight_protocol::error::RpcError),
            ),
        ])
        .collect()
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let schemas = schemas();
    let mut drifted = vec![];
    for (name, schema) in &schemas {
        let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
        let path = folder.join(name);
        if update {
            std::fs::write(&path, text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            drifted.push(name);
        }
    }
    let hint =
        "run `UPDATE_SCHEMAS=1 cargo test -p preflight-protocol`, and see whether old clients can read the change";
    assert!(drifted.is_empty(), "{drifted:?} differ from the types: {hint}");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".json") || schemas.contains_key(&name) || name.starts_with("cli-"),
            "{name} is of nothing any more"
        );
    }
}

#[test]
fn every_schema_is_a_valid_schema() {
    for (name, schema) in schemas() {
        let value = serde_json::to_value(schema).unwrap();
        if let Err(error) = jsonschema::validator_for(&value) {
            panic!("{name}: {error}");
        }
    }
}
