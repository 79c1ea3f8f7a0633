//! `preflight replay` against a stub daemon: what it asks, what it prints, which code it ends with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use preflight_protocol::ids::TicketId;
use preflight_protocol::replay::{Agreement, ReplayOf};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use world::World;

impl World {
    /// What is printed, standard error after standard output, and the exit code.
    fn shows(&self, arguments: &str) -> (String, i32) {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (text, output.status.code().unwrap())
    }

    /// What was asked by this name.
    fn asked(&self, method: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let requests = state.requests.iter().filter(|(name, _)| name == method);
        requests.map(|(_, params)| params.clone()).collect()
    }
}

#[test]
fn whether_the_runs_agree_is_said_and_is_the_exit_code() {
    let world = World::new();
    for (arguments, expected, code) in [
        (
            "replay 2 --quiet",
            "replay of #2 agrees: 3 jobs, 1 test, 0 packages bit for bit, 84 files of the lock\n",
            0,
        ),
        (
            "replay 2 --detach",
            "ticket #2 replays #2; `preflight replay 2 --agreement` says what came of it\n",
            0,
        ),
        (
            "replay 99",
            "error (conflict): the lock of ticket 99 names what is gone\nhint: `preflight archive prefetch --ticket 99`\n",
            20,
        ),
    ] {
        assert_eq!(world.shows(arguments), (expected.to_owned(), code), "{arguments}");
    }
    let (text, code) = world.shows("replay 3 --agreement");
    assert_eq!(code, 1, "{text}");
    let lines: Vec<&str> = text.lines().take(3).collect();
    assert_eq!(
        lines,
        [
            "replay of the test of hello^[[31m of #3 does not agree: the results differ",
            "    test upstream: FAIL, was PASS^G",
            "    hello_2.10-3_amd64.deb differs: 0202, was 0101",
        ]
    );
    assert!(text.contains("the same: 3 jobs, 1 test, "), "{text}");
    // What is only asked for runs nothing.
    assert_eq!(
        world.asked("ticket/replay"),
        [
            json!({"ticket": 2, "job": null, "owner": null}),
            json!({"ticket": 2, "job": null, "owner": null}),
            json!({"ticket": 99, "job": null, "owner": null}),
        ]
    );
}

#[test]
fn a_ticket_says_what_it_replays_and_whether_it_agrees() {
    let world = World::new();
    let replays = |id: u64| {
        let mut state = world.state.lock().unwrap();
        state.ticket(TicketId(id)).replay_of = Some(ReplayOf {
            ticket: TicketId(1),
            job: None,
        });
        drop(state);
        let (text, code) = world.shows(&format!("ticket show {id}"));
        assert_eq!(code, 0, "{text}");
        let line = text.lines().find(|line| line.starts_with("replays"));
        line.unwrap().trim_start_matches("replays").trim_start().to_owned()
    };
    assert_eq!(replays(2), "ticket #1, and agrees with it");
    assert_eq!(
        replays(3),
        "ticket #1, and differs: `preflight replay 3 --agreement` says in what"
    );
}

#[test]
fn programs_get_the_answers_as_they_are() {
    let world = World::new();
    let (text, code) = world.shows("replay 3 --job 33 --quiet --json");
    let agreement: Agreement = serde_json::from_str(&text).unwrap();
    assert_eq!((code, agreement.agrees, agreement.differences.len()), (1, false, 2));
    assert_eq!(world.asked("ticket/replay")[0]["job"], 33);
    let (text, code) = world.shows("replay 3 --agreement --job 33");
    assert_eq!(code, 20, "{text}");
}
