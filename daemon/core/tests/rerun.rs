//! Reruns, kept testbeds, unresponsive attempts and removed tickets.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use preflight_core::schedule::{Turn, priority};
use preflight_core::*;

mod support;
use support::{House, OTHER_MOMENT, ending, source, ticket};

fn image(ticket: TicketId) -> ImageRecord {
    ImageRecord {
        id: ImageId(format!("ticket-{ticket}-1")),
        series: Series("debian-bookworm".into()),
        kind: ImageKind::Ticket,
        parent: None,
        size: 1,
        created_at: Moment(0),
        path: "/i".into(),
    }
}

fn result(source: &str, name: &str, status: TestStatus) -> Report {
    Report::Test(TestResult {
        source: source.into(),
        name: name.into(),
        status,
        reason: None,
        duration: Duration::ZERO,
        log_line: None,
    })
}

impl House {
    fn report(&mut self, job: JobId, report: Report) {
        let attempt = self.state.job(job).unwrap().attempt();
        self.send(Command::Report { job, attempt, report }).unwrap();
    }

    /// Runs a ticket's jobs to their end: each source has the test `smoke`, and one of its own name.
    fn run_with_image(&mut self, id: TicketId) {
        while let Some(job) = self.start() {
            let found = self.state.job(job).unwrap().clone();
            match found.kind {
                JobKind::Image => self.report(job, Report::Image(image(id))),
                JobKind::Test => {
                    let source = found.source.unwrap();
                    self.report(job, result(&source, "smoke", TestStatus::Pass));
                    self.report(job, result(&source, &source, TestStatus::Fail));
                }
                _ => {}
            }
            let end = match found.kind {
                JobKind::Test => ending(Outcome::Fail, 4),
                _ => Ending::pass(),
            };
            self.finish(job, end);
        }
    }

    fn rerun(&mut self, ticket: TicketId, test: &str, staged: bool) -> Result<JobId, Refusal> {
        let test = test.to_owned();
        let events = self.send(Command::Rerun { ticket, test, staged })?;
        let [Event::JobAdded(job)] = &events[..] else {
            panic!("{events:?}")
        };
        Ok(job.id)
    }

    fn kept(&self, id: TicketId) -> Vec<(u64, u32)> {
        let jobs = &self.state.ticket(id).unwrap().jobs;
        let attempts = jobs
            .iter()
            .flat_map(|job| job.attempts.iter().map(|record| (job.id.0, record)));
        attempts
            .filter(|(_, record)| record.kept.is_some())
            .map(|(job, record)| (job, record.attempt.0))
            .collect()
    }
}

#[test]
fn a_rerun_changes_nothing_of_its_ticket() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    house.run_with_image(id);
    let before = house.state.ticket(id).unwrap().clone();
    assert_eq!(before.status, TicketStatus::Failed);
    let job = house.rerun(id, "smoke", true).unwrap();
    let found = house.state.job(job).unwrap().clone();
    assert_eq!(
        (job, found.kind, found.state),
        (JobId(4), JobKind::Test, JobState::Queued)
    );
    assert_eq!(
        found.rerun,
        Some(Rerun {
            test: "smoke".into(),
            purpose: Purpose::Asked,
            dirty: true,
            staged: Some("reruns/4".into()),
        })
    );
    assert!(house.state.may_remove(&image(id)).is_err(), "it is about to run on it");
    assert_eq!(house.start(), Some(job));
    house.report(job, result("a", "smoke", TestStatus::Fail));
    house.finish(job, ending(Outcome::Fail, 4));
    let after = house.state.ticket(id).unwrap();
    assert_eq!(
        (after.step, after.status, &after.end, after.queue_position),
        (before.step, before.status, &before.end, None)
    );
    assert_eq!(after.job(job).unwrap().state, JobState::Failed);
    let results: Vec<(u64, TestStatus)> = after
        .tests
        .iter()
        .filter(|test| test.result.name == "smoke")
        .map(|test| (test.job.0, test.result.status))
        .collect();
    assert_eq!(results, [(3, TestStatus::Pass), (4, TestStatus::Fail)]);
    assert!(house.state.may_remove(&image(id)).is_ok());
}

#[test]
fn a_rerun_of_a_running_ticket_does_not_hold_up_its_end() {
    let mut house = House::with_cores(2);
    let id = house.create(ticket(vec![source("a", false, &[])]));
    for kind in [JobKind::Build, JobKind::Image] {
        let job = house.start().unwrap();
        if kind == JobKind::Image {
            house.report(job, Report::Image(image(id)));
        }
        house.finish(job, Ending::pass());
    }
    let test = house.start().unwrap();
    let rerun = house.rerun(id, "smoke", false).unwrap();
    assert_eq!(house.start(), Some(rerun));
    house.finish(test, Ending::pass());
    let ended = house.state.ticket(id).unwrap();
    assert_eq!(ended.status, TicketStatus::Complete);
    assert!(ended.is_active());
    house.finish(rerun, ending(Outcome::TestbedBroken, 16));
    assert!(!house.state.ticket(id).unwrap().is_active());
    assert_eq!(
        house.state.ticket(id).unwrap().end.as_ref().unwrap().exit_code,
        ExitCode::PASS
    );
}

