//! `preflight image show` and `image rebuild` against a stub daemon: what they ask, what they print, which code they end with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use preflight_protocol::ids::{ImageId, TicketId};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use world::World;

impl World {
    /// Standard output, standard error, exit code.
    fn run(&self, arguments: &str) -> (String, String, Option<i32>) {
        let output = self.command(&format!("image {arguments}")).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    /// What was asked in this method.
    fn asked(&self, method: &str) -> Value {
        let state = self.state.lock().unwrap();
        let found = state.requests.iter().rev().find(|(asked, _)| asked == method);
        found.unwrap().1.clone()
    }
}

/// The invented moments are some fixed day's.
fn without_ages(text: &str) -> String {
    regex::Regex::new(r"made \d+d ago")
        .unwrap()
        .replace_all(text, "made AGE")
        .into_owned()
}

#[test]
fn an_image_says_what_makes_it_more_than_its_base() {
    let world = World::new();
    let (text, _, code) = world.run("show mine");
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("image_show", without_ages(&text));
    assert_eq!(world.asked("image/show"), json!({ "image": { "image": "mine" } }));
    let (text, ..) = world.run("show 3 --json");
    assert_eq!(world.asked("image/show"), json!({ "image": { "ticket": 3 } }));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["rebuilt"]["steps"][2]["remove"], json!(["nano"]));
}

#[test]
fn an_image_that_is_there_is_shown_and_one_that_is_not_is_followed() {
    let world = World::new();
    let shown = world.run("show mine").0;
    let (text, _, code) =
        world.run("rebuild --base debian-bookworm --package jq --package tree=2.1.0-1 --remove nano -n mine");
    assert_eq!((text, code), (format!("it is there already\n{shown}"), Some(0)));
    let wanted = json!({
        "base": "debian-bookworm", "name": "mine", "add_packages": ["jq", "tree=2.1.0-1"], "remove_packages": ["nano"],
        "package_sources": {},
    });
    assert_eq!(world.asked("image/rebuild"), wanted);

    let (text, _, code) = world.run("rebuild --base mine --package jq -n other --detach");
    assert_eq!(
        (text.as_str(), code),
        (
            "ticket #2 makes it; `preflight ticket show 2` tells how it goes\n",
            Some(0)
        )
    );
    let (text, _, code) = world.run("rebuild --base mine --package jq -n other --detach --json");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((json, code), (json!({ "ticket": 2 }), Some(0)));
    // Ticket 2 has ended well.
    let made = ImageId("image-5452e406919f".into());
    world.state.lock().unwrap().ticket(TicketId(2)).image = Some(made);
    let (text, progress, code) = world.run("rebuild --base mine --package jq -n other");
    assert_eq!((text, code), (shown, Some(0)));
    assert!(progress.contains("ticket #2"), "{progress}");
    assert_eq!(world.asked("image/show")["image"]["image"], "image-5452e406919f");
    // Ticket 1 has not.
    let (text, _, code) = world.run("rebuild --base mine --package jq -n broken");
    assert_eq!(code, Some(12));
    assert!(text.contains("first error"), "{text}");
}

#[test]
fn what_is_missing_is_said() {
    let world = World::new();
    for (arguments, missing) in [
        ("rebuild --package jq -n mine", "--base"),
        ("rebuild --base mine --package jq", "--name"),
    ] {
        let (_, error, code) = world.run(arguments);
        assert_eq!(code, Some(20), "{error}");
        assert!(error.contains(missing), "{error}");
    }
}
