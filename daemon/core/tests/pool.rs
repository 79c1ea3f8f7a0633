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

fn reserve(ticket: TicketId, count: u8) -> Command {
    Command::Pool(PoolCommand::Reserve { ticket, count })
}

#[test]
fn a_ticket_gets_all_or_none_and_gives_them_back_at_its_end() {
    use PoolState::{Cleaning, Dirty, Free, Reserved};
    let mut house = House::new();
    let [one, other] = [(), ()].map(|()| house.create(ticket(vec![source("hello", false, &[])])));
    let short = house.send(reserve(one, 1)).unwrap_err();
    assert_eq!(
        short.to_string(),
        "ticket 1 wants 1 of the pool's repositories, and 0 of 0 are free"
    );
    house.send(Command::Pool(PoolCommand::Grow { by: 3 })).unwrap();
    house.send(reserve(one, 2)).unwrap();
    assert_eq!(house.send(reserve(one, 2)), Ok(vec![]), "asked twice it gets no more");
    assert!(matches!(
        house.send(reserve(other, 2)),
        Err(Refusal::Pool(PoolRefusal::Exhausted {
            wanted: 2,
            free: 1,
            all: 3,
            ..
        }))
    ));
    house.send(reserve(other, 1)).unwrap();
    assert_eq!(pool(&house.state), [Reserved(one), Reserved(one), Reserved(other)]);

    let job = house.start().unwrap();
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
    assert_eq!(pool(&house.state), [Dirty, Dirty, Reserved(other)]);
    assert!(matches!(
        house.send(release()),
        Err(Refusal::Pool(PoolRefusal::Illegal { .. }))
    ));
    assert_eq!(house.send(reserve(one, 1)), Err(Refusal::Ended(one)));

    house
        .send(Command::Pool(PoolCommand::BeginCleaning { number }))
        .unwrap();
    assert_eq!(pool(&house.state), [Cleaning, Dirty, Reserved(other)]);
    house.send(Command::Pool(PoolCommand::NoteCleaned { number })).unwrap();
    assert_eq!(pool(&house.state), [Free, Dirty, Reserved(other)]);

    house.run(&BTreeMap::new());
    assert_eq!(pool(&house.state), [Free, Dirty, Dirty], "the other has ended, too");
    assert_eq!(
        house.send(Command::Pool(PoolCommand::Grow { by: 1000 })),
        Err(PoolRefusal::TooMany(1003).into())
    );
    assert_eq!(house.send(reserve(TicketId(9), 1)), Err(Refusal::NoTicket(TicketId(9))));
}

#[derive(Debug, Clone)]
enum Act {
    Create,
    Grow(u32),
    Reserve(u64, u8),
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
        2 => Just(Act::Create),
        1 => (0..3u32).prop_map(Act::Grow),
        6 => (1..6u64, 0..4u8).prop_map(|(ticket, count)| Act::Reserve(ticket, count)),
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
        Act::Create => Command::Create(Box::new(ticket(vec![source("hello", false, &[])]))),
        Act::Grow(by) => Command::Pool(PoolCommand::Grow { by }),
        Act::Reserve(ticket, count) => reserve(TicketId(ticket), count),
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
    before == after || steps.into_iter().any(|step| before.after(step) == Ok(after))
}

proptest! {
    #[test]
    fn no_repository_is_ever_two_tickets(acts in prop::collection::vec(act(), 0..80)) {
        let mut house = House::new();
        for act in acts {
            let Some(command) = command(&house, &act) else { continue };
            let before = house.state.clone();
            let reserves = match &command {
                Command::Pool(PoolCommand::Reserve { ticket, .. }) => Some(*ticket),
                _ => None,
            };
            let _ = house.send(command);
            let after = &house.state;
            prop_assert!(before.pool().count() <= after.pool().count(), "none is lost");
            for (old, new) in before.pool().zip(after.pool()) {
                prop_assert_eq!(old.number, new.number);
                prop_assert!(is_legal(old.state, new.state), "{:?} {:?} {:?}", act, old, new);
                if old.state == PoolState::Free && new.state != PoolState::Free {
                    prop_assert_eq!(new.state.holder(), reserves, "nobody gets what was not asked for it");
                }
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
