//! The life of tickets, transition by transition.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use preflight_core::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, OTHER_MOMENT, source, ticket};

fn graph(ticket: &Ticket) -> Vec<(u64, &'static str, Option<&str>, Vec<u64>)> {
    let row = |job: &'_ Job| (job.id.0, job.kind.key(), job.needs.iter().map(|need| need.0).collect());
    ticket
        .jobs
        .iter()
        .map(|job| {
            let (id, kind, needs) = row(job);
            (id, kind, job.source.as_deref(), needs)
        })
        .collect()
}

#[test]
fn a_ticket_of_two_sources_has_these_jobs() {
    let mut house = House::new();
    let new = NewTicket {
        preparation: Some(Preparation::BaseImage),
        ..ticket(vec![source("lib", true, &[]), source("app", false, &[0])])
    };
    let id = house.create(new);
    assert_eq!(
        graph(house.state.ticket(id).unwrap()),
        [
            (1, "base_image", None, vec![]),
            (2, "source", Some("lib"), vec![1]),
            (3, "build", Some("lib"), vec![2]),
            (4, "build", Some("app"), vec![1, 3]),
            (5, "image", None, vec![3, 4]),
            (6, "test", Some("lib"), vec![5]),
            (7, "test", Some("app"), vec![5]),
        ]
    );
    assert_eq!(house.run(&BTreeMap::new()), [1, 2, 3, 4, 5, 6, 7]);
    let ticket = house.state.ticket(id).unwrap();
    assert_eq!(
        (ticket.step, ticket.status),
        (WorkflowStep::Complete, TicketStatus::Complete)
    );
    assert_eq!(
        ticket.job(JobId(2)).unwrap().newest().unwrap().log.as_str(),
        "2-source-lib.1.log"
    );
    assert_eq!(
        ticket.job(JobId(1)).unwrap().newest().unwrap().log.as_str(),
        "1-base_image.1.log"
    );
    let steps: Vec<WorkflowStep> = house
        .seen
        .iter()
        .filter_map(|event| match event {
            Event::TicketAdvanced { step, .. } => Some(*step),
            _ => None,
        })
        .collect();
    assert_eq!(
        steps,
        [
            WorkflowStep::PackageBuilding,
            WorkflowStep::ImageBuilding,
            WorkflowStep::ImageTesting
        ]
    );
}

#[test]
fn endings_of_a_ticket_of_two_sources() {
    use Outcome::{BadPackage, Fail, NoTests, Skipped, TestbedBroken};
    // Jobs: 1 build a, 2 build b, 3 image, 4 test a, 5 test b.
    for (fail, ran, exit_code, outcome, reason) in [
        (vec![], vec![1, 2, 3, 4, 5], 0, Outcome::Pass, None),
        (
            vec![(1, (BadPackage, 12))],
            vec![1, 2],
            12,
            BadPackage,
            Some("build of a: because"),
        ),
        (
            vec![(1, (BadPackage, 12)), (2, (TestbedBroken, 16))],
            vec![1, 2],
            16,
            TestbedBroken,
            Some("build of a: because"),
        ),
        (
            vec![(3, (BadPackage, 12))],
            vec![1, 2, 3],
            12,
            BadPackage,
            Some("image: because"),
        ),
        (
            vec![(4, (Fail, 4))],
            vec![1, 2, 3, 4, 5],
            4,
            Fail,
            Some("test of a: because"),
        ),
        (
            vec![(4, (Fail, 6)), (5, (BadPackage, 12))],
            vec![1, 2, 3, 4, 5],
            14,
            BadPackage,
            Some("test of a: because"),
        ),
        (
            vec![(4, (Skipped, 2)), (5, (Fail, 4))],
            vec![1, 2, 3, 4, 5],
            6,
            Fail,
            Some("test of b: because"),
        ),
        (vec![(4, (Skipped, 2))], vec![1, 2, 3, 4, 5], 2, Skipped, None),
        (vec![(5, (NoTests, 8))], vec![1, 2, 3, 4, 5], 8, NoTests, None),
        (
            vec![(4, (Fail, 4)), (5, (TestbedBroken, 16))],
            vec![1, 2, 3, 4, 5],
            16,
            TestbedBroken,
            Some("test of a: because"),
        ),
    ] {
        let mut house = House::new();
        let id = house.create(ticket(vec![source("a", false, &[]), source("b", false, &[])]));
        assert_eq!(house.run(&fail.iter().copied().collect()), ran, "{fail:?}");
        let ticket = house.state.ticket(id).unwrap();
        let end = ticket.end.as_ref().unwrap();
        assert_eq!(
            (end.exit_code.code(), end.outcome, end.reason.as_deref()),
            (exit_code, outcome, reason),
            "{fail:?}"
        );
        let step = if matches!(exit_code, 0 | 2 | 8) {
            WorkflowStep::Complete
        } else {
            WorkflowStep::Failed
        };
        assert_eq!(ticket.step, step, "{fail:?}");
        for job in &ticket.jobs {
            assert_eq!(
                job.state == JobState::Skipped,
                !ran.contains(&job.id.0),
                "{fail:?} {job:?}"
            );
        }
    }
}

