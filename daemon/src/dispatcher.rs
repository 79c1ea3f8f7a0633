//! The only writer of state, and the only `select!` over what changes it.
//!
//! Requests and reports come in turns. What a turn changes is decided and applied to the state in memory, which nobody
//! else can see; then it is committed to the store; and only then do answers, notifications and orders to the executor
//! go out. A failed commit ends the daemon before anybody has heard of what was not stored. It knows neither sockets
//! nor SQL nor what a job does.

mod folders;
mod handle;
mod import;
mod liveness;
mod running;
mod subscribers;

use std::path::PathBuf;
use std::sync::Arc;

use preflight_core::schedule::{self, Demands, Load, Turn as Next};
use preflight_core::{
    Attempt, Command, Event, JobId, LogName, Moment, Refusal, Sequence, State, TicketId, decide, estimate,
};
use preflight_protocol::error::RpcError;
use preflight_protocol::event::{Envelope, EventKind};
use preflight_protocol::pool::PoolState;
use preflight_store::{Loaded, Store, StoreError, TicketsFolder, Written};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::beats::{Beats, Live};
use crate::convert;
use crate::ppa_pool::PoolFolder;
use crate::reports::{Addressed, Reports};
use crate::room::Room;
use crate::services::{Executor, HostDoctor, JobOrder};

use handle::Input;
pub use handle::{DispatcherGone, Handle, Subscription, View};
pub(crate) use running::Pulse;
use running::Running;
use subscribers::Subscribers;

/// How many requests and reports make one turn, and so one commit.
const TURN: usize = 256;

/// What an attempt's record says that an earlier daemon has left.
const DIED: &str = "interrupted by the daemon's death";

/// What the dispatcher needs.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// What it holds.
    pub loaded: Loaded,
    /// Where tickets' files are.
    pub tickets: TicketsFolder,
    /// Where the repositories of the PPA pool are.
    pub pool: PoolFolder,
    /// Who runs jobs.
    pub executor: Arc<dyn Executor>,
    /// Who knows how often a running attempt gives a sign of life on this host.
    pub doctor: Arc<dyn HostDoctor>,
    /// What running jobs may take of the host.
    pub room: Room,
    /// What a testbed takes of it.
    pub demands: Demands,
    /// Ends the daemon gracefully once cancelled.
    pub stop: CancellationToken,
}

/// The dispatcher; [`Dispatcher::run`] is its life.
pub struct Dispatcher {
    state: State,
    seq: Sequence,
    /// The newest moment that was given out: moments never go back, whatever the system's clock does.
    now: Moment,
    store: Store,
    tickets: TicketsFolder,
    pool: PoolFolder,
    executor: Arc<dyn Executor>,
    doctor: Arc<dyn HostDoctor>,
    room: Room,
    demands: Demands,
    stop: CancellationToken,
    inputs: mpsc::Receiver<Input>,
    reports: mpsc::UnboundedReceiver<Addressed>,
    report_sender: mpsc::UnboundedSender<Addressed>,
    beats: Beats,
    running: Running,
    subscribers: Subscribers,
    /// Told when a repository of the PPA pool was given back.
    dirty: Arc<Notify>,
    /// What an earlier daemon has left behind is gone: jobs may start.
    reconciled: bool,
    warnings: Vec<String>,
}

/// What goes out after the commit.
#[derive(Default)]
struct Turn {
    events: Vec<Written>,
    envelopes: Vec<Envelope>,
    starts: Vec<(JobOrder, Pulse)>,
    answers: Vec<Box<dyn FnOnce() + Send>>,
    reads: Vec<Input>,
    /// What is of no use any more once the turn is stored.
    rubbish: Vec<PathBuf>,
}

impl Dispatcher {
    /// Takes over what the store holds: attempts that its last daemon has left open are ended as interrupted.
    ///
    /// # Errors
    /// The store's.
    pub async fn new(parts: Parts) -> Result<(Self, Handle), StoreError> {
        let (sender, inputs) = mpsc::channel(TURN);
        let (report_sender, reports) = mpsc::unbounded_channel();
        let beats = Beats::default();
        let dirty = Arc::new(Notify::new());
        let mut dispatcher = Self {
            state: parts.loaded.state,
            seq: parts.loaded.seq,
            now: Moment::default(),
            store: parts.store.clone(),
            tickets: parts.tickets,
            pool: parts.pool,
            executor: parts.executor,
            doctor: parts.doctor,
            room: parts.room,
            demands: parts.demands,
            stop: parts.stop,
            inputs,
            reports,
            report_sender,
            beats: beats.clone(),
            running: Running::default(),
            subscribers: Subscribers::default(),
            dirty: Arc::clone(&dirty),
            reconciled: false,
            warnings: vec![],
        };
        dispatcher.remove_strays();
        let mut turn = Turn::default();
        let interrupted: Vec<JobId> = dispatcher.state.open_jobs().map(|job| job.id).collect();
        for job in interrupted {
            dispatcher
                .decide(
                    Command::Interrupt {
                        job,
                        reason: DIED.to_owned(),
                    },
                    &mut turn,
                )
                .unwrap_or_else(ignore);
        }
        dispatcher.commit(turn).await?;
        Ok((dispatcher, Handle::new(sender, beats, parts.store, dirty)))
    }

