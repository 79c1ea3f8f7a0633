//! Whatever is asked in whatever order: what must always be true, is.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;

use preflight_core::schedule::Turn;
use preflight_core::*;
use proptest::prelude::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::turn;

#[derive(Debug, Clone)]
enum Act {
    Create {
        sources: Vec<(bool, bool)>,
        base: bool,
        wait: bool,
    },
    Queue(u64),
    Cancel(u64),
    StartNext(u16),
    Start(u64),
    Finish(u64, u32, u8),
    FinishOpen(usize, u8),
    ImageOpen(usize),
    Silent(u64, u32),
    Warn(u64, u32),
    Keep(u64, u32),
    ForgetKept(u64, u32),
    Rerun(u64, bool),
    TestOpen(usize, bool),
    Baseline(u64, bool),
    KeepTicket(u64, bool),
    Remove(u64),
    Die,
}

fn act() -> impl Strategy<Value = Act> {
    let job = 1..30u64;
    prop_oneof![
        2 => (prop::collection::vec(any::<(bool, bool)>(), 0..3), any::<bool>(), any::<bool>())
            .prop_map(|(sources, base, wait)| Act::Create { sources, base, wait }),
        1 => (1..6u64).prop_map(Act::Queue),
        1 => (1..6u64).prop_map(Act::Cancel),
        6 => (1..4u16).prop_map(Act::StartNext),
        1 => job.clone().prop_map(Act::Start),
        8 => (job.clone(), 1..4u32, prop::sample::select(vec![0, 0, 0, 2, 4, 6, 8, 12, 14, 16, 20]))
            .prop_map(|(job, attempt, code)| Act::Finish(job, attempt, code)),
        8 => (0..3usize, prop::sample::select(vec![0, 0, 0, 0, 0, 2, 4, 16]))
            .prop_map(|(place, code)| Act::FinishOpen(place, code)),
        3 => (0..3usize).prop_map(Act::ImageOpen),
        2 => (job.clone(), 1..4u32).prop_map(|(job, attempt)| Act::Silent(job, attempt)),
        1 => (job.clone(), 1..4u32).prop_map(|(job, attempt)| Act::Warn(job, attempt)),
        1 => (job.clone(), 1..4u32).prop_map(|(job, attempt)| Act::Keep(job, attempt)),
        1 => (job, 1..4u32).prop_map(|(job, attempt)| Act::ForgetKept(job, attempt)),
        2 => (1..6u64, any::<bool>()).prop_map(|(ticket, staged)| Act::Rerun(ticket, staged)),
        4 => (0..3usize, any::<bool>()).prop_map(|(place, passed)| Act::TestOpen(place, passed)),
        1 => (1..6u64, any::<bool>()).prop_map(|(ticket, all)| Act::Baseline(ticket, all)),
        1 => (1..6u64, any::<bool>()).prop_map(|(ticket, keep)| Act::KeepTicket(ticket, keep)),
        1 => (1..6u64).prop_map(Act::Remove),
        1 => Just(Act::Die),
    ]
}

