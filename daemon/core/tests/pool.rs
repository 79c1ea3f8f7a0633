//! The pool of repositories: who gets which, and that two tickets never hold the same one.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;

use preflight_core::pool::{MOST_PER_TICKET, PoolCommand, PoolNumber, PoolRefusal, PoolState, PoolStep};
use preflight_core::*;
use proptest::prelude::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, source, ticket};

fn pool(state: &State) -> Vec<PoolState> {
    state.pool().map(|repository| repository.state).collect()
}

fn held(state: &State) -> BTreeMap<TicketId, usize> {
    let mut held = BTreeMap::new();
    for holder in state.pool().filter_map(|repository| repository.state.holder()) {
        *held.entry(holder).or_default() += 1;
    }
    held
}

fn grow(by: u32) -> Command {
    Command::Pool(PoolCommand::Grow { by })
}

fn wanting(count: u8) -> NewTicket {
    let mut new = ticket(vec![source("hello", false, &[])]);
    new.options.pool_repositories = count;
    new
}

#[test]
fn a_ticket_gets_all_or_none_and_gives_them_back_at_its_end() {
    use PoolState::{Cleaning, Dirty, Free, Reserved};
    let mut house = House::new();
    let never = house.send(Command::Create(Box::new(wanting(1)))).unwrap_err();
    assert_eq!(
        never.to_string(),
        "1 of the pool's repositories are wanted, and the pool has 0"
    );
    house.send(grow(3)).unwrap();
    assert_eq!(
        house.send(Command::Create(Box::new(wanting(3)))),
        Err(PoolRefusal::TooManyForOne(3).into())
    );
    let one = house.create(wanting(2));
    let two = house.create(wanting(2));
    let three = house.create(wanting(1));
    let none = house.create(wanting(0));
    // The second lacks one, and nobody who came later gets the one that is free.
    assert_eq!(pool(&house.state), [Reserved(one), Reserved(one), Free]);
    assert!(house.state.awaits_pool(house.state.ticket(two).unwrap()));

    let job = house.start().unwrap();
    assert_eq!(house.state.job(job).unwrap().ticket, one);
    let number = PoolNumber(1);
    let release = || Command::Pool(PoolCommand::Release { number });
    assert_eq!(
        house.send(release()),
        Err(PoolRefusal::Running { number, ticket: one }.into()),
        "what runs may write"
    );
    house.send(Command::Cancel { ticket: one }).unwrap();
    assert_eq!(held(&house.state).get(&one), Some(&2), "its attempt winds down");
    house.finish(job, Ending::new(Outcome::Cancelled, None));
    assert_eq!(pool(&house.state), [Dirty, Dirty, Free]);
    assert!(matches!(
        house.send(release()),
        Err(Refusal::Pool(PoolRefusal::Illegal { .. }))
    ));
    // Who wants none waits for none.
    let job = house.start().unwrap();
    assert_eq!(house.state.job(job).unwrap().ticket, none);

    house
        .send(Command::Pool(PoolCommand::BeginCleaning { number }))
        .unwrap();
    assert_eq!(pool(&house.state), [Cleaning, Dirty, Free]);
    house.send(Command::Pool(PoolCommand::NoteCleaned { number })).unwrap();
    assert_eq!(pool(&house.state), [Reserved(two), Dirty, Reserved(two)]);
    house.finish(job, Ending::pass());
    house.send(grow(1)).unwrap();
    assert_eq!(
        pool(&house.state),
        [Reserved(two), Dirty, Reserved(two), Reserved(three)]
    );

    house.run(&BTreeMap::new());
    assert_eq!(pool(&house.state), [Dirty; 4], "all have ended");
    assert_eq!(house.send(grow(1000)), Err(PoolRefusal::TooMany(1004).into()));
}

#[test]
fn what_is_taken_from_a_running_ticket_is_not_replaced() {
    let mut house = House::new();
    house.send(grow(2)).unwrap();
    let one = house.create(wanting(1));
    let job = house.start().unwrap();
    house.finish(job, Ending::pass());
    let number = PoolNumber(1);
    house.send(Command::Pool(PoolCommand::Release { number })).unwrap();
    assert_eq!(pool(&house.state), [PoolState::Dirty, PoolState::Free]);
    house.run(&BTreeMap::new());
    assert!(!house.state.ticket(one).unwrap().is_active());
}

#[derive(Debug, Clone)]
enum Act {
    Create(u8),
    Wait(u8),
    Queue(u64),
    Grow(u32),
    Release(u32),
    BeginCleaning(u32),
    NoteCleaned(u32),
    Start,
    Finish(u8),
    Cancel(u64),
    Remove(u64),
    Die,
}

