//! A house of tickets: commands are sent, events applied, jobs started by the scheduler and ended by the test.

use std::collections::BTreeMap;

use preflight_core::schedule::{Capacity, Demand, Demands, Load, Turn, next};
use preflight_core::*;

pub(crate) const OTHER_MOMENT: i64 = 1_000_000;

/// What every job takes here.
pub(crate) const ONE: Demand = Demand {
    cores: 1,
    memory_mib: 100,
};

/// A state that is changed by commands, on a host with room for so many jobs.
pub(crate) struct House {
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) seen: Vec<Event>,
    cores: u16,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with_cores(1)
    }

    pub(crate) fn with_cores(cores: u16) -> Self {
        Self {
            state: State::default(),
            now: 0,
            seen: vec![],
            cores,
        }
    }

    pub(crate) fn turn(&self) -> Turn {
        turn(&self.state, self.cores)
    }

    pub(crate) fn send(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        self.now += OTHER_MOMENT;
        let events = decide(&self.state, command, Moment(self.now))?;
        for event in &events {
            self.state.apply(event);
        }
        self.seen.extend(events.clone());
        Ok(events)
    }

    pub(crate) fn create(&mut self, new: NewTicket) -> TicketId {
        self.send(Command::Create(Box::new(new))).unwrap();
        self.state.tickets().last().unwrap().id
    }

    pub(crate) fn start(&mut self) -> Option<JobId> {
        let Turn::Start(job) = self.turn() else {
            return None;
        };
        self.send(Command::Start { job }).unwrap();
        Some(job)
    }

    pub(crate) fn finish(&mut self, job: JobId, ending: Ending) {
        let attempt = self.state.job(job).unwrap().attempt();
        self.send(Command::Report {
            job,
            attempt,
            report: Report::Finished(ending),
        })
        .unwrap();
    }

    /// Runs all that can run; `fail` says how the jobs end that do not pass.
    pub(crate) fn run(&mut self, fail: &BTreeMap<u64, (Outcome, u8)>) -> Vec<u64> {
        let mut order = vec![];
        while let Some(job) = self.start() {
            order.push(job.0);
            let ending = match fail.get(&job.0) {
                None => Ending::pass(),
                Some(&(outcome, code)) => Ending {
                    exit_code: ExitCode::try_from(code).unwrap(),
                    ..Ending::new(outcome, Some("because".into()))
                },
            };
            self.finish(job, ending);
        }
        order
    }
}

/// Whose turn it is when each open job takes one core of so many.
pub(crate) fn turn(state: &State, cores: u16) -> Turn {
    let taken: Vec<(JobId, Demand)> = state.open_jobs().map(|job| (job.id, ONE)).collect();
    let demands = Demands {
        usual: ONE,
        ..Demands::default()
    };
    let capacity = Capacity {
        cores,
        memory_mib: u32::MAX,
    };
    next(
        state,
        &Load {
            capacity,
            demands: &demands,
            taken: &taken,
        },
    )
}

pub(crate) fn source(name: &str, folder: bool, build_after: &[usize]) -> NewSubticket {
    NewSubticket {
        source: name.into(),
        version: "1-1".into(),
        origin: "/src".into(),
        signature: Signature::None,
        staged: format!("sources/{name}").into(),
        needs_source_package: folder,
        build_after: build_after.to_vec(),
    }
}

pub(crate) fn ticket(subtickets: Vec<NewSubticket>) -> NewTicket {
    NewTicket {
        title: "a change".into(),
        description: String::new(),
        bug: None,
        owner: "jane".into(),
        series: Series("debian-bookworm".into()),
        options: Options::default(),
        subtickets,
        preparation: None,
        wait: false,
        warnings: vec![],
    }
}

/// An ending with its code.
pub(crate) fn ending(outcome: Outcome, code: u8) -> Ending {
    Ending {
        exit_code: ExitCode::try_from(code).unwrap(),
        ..Ending::new(outcome, Some("because".into()))
    }
}