fn commands(state: &State, act: Act) -> Vec<Command> {
    match act {
        Act::Create { sources, base, wait } => {
            let subtickets = sources
                .iter()
                .enumerate()
                .map(|(place, &(folder, after))| NewSubticket {
                    source: format!("s{place}"),
                    version: "1".into(),
                    origin: "/o".into(),
                    signature: Signature::None,
                    staged: "s".into(),
                    needs_source_package: folder,
                    build_after: if after && place > 0 { vec![place - 1] } else { vec![] },
                })
                .collect();
            vec![Command::Create(Box::new(NewTicket {
                title: "t".into(),
                description: String::new(),
                bug: None,
                owner: "o".into(),
                series: Series("s".into()),
                options: Options {
                    tests: TestOptions {
                        rerun_failed: u32::from(base),
                        baseline: if base {
                            BaselinePolicy::Failed
                        } else {
                            BaselinePolicy::Never
                        },
                        no_build: wait && !base,
                        ..TestOptions::default()
                    },
                    ..Options::default()
                },
                subtickets,
                preparation: base.then_some(Preparation::BaseImage),
                wait,
                warnings: vec![],
            }))]
        }
        Act::Queue(id) => vec![Command::Update {
            ticket: TicketId(id),
            edit: Edit::default(),
            queue: true,
        }],
        Act::Cancel(id) => vec![Command::Cancel { ticket: TicketId(id) }],
        Act::StartNext(cores) => match turn(state, cores) {
            Turn::Start(job) => vec![Command::Start { job }],
            Turn::Full(_) | Turn::Nobody => vec![],
        },
        Act::Start(job) => vec![Command::Start { job: JobId(job) }],
        Act::Finish(job, attempt, code) => {
            let exit_code = ExitCode::try_from(code).unwrap();
            let report = Report::Finished(Ending {
                exit_code,
                ..Ending::new(exit_code.outcome(), None)
            });
            vec![Command::Report {
                job: JobId(job),
                attempt: Attempt(attempt),
                report,
            }]
        }
        Act::Silent(job, attempt) => report(job, attempt, Report::Finished(Ending::unresponsive("silent"))),
        Act::Warn(job, attempt) => report(job, attempt, Report::Warning("w".into())),
        Act::FinishOpen(place, code) => of_open(state, place, || {
            let exit_code = ExitCode::try_from(code).unwrap();
            Report::Finished(Ending::new(exit_code.outcome(), None))
        }),
        Act::ImageOpen(place) => of_open(state, place, || {
            let image = ImageRecord {
                id: ImageId(format!("image-{place}")),
                series: Series("s".into()),
                kind: ImageKind::Ticket,
                parent: None,
                size: 1,
                created_at: Moment(0),
                path: "/i".into(),
            };
            Report::Image(image)
        }),
        Act::Keep(job, attempt) => report(job, attempt, Report::Kept { bytes: 7 }),
        Act::ForgetKept(job, attempt) => vec![Command::ForgetKept {
            job: JobId(job),
            attempt: Attempt(attempt),
        }],
        Act::Rerun(ticket, staged) => vec![Command::Rerun {
            ticket: TicketId(ticket),
            test: "s0/test".into(),
            staged,
        }],
        Act::TestOpen(place, passed) => match state.open_jobs().nth(place) {
            Some(job) if job.kind == JobKind::Test => {
                let result = TestResult {
                    source: job.source.clone().unwrap(),
                    name: "test".into(),
                    status: if passed { TestStatus::Pass } else { TestStatus::Fail },
                    reason: None,
                    duration: std::time::Duration::ZERO,
                    log_line: None,
                };
                report(job.id.0, job.attempt().0, Report::Test(result))
            }
            _ => vec![],
        },
        Act::Baseline(ticket, all) => vec![Command::Baseline {
            ticket: TicketId(ticket),
            tests: if all { BaselineTests::All } else { BaselineTests::Failed },
        }],
        Act::KeepTicket(ticket, keep) => vec![Command::Update {
            ticket: TicketId(ticket),
            edit: Edit {
                kept: Some(keep),
                ..Edit::default()
            },
            queue: false,
        }],
        Act::Remove(ticket) => vec![Command::Remove {
            ticket: TicketId(ticket),
        }],
        Act::Die => state
            .open_jobs()
            .map(|job| Command::Interrupt {
                job: job.id,
                reason: "died".into(),
            })
            .collect(),
    }
}

fn report(job: u64, attempt: u32, report: Report) -> Vec<Command> {
    vec![Command::Report {
        job: JobId(job),
        attempt: Attempt(attempt),
        report,
    }]
}

/// A report of one of the open jobs, if there is one at this place.
fn of_open(state: &State, place: usize, made: impl FnOnce() -> Report) -> Vec<Command> {
    match state.open_jobs().nth(place) {
        Some(job) => report(job.id.0, job.attempt().0, made()),
        None => vec![],
    }
}

/// What a rerun must leave as it is.
fn of_its_own(ticket: &Ticket) -> (WorkflowStep, TicketStatus, Option<&TicketEnd>) {
    (ticket.step, ticket.status, ticket.end.as_ref())
}