#[test]
fn what_is_built_against_a_failed_build_is_skipped_and_the_rest_goes_on() {
    let mut house = House::new();
    let sources = vec![
        source("lib", false, &[]),
        source("app", true, &[0]),
        source("other", false, &[]),
    ];
    let id = house.create(ticket(sources));
    // 1 build lib, 2 source app, 3 build app, 4 build other, 5 image, 6-8 tests.
    let failed = BTreeMap::from([(1, (Outcome::BadPackage, 12))]);
    assert_eq!(house.run(&failed), [1, 2, 4]);
    let ticket = house.state.ticket(id).unwrap();
    let reasons: Vec<_> = ticket.jobs.iter().filter_map(|job| job.reason.as_deref()).collect();
    assert_eq!(reasons, ["the build of lib has failed"; 5]);
}

#[test]
fn base_images_alone_make_a_ticket() {
    let mut house = House::new();
    let id = house.create(NewTicket {
        preparation: Some(Preparation::BaseImage),
        ..ticket(vec![])
    });
    assert_eq!(house.run(&BTreeMap::new()), [1]);
    assert_eq!(house.state.ticket(id).unwrap().step, WorkflowStep::Complete);
    let nothing = house.send(Command::Create(Box::new(ticket(vec![]))));
    assert_eq!(nothing, Err(Refusal::NothingToDo));
    let backwards = ticket(vec![source("a", false, &[0])]);
    let refusal = house.send(Command::Create(Box::new(backwards)));
    assert_eq!(refusal, Err(Refusal::BadOrder { place: 0, after: 0 }));
}

#[test]
fn what_is_prefetched_is_asked_of_base_images_that_are_there() {
    let mut house = House::new();
    let prefetch = || NewTicket {
        preparation: Some(Preparation::Prefetch),
        ..ticket(vec![])
    };
    let id = house.create(prefetch());
    assert_eq!(house.run(&BTreeMap::new()), [1, 2]);
    let kinds: Vec<JobKind> = house
        .state
        .ticket(id)
        .unwrap()
        .jobs
        .iter()
        .map(|job| job.kind)
        .collect();
    assert_eq!(kinds, [JobKind::BaseImage, JobKind::Prefetch]);
    house.create(prefetch());
    let failed = BTreeMap::from([(3, (Outcome::TestbedBroken, 16))]);
    assert_eq!(house.run(&failed), [3]);
}

#[test]
fn a_replay_of_one_job_has_that_job_alone_and_what_it_needs_is_given() {
    let mut house = House::new();
    let image = ImageId("ticket-0".into());
    for (kind, of, image) in [
        (JobKind::Build, Some("b"), None),
        (JobKind::Image, None, None),
        (JobKind::Test, Some("a"), Some(&image)),
    ] {
        let label = JobLabel {
            kind,
            source: of.map(str::to_owned),
        };
        let replay_of = ReplayOf {
            ticket: TicketId(1),
            job: Some(label.clone()),
            image: image.cloned(),
        };
        let id = house.create(NewTicket {
            options: Options {
                replay_of: Some(replay_of),
                ..Options::default()
            },
            ..ticket(vec![source("a", false, &[]), source("b", false, &[0])])
        });
        let replay = house.state.ticket(id).unwrap().clone();
        let [job] = &replay.jobs[..] else {
            panic!("{:?}", replay.jobs);
        };
        assert_eq!((job.kind, job.source.as_deref(), &job.needs), (kind, of, &vec![]));
        assert_eq!(replay.image.as_ref(), image);
        assert_eq!(replay.options.replay_of.unwrap().job, Some(label));
        house.run(&BTreeMap::new());
        let ended = house.state.ticket(id).unwrap();
        assert_eq!(ended.status, TicketStatus::Complete, "{ended:?}");
    }
}

