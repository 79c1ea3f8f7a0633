//! What a command does to the state, as events. Whether something may happen is decided here and nowhere else.

use std::collections::BTreeMap;

use crate::command::{Command, Edit, NewTicket, Refusal, Report};
use crate::event::Event;
use crate::exit::ExitCode;
use crate::graph;
use crate::ids::{Attempt, JobId, Moment, SubticketId, TicketId};
use crate::job::{Ending, Job, JobState};
use crate::result::{ArtifactRecord, Outcome, TestRecord};
use crate::schedule::is_ready;
use crate::state::State;
use crate::text::{LONGEST_LINE, LONGEST_NAME, clean};
use crate::ticket::{Subticket, Ticket, TicketEnd, TicketStatus, WorkflowStep};

/// How many tests, artifacts and warnings a ticket may have: a guest reports them, and a guest is hostile.
const MOST: usize = 20_000;
/// How many fetches a lock may have.
const MOST_FETCHES: usize = 100_000;

/// What the command does. The events are to be stored, then applied in their order.
///
/// # Errors
/// Why the command is refused; nothing is to be done then.
pub fn decide(state: &State, command: Command, now: Moment) -> Result<Vec<Event>, Refusal> {
    let mut draft = Draft {
        state,
        now,
        tickets: BTreeMap::new(),
        events: vec![],
    };
    match command {
        Command::Create(new) => draft.create(*new)?,
        Command::Update { ticket, edit, queue } => draft.update(ticket, edit, queue)?,
        Command::Cancel { ticket } => draft.cancel(ticket)?,
        Command::Start { job } => draft.start(job)?,
        Command::Report { job, attempt, report } => draft.report(job, attempt, report)?,
        Command::Interrupt { job, reason } => draft.interrupt(job, reason)?,
        Command::ForgetImage { id } => draft.push(Event::ImageRemoved { id }),
    }
    draft.place_queue();
    Ok(draft.events)
}

/// Events so far, and the tickets that they are about as they stand after them.
struct Draft<'a> {
    state: &'a State,
    now: Moment,
    tickets: BTreeMap<TicketId, Ticket>,
    events: Vec<Event>,
}

