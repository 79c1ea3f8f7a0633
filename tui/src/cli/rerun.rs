//! `preflight rerun`: runs one test of a ticket once more, with what its owner has edited, shows its log as it comes and
//! ends with the test's exit code. The ticket stays as it is.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_protocol::client::{ClientError, Connection, Notification};
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{Attempt, JobId, TicketId};
use preflight_protocol::job::{Job, JobState};
use preflight_protocol::log::LogInfo;
use preflight_protocol::method::{LogList, Subscribe, TicketCancel, TicketRerun, TicketShow};
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::Ticket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use super::context::{Context, ask};
use super::error::{CliError, code};
use super::output::{self, Paint};
use super::report::{Test, summary_line};
use crate::log::file::next_line;

/// How often the growing log is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often a daemon that went away is started again.
const STARTS: u32 = 3;

/// What `preflight rerun --help` says last.
pub const AFTER: &str = "\
Examples:
  preflight rerun 12 upstream-tests
  preflight rerun 12 hello/upstream-tests --with .
  preflight rerun 12 smoke --with debian/tests/smoke

The result never changes the ticket. With --with it is dirty: it never counts for a promotion or a submission.

Exit codes: those of `preflight check`, for this one test.";

/// Arguments of `preflight rerun`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    ticket: TicketId,
    /// The test's name, or SOURCE/TEST where several sources have it
    #[arg(value_name = "TEST")]
    test: String,
    /// Take debian/tests and debian/control from this source tree, or this one file of debian/tests
    #[arg(short, long, value_name = "PATH")]
    with: Option<PathBuf>,
    /// Print one JSON object at the end (schema cli-rerun.json); the log goes to standard error
    #[arg(long)]
    json: bool,
}

/// What `preflight rerun --json` prints, last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RerunReport {
    /// The ticket's number.
    pub ticket: TicketId,
    /// The job that ran the test.
    pub job: JobId,
    /// Which run of it.
    pub attempt: Attempt,
    /// The process's exit code.
    pub exit_code: u8,
    /// How the job ended.
    pub outcome: Option<Outcome>,
    /// Why, where it did not pass.
    pub reason: Option<String>,
    /// Whether files ran that are not the ticket's: then it never counts for a promotion or a submission.
    pub dirty: bool,
    /// The test's results.
    pub tests: Vec<Test>,
    /// The log's file.
    pub log: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket or test, or the daemon does not stay.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let with = match &args.with {
        // Not resolved: a link's name is the test's.
        Some(path) => Some(std::path::absolute(path).map_err(CliError::file(path.display().to_string()))?),
        None => None,
    };
    let (connection, notifications) = context.attach().await?;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let running = ask(
        &connection,
        &TicketRerun {
            ticket: args.ticket,
            test: args.test,
            with,
        },
    )
    .await?;
    let mut following = Following {
        ticket: args.ticket,
        job: running.job,
        interrupted: false,
        tail: Tail {
            to_stderr: args.json,
            paint: if args.json {
                context.output.err
            } else {
                context.output.out
            },
            harmless: if args.json {
                io::IsTerminal::is_terminal(&io::stderr())
            } else {
                context.output.terminal
            },
            shown: None,
        },
    };
    let mut attached = (connection, notifications);
    let mut starts = 0;
    let ticket = loop {
        match following.part(attached.0, attached.1, &mut interrupts).await? {
            Some(ticket) => break ticket,
            None if starts == STARTS => {
                return Err(CliError::NoDaemon(
                    "the daemon has ended over the test again and again".to_owned(),
                    Some(format!(
                        "`preflight ticket show {}` tells how it stands",
                        following.ticket
                    )),
                ));
            }
            None => {
                starts += 1;
                eprintln!("the daemon is gone: starting it again");
                attached = context.attach().await?;
            }
        }
    };
    finish(context, &following, &ticket, args.json)
}

struct Following {
    ticket: TicketId,
    job: JobId,
    interrupted: bool,
    tail: Tail,
}

