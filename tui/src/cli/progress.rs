//! How a followed ticket is shown: live lines on a terminal, plain lines elsewhere, nothing where quiet is wanted. All
//! on standard error; standard output is for the report.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use preflight_protocol::ids::{Attempt, JobId};
use preflight_protocol::job::{Job, JobState};
use preflight_protocol::ticket::{Ticket, TicketStatus};

use super::follow::Watcher;
use super::output::Paint;
use crate::measure;
use crate::theme::Role;
use crate::view::widgets::steps;

/// Shows nothing.
#[derive(Debug)]
pub struct Quiet;

impl Watcher for Quiet {
    fn changed(&mut self, _: &Ticket) {}
    fn tick(&mut self, _: &Ticket, _: Option<&str>) {}
    fn say(&mut self, _: &str) {}
}

/// The watcher for this standard error.
#[must_use]
pub fn watcher(quiet: bool, paint: Paint) -> Box<dyn Watcher> {
    if quiet {
        Box::new(Quiet)
    } else if std::io::stderr().is_terminal() {
        Box::new(Live::new(paint))
    } else {
        Box::new(Plain {
            paint,
            seen: Seen::default(),
        })
    }
}

/// What was told of a ticket already, so that each thing is told once.
#[derive(Debug, Default)]
struct Seen {
    jobs: HashMap<JobId, (Attempt, JobState)>,
    tests: usize,
    warnings: usize,
    phase: Option<(JobId, String)>,
    queued: Option<u32>,
}

impl Seen {
    /// Lines for what is new.
    fn news(&mut self, ticket: &Ticket, paint: Paint) -> Vec<String> {
        let mut lines = Vec::new();
        for warning in ticket.warnings.iter().skip(self.warnings) {
            lines.push(format!(
                "{} {}",
                paint.role(Role::Warning, "warning:"),
                paint.role(Role::Plain, warning)
            ));
        }
        self.warnings = self.warnings.max(ticket.warnings.len());
        if ticket.summary.status == TicketStatus::Queued && self.queued != ticket.summary.queue_position {
            self.queued = ticket.summary.queue_position;
            if let Some(place) = self.queued {
                lines.push(format!("queued, place {place}"));
            }
        }
        for job in &ticket.jobs {
            let now = (job.attempt, job.state);
            let before = self.jobs.insert(job.id, now);
            if before != Some(now) && job.state != JobState::Queued {
                lines.push(job_line(job, paint));
            }
        }
        for test in ticket.tests.iter().skip(self.tests) {
            let mut words = vec![
                paint.look(&paint.theme.test(test.status)),
                paint.role(Role::Plain, &test.source),
                paint.role(Role::Plain, &test.name),
            ];
            words.extend(test.reason.as_deref().map(|reason| paint.role(Role::Plain, reason)));
            lines.push(format!("  {}", words.join(" ")));
        }
        self.tests = self.tests.max(ticket.tests.len());
        lines
    }
}

fn job_line(job: &Job, paint: Paint) -> String {
    let look = paint.theme.job(job.state);
    let mut line = format!(
        "{} {}",
        paint.style(look.style, look.glyph),
        paint.role(Role::Plain, &name(job))
    );
    if job.attempt.0 > 1 {
        line.push_str(&format!(" (attempt {})", job.attempt));
    }
    line.push_str(&format!(" {}", paint.style(look.style, &look.word)));
    if let (Some(start), Some(end)) = (job.started_at, job.finished_at) {
        line.push_str(&format!(" in {}", measure::seconds(measure::between(start, end.0))));
    }
    if let Some(reason) = &job.reason {
        line.push_str(&format!(": {}", paint.role(Role::Plain, reason)));
    }
    line
}

fn name(job: &Job) -> String {
    match job.subject() {
        Some(subject) => format!("{} {subject}", job.title()),
        None => job.title(),
    }
}

/// Plain lines, for pipes and files.
#[derive(Debug)]
struct Plain {
    paint: Paint,
    seen: Seen,
}

impl Plain {
    fn line(text: &str) {
        // Nobody reads the progress: the report still counts.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

impl Watcher for Plain {
    fn changed(&mut self, ticket: &Ticket) {
        for line in self.seen.news(ticket, self.paint) {
            Self::line(&line);
        }
    }

    fn tick(&mut self, ticket: &Ticket, _: Option<&str>) {
        let Some(job) = running(ticket) else { return };
        let Some(progress) = &job.progress else { return };
        let phase = Some((job.id, progress.phase.clone()));
        if self.seen.phase != phase {
            Self::line(&format!(
                "  {}: {}",
                self.paint.role(Role::Plain, &name(job)),
                self.paint.role(Role::Plain, &progress.phase)
            ));
            self.seen.phase = phase;
        }
    }

    fn say(&mut self, text: &str) {
        Self::line(text);
    }
}

fn running(ticket: &Ticket) -> Option<&Job> {
    ticket.jobs.iter().find(|job| job.state == JobState::Running)
}

/// Lines that change in place: the running job, and the end of its log.
#[derive(Debug)]
struct Live {
    paint: Paint,
    seen: Seen,
    lines: MultiProgress,
    job: ProgressBar,
    log: ProgressBar,
}

impl Live {
    fn new(paint: Paint) -> Self {
        let lines = MultiProgress::new();
        let line = |template| {
            let bar = lines.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.tick_chars(if paint.theme.unicode {
                    "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "
                } else {
                    "|/-\\ "
                }));
            }
            bar
        };
        let job = line("{spinner} {wide_msg}");
        let log = line("  {wide_msg}");
        job.enable_steady_tick(Duration::from_millis(250));
        Self {
            paint,
            seen: Seen::default(),
            lines,
            job,
            log,
        }
    }

    fn show(&self, ticket: &Ticket) {
        let now = Timestamp::now();
        let text = match running(ticket) {
            Some(job) => {
                let mut text = name(job);
                if let Some(start) = job.started_at {
                    text.push_str(&format!("  {}", measure::clock(measure::between(start, now))));
                }
                if let Some(progress) = &job.progress {
                    if let Some(fraction) = progress.fraction {
                        let bar = steps::bar(fraction, 16, self.paint.theme);
                        text.push_str(&format!("  {bar} {:.0}%", fraction * 100.0));
                    }
                    text.push_str(&format!("  {}", progress.phase));
                    if let Some(left) = progress.estimate_s {
                        text.push_str(&format!(", about {} left", measure::clock(f64::from(left))));
                    }
                }
                text
            }
            None => format!(
                "ticket #{} {}",
                ticket.summary.id,
                self.paint.theme.ticket(&ticket.summary).word
            ),
        };
        self.job.set_message(crate::safe::text(&text).into_owned());
    }
}

impl Watcher for Live {
    fn changed(&mut self, ticket: &Ticket) {
        for line in self.seen.news(ticket, self.paint) {
            // The terminal is gone: there is nobody to tell.
            let _ = self.lines.println(line);
        }
        if running(ticket).is_none() {
            self.log.set_message("");
        }
        self.show(ticket);
    }

    fn tick(&mut self, ticket: &Ticket, last_line: Option<&str>) {
        self.show(ticket);
        let line = last_line.filter(|_| running(ticket).is_some()).unwrap_or_default();
        self.log.set_message(self.paint.role(Role::Dim, line));
    }

    fn say(&mut self, text: &str) {
        let _ = self.lines.println(text);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.job.finish_and_clear();
        self.log.finish_and_clear();
    }
}
