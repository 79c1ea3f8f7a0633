//! The committed JSON schemas of `protocol/schema`: what programs may rely on.

use std::path::Path;

use serde_json::Value;

/// Holds a value against a schema, named without `.json`.
///
/// # Panics
/// There is no such schema, or the value does not fit it.
pub fn assert_fits(schema: &str, value: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../protocol/schema/{schema}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{value:#}");
}
