//! The room's books, move by move.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

const ONE: Demand = Demand {
    cores: 1,
    memory_mib: 100,
};

fn room(cores: u16) -> Room {
    Room::new(Capacity {
        cores,
        memory_mib: 100_000,
    })
}

fn start(room: &Room, job: u64) -> JobRoom {
    room.start(JobId(job), Priority::Normal, ONE)
}

/// What the future answers now, without waiting.
fn poll<T>(future: &mut std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn a_job_widens_while_there_is_room_and_gives_it_back() {
    let room = room(3);
    let job = start(&room, 1);
    let first = job.try_widen().unwrap();
    let _second = job.try_widen().unwrap();
    assert!(job.try_widen().is_none(), "all is taken");
    assert_eq!(room.taken(), vec![(JobId(1), ONE); 3]);
    drop(first);
    assert!(job.try_widen().is_some());
    let large = Demand {
        cores: 1,
        memory_mib: 99_900,
    };
    let other = room.start(JobId(2), Priority::Normal, large);
    assert!(other.try_widen().is_none(), "there are cores, but no memory");
}

#[test]
fn who_waits_is_served_before_who_comes_later_and_the_narrower_job_first() {
    let room = room(4);
    let (wide, narrow) = (start(&room, 1), start(&room, 2));
    let (first, second) = (wide.try_widen().unwrap(), wide.try_widen().unwrap());
    let mut of_wide = pin!(wide.widen());
    assert!(poll(&mut of_wide).is_none());
    let mut of_narrow = pin!(narrow.widen());
    assert!(poll(&mut of_narrow).is_none());
    drop(first);
    assert!(wide.try_widen().is_none(), "others wait");
    assert!(poll(&mut of_wide).is_none());
    let _its = poll(&mut of_narrow).unwrap();
    drop(second);
    assert!(poll(&mut of_wide).is_some());
}

#[test]
fn a_job_that_waits_for_its_turn_comes_before_all_who_are_no_more_urgent() {
    let room = room(3);
    let job = start(&room, 1);
    let urgent = room.start(JobId(2), Priority::Interactive, ONE);
    let mut waiting = pin!(job.widen());
    room.await_turn(Some(Priority::Normal));
    assert!(poll(&mut waiting).is_none() && job.try_widen().is_none());
    let its = urgent.try_widen();
    assert!(its.is_none(), "who waits already is served first");
    let mut its = pin!(urgent.widen());
    let its = poll(&mut its).unwrap();
    let mut freed = pin!(room.freed());
    assert!(poll(&mut freed).is_none());
    drop(its);
    assert!(poll(&mut freed).is_some(), "the scheduler looks again");
    assert!(poll(&mut waiting).is_none());
    room.await_turn(None);
    assert!(poll(&mut waiting).is_some());
}

#[test]
fn who_no_longer_waits_takes_nothing() {
    let room = room(2);
    let (one, other) = (start(&room, 1), start(&room, 2));
    {
        let mut waiting = pin!(one.widen());
        assert!(poll(&mut waiting).is_none());
        room.end(JobId(2));
        // Granted, and dropped before it was looked at.
    }
    assert_eq!(room.taken(), [(JobId(1), ONE)]);
    assert!(other.try_widen().is_none(), "its turn is over");
    let mut late = pin!(other.widen());
    assert!(poll(&mut late).is_none());
    assert!(one.try_widen().is_some());
}

#[test]
fn what_an_ended_job_still_has_is_counted_until_it_is_gone() {
    let room = room(2);
    let job = start(&room, 1);
    let wider = job.try_widen().unwrap();
    room.end(JobId(1));
    assert_eq!(room.taken(), [(JobId(1), ONE)]);
    // Its next attempt starts meanwhile.
    let again = start(&room, 1);
    assert!(again.try_widen().is_none());
    drop(wider);
    assert_eq!(room.taken(), [(JobId(1), ONE)]);
    assert!(again.try_widen().is_some());
    room.end(JobId(1));
    assert_eq!(room.taken(), []);
}

#[test]
fn a_job_that_is_larger_than_the_host_stays_alone() {
    let room = room(1);
    let large = Demand {
        cores: 2,
        memory_mib: 1,
    };
    let job = room.start(JobId(1), Priority::Interactive, large);
    assert!(job.try_widen().is_none());
}

proptest! {
    #[test]
    fn no_more_is_taken_than_there_is(acts in prop::collection::vec((0..4u8, 1..4u64, any::<bool>()), 1..200)) {
        let room = room(5);
        let jobs: Vec<JobRoom> = (1..4).map(|job| start(&room, job)).collect();
        let mut held: Vec<Wider> = vec![];
        for (act, job, flag) in acts {
            let index = usize::try_from(job).unwrap_or_default() - 1;
            match act {
                0 => held.extend(jobs[index].try_widen()),
                1 if !held.is_empty() => drop(held.swap_remove(index % held.len())),
                2 => room.await_turn(flag.then_some(Priority::Normal)),
                _ => {
                    let mut waiting = pin!(jobs[index].widen());
                    if let Some(wider) = poll(&mut waiting) {
                        held.push(wider);
                    }
                }
            }
            let taken: Taken = room.taken().into_iter().map(|(_, demand)| demand).collect();
            prop_assert!(taken.is_within(room.capacity()));
            prop_assert_eq!(room.taken().len(), 3 + held.len());
        }
    }
}

#[test]
fn what_no_job_has_is_lent_while_there_is_room_and_before_who_widens() {
    let room = room(2);
    let job = start(&room, 1);
    let mut first = pin!(room.lend(ONE));
    let lent = poll(&mut first).unwrap();
    assert_eq!(room.taken(), [(JobId(1), ONE), (NO_JOB, ONE)]);
    let mut second = pin!(room.lend(ONE));
    assert!(poll(&mut second).is_none());
    let mut wider = pin!(job.widen());
    assert!(poll(&mut wider).is_none());
    drop(lent);
    let lent = poll(&mut second).unwrap();
    assert!(poll(&mut wider).is_none());
    drop(lent);
    assert!(poll(&mut wider).is_some());
}

#[test]
fn a_job_that_somebody_waits_for_comes_before_what_is_lent() {
    let room = room(1);
    let mut first = pin!(room.lend(ONE));
    let lent = poll(&mut first).unwrap();
    let mut second = pin!(room.lend(ONE));
    assert!(poll(&mut second).is_none());
    room.await_turn(Some(Priority::Interactive));
    drop(lent);
    assert!(poll(&mut second).is_none());
    room.await_turn(Some(Priority::Normal));
    assert!(poll(&mut second).is_some());
}

#[test]
fn a_testbed_larger_than_the_host_is_lent_when_nothing_else_runs() {
    let room = room(1);
    let large = Demand {
        cores: 4,
        memory_mib: 100,
    };
    start(&room, 1);
    let mut waiting = pin!(room.lend(large));
    assert!(poll(&mut waiting).is_none());
    room.end(JobId(1));
    let lent = poll(&mut waiting).unwrap();
    assert_eq!(room.taken(), [(NO_JOB, large)]);
    drop(lent);
    assert!(room.taken().is_empty());
}
