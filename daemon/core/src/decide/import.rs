//! Taking over a ticket that has ended on another machine: it gets numbers of here, and keeps all else.

use std::collections::BTreeMap;

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::finding::FindingRecord;
use crate::ids::{Attempt, JobId, LogName, SubticketId, TicketId};
use crate::import::{ImportedTicket, Origin, ResultsOrigin, TicketOrigin};
use crate::job::{AttemptRecord, Job};
use crate::text::{LONGEST_LINE, LONGEST_NAME, clean};
use crate::ticket::{Ticket, TicketStatus, WorkflowStep};

impl Draft<'_> {
    pub(super) fn import(&mut self, imported: ImportedTicket) -> Result<(), Refusal> {
        let ImportedTicket {
            ticket,
            origin,
            locks,
            heads,
        } = imported;
        if ticket.is_active() || ticket.end.is_none() {
            return Err(Refusal::Active(ticket.id));
        }
        let last = self.state.numbers();
        let id = last.ticket.next();
        let numbers = Renumbered::new(&ticket, id, last.subticket, last.job);
        let newest = |job: &Job| Some((job.id, job.newest()?.attempt));
        let attempts: BTreeMap<JobId, Attempt> = ticket.jobs.iter().filter_map(newest).collect();
        let ticket = numbers.ticket(ticket, origin);
        self.push(Event::TicketImported(Box::new(ticket)));
        let place = |job: JobId| {
            let found = numbers.jobs.get(&job).copied().zip(attempts.get(&job).copied());
            found.ok_or(Refusal::NoJob(job))
        };
        for (job, head) in heads {
            let (here, attempt) = place(job)?;
            self.tell(Event::LockHeadRecorded {
                ticket: id,
                job: here,
                attempt,
                head: Box::new(head),
            });
        }
        for (job, mut entries) in locks {
            let (here, attempt) = place(job)?;
            entries.sort_unstable();
            entries.dedup();
            self.tell(Event::LockRecorded {
                ticket: id,
                job: here,
                attempt,
                entries,
            });
        }
        Ok(())
    }
}

fn cleaned(origin: Origin) -> Origin {
    match origin {
        Origin::Ticket(origin) => Origin::Ticket(TicketOrigin {
            host: clean(&origin.host, LONGEST_NAME),
            ..origin
        }),
        Origin::Results(origin) => Origin::Results(ResultsOrigin {
            place: clean(&origin.place, LONGEST_LINE),
            ..origin
        }),
    }
}

/// The numbers of here for those of there.
struct Renumbered {
    id: TicketId,
    subtickets: BTreeMap<SubticketId, SubticketId>,
    jobs: BTreeMap<JobId, JobId>,
    logs: BTreeMap<LogName, LogName>,
}

impl Renumbered {
    fn new(ticket: &Ticket, id: TicketId, subticket: SubticketId, job: JobId) -> Self {
        let subtickets = ticket.subtickets.iter().map(|subticket| subticket.id);
        let jobs: BTreeMap<JobId, JobId> = ticket
            .jobs
            .iter()
            .map(|job| job.id)
            .zip((job.0 + 1..).map(JobId))
            .collect();
        let mut logs = BTreeMap::new();
        for job in &ticket.jobs {
            let here = Job {
                id: jobs.get(&job.id).copied().unwrap_or_default(),
                attempts: vec![],
                ..job.clone()
            };
            let named = |record: &AttemptRecord| (record.log.clone(), here.log_name(record.attempt));
            logs.extend(job.attempts.iter().map(named));
        }
        Self {
            id,
            subtickets: subtickets.zip((subticket.0 + 1..).map(SubticketId)).collect(),
            jobs,
            logs,
        }
    }

    fn job(&self, there: JobId) -> JobId {
        self.jobs.get(&there).copied().unwrap_or_default()
    }

    fn log(&self, there: LogName) -> LogName {
        self.logs.get(&there).cloned().unwrap_or(there)
    }

    fn ticket(&self, mut ticket: Ticket, origin: Origin) -> Ticket {
        let line = |text: Option<String>| text.map(|text| clean(&text, LONGEST_LINE));
        for subticket in &mut ticket.subtickets {
            subticket.id = self.subtickets.get(&subticket.id).copied().unwrap_or_default();
        }
        for test in &mut ticket.tests {
            test.job = self.job(test.job);
            test.result.name = clean(&test.result.name, LONGEST_NAME);
            test.result.source = clean(&test.result.source, LONGEST_NAME);
            test.result.reason = line(test.result.reason.take());
        }
        for record in &mut ticket.findings {
            record.job = self.job(record.job);
            record.finding = record.finding.clone().bounded();
        }
        for artifact in &mut ticket.artifacts {
            artifact.job = self.job(artifact.job);
        }
        // As they stand when they are reported one by one.
        ticket.tests.sort_by_key(|test| test.job);
        ticket.findings.sort_by_key(FindingRecord::order);
        ticket.artifacts.sort_by_key(|artifact| artifact.job);
        ticket.jobs = ticket.jobs.into_iter().map(|job| self.renumbered(job)).collect();
        Ticket {
            id: self.id,
            step: match ticket.status {
                TicketStatus::Complete => WorkflowStep::Complete,
                _ => WorkflowStep::Failed,
            },
            kept: false,
            queue_position: None,
            end: ticket.end.map(|mut end| {
                end.reason = line(end.reason);
                end
            }),
            warnings: ticket.warnings.iter().map(|text| clean(text, LONGEST_LINE)).collect(),
            origin: Some(cleaned(origin)),
            ..ticket
        }
    }

    fn renumbered(&self, mut job: Job) -> Job {
        for record in &mut job.attempts {
            record.log = self.log(record.log.clone());
            // Its testbed has stayed where it was.
            record.kept = None;
            record.reason = record.reason.take().map(|reason| clean(&reason, LONGEST_LINE));
            if let Some(error) = &mut record.first_error {
                error.log = self.log(error.log.clone());
                error.text = clean(&error.text, LONGEST_LINE);
            }
        }
        let id = self.job(job.id);
        if let Some(rerun) = &mut job.rerun {
            rerun.staged = rerun.staged.take().map(|_| format!("reruns/{id}").into());
        }
        Job {
            id,
            ticket: self.id,
            subticket: job.subticket.and_then(|there| self.subtickets.get(&there).copied()),
            needs: job.needs.iter().map(|&need| self.job(need)).collect(),
            reason: job.reason.map(|reason| clean(&reason, LONGEST_LINE)),
            ..job
        }
    }
}
