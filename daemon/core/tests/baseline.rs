//! What is run to judge a ticket's tests, and what comes of it.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::time::Duration;

use preflight_core::schedule::priority;
use preflight_core::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, ending, source, ticket};

use TestStatus::{Fail, Flaky, Pass, Skip};

fn result(name: &str, status: TestStatus) -> Report {
    Report::Test(TestResult {
        source: "a".into(),
        name: name.into(),
        status,
        reason: None,
        duration: Duration::ZERO,
        log_line: None,
    })
}

fn new(tests: TestOptions) -> NewTicket {
    NewTicket {
        options: Options {
            tests,
            ..Options::default()
        },
        ..ticket(vec![source("a", false, &[])])
    }
}

impl House {
    fn report(&mut self, job: JobId, report: Report) {
        let attempt = self.state.job(job).unwrap().attempt();
        self.send(Command::Report { job, attempt, report }).unwrap();
    }

    /// Runs a ticket's own jobs to the end of its tests.
    fn run_own(&mut self, id: TicketId, results: &[(&str, TestStatus)]) {
        loop {
            let job = self.start().unwrap();
            let kind = self.state.job(job).unwrap().kind;
            if kind == JobKind::Image {
                self.report(
                    job,
                    Report::Image(ImageRecord {
                        id: ImageId(format!("ticket-{id}")),
                        series: Series("debian-bookworm".into()),
                        kind: ImageKind::Ticket,
                        parent: None,
                        size: 1,
                        created_at: Moment(0),
                        path: "/i".into(),
                    }),
                );
            }
            if kind != JobKind::Test {
                self.finish(job, Ending::pass());
                continue;
            }
            for (name, status) in results {
                self.report(job, result(name, *status));
            }
            let failed = results.iter().any(|(_, status)| *status == Fail);
            self.finish(
                job,
                if failed {
                    ending(Outcome::Fail, 4)
                } else {
                    Ending::pass()
                },
            );
            return;
        }
    }

    /// The runs that were added, in their order.
    fn added(&self, id: TicketId) -> Vec<(&str, Purpose)> {
        let jobs = &self.state.ticket(id).unwrap().jobs;
        let reruns = jobs.iter().filter_map(|job| job.rerun.as_ref());
        reruns.map(|rerun| (rerun.test.as_str(), rerun.purpose)).collect()
    }

    /// Ends the run whose turn it is.
    fn run_one(&mut self, status: Option<TestStatus>, end: Ending) -> JobId {
        let job = self.start().unwrap();
        let test = self.state.job(job).unwrap().rerun.clone().unwrap().test;
        if let Some(status) = status {
            self.report(job, result(&test, status));
        }
        self.finish(job, end);
        job
    }

    fn verdict(&self, id: TicketId, name: &str) -> Option<String> {
        let ticket = self.state.ticket(id).unwrap();
        let mut own = ticket
            .tests
            .iter()
            .filter(|record| ticket.job(record.job).unwrap().rerun.is_none());
        let own = own.find(|record| record.result.name == name).unwrap();
        Verdicts::of(ticket)
            .over(&own.result)
            .map(|verdict| verdict.to_string())
    }
}

const RESULTS: [(&str, TestStatus); 5] = [("p", Pass), ("f", Fail), ("y", Flaky), ("s", Skip), ("*", Skip)];

#[test]
fn what_is_run_of_which_tests() {
    use Purpose::{Baseline, Repeat};
    for (policy, repeats, expected) in [
        (BaselinePolicy::Never, 0, &[][..]),
        (BaselinePolicy::Failed, 0, &[("f", Baseline), ("y", Baseline)]),
        (
            BaselinePolicy::All,
            0,
            &[("p", Baseline), ("f", Baseline), ("y", Baseline)],
        ),
        (
            BaselinePolicy::Never,
            2,
            &[("f", Repeat), ("f", Repeat), ("y", Repeat), ("y", Repeat)],
        ),
        (
            BaselinePolicy::Failed,
            1,
            &[("f", Baseline), ("y", Baseline), ("f", Repeat), ("y", Repeat)],
        ),
    ] {
        let mut house = House::new();
        let id = house.create(new(TestOptions {
            baseline: policy,
            rerun_failed: repeats,
            ..TestOptions::default()
        }));
        house.run_own(id, &RESULTS);
        assert_eq!(house.added(id), expected, "{policy:?} {repeats}");
        let ended = house.state.ticket(id).unwrap();
        assert_eq!(
            ended.end.as_ref().unwrap().exit_code.code(),
            4,
            "it has ended all the same"
        );
        for job in ended.jobs.iter().filter(|job| job.rerun.is_some()) {
            assert_eq!(
                priority(ended, job),
                Priority::Normal,
                "nobody waits before a screen for it"
            );
        }
        // What of it fails changes nothing of the ticket.
        let before = ended.clone();
        for _ in expected {
            house.run_one(Some(Fail), ending(Outcome::Fail, 4));
        }
        let after = house.state.ticket(id).unwrap();
        assert_eq!(
            (after.status, &after.end, after.step),
            (before.status, &before.end, before.step)
        );
        assert_eq!(
            house.added(id).len(),
            expected.len(),
            "nothing is run for what judges others"
        );
        assert!(!after.is_active());
    }
}