impl Draft<'_> {
    fn ticket(&self, id: TicketId) -> Result<&Ticket, Refusal> {
        self.tickets
            .get(&id)
            .or_else(|| self.state.ticket(id))
            .ok_or(Refusal::NoTicket(id))
    }

    fn job(&self, id: JobId) -> Result<(&Ticket, &Job), Refusal> {
        let ticket = self.ticket(self.state.job(id).ok_or(Refusal::NoJob(id))?.ticket)?;
        Ok((ticket, ticket.job(id).ok_or(Refusal::NoJob(id))?))
    }

    fn push(&mut self, event: Event) {
        if let Event::TicketCreated(ticket) = &event {
            self.tickets.insert(ticket.id, (**ticket).clone());
        } else if let Some(id) = event.ticket() {
            if let Some(ticket) = self.state.ticket(id) {
                self.tickets.entry(id).or_insert_with(|| ticket.clone());
            }
            if let Some(ticket) = self.tickets.get_mut(&id) {
                ticket.apply(&event);
            }
        }
        self.events.push(event);
    }

    /// An event after which nothing more is decided. Guests send these by thousands: no ticket is copied for one.
    fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    fn create(&mut self, new: NewTicket) -> Result<(), Refusal> {
        if new.subtickets.is_empty() && !new.base_image {
            return Err(Refusal::NothingToDo);
        }
        for (place, source) in new.subtickets.iter().enumerate() {
            if let Some(&after) = source.build_after.iter().find(|&&after| after >= place) {
                return Err(Refusal::BadOrder { place, after });
            }
        }
        let id = self.state.next_ticket();
        let first = self.state.last_subticket().0 + 1;
        let subtickets: Vec<Subticket> = new
            .subtickets
            .iter()
            .zip(first..)
            .map(|(source, number)| Subticket {
                id: SubticketId(number),
                source: source.source.clone(),
                version: source.version.clone(),
                origin: source.origin.clone(),
                signature: source.signature.clone(),
                staged: source.staged.clone(),
                needs_source_package: source.needs_source_package,
            })
            .collect();
        let jobs = graph::jobs(id, &new, &subtickets, self.state.last_job());
        let queued = self
            .state
            .open_tickets()
            .filter(|ticket| ticket.status == TicketStatus::Queued)
            .count();
        let (status, queued_at, queue_position) = match new.wait {
            true => (TicketStatus::Waiting, None, None),
            false => (TicketStatus::Queued, Some(self.now), u32::try_from(queued + 1).ok()),
        };
        self.push(Event::TicketCreated(Box::new(Ticket {
            id,
            title: new.title,
            description: new.description,
            bug: new.bug,
            owner: new.owner,
            series: new.series,
            options: new.options,
            step: WorkflowStep::Queued,
            status,
            created_at: self.now,
            queued_at,
            queue_position,
            started_at: None,
            end: None,
            subtickets,
            jobs,
            tests: vec![],
            artifacts: vec![],
            image: None,
            warnings: new.warnings,
        })));
        Ok(())
    }

    fn update(&mut self, id: TicketId, edit: Edit, queue: bool) -> Result<(), Refusal> {
        let status = self.ticket(id)?.status;
        if queue && status != TicketStatus::Waiting {
            return Err(Refusal::NotWaiting(id, status));
        }
        if edit != Edit::default() {
            self.push(Event::TicketEdited { ticket: id, edit });
        }
        if queue {
            self.push(Event::TicketQueued {
                ticket: id,
                at: self.now,
            });
        }
        Ok(())
    }

    fn cancel(&mut self, id: TicketId) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.status.is_final() {
            return Err(Refusal::Ended(id));
        }
        let jobs: Vec<JobId> = ticket
            .jobs
            .iter()
            .filter(|job| !job.state.is_final())
            .map(|job| job.id)
            .collect();
        for job in jobs {
            self.push(Event::JobCancelled { ticket: id, job });
        }
        let end = TicketEnd {
            outcome: Outcome::Cancelled,
            exit_code: ExitCode::CANCELLED,
            reason: Some("cancelled".to_owned()),
            at: self.now,
        };
        self.push(Event::TicketEnded {
            ticket: id,
            status: TicketStatus::Cancelled,
            end,
        });
        Ok(())
    }

    fn start(&mut self, id: JobId) -> Result<(), Refusal> {
        let (ticket, job) = self.job(id)?;
        if !is_ready(ticket, job) || job.is_open() {
            return Err(Refusal::NotReady(id, job.state));
        }
        let attempt = job.attempt().next();
        let (ticket_id, log) = (ticket.id, job.log_name(attempt));
        // Independent sources may lag behind: a ticket never goes back.
        let step = job.kind.step().max(ticket.step);
        if ticket.status != TicketStatus::Running || step != ticket.step {
            self.push(Event::TicketAdvanced {
                ticket: ticket_id,
                step,
                at: self.now,
            });
        }
        self.push(Event::JobStarted {
            ticket: ticket_id,
            job: id,
            attempt,
            log,
            at: self.now,
        });
        Ok(())
    }

    fn report(&mut self, id: JobId, attempt: Attempt, report: Report) -> Result<(), Refusal> {
        let (ticket, job) = self.job(id)?;
        let current = job.is_open() && job.attempt() == attempt;
        let winding_down = job.state != JobState::Running;
        if !current || (winding_down && !matches!(report, Report::Finished(_))) {
            return Err(Refusal::Stale(id, attempt));
        }
        let room = |have: usize, what| {
            if have < MOST {
                Ok(())
            } else {
                Err(Refusal::TooMany(id, MOST, what))
            }
        };
        let ticket_id = ticket.id;
        match report {
            Report::Test(mut result) => {
                room(ticket.tests.len(), "tests")?;
                result.source = clean(&result.source, LONGEST_NAME);
                result.name = clean(&result.name, LONGEST_NAME);
                result.reason = result.reason.map(|reason| clean(&reason, LONGEST_LINE));
                let test = TestRecord {
                    job: id,
                    attempt,
                    result,
                };
                self.tell(Event::TestRecorded {
                    ticket: ticket_id,
                    test,
                });
            }
            Report::Artifact(artifact) => {
                room(ticket.artifacts.len(), "artifacts")?;
                let artifact = ArtifactRecord {
                    job: id,
                    attempt,
                    artifact,
                };
                self.tell(Event::ArtifactStored {
                    ticket: ticket_id,
                    artifact,
                });
            }
            Report::Lock(mut entries) => {
                entries.sort_unstable();
                entries.dedup();
                if entries.len() > MOST_FETCHES {
                    return Err(Refusal::TooMany(id, MOST_FETCHES, "fetches"));
                }
                self.tell(Event::LockRecorded {
                    ticket: ticket_id,
                    job: id,
                    attempt,
                    entries,
                });
            }
            Report::Warning(text) => {
                room(ticket.warnings.len(), "warnings")?;
                self.tell(Event::WarningRaised {
                    ticket: ticket_id,
                    text: clean(&text, LONGEST_LINE),
                });
            }
            Report::Image(image) => self.tell(Event::ImageAdded {
                ticket: ticket_id,
                image,
            }),
            Report::Finished(ending) => self.finish(ticket_id, id, attempt, ending, winding_down),
        }
        Ok(())
    }

    fn finish(&mut self, ticket: TicketId, job: JobId, attempt: Attempt, ending: Ending, cancelled: bool) {
        let ending = if cancelled {
            // Its owner has ended it, however far it came.
            Ending::new(
                Outcome::Cancelled,
                ending.reason.map(|reason| clean(&reason, LONGEST_LINE)),
            )
        } else {
            // The outcome is what was meant where the two do not fit together.
            let fits = ending.exit_code.outcome() == ending.outcome;
            Ending {
                exit_code: if fits {
                    ending.exit_code
                } else {
                    ExitCode::of(ending.outcome)
                },
                reason: ending.reason.map(|reason| clean(&reason, LONGEST_LINE)),
                first_error: ending.first_error.map(|mut error| {
                    error.text = clean(&error.text, LONGEST_LINE);
                    error
                }),
                ..ending
            }
        };
        let good = ending.outcome.is_good();
        self.push(Event::AttemptEnded {
            ticket,
            job,
            attempt,
            ending,
            at: self.now,
        });
        if cancelled {
            return;
        }
        if !good {
            self.skip_dependents(ticket, job);
        }
        self.end_if_done(ticket);
    }

    /// All that needs the job, directly or not. Jobs stand after what they need, so that one pass finds them all.
    fn skip_dependents(&mut self, id: TicketId, failed: JobId) {
        let Ok(ticket) = self.ticket(id) else { return };
        let label = ticket.job(failed).map(label).unwrap_or_default();
        let mut lost = vec![failed];
        for job in &ticket.jobs {
            if job.state == JobState::Queued && job.needs.iter().any(|need| lost.contains(need)) {
                lost.push(job.id);
            }
        }
        for job in lost.into_iter().skip(1) {
            self.push(Event::JobSkipped {
                ticket: id,
                job,
                reason: format!("the {label} has failed"),
            });
        }
    }

    fn end_if_done(&mut self, id: TicketId) {
        let Ok(ticket) = self.ticket(id) else { return };
        if ticket.status.is_final() || ticket.jobs.iter().any(|job| !job.state.is_final()) {
            return;
        }
        let codes = ticket.jobs.iter().filter_map(|job| job.newest()?.exit_code);
        let exit_code = ExitCode::combine(codes);
        let status = if exit_code.completes() {
            TicketStatus::Complete
        } else {
            TicketStatus::Failed
        };
        let reason = ticket.jobs.iter().find(|job| job.state == JobState::Failed).map(|job| {
            let newest = job.newest();
            let why = newest.and_then(|record| record.reason.clone());
            let outcome = newest
                .and_then(|record| record.outcome)
                .map(|outcome| outcome.to_string());
            format!("{}: {}", label(job), why.or(outcome).unwrap_or_default())
        });
        let end = TicketEnd {
            outcome: exit_code.outcome(),
            exit_code,
            reason,
            at: self.now,
        };
        self.push(Event::TicketEnded {
            ticket: id,
            status,
            end,
        });
    }

    fn interrupt(&mut self, id: JobId, reason: String) -> Result<(), Refusal> {
        let (ticket, job) = self.job(id)?;
        if !job.is_open() {
            return Err(Refusal::Stale(id, job.attempt()));
        }
        let event = Event::AttemptInterrupted {
            ticket: ticket.id,
            job: id,
            attempt: job.attempt(),
            reason,
            at: self.now,
        };
        self.push(event);
        Ok(())
    }

    /// Tells every queued ticket whose place has changed.
    fn place_queue(&mut self) {
        let touched: Vec<TicketId> = self.tickets.keys().copied().collect();
        let others = self.state.open_tickets().filter(|ticket| !touched.contains(&ticket.id));
        let mut queue: Vec<(Option<Moment>, TicketId, Option<u32>)> = others
            .chain(self.tickets.values())
            .filter(|ticket| ticket.status == TicketStatus::Queued)
            .map(|ticket| (ticket.queued_at, ticket.id, ticket.queue_position))
            .collect();
        queue.sort_unstable();
        for ((_, ticket, position), place) in queue.into_iter().zip(1..) {
            if position != Some(place) {
                self.push(Event::QueuePlaced {
                    ticket,
                    position: place,
                });
            }
        }
    }
}

/// A job in words: `build of hello`.
fn label(job: &Job) -> String {
    match &job.source {
        Some(source) => format!("{} of {source}", job.kind),
        None => job.kind.to_string(),
    }
}