fn act() -> impl Strategy<Value = Act> {
    let number = 1..8u32;
    prop_oneof![
        4 => (0..4u8).prop_map(Act::Create),
        1 => (0..4u8).prop_map(Act::Wait),
        1 => (1..6u64).prop_map(Act::Queue),
        1 => (0..3u32).prop_map(Act::Grow),
        1 => number.clone().prop_map(Act::Release),
        2 => number.clone().prop_map(Act::BeginCleaning),
        2 => number.prop_map(Act::NoteCleaned),
        4 => Just(Act::Start),
        4 => prop::sample::select(vec![0, 0, 0, 4, 16]).prop_map(Act::Finish),
        1 => (1..6u64).prop_map(Act::Cancel),
        1 => (1..6u64).prop_map(Act::Remove),
        1 => Just(Act::Die),
    ]
}

fn command(house: &House, act: &Act) -> Option<Command> {
    Some(match *act {
        Act::Create(count) => Command::Create(Box::new(wanting(count))),
        Act::Wait(count) => Command::Create(Box::new(NewTicket {
            wait: true,
            ..wanting(count)
        })),
        Act::Queue(ticket) => Command::Update {
            ticket: TicketId(ticket),
            edit: Edit::default(),
            queue: true,
        },
        Act::Grow(by) => grow(by),
        Act::Release(number) => Command::Pool(PoolCommand::Release {
            number: PoolNumber(number),
        }),
        Act::BeginCleaning(number) => Command::Pool(PoolCommand::BeginCleaning {
            number: PoolNumber(number),
        }),
        Act::NoteCleaned(number) => Command::Pool(PoolCommand::NoteCleaned {
            number: PoolNumber(number),
        }),
        Act::Start => match house.turn() {
            schedule::Turn::Start(job) => Command::Start { job },
            _ => return None,
        },
        Act::Finish(code) => {
            let job = house.state.open_jobs().next()?;
            let outcome = ExitCode::try_from(code).unwrap().outcome();
            Command::Report {
                job: job.id,
                attempt: job.attempt(),
                report: Report::Finished(Ending::new(outcome, None)),
            }
        }
        Act::Cancel(ticket) => Command::Cancel {
            ticket: TicketId(ticket),
        },
        Act::Remove(ticket) => Command::Remove {
            ticket: TicketId(ticket),
        },
        Act::Die => {
            let job = house.state.open_jobs().next()?.id;
            Command::Interrupt {
                job,
                reason: "died".into(),
            }
        }
    })
}

/// What may have happened to one repository in one turn, if anything.
fn is_legal(before: PoolState, after: PoolState) -> bool {
    let holder = after.holder().unwrap_or_default();
    let steps = [
        PoolStep::Reserve(holder),
        PoolStep::Release,
        PoolStep::BeginCleaning,
        PoolStep::Cleaned,
    ];
    // What is given free may be a waiting ticket's in the same turn.
    let given_on = before.after(PoolStep::Cleaned).and_then(|free| free.after(steps[0]));
    before == after || given_on == Ok(after) || steps.into_iter().any(|step| before.after(step) == Ok(after))
}

proptest! {
    #[test]
    fn no_repository_is_ever_two_tickets(acts in prop::collection::vec(act(), 0..80)) {
        let mut house = House::new();
        for act in acts {
            let Some(command) = command(&house, &act) else { continue };
            let before = house.state.clone();
            let _ = house.send(command);
            let after = &house.state;
            prop_assert!(before.pool().count() <= after.pool().count(), "none is lost");
            for (old, new) in before.pool().zip(after.pool()) {
                prop_assert_eq!(old.number, new.number);
                prop_assert!(is_legal(old.state, new.state), "{:?} {:?} {:?}", act, old, new);
            }
            for ticket in after.tickets() {
                let holds = after.pool_of(ticket.id).count();
                let wanted = usize::from(ticket.options.pool_repositories);
                prop_assert!(holds == 0 || holds <= wanted, "nobody gets what was not asked for it: {:?}", act);
                let before_status = before.ticket(ticket.id).map(|before| before.status);
                let starts = ticket.status == TicketStatus::Running && before_status == Some(TicketStatus::Queued);
                prop_assert!(!starts || holds == wanted, "what starts holds all that it wants: {:?}", act);
                let ran_before = before_status == Some(TicketStatus::Running);
                let held_before = before.pool_of(ticket.id).count();
                prop_assert!(!ran_before || holds <= held_before, "what runs gets nothing new: {:?}", act);
            }
            for (holder, count) in held(after) {
                prop_assert!(count <= usize::from(MOST_PER_TICKET));
                let ticket = after.ticket(holder);
                prop_assert!(ticket.is_some_and(Ticket::is_active), "what has ended holds nothing: {:?}", act);
            }
            let restored = State::restore(
                after.tickets().cloned().collect(),
                after.images().cloned().collect(),
                after.numbers(),
            );
            prop_assert_eq!(&restored.with_pool(after.pool().copied().collect()), after);
        }
    }
}