impl Following {
    /// Follows the job over one connection; answers the ticket once the job has ended, none where the daemon went away.
    async fn part(
        &mut self,
        connection: Connection,
        mut notifications: Receiver<Notification>,
        interrupts: &mut Signal,
    ) -> Result<Option<Ticket>, CliError> {
        // The job may have ended before its events are told.
        let subscribe = Subscribe {
            ticket: Some(self.ticket),
        };
        let mut ended = match connection.request(&subscribe).await {
            Ok(snapshot) => snapshot.ticket.is_some_and(|ticket| self.has_ended(&ticket.jobs)),
            Err(ClientError::Closed) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut clock = interval(LOOK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if ended {
                return self.whole(&connection).await;
            }
            tokio::select! {
                notification = notifications.recv() => match notification {
                    None => return Ok(None),
                    Some(Notification::Event(event)) => {
                        if let EventKind::JobChanged(job) = &event.kind {
                            ended = self.has_ended(std::slice::from_ref(&**job));
                        }
                    }
                    Some(Notification::Beat(_) | Notification::Testbed(_)) => {}
                    Some(Notification::Resync) => match connection.request(&subscribe).await {
                        Ok(snapshot) => ended = snapshot.ticket.is_some_and(|ticket| self.has_ended(&ticket.jobs)),
                        Err(ClientError::Closed) => return Ok(None),
                        Err(error) => return Err(error.into()),
                    },
                },
                _ = clock.tick() => {
                    if !self.look(&connection, true).await? {
                        return Ok(None);
                    }
                }
                _ = interrupts.recv() => self.interrupt(&connection).await?,
            }
        }
    }

    fn has_ended(&self, jobs: &[Job]) -> bool {
        let mut jobs = jobs.iter();
        jobs.any(|job| job.id == self.job && !matches!(job.state, JobState::Queued | JobState::Running))
    }

    /// Shows what the log has more; whether the daemon is still there.
    async fn look(&mut self, connection: &Connection, growing: bool) -> Result<bool, CliError> {
        // Its file appears with its first line; another attempt has another one.
        if !growing || self.tail.shown.as_ref().is_none_or(|shown| shown.offset == 0) {
            let request = LogList {
                ticket: self.ticket,
                job: Some(self.job),
            };
            match connection.request(&request).await {
                Ok(logs) => self.tail.follow(logs),
                Err(ClientError::Closed) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.tail.show(growing)?;
        Ok(true)
    }

    async fn whole(&mut self, connection: &Connection) -> Result<Option<Ticket>, CliError> {
        if !self.look(connection, false).await? {
            return Ok(None);
        }
        match connection.request(&TicketShow { id: self.ticket }).await {
            Ok(ticket) => Ok(Some(ticket)),
            Err(ClientError::Closed) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ctrl-C: the rerun is cancelled, unless that would end the ticket's own jobs with it.
    async fn interrupt(&mut self, connection: &Connection) -> Result<(), CliError> {
        let ticket = ask(connection, &TicketShow { id: self.ticket }).await?;
        if self.interrupted || !ticket.summary.status.is_final() {
            eprintln!(
                "the test runs on; `preflight ticket show {}` tells how it goes",
                self.ticket
            );
            return Err(CliError::Interrupted);
        }
        self.interrupted = true;
        eprintln!("cancelling the test (Ctrl-C again: do not wait for it)");
        match connection.request(&TicketCancel { id: self.ticket }).await {
            // It has ended meanwhile, or the daemon has.
            Ok(_) | Err(ClientError::Closed | ClientError::Rpc(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The log as far as it was shown.
struct Tail {
    to_stderr: bool,
    paint: Paint,
    /// Whether it is shown on a terminal, which gets harmless text.
    harmless: bool,
    shown: Option<Shown>,
}

struct Shown {
    attempt: Attempt,
    path: PathBuf,
    offset: u64,
}

impl Tail {
    /// Turns to the newest attempt's log.
    fn follow(&mut self, logs: Vec<LogInfo>) {
        let Some(newest) = logs.into_iter().max_by_key(|log| log.attempt) else {
            return;
        };
        if self.shown.as_ref().is_none_or(|shown| shown.attempt != newest.attempt) {
            self.shown = Some(Shown {
                attempt: newest.attempt,
                path: newest.path,
                offset: 0,
            });
        }
    }

    fn show(&mut self, growing: bool) -> Result<(), CliError> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        let trouble = |path: &Path| CliError::file(path.display().to_string());
        let mut file = match File::open(&shown.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(trouble(&shown.path)(error)),
        };
        file.seek(SeekFrom::Start(shown.offset)).map_err(trouble(&shown.path))?;
        let mut out: Box<dyn Write> = if self.to_stderr {
            Box::new(io::stderr().lock())
        } else {
            Box::new(io::stdout().lock())
        };
        if !self.harmless {
            shown.offset += io::copy(&mut file, &mut out)?;
            return Ok(out.flush()?);
        }
        // Up to the last whole line, as long as there may be more of it.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(trouble(&shown.path))?;
        let end = if growing {
            memchr::memrchr(b'\n', &bytes).map_or(0, |place| place + 1)
        } else {
            bytes.len()
        };
        let mut reader = BufReader::new(&bytes[..end]);
        while let Some(line) = next_line(&mut reader).map_err(trouble(&shown.path))? {
            writeln!(out, "{}", self.paint.log_line(&line.bytes))?;
        }
        shown.offset += end as u64;
        Ok(out.flush()?)
    }
}

/// autopkgtest's exit code for one job.
fn exit_code(outcome: Option<Outcome>) -> u8 {
    match outcome {
        Some(Outcome::Pass) => 0,
        Some(Outcome::Skipped) => 2,
        Some(Outcome::Fail) => 4,
        Some(Outcome::NoTests) => 8,
        Some(Outcome::BadPackage) => 12,
        Some(Outcome::TestbedBroken) => code::HOST,
        Some(Outcome::Cancelled) => code::INTERRUPTED,
        None => code::OTHER,
    }
}

fn finish(context: &Context, following: &Following, ticket: &Ticket, json: bool) -> Result<u8, CliError> {
    let Some(job) = ticket.jobs.iter().find(|job| job.id == following.job) else {
        return Err(CliError::usage(
            format!("ticket {} has no job {} any more", following.ticket, following.job),
            "was it removed?",
        ));
    };
    let cancelled = job.state == JobState::Cancelled;
    let outcome = job.outcome.or(cancelled.then_some(Outcome::Cancelled));
    let exit_code = exit_code(outcome);
    let results: Vec<_> = ticket.tests.iter().filter(|test| test.job == job.id).collect();
    let dirty = job.rerun.as_ref().is_some_and(|rerun| rerun.dirty);
    if json {
        output::json(&RerunReport {
            ticket: following.ticket,
            job: job.id,
            attempt: job.attempt,
            exit_code,
            outcome,
            reason: job.reason.clone(),
            dirty,
            tests: results.iter().copied().map(Test::from).collect(),
            log: following.tail.shown.as_ref().map(|shown| shown.path.clone()),
        })?;
        return Ok(exit_code);
    }
    let paint = context.output.out;
    let mut lines = Vec::new();
    for test in &results {
        let line = summary_line(&test.name, test.status, test.reason.as_deref());
        lines.push(paint.style(paint.theme.test(test.status).style, &line));
    }
    if results.is_empty() || results.iter().all(|test| test.status == TestStatus::Pass) && exit_code != 0 {
        let word = outcome.map_or_else(|| "no outcome".to_owned(), |outcome| outcome.to_string());
        let reason = job
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        lines.push(paint.role(crate::theme::Role::Plain, &format!("{word}{reason}")));
    }
    if dirty {
        lines.push(paint.role(
            crate::theme::Role::Warning,
            "dirty: never counts for a promotion or a submission",
        ));
    }
    output::print(&lines.join("\n"))?;
    Ok(exit_code)
}
