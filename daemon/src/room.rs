//! What of the host running jobs take, and how a running job takes more: further testbeds beside the one that its own
//! turn covers. It counts, and knows who waits; whose turn comes is the scheduler's choice, and what is done in the
//! room is the executor's.
//!
//! Nobody can be locked out for ever: a job's first testbed never waits here, so each job gets on by itself and gives
//! back what it took. A job that waits for its turn comes before all who only want to widen, unless these are more
//! urgent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_core::schedule::{Capacity, Demand, Taken};
use preflight_core::{JobId, Priority};
use tokio::sync::{Notify, oneshot};

/// The room of all jobs; clones share it.
#[derive(Debug, Clone)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    books: Mutex<Books>,
    /// Told when something was given back that a job waits for.
    freed: Notify,
}

#[derive(Debug)]
struct Books {
    capacity: Capacity,
    jobs: BTreeMap<JobId, Share>,
    /// How urgent the job is that waits for its turn.
    awaited: Option<Priority>,
    /// Who wants to widen, first come first.
    waiting: Vec<Waiting>,
}

/// What a job takes.
#[derive(Debug)]
struct Share {
    priority: Priority,
    /// What each of its testbeds takes.
    testbed: Demand,
    /// Whether it has a turn: one that has ended may still have testbeds.
    runs: bool,
    /// Testbeds beside the first.
    wider: usize,
}

#[derive(Debug)]
struct Waiting {
    job: JobId,
    grant: oneshot::Sender<Wider>,
}

impl Room {
    /// An empty one.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self(Arc::new(Shared {
            books: Mutex::new(Books {
                capacity,
                jobs: BTreeMap::new(),
                awaited: None,
                waiting: vec![],
            }),
            freed: Notify::new(),
        }))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much there is.
    pub(crate) fn capacity(&self) -> Capacity {
        self.books().capacity
    }

    /// What jobs take now, testbed by testbed.
    pub(crate) fn taken(&self) -> Vec<(JobId, Demand)> {
        self.books().taken().collect()
    }

    /// A job's turn has come. The scheduler has seen to it that there is room.
    pub(crate) fn start(&self, job: JobId, priority: Priority, testbed: Demand) -> JobRoom {
        let mut books = self.books();
        let wider = books.jobs.get(&job).map_or(0, |share| share.wider);
        books.jobs.insert(
            job,
            Share {
                priority,
                testbed,
                runs: true,
                wider,
            },
        );
        JobRoom {
            room: self.clone(),
            job,
        }
    }

    /// A job's turn is over. What it has taken beside stays taken until that is given back.
    pub(crate) fn end(&self, job: JobId) {
        let mut books = self.books();
        if let Some(share) = books.jobs.get_mut(&job) {
            share.runs = false;
        }
        books.waiting.retain(|waiting| waiting.job != job);
        books.forget(job);
        self.settle(books);
    }

    /// Which job waits for its turn because there is no room: how urgent it is.
    pub(crate) fn await_turn(&self, priority: Option<Priority>) {
        let mut books = self.books();
        if books.awaited != priority {
            books.awaited = priority;
            self.settle(books);
        }
    }

    /// Waits until something is given back while a job waits for its turn.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn give_back(&self, job: JobId) {
        let mut books = self.books();
        if let Some(share) = books.jobs.get_mut(&job) {
            share.wider = share.wider.saturating_sub(1);
        }
        books.forget(job);
        if books.awaited.is_some() {
            self.0.freed.notify_one();
        }
        self.settle(books);
    }

    /// Lets those widen for whom there is room. Consumes the lock: a grant that nobody takes gives itself back.
    fn settle(&self, mut books: MutexGuard<'_, Books>) {
        let mut grants = Vec::new();
        while let Some(waiting) = books.next() {
            grants.push((self.take(&mut books, waiting.job), waiting.grant));
        }
        drop(books);
        for (wider, grant) in grants {
            // Who has stopped waiting drops it.
            let _ = grant.send(wider);
        }
    }

    fn take(&self, books: &mut Books, job: JobId) -> Wider {
        if let Some(share) = books.jobs.get_mut(&job) {
            share.wider += 1;
        }
        Wider {
            room: self.clone(),
            job,
        }
    }
}

impl Books {
    fn taken(&self) -> impl Iterator<Item = (JobId, Demand)> + '_ {
        self.jobs.iter().flat_map(|(&job, share)| {
            let testbeds = share.wider + usize::from(share.runs);
            std::iter::repeat_n((job, share.testbed), testbeds)
        })
    }

    /// Whether a job may take room for another testbed now.
    fn may_widen(&self, job: JobId) -> bool {
        let Some(share) = self.jobs.get(&job).filter(|share| share.runs) else {
            return false;
        };
        let goes_first = self.awaited.is_none_or(|awaited| share.priority < awaited);
        let taken: Taken = self.taken().map(|(_, demand)| demand).collect();
        goes_first && taken.and(share.testbed).is_within(self.capacity)
    }

    /// Takes the next who may widen out of those who wait: the most urgent, then whose job is the least wide, then who
    /// came first.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.grant.is_closed());
        let rank = |waiting: &Waiting| {
            let share = self.jobs.get(&waiting.job);
            share.map(|share| (share.priority, share.wider))
        };
        let place = (0..self.waiting.len()).min_by_key(|&place| (rank(&self.waiting[place]), place))?;
        self.may_widen(self.waiting[place].job)
            .then(|| self.waiting.remove(place))
    }

    fn forget(&mut self, job: JobId) {
        if self.jobs.get(&job).is_some_and(|share| !share.runs && share.wider == 0) {
            self.jobs.remove(&job);
        }
    }
}

/// A running job's way to room for further testbeds; clones share it. Its first testbed needs none of it.
#[derive(Debug, Clone)]
pub struct JobRoom {
    room: Room,
    job: JobId,
}

impl JobRoom {
    /// Room for one more testbed, if it is there now and nobody else waits for it.
    #[must_use]
    pub fn try_widen(&self) -> Option<Wider> {
        let mut books = self.room.books();
        books.waiting.retain(|waiting| !waiting.grant.is_closed());
        if !books.waiting.is_empty() || !books.may_widen(self.job) {
            return None;
        }
        Some(self.room.take(&mut books, self.job))
    }

    /// Waits for room for one more testbed. It may come only after other jobs have ended, or never where the host is
    /// too small: what the job's first testbed can do must not wait for it. Dropping the future takes nothing.
    pub async fn widen(&self) -> Wider {
        let (grant, granted) = oneshot::channel();
        self.ask(grant);
        match granted.await {
            Ok(wider) => wider,
            // The job's turn is over: nobody waits for what it does.
            Err(_) => std::future::pending().await,
        }
    }
}

impl JobRoom {
    /// Apart from the waiting, across which the books must not be held.
    fn ask(&self, grant: oneshot::Sender<Wider>) {
        let mut books = self.room.books();
        if books.jobs.get(&self.job).is_some_and(|share| share.runs) {
            books.waiting.push(Waiting { job: self.job, grant });
        }
        self.room.settle(books);
    }
}

/// Room for one testbed beside a job's first; dropped, it is given back.
#[derive(Debug)]
#[must_use = "dropped, it is given back"]
pub struct Wider {
    room: Room,
    job: JobId,
}

impl Drop for Wider {
    fn drop(&mut self) {
        self.room.give_back(self.job);
    }
}

#[cfg(test)]
mod tests;
