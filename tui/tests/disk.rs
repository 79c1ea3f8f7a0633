//! `preflight du` and `preflight gc` against a stub daemon: what they ask, what they print, which code they end with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

use std::process::{Command, Output};

use preflight_protocol::method::{self, Method};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use stub::{Shared, Stub, fixtures};

struct World {
    folder: tempfile::TempDir,
    state: Shared,
    _stub: Stub,
}

impl World {
    fn new() -> Self {
        // The socket's path must be short, whatever TMPDIR is.
        let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        let state = fixtures::world(&folder.path().join("logs"), fixtures::noon()).shared();
        let _stub = Stub::start(folder.path(), &state);
        Self { folder, state, _stub }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
        command
            .env("PREFLIGHT_HOME", self.folder.path())
            // Nothing that a test starts may be a real daemon.
            .env("PREFLIGHT_DAEMON", "/nonexistent/preflightd")
            .env("LC_ALL", "C.UTF-8")
            .args(arguments);
        command.output().unwrap()
    }

    /// What the last command asked.
    fn asked(&self) -> (String, Value) {
        self.state.lock().unwrap().requests.last().unwrap().clone()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn people_read_tables() {
    let world = World::new();
    let output = world.run(&["du"]);
    let table = text(&output.stdout);
    let ages = without_ages(&table);
    insta::assert_snapshot!("du", ages);
    assert_eq!(output.status.code(), Some(0));
    for (name, arguments, code) in [
        ("gc", &["gc", "--to", "2.1GB"][..], 0),
        ("gc_dry", &["gc", "--all", "--dry-run"], 0),
        ("gc_nothing", &["gc"], 0),
        ("gc_short", &["gc", "--to=1GiB"], 20),
    ] {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        insta::assert_snapshot!(name, text(&output.stdout) + &text(&output.stderr));
    }
}

/// The invented moments are some fixed day's.
fn without_ages(table: &str) -> String {
    regex::Regex::new(r" +\d+d ago")
        .unwrap()
        .replace_all(table, "  AGE")
        .into_owned()
}

#[test]
fn programs_read_json_and_say_what_they_want() {
    let world = World::new();
    let schemas = method::schemas();
    let fits = |name: &str, output: &Output| {
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (_, _, schema) = schemas.iter().find(|(method, _, _)| *method == name).unwrap();
        let schema = serde_json::to_value(schema).unwrap();
        jsonschema::validator_for(&schema).unwrap().validate(&value).unwrap();
        value
    };
    let usage = fits("disk/usage", &world.run(&["du", "--json", "-n", "2"]));
    assert_eq!(usage["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        world.asked(),
        (method::DiskUsage::NAME.to_owned(), json!({ "items": 2 }))
    );
    let freed = fits("disk/free", &world.run(&["gc", "--json", "--to", "500MB", "-n"]));
    assert_eq!(freed["dry_run"], json!(true));
    assert_eq!(
        world.asked(),
        (
            method::DiskFree::NAME.to_owned(),
            json!({ "to": 500_000_000, "all": false, "dry_run": true })
        )
    );
    for wrong in [&["gc", "--to", "5 parsecs"][..], &["gc", "--all", "--to", "1GB"]] {
        assert_eq!(world.run(wrong).status.code(), Some(20), "{wrong:?}");
    }
}
