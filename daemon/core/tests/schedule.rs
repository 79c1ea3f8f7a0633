//! Whose turn it is: tables of single choices, and what must hold however tickets come and jobs end.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;

use preflight_core::schedule::{Capacity, Demand, Demands, Load, Taken, Turn, next};
use preflight_core::*;
use proptest::prelude::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, source, ticket};

const HOST: Capacity = Capacity {
    cores: 4,
    memory_mib: 4096,
};

fn demand(cores: u16, memory_mib: u32) -> Demand {
    Demand { cores, memory_mib }
}

/// What machines there are, and what is asked of the host by those of a series.
struct Yard {
    house: House,
    demands: Demands,
    taken: Vec<(JobId, Demand)>,
}

impl Yard {
    fn new(usual: Demand) -> Self {
        Self {
            house: House::new(),
            demands: Demands {
                usual,
                ..Demands::default()
            },
            taken: vec![],
        }
    }

    fn turn(&self) -> Turn {
        let load = Load {
            capacity: HOST,
            demands: &self.demands,
            taken: &self.taken,
        };
        next(&self.house.state, &load)
    }

    /// A ticket of so many independent sources.
    fn create(&mut self, sources: usize, series: &str, priority: Priority) -> TicketId {
        let names = (0..sources).map(|n| source(&format!("s{n}"), false, &[])).collect();
        self.house.create(NewTicket {
            series: Series(series.into()),
            options: Options {
                priority,
                ..Options::default()
            },
            ..ticket(names)
        })
    }

    /// Starts all that has room, and answers whose jobs they are.
    fn fill(&mut self) -> Vec<u64> {
        let mut tickets = vec![];
        while let Turn::Start(job) = self.turn() {
            self.house.send(Command::Start { job }).unwrap();
            let ticket = self.house.state.ticket_of(job).unwrap();
            self.taken.push((job, self.demands.of(&ticket.series)));
            tickets.push(ticket.id.0);
        }
        tickets
    }

    fn finish(&mut self, job: JobId) {
        self.house.finish(job, Ending::pass());
        self.taken.retain(|(other, _)| *other != job);
    }

    fn running(&self) -> BTreeMap<u64, usize> {
        let mut running = BTreeMap::new();
        for job in self.house.state.open_jobs() {
            *running.entry(job.ticket.0).or_default() += 1;
        }
        running
    }
}

#[test]
fn tickets_share_the_host() {
    use Priority::{Background, Interactive, Normal};
    // Sources, series and priority of each ticket; whose jobs start, one after another.
    for (tickets, started) in [
        (vec![(6, "any", Normal)], vec![1, 1, 1, 1]),
        (vec![(6, "any", Normal), (6, "any", Normal)], vec![1, 2, 1, 2]),
        (vec![(1, "any", Normal), (6, "any", Normal)], vec![1, 2, 2, 2]),
        (vec![(6, "any", Normal), (1, "any", Interactive)], vec![2, 1, 1, 1]),
        (vec![(6, "any", Background), (2, "any", Normal)], vec![2, 2, 1, 1]),
        // Two of them fill the memory, though there are cores left.
        (vec![(6, "large", Normal)], vec![1, 1]),
        // What comes first and finds no room is waited for.
        (
            vec![(1, "large", Normal), (1, "vast", Normal), (1, "any", Normal)],
            vec![1],
        ),
        (vec![(1, "vast", Background), (3, "any", Normal)], vec![2, 2, 2]),
        // What is larger than the host runs alone.
        (vec![(1, "vast", Normal), (1, "any", Normal)], vec![1]),
    ] {
        let mut yard = Yard::new(demand(1, 512));
        for (series, its) in [("large", demand(1, 2048)), ("vast", demand(8, 512))] {
            yard.demands.by_series.insert(Series(series.into()), its);
        }
        for &(sources, series, priority) in &tickets {
            yard.create(sources, series, priority);
        }
        assert_eq!(yard.fill(), started, "{tickets:?}");
    }
}

#[test]
fn who_waits_for_room_is_named() {
    let mut yard = Yard::new(demand(4, 1));
    assert_eq!(yard.turn(), Turn::Nobody);
    yard.create(2, "any", Priority::Background);
    yard.fill();
    assert_eq!(yard.turn(), Turn::Full(Priority::Background));
    yard.create(1, "any", Priority::Normal);
    assert_eq!(yard.turn(), Turn::Full(Priority::Normal));
}

