//! `preflight promote`, `promotions` and `ppa pool` against a stub daemon: what they ask, what they print, which code
//! they end with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use std::process::Output;

use preflight_protocol::method;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use stub::ages::without_ages;
use world::World;

impl World {
    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What is printed, standard error after standard output, and the exit code.
    fn shows(&self, arguments: &str) -> (String, i32) {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (without_ages(&text), output.status.code().unwrap())
    }

    /// What the last command asked.
    fn asked(&self) -> (String, Value) {
        self.state.lock().unwrap().requests.last().unwrap().clone()
    }
}

#[test]
fn a_link_is_moved_or_what_is_missing_is_said() {
    let world = World::new();
    for (arguments, text, code) in [
        (
            "promote tested 2",
            "tested points at ticket #2 (020202020202), before: ticket #1 (010101010101)\n",
            0,
        ),
        (
            "promote tested -n",
            "tested would point at ticket #2 (020202020202), before: ticket #1 (010101010101)\n",
            0,
        ),
        (
            "promote tested 1",
            "tested points at ticket #1 (010101010101) already\n",
            0,
        ),
        (
            "promote tested --rollback",
            "tested points at nothing, before: ticket #1 (010101010101)\n",
            0,
        ),
        (
            "promote tested 3",
            "ticket #3 cannot be promoted to tested:\n  test of hello on debian-bookworm with pass: that of ticket 3 \
             has fail (upstream^[[31m)\nhint: `preflight results 3` shows what failed\n",
            4,
        ),
    ] {
        assert_eq!(world.shows(arguments), (text.to_owned(), code), "{arguments}");
    }
    for wrong in [
        "promote",
        "promote tested 2 --rollback",
        "promotions tested --ticket 2",
        "ppa pool grow 0",
    ] {
        assert_eq!(world.run(wrong).status.code(), Some(20), "{wrong}");
    }
}

#[test]
fn links_and_the_pool_are_listed() {
    let world = World::new();
    insta::assert_snapshot!("promotions", world.shows("promotions").0);
    insta::assert_snapshot!("promotions_of_a_link", world.shows("promotions tested").0);
    insta::assert_snapshot!("promotions_of_a_ticket", world.shows("promotions --ticket 3").0);
    insta::assert_snapshot!("repo_status", world.shows("repo status 3").0);
    insta::assert_snapshot!("ppa_pool", world.shows("ppa pool list").0);
    let (text, code) = world.shows("promotions consistent");
    assert_eq!((text.as_str(), code), ("consistent has never been moved\n", 0));
    assert_eq!(world.shows("promotions none").1, 20);
}

#[test]
fn programs_read_json_and_say_what_they_want() {
    let world = World::new();
    let schemas = method::schemas();
    for (arguments, name, asked, code) in [
        (
            "promote tested 2 --json --why demo",
            "promotion/promote",
            json!({ "link": "tested", "ticket": 2, "dry_run": false, "by": null, "why": "demo" }),
            0,
        ),
        (
            "promote tested 3 --json --dry-run",
            "promotion/promote",
            json!({ "link": "tested", "ticket": 3, "dry_run": true, "by": null, "why": null }),
            4,
        ),
        (
            "promote tested --json --rollback",
            "promotion/roll_back",
            json!({ "link": "tested", "dry_run": false, "by": null, "why": null }),
            0,
        ),
        ("promotions --json", "promotion/list", json!({ "link": null }), 0),
        (
            "promotions --json --ticket 3",
            "promotion/check",
            json!({ "ticket": 3 }),
            0,
        ),
        ("ppa pool list --json", "pool/list", json!({}), 0),
        ("ppa pool grow --json 3", "pool/grow", json!({ "by": 3 }), 0),
        (
            "ppa pool release --json pool/02",
            "pool/release",
            json!({ "name": "pool/02" }),
            0,
        ),
    ] {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (_, _, schema) = schemas.iter().find(|(method, _, _)| *method == name).unwrap();
        let schema = serde_json::to_value(schema).unwrap();
        jsonschema::validator_for(&schema).unwrap().validate(&value).unwrap();
        assert_eq!(world.asked(), (name.to_owned(), asked), "{arguments}");
    }
}