#[test]
fn the_queue_is_first_come_first_served_and_waiting_tickets_are_not_in_it() {
    let mut house = House::new();
    let one = || ticket(vec![source("a", false, &[])]);
    let waiting = house.create(NewTicket { wait: true, ..one() });
    let (first, second) = (house.create(one()), house.create(one()));
    let place = |house: &House, id| house.state.ticket(id).unwrap().queue_position;
    assert_eq!(
        [waiting, first, second].map(|id| place(&house, id)),
        [None, Some(1), Some(2)]
    );
    house
        .send(Command::Update {
            ticket: waiting,
            edit: Edit::default(),
            queue: true,
        })
        .unwrap();
    assert_eq!(place(&house, waiting), Some(3));
    let job = house.start().unwrap();
    assert_eq!(house.state.ticket_of(job).unwrap().id, first);
    assert_eq!(
        [waiting, first, second].map(|id| place(&house, id)),
        [Some(2), None, Some(1)]
    );
    assert_eq!(house.start(), None, "one job at a time");
    let again = house.send(Command::Update {
        ticket: first,
        edit: Edit::default(),
        queue: true,
    });
    assert_eq!(again, Err(Refusal::NotWaiting(first, TicketStatus::Running)));
    house.send(Command::Cancel { ticket: second }).unwrap();
    assert_eq!(place(&house, waiting), Some(1));
    let options = Options {
        priority: Priority::Interactive,
        ..Options::default()
    };
    let urgent = house.create(NewTicket { options, ..one() });
    assert_eq!([urgent, waiting].map(|id| place(&house, id)), [Some(1), Some(2)]);
}

#[test]
fn cancelling_is_final_at_once_and_the_machine_keeps_its_slot_until_it_is_gone() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let other = house.create(ticket(vec![source("b", false, &[])]));
    let job = house.start().unwrap();
    house.send(Command::Cancel { ticket: id }).unwrap();
    let ticket = house.state.ticket(id).unwrap();
    assert_eq!(
        (ticket.status, ticket.step),
        (TicketStatus::Cancelled, WorkflowStep::Failed)
    );
    assert_eq!(ticket.end.as_ref().unwrap().exit_code, ExitCode::CANCELLED);
    assert!(ticket.jobs.iter().all(|job| job.state == JobState::Cancelled));
    assert!(ticket.job(job).unwrap().is_open());
    assert_eq!(house.start(), None);

    let late = Report::Warning("late".into());
    let refused = house.send(Command::Report {
        job,
        attempt: Attempt(1),
        report: late,
    });
    assert_eq!(refused, Err(Refusal::Stale(job, Attempt(1))));
    house.finish(job, Ending::pass());
    let record = house.state.job(job).unwrap().newest().unwrap().clone();
    assert_eq!((record.outcome, record.is_open()), (Some(Outcome::Cancelled), false));
    let next = house.start().unwrap();
    assert_eq!(house.state.ticket_of(next).unwrap().id, other);
    assert_eq!(house.send(Command::Cancel { ticket: id }), Err(Refusal::Ended(id)));
}

#[test]
fn an_interrupted_attempt_is_kept_and_followed_by_the_next() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let job = house.start().unwrap();
    let result = TestResult {
        source: "a".into(),
        name: "t\u{1b}".into(),
        status: TestStatus::Pass,
        reason: None,
        duration: Duration::ZERO,
        log_line: None,
    };
    house
        .send(Command::Report {
            job,
            attempt: Attempt(1),
            report: Report::Test(result.clone()),
        })
        .unwrap();
    assert_eq!(house.state.ticket(id).unwrap().tests[0].result.name, "t\\u{1b}");
    house
        .send(Command::Interrupt {
            job,
            reason: "the daemon died".into(),
        })
        .unwrap();
    let record = house.state.job(job).unwrap();
    assert_eq!((record.state, record.attempts.len()), (JobState::Queued, 1));
    assert_eq!(
        (record.attempts[0].outcome, record.attempts[0].is_open()),
        (None, false)
    );
    assert_eq!(house.start(), Some(job));
    let record = house.state.job(job).unwrap();
    assert_eq!(
        (record.attempt(), record.newest().unwrap().log.as_str()),
        (Attempt(2), "1-build-a.2.log")
    );
    assert!(
        house.state.ticket(id).unwrap().tests.is_empty(),
        "the first attempt's result counts no more"
    );
    let stale = house.send(Command::Report {
        job,
        attempt: Attempt(1),
        report: Report::Test(result),
    });
    assert_eq!(stale, Err(Refusal::Stale(job, Attempt(1))));
}

