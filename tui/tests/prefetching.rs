//! `preflight archive prefetch` against a stub daemon: what it asks, what it prints, which code it ends with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use std::process::Output;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use world::World;

impl World {
    fn run(&self, arguments: &str) -> Output {
        // A source to name.
        std::fs::create_dir_all(self.folder.path().join("hello/debian")).unwrap();
        self.command(&format!("archive prefetch {arguments}")).output().unwrap()
    }

    /// What is printed, and the exit code.
    fn shows(&self, arguments: &str) -> (String, i32) {
        let output = self.run(arguments);
        (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
    }

    /// What was asked by this name, last.
    fn asked(&self, method: &str) -> Value {
        let state = self.state.lock().unwrap();
        let asked = state.requests.iter().rev().find(|(name, _)| name == method);
        asked.unwrap().1.clone()
    }
}

#[test]
fn what_is_missing_is_said_and_is_the_exit_code() {
    let world = World::new();
    for (arguments, expected, code) in [
        (
            "--quiet hello",
            "2 files fetched (117 kB), 0 files there before (0 B)\n\
             nothing is missing; `preflight ticket keep 2` keeps it in the store\n",
            0,
        ),
        (
            "--quiet --offline nosuch",
            "2 files fetched (117 kB), 0 files there before (0 B)\n\
             still missing: nosuch: Unable to locate package nosuch^[[2J\n",
            4,
        ),
        (
            "--detach hello",
            "ticket #2 prefetches; `preflight ticket show 2` tells how it goes\n",
            0,
        ),
    ] {
        assert_eq!(world.shows(arguments), (expected.to_owned(), code), "{arguments}");
    }
    let (text, code) = world.shows("--quiet --json --offline nosuch");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &report["exit_code"], &report["ticket"]),
        (4, &json!(4), &json!(3))
    );
    assert_eq!(report["result"]["missing"][0]["what"], "nosuch");
}

#[test]
fn packages_sources_and_tickets_are_asked_for_as_they_are_named() {
    let world = World::new();
    let _ = world.run("--quiet --series debian-sid --pocket backports=hello --source hello curl=1.0 wget");
    let asked = world.asked("archive/prefetch");
    assert_eq!(asked["packages"], json!(["curl=1.0", "wget"]));
    let source = world.folder.path().canonicalize().unwrap().join("hello");
    assert_eq!(asked["sources"], json!([source]));
    assert_eq!(asked["series"], "debian-sid");
    assert_eq!(asked["package_sources"]["pockets"][0]["pocket"], "backports");

    let _ = world.run("--quiet --ticket 2");
    assert_eq!(world.asked("archive/prefetch")["ticket"], 2);
    assert_eq!(world.asked("archive/prefetched"), json!({ "ticket": 2 }));

    for wrong in ["", "--ticket 2 hello", "--ticket 2 --source hello", "--source nosuch"] {
        let output = world.run(wrong);
        assert_eq!((output.status.code(), output.stdout), (Some(20), vec![]), "{wrong}");
        assert!(output.stderr.starts_with(b"error"), "{wrong}");
    }
}