#[test]
fn which_test_is_meant() {
    let mut house = House::new();
    let one = house.create(ticket(vec![source("a", false, &[])]));
    house.run_with_image(one);
    let two = house.create(ticket(vec![source("a", false, &[]), source("b", false, &[])]));
    house.run_with_image(two);
    let bare = house.create(ticket(vec![source("a", false, &[])]));
    for (id, test, expected) in [
        (one, "smoke", Ok("a")),
        (one, "new-one", Ok("a")),
        (one, "a/new-one", Ok("a")),
        (one, "b/smoke", Err(Refusal::NoTest(one, "b/smoke".into()))),
        (one, "", Err(Refusal::NoTest(one, String::new()))),
        (one, "a/", Err(Refusal::NoTest(one, "a/".into()))),
        (one, "a/../x", Err(Refusal::NoTest(one, "a/../x".into()))),
        (one, "x\u{1b}", Err(Refusal::NoTest(one, "x\\u{1b}".into()))),
        (two, "b", Ok("b")),
        (two, "b/smoke", Ok("b")),
        (two, "new-one", Err(Refusal::NoTest(two, "new-one".into()))),
        (
            two,
            "smoke",
            Err(Refusal::Ambiguous {
                ticket: two,
                test: "smoke".into(),
                sources: vec!["a".into(), "b".into()],
            }),
        ),
        (bare, "smoke", Err(Refusal::NoImage(bare))),
        (TicketId(9), "smoke", Err(Refusal::NoTicket(TicketId(9)))),
    ] {
        let found = house.rerun(id, test, false);
        let source = found.map(|job| house.state.job(job).unwrap().source.clone().unwrap());
        assert_eq!(source.as_deref(), expected.as_ref().copied(), "{id} {test:?}");
    }
    let sources = Command::ForgetFiles {
        ticket: two,
        files: TicketFiles::Sources,
    };
    assert_eq!(
        house.send(sources),
        Err(Refusal::Active(two)),
        "a rerun of it is to run"
    );
    house.send(Command::ForgetImage { id: image(one).id }).unwrap();
    assert_eq!(house.rerun(one, "smoke", false), Err(Refusal::NoImage(one)));
}

#[test]
fn a_rerun_needs_the_sources() {
    let mut house = House::new();
    let freed = house.create(ticket(vec![source("a", false, &[])]));
    house.run_with_image(freed);
    // It can be told twice.
    for files in [TicketFiles::Artifacts, TicketFiles::Sources, TicketFiles::Sources] {
        house.send(Command::ForgetFiles { ticket: freed, files }).unwrap();
    }
    assert_eq!(house.rerun(freed, "a", false), Err(Refusal::NoSources(freed)));
}

#[test]
fn a_rerun_comes_first_and_is_cancelled_with_its_ticket() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    house.run_with_image(id);
    let other = house.create(ticket(vec![source("b", false, &[])]));
    let rerun = house.rerun(id, "smoke", false).unwrap();
    let found = house.state.ticket(id).unwrap();
    assert_eq!(priority(found, found.job(rerun).unwrap()), Priority::Interactive);
    assert_eq!(house.turn(), Turn::Start(rerun));
    house.send(Command::Cancel { ticket: id }).unwrap();
    let found = house.state.ticket(id).unwrap();
    assert_eq!(
        (found.status, found.job(rerun).unwrap().state),
        (TicketStatus::Failed, JobState::Cancelled),
        "the ticket has ended as it has"
    );
    assert_eq!(house.send(Command::Cancel { ticket: id }), Err(Refusal::Ended(id)));
    let next = house.start().unwrap();
    assert_eq!(house.state.job(next).unwrap().ticket, other);
}