#[test]
fn edits_change_what_they_name() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let edit = Edit {
        title: Some("new".into()),
        bug: Some("1234".into()),
        ..Edit::default()
    };
    house
        .send(Command::Update {
            ticket: id,
            edit,
            queue: false,
        })
        .unwrap();
    let ticket = house.state.ticket(id).unwrap();
    assert_eq!(
        (ticket.title.as_str(), ticket.bug.as_deref(), ticket.owner.as_str()),
        ("new", Some("1234"), "jane")
    );
    let refusal = house.send(Command::Cancel { ticket: TicketId(9) });
    assert_eq!(refusal, Err(Refusal::NoTicket(TicketId(9))));
}

#[test]
fn images_are_kept_while_something_needs_them() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let job = house.start().unwrap();
    let base = ImageRecord {
        id: ImageId("debian-bookworm-base-1".into()),
        series: Series("debian-bookworm".into()),
        kind: ImageKind::Base,
        parent: None,
        size: 1,
        created_at: Moment(0),
        path: "/i".into(),
    };
    let own = ImageRecord {
        id: ImageId("ticket-1-2".into()),
        kind: ImageKind::Ticket,
        parent: Some(base.id.clone()),
        ..base.clone()
    };
    for image in [&base, &own] {
        let report = Report::Image(image.clone());
        house
            .send(Command::Report {
                job,
                attempt: Attempt(1),
                report,
            })
            .unwrap();
    }
    assert_eq!(house.state.ticket(id).unwrap().image.as_ref(), Some(&own.id));
    assert_eq!(house.state.users(&base), [id]);
    assert_eq!(house.state.may_remove(&own), Err(Refusal::InUse(own.id.clone(), id)));
    assert_eq!(
        house.state.may_remove(&base),
        Err(Refusal::HasChild(base.id.clone(), own.id.clone()))
    );
    house.finish(job, Ending::new(Outcome::BadPackage, None));
    assert_eq!(house.state.may_remove(&own), Ok(()));
    house.send(Command::ForgetImage { id: own.id.clone() }).unwrap();
    assert_eq!(house.state.may_remove(&base), Ok(()));
}

#[test]
fn estimates_are_medians_of_what_passed() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[]), source("b", false, &[])]));
    let ticket_jobs = house.state.ticket(id).unwrap().jobs.clone();
    house.send(Command::Cancel { ticket: id }).unwrap();
    let job = |kind: JobKind, source: Option<&str>| {
        let mut jobs = ticket_jobs.iter();
        jobs.find(|job| job.kind == kind && job.source.as_deref() == source)
            .unwrap()
    };
    assert_eq!(estimate(&house.state, job(JobKind::Build, Some("a"))), None);
    for seconds in [10, 30, 20] {
        house.create(ticket(vec![source("a", false, &[])]));
        let job = house.start().unwrap();
        house.now += (seconds - 1) * OTHER_MOMENT;
        house.finish(job, Ending::pass());
        while let Some(job) = house.start() {
            house.finish(job, Ending::pass());
        }
    }
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(estimate(&house.state, job(JobKind::Build, Some("a"))), seconds(20));
    assert_eq!(estimate(&house.state, job(JobKind::Build, Some("b"))), None);
    assert_eq!(estimate(&house.state, job(JobKind::Image, None)), seconds(1));
    let mut rerun = job(JobKind::Test, Some("a")).clone();
    assert_eq!(estimate(&house.state, &rerun), seconds(1));
    rerun.rerun = Some(Rerun {
        test: "one".into(),
        purpose: Purpose::Asked,
        dirty: false,
        staged: None,
    });
    assert_eq!(estimate(&house.state, &rerun), None, "one test is not all of them");
}