#[test]
fn what_a_job_took_beside_its_own_counts() {
    let mut yard = Yard::new(demand(1, 1));
    yard.create(3, "any", Priority::Normal);
    assert_eq!(yard.turn(), Turn::Start(JobId(1)));
    yard.house.send(Command::Start { job: JobId(1) }).unwrap();
    yard.taken = vec![(JobId(1), demand(1, 1)); 4];
    assert_eq!(yard.turn(), Turn::Full(Priority::Normal));
    // Given back, it goes to the ticket of which least runs.
    yard.taken.pop();
    yard.create(1, "any", Priority::Normal);
    let first_of_second = JobId(8);
    assert_eq!(yard.turn(), Turn::Start(first_of_second));
}

#[derive(Debug, Clone)]
enum Act {
    Create { sources: usize, large: bool },
    Finish(usize),
    Fill,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (1..4usize, any::<bool>()).prop_map(|(sources, large)| Act::Create { sources, large }),
        5 => any::<usize>().prop_map(Act::Finish),
        5 => Just(Act::Fill),
    ]
}

proptest! {
    #[test]
    fn never_more_than_the_host_has_and_nobody_is_passed_over(acts in prop::collection::vec(act(), 1..80)) {
        let mut yard = Yard::new(demand(1, 1024));
        yard.demands.by_series.insert(Series("large".into()), demand(3, 1024));
        for act in acts {
            match act {
                Act::Create { sources, large } => {
                    yard.create(sources, if large { "large" } else { "any" }, Priority::Normal);
                }
                Act::Finish(place) => {
                    let open: Vec<JobId> = yard.house.state.open_jobs().map(|job| job.id).collect();
                    if let Some(&job) = open.get(place % open.len().max(1)) {
                        yard.finish(job);
                    }
                }
                Act::Fill => {
                    while let Turn::Start(job) = yard.turn() {
                        prop_assert_eq!(yard.turn(), Turn::Start(job), "the choice follows from the state alone");
                        let running = yard.running();
                        let chosen = yard.house.state.job(job).unwrap().ticket.0;
                        // Whoever could run and runs nothing is chosen before one that runs something.
                        if running.contains_key(&chosen) {
                            let idle = yard.house.state.active_tickets().find(|ticket| {
                                !running.contains_key(&ticket.id.0)
                                    && ticket.jobs.iter().any(|job| could_start(ticket, job))
                            });
                            prop_assert_eq!(idle.map(|ticket| ticket.id), None);
                        }
                        yard.house.send(Command::Start { job }).unwrap();
                        let ticket = yard.house.state.ticket_of(job).unwrap();
                        yard.taken.push((job, yard.demands.of(&ticket.series)));
                        let taken: Taken = yard.taken.iter().map(|(_, demand)| *demand).collect();
                        prop_assert!(taken.is_within(HOST) || yard.taken.len() == 1);
                    }
                    if yard.turn() == Turn::Nobody {
                        let waiting = yard.house.state.active_tickets().find(|ticket| {
                            ticket.jobs.iter().any(|job| could_start(ticket, job))
                        });
                        prop_assert_eq!(waiting.map(|ticket| ticket.id), None);
                    }
                }
            }
        }
        // However unlucky, all of them end: nobody starves.
        let mut steps = 0;
        loop {
            yard.fill();
            let Some(job) = yard.house.state.open_jobs().next().map(|job| job.id) else { break };
            yard.finish(job);
            steps += 1;
            prop_assert!(steps < 10_000);
        }
        prop_assert_eq!(yard.house.state.open_tickets().count(), 0);
    }
}

fn could_start(ticket: &Ticket, job: &Job) -> bool {
    let passed = |need: &JobId| ticket.job(*need).unwrap().state == JobState::Passed;
    job.state == JobState::Queued && job.needs.iter().all(passed)
}

#[test]
fn a_ticket_waits_for_those_before_it_however_many_come_after_it() {
    let mut yard = Yard::new(demand(1, 1));
    yard.demands.by_series.insert(Series("large".into()), demand(4, 1));
    let before = yard.create(9, "any", Priority::Normal);
    yard.fill();
    let waiting = yard.create(1, "large", Priority::Normal);
    while !yard.running().contains_key(&waiting.0) {
        let ended = yard.house.state.ticket(before).unwrap().status.is_final();
        assert!(!ended, "it waits only for what came before it");
        // Small ones go on coming, and would fit.
        yard.create(1, "any", Priority::Normal);
        let job = yard.house.state.open_jobs().next().unwrap().id;
        yard.finish(job);
        yard.fill();
    }
}