    /// Runs until it is told to stop, and its running attempts have ended.
    ///
    /// # Errors
    /// The store's: what could not be stored was told to nobody.
    pub async fn run(mut self) -> Result<(), StoreError> {
        let executor = Arc::clone(&self.executor);
        let reconciling = tokio::spawn(async move { executor.reconcile(&[]).await });
        tokio::pin!(reconciling);
        let mut winding_down = false;
        loop {
            let stopping = self.stop.is_cancelled();
            // Here and not where the stop is heard: it may come while another input is taken.
            if stopping && !winding_down {
                winding_down = true;
                self.running.cancel_all();
            }
            if stopping && self.running.is_empty() {
                return Ok(());
            }
            let mut turn = Turn::default();
            let silence = self.longest_silence();
            let deadline = self.running.deadline(silence);
            tokio::select! {
                Some(input) = self.inputs.recv() => self.take_input(input, &mut turn),
                Some(report) = self.reports.recv() => self.take_report(report, &mut turn),
                () = self.stop.cancelled(), if !stopping => {}
                () = running::wait(deadline) => self.look_after(silence, &mut turn),
                () = self.room.freed() => {}
                result = &mut reconciling, if !self.reconciled => {
                    self.reconciled = true;
                    self.note_reconciled(result);
                }
            }
            for _ in 0..TURN {
                if let Ok(report) = self.reports.try_recv() {
                    self.take_report(report, &mut turn);
                } else if let Ok(input) = self.inputs.try_recv() {
                    self.take_input(input, &mut turn);
                } else {
                    break;
                }
            }
            self.start_jobs(&mut turn);
            self.commit(turn).await?;
        }
    }

