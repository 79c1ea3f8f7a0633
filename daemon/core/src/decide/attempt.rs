//! A job's attempts: their start, what is reported of them, their end, and what that means for the ticket.

use super::Draft;
use crate::command::{Refusal, Report};
use crate::event::Event;
use crate::exit::ExitCode;
use crate::finding::{FindingKind, FindingRecord};
use crate::ids::{Attempt, JobId, TicketId};
use crate::job::{Ending, Job, JobState};
use crate::result::{ArtifactRecord, Outcome, TestRecord};
use crate::schedule::is_ready;
use crate::text::{LONGEST_LINE, LONGEST_NAME, clean};
use crate::ticket::{KeepFailed, TicketEnd, TicketStatus};

/// How many tests, artifacts and warnings a ticket may have: a guest reports them, and a guest is hostile.
const MOST: usize = 20_000;
/// How many findings of what testbeds did a ticket may have.
const MOST_FINDINGS: usize = 2_000;
/// How many lines of its logs a ticket may have among its findings.
const MOST_LOG_FINDINGS: usize = 8_000;
/// How many fetches a lock may have.
const MOST_FETCHES: usize = 100_000;

impl Draft<'_> {
    pub(super) fn start(&mut self, id: JobId) -> Result<(), Refusal> {
        let (ticket, job) = self.job(id)?;
        if !is_ready(self.state, ticket, job) || job.is_open() {
            return Err(Refusal::NotReady(id, job.state));
        }
        let attempt = job.attempt().next();
        let (ticket_id, log) = (ticket.id, job.log_name(attempt));
        // Independent sources may lag behind: a ticket never goes back.
        let step = job.kind.step().max(ticket.step);
        let advances = job.rerun.is_none() && (ticket.status != TicketStatus::Running || step != ticket.step);
        if advances {
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

    pub(super) fn report(&mut self, id: JobId, attempt: Attempt, report: Report) -> Result<(), Refusal> {
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
            Report::Finding(finding) => {
                // Lines of logs are of another kind, and take no room from what testbeds did.
                let is_log = |kind: &FindingKind| matches!(kind, FindingKind::Log(_));
                let of_a_log = is_log(&finding.kind);
                let alike = |other: &&FindingRecord| is_log(&other.finding.kind) == of_a_log;
                let most = if of_a_log { MOST_LOG_FINDINGS } else { MOST_FINDINGS };
                if ticket.findings.iter().filter(alike).count() >= most {
                    return Err(Refusal::TooMany(id, most, "findings"));
                }
                let finding = Box::new(FindingRecord {
                    job: id,
                    attempt,
                    finding: finding.bounded(),
                });
                self.tell(Event::FindingRecorded {
                    ticket: ticket_id,
                    finding,
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
            Report::LockHead(mut head) => {
                head.sources.truncate(MOST);
                self.tell(Event::LockHeadRecorded {
                    ticket: ticket_id,
                    job: id,
                    attempt,
                    head,
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
            Report::Kept { bytes } => self.keep(ticket_id, id, attempt, bytes),
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
        let judges_again = self.may_judge_again(job, ending.outcome);
        let retry = !cancelled && (judges_again || (ending.unresponsive && self.may_retry(job)));
        self.push(Event::AttemptEnded {
            ticket,
            job,
            attempt,
            ending,
            retry,
            at: self.now,
        });
        if retry && !judges_again {
            self.warn_of_retry(ticket, job);
        }
        if cancelled || retry {
            return;
        }
        if !good {
            self.skip_dependents(ticket, job);
        }
        self.judge_tests(ticket, job);
        self.end_if_done(ticket);
    }

    /// Whether an unresponsive attempt is followed by another: the last one before it was not unresponsive too.
    /// What the daemon's end has interrupted says nothing.
    fn may_retry(&self, job: JobId) -> bool {
        self.job(job).is_ok_and(|(_, job)| {
            let mut earlier = job.attempts.iter().rev().skip(1);
            earlier
                .find(|record| record.outcome.is_some())
                .is_none_or(|record| !record.unresponsive)
        })
    }

    fn warn_of_retry(&mut self, ticket: TicketId, job: JobId) {
        if let Ok((_, found)) = self.job(job) {
            let text = format!("the {} was unresponsive, and is tried once more", label(found));
            self.push(Event::WarningRaised { ticket, text });
        }
    }

    /// The kept testbed of the newest failure takes the place of older ones where its owner wants no more of them.
    /// A rerun's never takes that of the ticket's own jobs.
    fn keep(&mut self, id: TicketId, job: JobId, attempt: Attempt, bytes: u64) {
        let Ok(ticket) = self.ticket(id) else { return };
        let is_rerun = |job: &Job| job.rerun.is_some();
        let own = ticket.job(job).is_some_and(is_rerun);
        let mut older: Vec<(JobId, Attempt)> = Vec::new();
        if ticket.options.keep_failed != KeepFailed::Always {
            for other in ticket.jobs.iter().filter(|other| is_rerun(other) == own) {
                let kept = other.attempts.iter().filter(|record| record.kept.is_some());
                older.extend(kept.map(|record| (other.id, record.attempt)));
            }
        }
        older.retain(|other| *other != (job, attempt));
        for (job, attempt) in older {
            self.push(Event::TestbedForgotten {
                ticket: id,
                job,
                attempt,
            });
        }
        self.push(Event::TestbedKept {
            ticket: id,
            job,
            attempt,
            bytes,
        });
    }

    pub(super) fn forget_kept(&mut self, id: JobId, attempt: Attempt) -> Result<(), Refusal> {
        let (ticket, job) = self.job(id)?;
        if job.record(attempt).and_then(|record| record.kept).is_none() {
            return Err(Refusal::NotKept(id, attempt));
        }
        let ticket = ticket.id;
        self.push(Event::TestbedForgotten {
            ticket,
            job: id,
            attempt,
        });
        Ok(())
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
        let own = || ticket.jobs.iter().filter(|job| job.rerun.is_none());
        if ticket.status.is_final() || own().any(|job| !job.state.is_final()) {
            return;
        }
        let codes = own().filter_map(|job| job.newest()?.exit_code);
        let exit_code = ExitCode::combine(codes);
        let status = if exit_code.completes() {
            TicketStatus::Complete
        } else {
            TicketStatus::Failed
        };
        let reason = own().find(|job| job.state == JobState::Failed).map(|job| {
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

    pub(super) fn interrupt(&mut self, id: JobId, reason: String) -> Result<(), Refusal> {
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
}

/// A job in words: `build of hello`.
fn label(job: &Job) -> String {
    match &job.source {
        Some(source) => format!("{} of {source}", job.kind),
        None => job.kind.to_string(),
    }
}
