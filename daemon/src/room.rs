//! What of the host running jobs and lent testbeds take, and how a running job takes more: further testbeds beside the one that
//! its own turn covers. It counts, and knows who waits; whose turn comes is the scheduler's choice, and what is done in the
//! room is the executor's.
//!
//! Nobody can be locked out for ever: a job's first testbed never waits here, so each job gets on by itself and gives
//! back what it took. A job that waits for its turn comes before all who only want to widen, unless these are more
//! urgent.

use std::collections::{BTreeMap, VecDeque};
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
    /// What testbeds take that no job has.
    lent: Vec<Demand>,
    /// Who wants one of those, first come first.
    borrowers: VecDeque<Borrower>,
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
struct Borrower {
    testbed: Demand,
    grant: oneshot::Sender<LentRoom>,
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
                lent: vec![],
                borrowers: VecDeque::new(),
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

    /// What is taken now, testbed by testbed; of testbeds that no job has, by [`NO_JOB`].
    pub(crate) fn taken(&self) -> Vec<(JobId, Demand)> {
        self.books().taken().collect()
    }

    /// Waits for room for a testbed that no job has: somebody sits before it, so it comes before all jobs but those that
    /// somebody waits for. What is larger than the host is had when nothing else is. Dropping the future takes nothing.
    pub(crate) async fn lend(&self, testbed: Demand) -> LentRoom {
        let (grant, granted) = oneshot::channel();
        self.borrow(Borrower { testbed, grant });
        match granted.await {
            Ok(lent) => lent,
            // The books keep who waits until it is granted.
            Err(_) => std::future::pending().await,
        }
    }

    /// Apart from the waiting, across which the books must not be held.
    fn borrow(&self, borrower: Borrower) {
        let mut books = self.books();
        books.borrowers.push_back(borrower);
        self.settle(books);
    }

    fn give_back_lent(&self, testbed: Demand) {
        let mut books = self.books();
        if let Some(place) = books.lent.iter().position(|lent| *lent == testbed) {
            books.lent.swap_remove(place);
        }
        if books.awaited.is_some() {
            self.0.freed.notify_one();
        }
        self.settle(books);
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
        let mut lends = Vec::new();
        while let Some(borrower) = books.next_borrower() {
            books.lent.push(borrower.testbed);
            let lent = LentRoom {
                room: self.clone(),
                testbed: borrower.testbed,
            };
            lends.push((lent, borrower.grant));
        }
        let mut grants = Vec::new();
        while let Some(waiting) = books.next() {
            grants.push((self.take(&mut books, waiting.job), waiting.grant));
        }
        drop(books);
        for (lent, grant) in lends {
            let _ = grant.send(lent);
        }
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
        let of_jobs = self.jobs.iter().flat_map(|(&job, share)| {
            let testbeds = share.wider + usize::from(share.runs);
            std::iter::repeat_n((job, share.testbed), testbeds)
        });
        of_jobs.chain(self.lent.iter().map(|&testbed| (NO_JOB, testbed)))
    }

    fn fits(&self, testbed: Demand) -> bool {
        let taken: Taken = self.taken().map(|(_, demand)| demand).collect();
        taken.and(testbed).is_within(self.capacity)
    }

    /// Takes the next who is lent room, if there is room for it now.
    fn next_borrower(&mut self) -> Option<Borrower> {
        self.borrowers.retain(|borrower| !borrower.grant.is_closed());
        let testbed = self.borrowers.front()?.testbed;
        let goes_first = self.awaited.is_none_or(|awaited| Priority::Interactive < awaited);
        let is_alone = self.taken().next().is_none();
        (goes_first && (is_alone || self.fits(testbed)))
            .then(|| self.borrowers.pop_front())
            .flatten()
    }

    /// Whether a job may take room for another testbed now.
    fn may_widen(&self, job: JobId) -> bool {
        let Some(share) = self.jobs.get(&job).filter(|share| share.runs) else {
            return false;
        };
        let goes_first = self.awaited.is_none_or(|awaited| share.priority < awaited);
        // Who is lent room comes before all who only want to widen.
        goes_first && self.borrowers.is_empty() && self.fits(share.testbed)
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

/// The job of testbeds that no job has: jobs count from 1.
pub(crate) const NO_JOB: JobId = JobId(0);

/// Room for one testbed that no job has; dropped, it is given back.
#[derive(Debug)]
#[must_use = "dropped, it is given back"]
pub struct LentRoom {
    room: Room,
    testbed: Demand,
}

impl Drop for LentRoom {
    fn drop(&mut self) {
        self.room.give_back_lent(self.testbed);
    }
}

#[cfg(test)]
mod tests;