    fn note_reconciled(&mut self, result: Result<Result<(), RpcError>, tokio::task::JoinError>) {
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error, "what an earlier daemon has left behind cannot be removed");
        self.warnings.push(format!(
            "what an earlier daemon has left behind cannot be removed: {error}"
        ));
    }

    fn take_input(&mut self, input: Input, turn: &mut Turn) {
        match input {
            Input::Command { command, answer } => {
                let result = self.decide(command, turn).map_err(|refusal| convert::refusal(&refusal));
                turn.answer(answer, result);
            }
            Input::Create { new, staging, answer } => {
                let result = self.create(*new, staging, turn);
                turn.answer(answer, result);
            }
            Input::Import {
                imported,
                staging,
                answer,
            } => {
                let result = self.import(*imported, staging, turn);
                turn.answer(answer, result);
            }
            Input::Rerun {
                ticket,
                test,
                staging,
                answer,
            } => {
                let result = self.rerun(ticket, test, staging, turn);
                turn.answer(answer, result);
            }
            read @ (Input::Read(_) | Input::Subscribe { .. }) => turn.reads.push(read),
        }
    }

    fn start_jobs(&mut self, turn: &mut Turn) {
        while self.reconciled && !self.stop.is_cancelled() {
            let taken = self.room.taken();
            let load = Load {
                capacity: self.room.capacity(),
                demands: &self.demands,
                taken: &taken,
            };
            let next = schedule::next(&self.state, &load);
            self.room.await_turn(match next {
                Next::Full(priority) => Some(priority),
                Next::Start(_) | Next::Nobody => None,
            });
            let Next::Start(job) = next else { return };
            if let Err(refusal) = self.decide(Command::Start { job }, turn) {
                tracing::error!(%refusal, "the scheduler has chosen a job that cannot start");
                return;
            }
        }
    }

    fn tick(&mut self) -> Moment {
        let now = jiff::Timestamp::now().as_microsecond();
        self.now = self.now.max(Moment(now));
        self.now
    }

    fn decide(&mut self, command: Command, turn: &mut Turn) -> Result<(), Refusal> {
        let now = self.tick();
        let events = decide(&self.state, command, now)?;
        self.apply(events, turn);
        Ok(())
    }

    fn apply(&mut self, events: Vec<Event>, turn: &mut Turn) {
        for event in events {
            self.state.apply(&event);
            self.seq = self.seq.next();
            self.prepare(&event, turn);
            let live = self.beats.borrow();
            let Some(kind) = convert::event(&event, &self.state, &live) else {
                tracing::error!(?event, "an event is about nothing");
                continue;
            };
            drop(live);
            let (name, json) = subscribers::to_json(&kind);
            turn.envelopes.push(Envelope {
                seq: convert::sequence(self.seq),
                at: convert::moment(self.now),
                ticket: event.ticket().map(convert::ticket_id),
                kind,
            });
            turn.events.push(Written {
                seq: self.seq,
                at: self.now,
                event,
                kind: name,
                json,
            });
        }
    }

    /// What an event asks for outside of the state.
    fn prepare(&mut self, event: &Event, turn: &mut Turn) {
        match event {
            Event::JobStarted {
                ticket,
                job,
                attempt,
                log,
                ..
            } => {
                self.order((*ticket, *job, *attempt), log, turn);
            }
            Event::JobCancelled { job, .. } => self.running.cancel(*job),
            Event::AttemptEnded { job, .. } | Event::AttemptInterrupted { job, .. } => {
                self.running.end(*job);
                self.beats.end(*job);
                self.room.end(*job);
            }
            Event::TestbedForgotten { ticket, job, attempt } => {
                turn.rubbish.push(self.tickets.ticket(*ticket).kept(*job, *attempt));
            }
            Event::TicketRemoved { ticket } => turn.rubbish.push(self.tickets.ticket(*ticket).root().to_owned()),
            _ => {}
        }
    }

    fn order(&mut self, (ticket, job, attempt): (TicketId, JobId, Attempt), log: &LogName, turn: &mut Turn) {
        let Some(whole) = self.state.ticket(ticket) else { return };
        let Some(found) = whole.job(job) else { return };
        let usual = estimate(&self.state, found);
        let priority = schedule::priority(whole, found);
        let (cancel, pulse) = self.running.start(job, attempt);
        let room = self.room.start(job, priority, self.demands.of(&whole.series));
        self.beats
            .start(job, Live::starting(ticket, attempt, log.clone(), usual));
        let folder = self.tickets.ticket(ticket);
        let order = JobOrder {
            ticket: Arc::new(whole.clone()),
            job,
            attempt,
            kind: found.kind,
            subticket: found.subticket,
            rerun: found.rerun.clone(),
            priority,
            pool: self
                .state
                .pool_of(ticket)
                .map(|number| self.pool.repository(number))
                .collect(),
            log: folder.log(log),
            index: folder.index(log),
            folder,
            estimate: usual,
            room,
            cancel,
        };
        turn.starts.push((order, pulse));
    }

    /// Stores what a turn has changed, then lets the rest of the world know.
    async fn commit(&mut self, turn: Turn) -> Result<(), StoreError> {
        if !turn.events.is_empty() {
            self.store.commit(turn.events).await?;
        }
        for envelope in &turn.envelopes {
            if matches!(&envelope.kind, EventKind::PoolChanged(repository) if repository.state == PoolState::Dirty) {
                self.dirty.notify_one();
            }
            self.subscribers.publish(envelope);
        }
        folders::clear(turn.rubbish);
        for (order, pulse) in turn.starts {
            let address = (order.ticket.id, order.job, order.attempt);
            let reports = Reports::new(address, self.report_sender.clone(), self.beats.clone(), pulse);
            self.executor.start(order, reports);
        }
        turn.answers.into_iter().for_each(|answer| answer());
        for read in turn.reads {
            let live = self.beats.borrow().clone();
            let view = View {
                state: &self.state,
                seq: self.seq,
                live: &live,
                warnings: &self.warnings,
            };
            match read {
                Input::Read(read) => read(&view),
                Input::Subscribe {
                    ticket,
                    snapshot,
                    answer,
                } => {
                    let _ = answer.send(self.subscribers.add(ticket).with(snapshot(&view)));
                }
                Input::Command { .. } | Input::Create { .. } | Input::Import { .. } | Input::Rerun { .. } => {}
            }
        }
        Ok(())
    }
}

impl Turn {
    fn answer<T: Send + 'static>(&mut self, answer: oneshot::Sender<T>, result: T) {
        self.answers.push(Box::new(move || {
            // Who has gone does not want to know.
            let _ = answer.send(result);
        }));
    }
}

fn ignore(refusal: Refusal) {
    tracing::error!(%refusal, "a command of the daemon's own is refused");
}
