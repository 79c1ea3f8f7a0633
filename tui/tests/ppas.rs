//! `preflight ppa` against a stub daemon: what it asks, what it prints, which code it ends with, and that a token is seen
//! by the daemon alone.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use std::io::Write as _;
use std::process::{Output, Stdio};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use stub::ages::without_ages;
use world::World;

impl World {
    fn run(&self, arguments: &str, input: &str) -> Output {
        let mut command = self.command("ppa");
        command
            .args(arguments.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What is printed, standard error after standard output, and the exit code.
    fn shows(&self, arguments: &str) -> (String, i32) {
        let output = self.run(arguments, "");
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (without_ages(&text), output.status.code().unwrap())
    }

    /// What the last command asked.
    fn asked(&self) -> (String, Value) {
        self.state.lock().unwrap().requests.last().unwrap().clone()
    }
}

#[test]
fn ppas_are_listed_and_shown() {
    let world = World::new();
    insta::assert_snapshot!("ppa_list", world.shows("list").0);
    insta::assert_snapshot!("ppa_show", world.shows("show vendor").0);
    let (text, code) = world.shows("show nobody");
    assert_eq!(
        (text.as_str(), code),
        ("error (not found): there is no such PPA\nhint: list them\n", 20)
    );
    let json: Value = serde_json::from_slice(&world.run("list --json", "").stdout).unwrap();
    assert_eq!(json[0]["name"], "jane/tools");
}

#[test]
fn what_became_of_each_is_told_and_one_that_is_refused_is_in_the_exit_code() {
    let world = World::new();
    let (text, code) = world.shows("refresh");
    insta::assert_snapshot!("ppa_refresh", text);
    assert_eq!(code, 20);
    assert_eq!(world.shows("refresh newer --series debian-bookworm").1, 0);
    assert_eq!(world.asked().1, json!({"name": "newer", "series": "debian-bookworm"}));
    let (text, code) = world.shows("remove jane/tools");
    assert_eq!(
        (text.as_str(), code),
        ("removed jane/tools; tickets keep what they have of it\n", 0)
    );
}

#[test]
fn what_is_added_is_named_so_that_the_daemon_finds_it() {
    let world = World::new();
    let key = world.folder.path().join("it.asc");
    std::fs::write(world.folder.path().join("token"), "jane:hush\n").unwrap();
    for (arguments, input, asked) in [
        ("add ppa:jane/tools", "", json!({"source": ["ppa:jane/tools"]})),
        (
            "add https://ppa.example/it {series} main --key it.asc --name it --priority -5 --package a --package src:b --token-file token",
            "",
            json!({
                "source": ["https://ppa.example/it", "{series}", "main"], "key": key, "name": "it", "priority": -5,
                "packages": ["a", "src:b"], "token": "jane:hush"
            }),
        ),
        (
            "add it.sources --series debian-sid --token-file -",
            "joe:quiet",
            json!({"source": [world.folder.path().join("it.sources")], "series": "debian-sid", "token": "joe:quiet"}),
        ),
    ] {
        let output = world.run(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.starts_with("added jane/tools: 12 packages for debian-bookworm"),
            "{text}"
        );
        let (method, mut params) = world.asked();
        assert_eq!(method, "ppa/add");
        params
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null() && *value != json!([]));
        assert_eq!(params, asked, "{arguments}");
    }
    let output = world.run("add https://jane:hush@ppa.example/it noble main", "");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(20));
    assert!(told.contains("--token-file") && !told.contains("hush"), "{told}");
}