fn check(before: &State, state: &State) {
    let mut places = vec![];
    for ticket in state.tickets() {
        let ended = ticket.status.is_final();
        assert_eq!(ended, ticket.end.is_some());
        assert_eq!(
            ended,
            matches!(ticket.step, WorkflowStep::Failed | WorkflowStep::Complete)
        );
        if let Some(end) = &ticket.end {
            let mut own = ticket.jobs.iter().filter(|job| job.rerun.is_none());
            assert!(own.all(|job| job.state.is_final()), "{ticket:?}");
            assert_eq!(end.exit_code.completes(), ticket.step == WorkflowStep::Complete);
            assert_eq!(end.exit_code.outcome(), end.outcome);
        } else {
            assert!(
                ticket
                    .jobs
                    .iter()
                    .any(|job| job.rerun.is_none() && !job.state.is_final()),
                "an open ticket has something to do"
            );
        }
        if ticket.status == TicketStatus::Queued {
            places.push(ticket.queue_position.unwrap());
        } else {
            assert_eq!(ticket.queue_position, None);
        }
        for job in &ticket.jobs {
            let open = job.attempts.iter().filter(|attempt| attempt.is_open()).count();
            assert!(open <= 1, "at most one attempt of a job runs");
            if job.state == JobState::Running {
                assert_eq!(open, 1);
            }
            if open == 1 {
                assert!(matches!(job.state, JobState::Running | JobState::Cancelled));
            }
            for (attempt, number) in job.attempts.iter().zip(1..) {
                assert_eq!(attempt.attempt, Attempt(number), "attempts count from 1 without a gap");
            }
            let silent = |pair: &[AttemptRecord]| pair.iter().all(|record| record.unresponsive);
            assert!(
                !job.attempts.windows(3).any(silent),
                "an unresponsive job is tried once more, not for ever"
            );
            let needs_passed = job
                .needs
                .iter()
                .all(|need| ticket.job(*need).unwrap().state == JobState::Passed);
            assert!(
                needs_passed || job.attempts.is_empty(),
                "nothing runs before what it needs"
            );
        }
        if let Some(old) = before.ticket(ticket.id) {
            assert!(ticket.step >= old.step, "the step never goes back");
            assert!(
                !old.status.is_final() || of_its_own(old) == of_its_own(ticket),
                "an end is final"
            );
            for (old, new) in old.jobs.iter().zip(&ticket.jobs) {
                assert!(new.attempts.len() >= old.attempts.len(), "every attempt is kept");
            }
        }
    }
    for old in before.tickets().filter(|old| state.ticket(old.id).is_none()) {
        assert!(!old.is_active() && !old.kept, "what runs or is kept is not removed");
    }
    let (last, now) = (before.numbers(), state.numbers());
    assert!(last.ticket <= now.ticket && last.subticket <= now.subticket && last.job <= now.job);
    let new = state.tickets().filter(|ticket| before.ticket(ticket.id).is_none());
    assert!(
        new.into_iter().all(|ticket| ticket.id > last.ticket),
        "no number is given out twice"
    );
    places.sort_unstable();
    assert_eq!(
        places,
        (1..).take(places.len()).collect::<Vec<u32>>(),
        "the queue has no gaps"
    );
    let restored = State::restore(
        state.tickets().cloned().collect(),
        state.images().cloned().collect(),
        state.numbers(),
    );
    assert_eq!(&restored, state, "the indices follow from the tickets");
}

proptest! {
    #[test]
    fn hold_after_every_command(acts in prop::collection::vec(act(), 0..60)) {
        let mut state = State::default();
        let mut now = 0;
        for act in acts {
            for command in commands(&state, act) {
                now += 1;
                let before = state.clone();
                if let Ok(events) = decide(&state, command, Moment(now)) {
                    events.iter().for_each(|event| state.apply(event));
                }
                check(&before, &state);
            }
        }
        // Left to itself with jobs that pass, every queued ticket ends.
        let mut steps = 0;
        loop {
            let open: Vec<(JobId, Attempt)> = state.open_jobs().map(|job| (job.id, job.attempt())).collect();
            let command = match (open.first(), turn(&state, 1)) {
                (Some(&(job, attempt)), _) => Command::Report { job, attempt, report: Report::Finished(Ending::pass()) },
                (None, Turn::Start(job)) => Command::Start { job },
                (None, Turn::Full(_)) => panic!("nothing runs, and something waits for room"),
                (None, Turn::Nobody) => break,
            };
            for event in decide(&state, command, Moment(now)).unwrap() {
                state.apply(&event);
            }
            steps += 1;
            prop_assert!(steps < 10_000);
        }
        prop_assert!(state.active_tickets().all(|ticket| ticket.status == TicketStatus::Waiting));
        let unfinished: BTreeMap<_, _> = state.open_jobs().map(|job| (job.id, job.state)).collect();
        prop_assert!(unfinished.is_empty());
    }
}
