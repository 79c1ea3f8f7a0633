//! `preflight findings`: what a ticket's logs say that matters, a line each, as compilers say it: editors read that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use preflight_protocol::ids::TicketId;
use preflight_protocol::log::LogName;
use preflight_protocol::method::{LogList, TicketShow};
use preflight_protocol::result::{Finding, FindingKind, Severity};
use preflight_protocol::ticket::Ticket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::CliError;
use super::output;
use crate::safe;

/// What `preflight findings --help` says last.
pub const AFTER: &str = "\
Examples:
  preflight findings 12                    the errors of its newest attempts
  preflight findings 12 --all              warnings and notes, too
  preflight findings 12 --source hello --json
  vim -q <(preflight findings 12)          in the source's tree: from error to error

A line is FILE:LINE:COLUMN: SEVERITY: MESSAGE. Files are relative to the tree of the source that the job worked on; what the
source does not have is as the log names it. What is said of no file leads to the line of the log itself. What a job has failed
with comes first, then what else its log says, in its order. What testbeds tried to reach, and were refused, is a warning.";

/// Arguments of `preflight findings`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    ticket: TicketId,
    /// Warnings and notes, too
    #[arg(short, long)]
    all: bool,
    /// Of this source's jobs only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print one JSON object (schema cli-findings.json)
    #[arg(long)]
    json: bool,
}

/// What `preflight findings --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingsReport {
    /// The ticket's number.
    pub ticket: TicketId,
    /// How many errors there are, those that are the same counted once.
    pub errors: u64,
    /// How many warnings.
    pub warnings: u64,
    /// How many notes.
    pub notes: u64,
    /// All of them; without --all, the errors.
    pub findings: Vec<Finding>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket or source.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
    if let Some(source) = &args.source
        && !ticket.subtickets.iter().any(|subticket| subticket.source == *source)
    {
        return Err(CliError::usage(
            format!("ticket #{} has no source {source}", args.ticket),
            format!("its sources are: {}", ticket.summary.sources.join(", ")),
        ));
    }
    let is_wanted = |finding: &&Finding| args.source.is_none() || finding.source == args.source;
    let found: Vec<&Finding> = ticket.own_findings().filter(is_wanted).collect();
    let count = |severity| found.iter().filter(|finding| severity_of(finding) == severity).count() as u64;
    let shown = || {
        let is_shown = |finding: &&&Finding| args.all || severity_of(finding) == Severity::Error;
        found.iter().filter(is_shown).copied()
    };
    if args.json {
        output::json(&FindingsReport {
            ticket: args.ticket,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            findings: shown().cloned().collect(),
        })?;
        return Ok(0);
    }
    let request = LogList {
        ticket: args.ticket,
        job: None,
    };
    let logs = context.ask(&request).await?;
    let paths = logs.into_iter().map(|log| (log.name, log.path)).collect();
    let lines: Vec<String> = shown().map(|finding| line(&ticket, &paths, finding)).collect();
    if !lines.is_empty() {
        output::print(&lines.join("\n"))?;
    }
    let hidden = found.len() - lines.len();
    if hidden > 0 {
        eprintln!("{hidden} more with --all: warnings and notes");
    } else if lines.is_empty() {
        eprintln!("ticket #{} has no findings", args.ticket);
    }
    Ok(0)
}

/// What was refused to a testbed failed nothing by itself.
fn severity_of(finding: &Finding) -> Severity {
    finding.severity().unwrap_or(Severity::Warning)
}

/// A finding as editors read it.
fn line(ticket: &Ticket, paths: &BTreeMap<LogName, PathBuf>, finding: &Finding) -> String {
    let (place, message) = match &finding.kind {
        FindingKind::Log { place, message, .. } => (place.as_ref(), message.as_str()),
        _ => (None, finding.text.as_str()),
    };
    let mut text = match place {
        Some(place) => {
            let numbers = [place.line, place.column];
            let numbers = numbers.into_iter().flatten().map(|number| format!(":{number}"));
            format!("{}{}", place.file, numbers.collect::<String>())
        }
        None => {
            let mut jobs = ticket.jobs.iter();
            let log = jobs.find(|job| job.id == finding.job).and_then(|job| job.log.as_ref());
            let file = log.map_or_else(String::new, |log| match paths.get(log) {
                Some(path) => path.display().to_string(),
                None => log.to_string(),
            });
            match finding.log_line {
                Some(line) => format!("{file}:{line}"),
                None => file,
            }
        }
    };
    text += &format!(": {}: {message}", word(severity_of(finding)));
    if let Some(test) = &finding.test {
        text += &format!(" ({test})");
    }
    safe::text(&text).into_owned()
}

/// A severity in compilers' words.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
