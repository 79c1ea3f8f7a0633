//! Whatever is asked in whatever order: what must always be true, is.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;

use preflight_core::schedule::{Slots, next};
use preflight_core::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Create {
        sources: Vec<(bool, bool)>,
        base: bool,
        wait: bool,
    },
    Queue(u64),
    Cancel(u64),
    StartNext(usize),
    Start(u64),
    Finish(u64, u32, u8),
    Warn(u64, u32),
    Die,
}

fn act() -> impl Strategy<Value = Act> {
    let job = 1..30u64;
    prop_oneof![
        2 => (prop::collection::vec(any::<(bool, bool)>(), 0..3), any::<bool>(), any::<bool>())
            .prop_map(|(sources, base, wait)| Act::Create { sources, base, wait }),
        1 => (1..6u64).prop_map(Act::Queue),
        1 => (1..6u64).prop_map(Act::Cancel),
        6 => (1..4usize).prop_map(Act::StartNext),
        1 => job.clone().prop_map(Act::Start),
        8 => (job.clone(), 1..4u32, prop::sample::select(vec![0, 0, 0, 2, 4, 6, 8, 12, 14, 16, 20]))
            .prop_map(|(job, attempt, code)| Act::Finish(job, attempt, code)),
        1 => (job, 1..4u32).prop_map(|(job, attempt)| Act::Warn(job, attempt)),
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
                options: Options::default(),
                subtickets,
                base_image: base,
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
        Act::StartNext(jobs) => next(state, Slots { jobs })
            .map(|job| Command::Start { job })
            .into_iter()
            .collect(),
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
        Act::Warn(job, attempt) => {
            vec![Command::Report {
                job: JobId(job),
                attempt: Attempt(attempt),
                report: Report::Warning("w".into()),
            }]
        }
        Act::Die => state
            .open_jobs()
            .map(|job| Command::Interrupt {
                job: job.id,
                reason: "died".into(),
            })
            .collect(),
    }
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
            assert!(ticket.jobs.iter().all(|job| job.state.is_final()), "{ticket:?}");
            assert_eq!(end.exit_code.completes(), ticket.step == WorkflowStep::Complete);
            assert_eq!(end.exit_code.outcome(), end.outcome);
        } else {
            assert!(
                ticket.jobs.iter().any(|job| !job.state.is_final()),
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
            assert!(!old.status.is_final() || old.status == ticket.status, "an end is final");
            for (old, new) in old.jobs.iter().zip(&ticket.jobs) {
                assert!(new.attempts.len() >= old.attempts.len(), "every attempt is kept");
            }
        }
    }
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
            let command = match (open.first(), next(&state, Slots::default())) {
                (Some(&(job, attempt)), _) => Command::Report { job, attempt, report: Report::Finished(Ending::pass()) },
                (None, Some(job)) => Command::Start { job },
                (None, None) => break,
            };
            for event in decide(&state, command, Moment(now)).unwrap() {
                state.apply(&event);
            }
            steps += 1;
            prop_assert!(steps < 10_000);
        }
        prop_assert!(state.open_tickets().all(|ticket| ticket.status == TicketStatus::Waiting));
        let unfinished: BTreeMap<_, _> = state.open_jobs().map(|job| (job.id, job.state)).collect();
        prop_assert!(unfinished.is_empty());
    }
}