#[test]
fn a_package_with_many_tests_does_not_fill_the_state() {
    let mut house = House::new();
    let id = house.create(new(TestOptions {
        rerun_failed: 1000,
        baseline: BaselinePolicy::All,
        ..TestOptions::default()
    }));
    let names: Vec<String> = (0..30).map(|number| format!("t{number}")).collect();
    let results: Vec<_> = names.iter().map(|name| (name.as_str(), Fail)).collect();
    house.run_own(id, &results);
    let ticket = house.state.ticket(id).unwrap();
    assert_eq!(house.added(id).len(), 2000);
    assert_eq!(ticket.warnings.len(), 1, "{:?}", ticket.warnings);
}

#[test]
fn baselines_on_demand_are_those_that_are_missing() {
    let ask = |ticket, tests| Command::Baseline { ticket, tests };
    let named = |names: &[&str]| BaselineTests::Named(names.iter().map(|&name| name.to_owned()).collect());
    let mut house = House::new();
    let id = house.create(new(TestOptions::default()));
    assert_eq!(house.send(ask(id, BaselineTests::All)), Err(Refusal::NoImage(id)));
    house.run_own(id, &RESULTS);
    let missing = house.send(ask(id, named(&["p", "b/p"])));
    assert_eq!(missing, Err(Refusal::NoTest(id, "b/p".into())));
    house.send(ask(id, named(&["a/p"]))).unwrap();
    house.send(ask(id, BaselineTests::Failed)).unwrap();
    let names = |house: &House| {
        house
            .added(id)
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&house), ["p", "f", "y"]);
    assert_eq!(
        house.send(ask(id, BaselineTests::All)).unwrap(),
        [],
        "all of them wait or run"
    );
    house.run_one(Some(Fail), ending(Outcome::Fail, 4));
    house.run_one(Some(Pass), Ending::pass());
    // Its testbed fails, twice.
    let broken = || ending(Outcome::TestbedBroken, 16);
    let third = house.run_one(None, broken());
    assert_eq!(house.state.job(third).unwrap().state, JobState::Queued);
    assert_eq!(house.run_one(None, broken()), third);
    assert_eq!(house.state.job(third).unwrap().state, JobState::Failed);
    assert_eq!(house.verdict(id, "p").as_deref(), Some("fixed"));
    assert_eq!(house.verdict(id, "f").as_deref(), Some("regression"));
    assert_eq!(house.verdict(id, "y").as_deref(), Some("testbed broken"));
    assert_eq!(house.verdict(id, "s"), None);
    // What is not known is run again, the rest is not; and what is known then is not forgotten for another failure.
    house.send(ask(id, BaselineTests::All)).unwrap();
    assert_eq!(names(&house), ["p", "f", "y", "y"]);
    house.run_one(Some(Flaky), ending(Outcome::Skipped, 2));
    assert_eq!(house.verdict(id, "y").as_deref(), Some("always failed"));
    assert_eq!(house.send(ask(id, BaselineTests::All)).unwrap(), []);
}

#[test]
fn a_run_with_edited_files_and_one_that_was_asked_for_say_nothing_of_the_result() {
    let mut house = House::new();
    let id = house.create(new(TestOptions::default()));
    house.run_own(id, &RESULTS);
    for staged in [false, true] {
        let test = "f".to_owned();
        house
            .send(Command::Rerun {
                ticket: id,
                test,
                staged,
            })
            .unwrap();
        house.run_one(Some(Pass), Ending::pass());
    }
    assert_eq!(house.verdict(id, "f"), None);
}

#[test]
fn what_judges_a_ticket_ends_with_it() {
    let mut house = House::new();
    let id = house.create(new(TestOptions {
        rerun_failed: 2,
        ..TestOptions::default()
    }));
    house.run_own(id, &RESULTS);
    house.send(Command::Cancel { ticket: id }).unwrap();
    let ticket = house.state.ticket(id).unwrap();
    assert!(!ticket.is_active());
    assert_eq!(ticket.end.as_ref().unwrap().exit_code.code(), 4, "it had ended before");
    assert_eq!(house.verdict(id, "f"), None);
}

#[test]
fn a_ticket_that_builds_nothing_has_tests_alone_and_no_baseline() {
    let mut house = House::new();
    let tests = TestOptions {
        no_build: true,
        rerun_failed: 1,
        baseline: BaselinePolicy::All,
        ..TestOptions::default()
    };
    let id = house.create(NewTicket {
        subtickets: vec![source("a", true, &[]), source("b", false, &[])],
        preparation: Some(Preparation::BaseImage),
        ..new(tests)
    });
    let jobs = &house.state.ticket(id).unwrap().jobs;
    let kinds: Vec<_> = jobs
        .iter()
        .map(|job| (job.kind, job.needs.iter().map(|id| id.0).collect()))
        .collect();
    assert_eq!(
        kinds,
        [
            (JobKind::BaseImage, vec![]),
            (JobKind::Source, vec![1]),
            (JobKind::Test, vec![2]),
            (JobKind::Test, vec![1]),
        ]
    );
    let rerun = Command::Rerun {
        ticket: id,
        test: "a/f".into(),
        staged: false,
    };
    assert_eq!(
        house.send(rerun.clone()),
        Err(Refusal::NoImage(id)),
        "nothing is there to run yet"
    );
    house.run_own(id, &RESULTS);
    assert_eq!(house.added(id), [("f", Purpose::Repeat), ("y", Purpose::Repeat)]);
    house.send(rerun).unwrap();
    let refused = Command::Baseline {
        ticket: id,
        tests: BaselineTests::All,
    };
    assert_eq!(house.send(refused), Err(Refusal::NothingBuilt(id)));
}