#[test]
fn an_unresponsive_job_is_tried_once_more() {
    // What the attempts come to, and what becomes of the job: S is silent, I interrupted, P passes.
    for (attempts, state, outcome) in [
        ("SP", JobState::Passed, Outcome::Pass),
        ("SS", JobState::Failed, Outcome::TestbedBroken),
        ("SIS", JobState::Failed, Outcome::TestbedBroken),
        ("ISP", JobState::Passed, Outcome::Pass),
    ] {
        let mut house = House::new();
        let id = house.create(ticket(vec![source("a", false, &[])]));
        for (act, attempt) in attempts.chars().zip(1u32..) {
            let job = house.start().unwrap();
            assert_eq!(
                (job, house.state.job(job).unwrap().attempt()),
                (JobId(1), Attempt(attempt))
            );
            match act {
                'S' => house.finish(job, Ending::unresponsive("nothing was heard")),
                'P' => house.finish(job, Ending::pass()),
                _ => {
                    let reason = "died".into();
                    house.send(Command::Interrupt { job, reason }).unwrap();
                }
            }
        }
        let job = house.state.job(JobId(1)).unwrap();
        assert_eq!(
            (job.state, job.newest().unwrap().outcome),
            (state, Some(outcome)),
            "{attempts}"
        );
        let unresponsive: String = job
            .attempts
            .iter()
            .map(|record| if record.unresponsive { 'S' } else { '-' })
            .collect();
        assert_eq!(unresponsive, attempts.replace(['P', 'I'], "-"));
        let ticket = house.state.ticket(id).unwrap();
        assert_eq!(
            ticket.warnings,
            ["the build of a was unresponsive, and is tried once more"]
        );
        assert_eq!(ticket.status.is_final(), state == JobState::Failed);
    }
}

#[test]
fn a_cancelled_job_is_not_tried_again_however_silent() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let job = house.start().unwrap();
    house.send(Command::Cancel { ticket: id }).unwrap();
    house.finish(job, Ending::unresponsive("nothing was heard"));
    let found = house.state.job(job).unwrap();
    assert_eq!(
        (found.state, found.newest().unwrap().outcome),
        (JobState::Cancelled, Some(Outcome::Cancelled))
    );
    assert_eq!(house.turn(), Turn::Nobody);
}

#[test]
fn the_newest_failures_testbed_is_kept() {
    for (keep_failed, all, with_rerun) in [
        (KeepFailed::Newest, vec![(1, 2)], vec![(1, 2), (4, 1)]),
        (KeepFailed::Always, vec![(1, 1), (1, 2)], vec![(1, 1), (1, 2), (4, 1)]),
    ] {
        let mut house = House::new();
        let options = Options {
            keep_failed,
            ..Options::default()
        };
        let id = house.create(NewTicket {
            options,
            ..ticket(vec![source("a", false, &[])])
        });
        let job = house.start().unwrap();
        house.report(job, Report::Kept { bytes: 5 });
        house.finish(job, Ending::unresponsive("nothing was heard"));
        house.start().unwrap();
        house.report(job, Report::Kept { bytes: 6 });
        assert_eq!(house.kept(id), all, "{keep_failed:?}");
        house.finish(job, Ending::pass());
        house.run_with_image(id);
        for _ in 0..2 {
            let rerun = house.rerun(id, "smoke", false).unwrap();
            house.start().unwrap();
            if rerun == JobId(4) {
                house.report(rerun, Report::Kept { bytes: 7 });
            }
            house.finish(rerun, ending(Outcome::Fail, 4));
        }
        assert_eq!(house.kept(id), with_rerun, "a rerun's takes the place of no other");
        let forget = |job: u64, attempt: u32| Command::ForgetKept {
            job: JobId(job),
            attempt: Attempt(attempt),
        };
        house.send(forget(1, 2)).unwrap();
        assert_eq!(house.send(forget(1, 2)), Err(Refusal::NotKept(JobId(1), Attempt(2))));
        assert!(!house.kept(id).contains(&(1, 2)));
    }
}

#[test]
fn an_ended_ticket_can_be_removed_and_its_numbers_are_never_used_again() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let remove = |id| Command::Remove { ticket: id };
    assert_eq!(house.send(remove(id)), Err(Refusal::Active(id)));
    let job = house.start().unwrap();
    house.send(Command::Cancel { ticket: id }).unwrap();
    assert_eq!(
        house.send(remove(id)),
        Err(Refusal::Active(id)),
        "its machine is not gone"
    );
    house.finish(job, Ending::pass());
    let keep = |kept| Command::Update {
        ticket: id,
        edit: Edit {
            kept: Some(kept),
            ..Edit::default()
        },
        queue: false,
    };
    house.send(keep(true)).unwrap();
    assert_eq!(house.send(remove(id)), Err(Refusal::Kept(id)));
    house.send(keep(false)).unwrap();
    house.now += OTHER_MOMENT;
    house.send(remove(id)).unwrap();
    assert_eq!(house.state.tickets().count(), 0);
    assert!(house.state.job(job).is_none());
    assert_eq!(house.send(remove(id)), Err(Refusal::NoTicket(id)));

    let next = house.create(ticket(vec![source("a", false, &[])]));
    let found = house.state.ticket(next).unwrap();
    assert_eq!(
        (next, found.subtickets[0].id, found.jobs[0].id),
        (TicketId(2), SubticketId(2), JobId(4))
    );
    assert_eq!(house.run(&BTreeMap::new()), [4, 5, 6]);
}
