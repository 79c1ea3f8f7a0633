//! `preflight baseline` against a stub daemon: what it asks, what it prints, which code it ends with.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;
mod world;

use preflight_protocol::event::EventKind;
use preflight_protocol::job::{JobKind, Purpose, Rerun};
use preflight_protocol::result::TestStatus;
use preflight_protocol::verdict::{Meaning, Verdict};
use preflight_tui::cli::baseline::BaselineReport;
use preflight_tui::model::fold;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use stub::fixtures;
use world::World;

impl World {
    fn shows(&self, arguments: &str) -> (String, i32) {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (text, output.status.code().unwrap())
    }

    fn asked(&self) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let requests = state.requests.iter().filter(|(name, _)| name == "ticket/baseline");
        requests.map(|(_, params)| params.clone()).collect()
    }
}

#[test]
fn each_verdict_is_shown_with_what_differs() {
    let world = World::new();
    let (text, code) = world.shows("baseline 3");
    assert_eq!(code, 4, "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "worse                FAIL non-zero exit status 1  [regression]",
            "    without the change: PASS (as ticket #1 found in job 9)",
            "    packages that differ, with and without the change:",
            "        lib0 2 -",
            "        lib1 2 1",
        ]
    );
    assert_eq!(
        lines[13..],
        [
            "        and 7 more (--json: all)",
            "    the logs part here:",
            "        with     job 3, line 12: expected 3^[[31m",
            "        without  (the log has ended)",
            "fixed                PASS  [fixed]",
            "    without the change: PASS (job 4)",
            "flaky                FAIL non-zero exit status 1  [flaky: 1 of 3 more runs passed]",
            "    run again: 1 of 3 passed",
            "",
            "1 fixed, 1 flaky, 1 regression",
        ]
    );
    let (text, code) = world.shows("baseline 2 --no-run");
    assert!(text.ends_with("\n1 fixed, 1 flaky\n"), "{text}");
    assert_eq!(code, 0, "what is flaky is no regression");
}

#[test]
fn what_is_asked_for_is_what_was_said() {
    let world = World::new();
    for arguments in ["2", "2 upstream hello/smoke", "2 --all", "2 --no-run"] {
        assert_eq!(world.shows(&format!("baseline {arguments}")).1, 0, "{arguments}");
    }
    assert_eq!(
        world.asked(),
        [
            json!({"ticket": 2, "tests": [], "all": false}),
            json!({"ticket": 2, "tests": ["upstream", "hello/smoke"], "all": false}),
            json!({"ticket": 2, "tests": [], "all": true}),
        ]
    );
    for arguments in ["2 upstream --all", "2 --no-run --all", "x"] {
        assert_eq!(world.shows(&format!("baseline {arguments}")).1, 20, "{arguments}");
    }
}

#[test]
fn programs_get_one_object() {
    let world = World::new();
    let (text, code) = world.shows("baseline 3 --json");
    let report: BaselineReport = serde_json::from_str(&text).unwrap();
    assert_eq!((report.ticket.0, report.exit_code, code), (3, 4, 4));
    assert_eq!(report.tests.len(), 3);
    assert_eq!(report.counts.get("regression"), Some(&1));
}

#[test]
fn a_job_that_judges_a_test_says_what_its_result_means() {
    let mut ticket = fixtures::passed(1, "hello", "2.10-3", fixtures::noon());
    let own = ticket.tests[0].clone();
    let verdict = Verdict {
        meaning: Meaning::Fixed,
        again: None,
    };
    let mut job = fixtures::job(1, 99, JobKind::Test, Some(&own.source));
    job.rerun = Some(Rerun {
        test: own.name.clone(),
        purpose: Purpose::Baseline,
        dirty: false,
        verdict: Some(verdict),
    });
    let result = fixtures::test(&job, &own.name, TestStatus::Fail, None, 1.0);
    fold::event(&mut ticket, &EventKind::TestRecorded(result));
    fold::event(&mut ticket, &EventKind::JobChanged(Box::new(job)));
    let verdicts: Vec<_> = ticket.tests.iter().map(|test| (test.job, test.verdict)).collect();
    assert!(verdicts.contains(&(own.job, Some(verdict))), "{verdicts:?}");
    let judged = verdicts.iter().filter(|(_, verdict)| verdict.is_some());
    assert_eq!(judged.count(), 1, "the baseline's own result has none");
}
