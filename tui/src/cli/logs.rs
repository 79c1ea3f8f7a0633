//! `preflight logs`: prints a ticket's logs from their files, follows them, or shows the first failing line. Raw bytes
//! go to files and pipes; a terminal gets harmless text.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::time::Duration;

use preflight_protocol::client::Connection;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::job::FirstError;
use preflight_protocol::log::{LogInfo, LogName};
use preflight_protocol::method::{LogList, TicketShow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::context::{Context, ask};
use super::error::CliError;
use super::output;
use super::table::Table;
use crate::log::file::{LogFile, next_line};
use crate::measure;
use crate::model::fold;
use crate::theme::Role;

/// How often a growing log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `preflight logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    pub ticket: TicketId,
    /// Only this job's
    #[arg(long, value_name = "JOB")]
    pub job: Option<JobId>,
    /// Go on printing until the ticket, or the job, has ended
    #[arg(short, long, conflicts_with_all = ["first_error", "list", "json"])]
    pub follow: bool,
    /// Show the first failing line and what stands around it
    #[arg(short = 'e', long)]
    pub first_error: bool,
    /// Lines around the first failing line
    #[arg(
        short = 'C',
        long,
        default_value_t = 8,
        value_name = "LINES",
        requires = "first_error"
    )]
    pub context: u64,
    /// Logs of every attempt, not of each job's newest alone
    #[arg(long)]
    pub all: bool,
    /// List the logs with their files
    #[arg(long, conflicts_with = "first_error")]
    pub list: bool,
    /// Print the list, or the first error, as JSON (schema cli-first-error.json)
    #[arg(long)]
    pub json: bool,
}

/// What `preflight logs --first-error --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirstErrorReport {
    /// The ticket's number.
    pub ticket: TicketId,
    /// The job that failed.
    pub job: JobId,
    /// The line.
    pub first_error: FirstError,
    /// The log's file.
    pub path: Option<std::path::PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket, job or line, or a log cannot be read.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let (mut connection, _notifications) = context.attach().await?;
    if args.first_error {
        return first_error(context, &connection, &args).await;
    }
    let mut logs = list(&connection, &args).await?;
    if args.json {
        output::json(&logs)?;
        return Ok(0);
    }
    if args.list {
        output::print(&table(context, &logs))?;
        return Ok(0);
    }
    let mut printer = Printer {
        context,
        shown: None,
        many: false,
    };
    let mut done: Vec<(LogName, u64)> = Vec::new();
    let mut last = false;
    loop {
        printer.many = printer.many || logs.len() > 1;
        for log in &logs {
            let from = done
                .iter()
                .find(|(name, _)| *name == log.name)
                .map_or(0, |(_, offset)| *offset);
            let offset = printer.print(log, from, args.follow && log.growing)?;
            done.retain(|(name, _)| *name != log.name);
            done.push((log.name.clone(), offset));
        }
        if !args.follow {
            break;
        }
        match ended(&connection, &args).await {
            Ok(true) if last => break,
            // What was written between the last look and the end is still to be printed.
            Ok(ended) => last = ended,
            Err(CliError::NoDaemon(..)) => connection = context.attach().await?.0,
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            signal = tokio::signal::ctrl_c() => {
                signal?;
                return Err(CliError::Interrupted);
            }
        }
        match list(&connection, &args).await {
            Ok(now) => logs = now,
            // Found again in the next round.
            Err(CliError::NoDaemon(..)) => {}
            Err(error) => return Err(error),
        }
    }
    if done.iter().all(|(_, offset)| *offset == 0) && !args.follow {
        eprintln!("ticket #{} has written no log yet", args.ticket);
    }
    Ok(0)
}

async fn list(connection: &Connection, args: &Args) -> Result<Vec<LogInfo>, CliError> {
    let mut logs = ask(
        connection,
        &LogList {
            ticket: args.ticket,
            job: args.job,
        },
    )
    .await?;
    if !args.all && !args.list && !args.json {
        let newest: Vec<LogInfo> = logs.clone();
        logs.retain(|log| {
            !newest
                .iter()
                .any(|other| other.job == log.job && other.attempt > log.attempt)
        });
    }
    Ok(logs)
}

/// Whether nothing more will be written.
async fn ended(connection: &Connection, args: &Args) -> Result<bool, CliError> {
    use preflight_protocol::job::JobState;
    let ticket = ask(connection, &TicketShow { id: args.ticket }).await?;
    Ok(match args.job {
        Some(id) => !ticket
            .jobs
            .iter()
            .any(|job| job.id == id && matches!(job.state, JobState::Queued | JobState::Running)),
        None => ticket.summary.status.is_final(),
    })
}

fn table(context: &Context, logs: &[LogInfo]) -> String {
    if logs.is_empty() {
        return "no logs yet".to_owned();
    }
    let mut table = Table::new(context.output, &[">JOB", ">TRY", "LOG", ">SIZE", "FILE"]);
    for log in logs {
        let row = vec![
            table.text(&log.job.to_string()),
            table.text(&log.attempt.to_string()),
            table.text(&log.name.0),
            table.text(&measure::bytes(log.size)),
            table.text(&log.path.display().to_string()),
        ];
        table.row(row);
    }
    table.to_string()
}

struct Printer<'a> {
    context: &'a Context,
    /// The log that was printed last: another one gets a heading first.
    shown: Option<LogName>,
    many: bool,
}

impl Printer<'_> {
    /// Prints a log from a byte on. Answers up to where; of a growing log, up to its last whole line.
    fn print(&mut self, log: &LogInfo, from: u64, growing: bool) -> Result<u64, CliError> {
        let trouble = || CliError::file(log.path.display().to_string());
        let mut file = match File::open(&log.path) {
            Ok(file) => file,
            // Its job has started and written nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound && log.size == 0 => return Ok(from),
            Err(error) => return Err(trouble()(error)),
        };
        file.seek(SeekFrom::Start(from)).map_err(trouble())?;
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        let mut out = io::stdout().lock();
        let paint = self.context.output.out;
        if !self.context.output.terminal {
            self.heading(log, &mut out, &mut reader)?;
            let copied = io::copy(&mut reader, &mut out)?;
            out.flush()?;
            return Ok(from + copied);
        }
        self.heading(log, &mut out, &mut reader)?;
        let size = reader.get_ref().metadata().map_err(trouble())?.len();
        let mut offset = from;
        while let Some(line) = next_line(&mut reader).map_err(trouble())? {
            let end = offset + line.bytes.len() as u64 + line.cut + 1;
            if growing && end > size {
                break;
            }
            write!(out, "{}", paint.log_line(&line.bytes))?;
            if line.cut > 0 {
                write!(out, " [{} more bytes]", measure::count(line.cut))?;
            }
            writeln!(out)?;
            offset = end;
        }
        out.flush()?;
        Ok(offset)
    }

    /// The log's name above its first line, where several are printed.
    fn heading(&mut self, log: &LogInfo, out: &mut impl Write, reader: &mut BufReader<File>) -> Result<(), CliError> {
        use std::io::BufRead;
        let any = !reader
            .fill_buf()
            .map_err(CliError::file(log.path.display().to_string()))?
            .is_empty();
        if any && self.many && self.shown.as_ref() != Some(&log.name) {
            let gap = if self.shown.is_some() { "\n" } else { "" };
            let heading = format!("==> {} <==", log.name);
            writeln!(out, "{gap}{}", self.context.output.out.role(Role::Heading, &heading))?;
        }
        if any {
            self.shown = Some(log.name.clone());
        }
        Ok(())
    }
}

async fn first_error(context: &Context, connection: &Connection, args: &Args) -> Result<u8, CliError> {
    let ticket = ask(connection, &TicketShow { id: args.ticket }).await?;
    let failed = fold::failed(&ticket)
        .into_iter()
        .find(|job| args.job.is_none_or(|id| job.id == id))
        .and_then(|job| Some((job.id, job.first_error.clone()?)));
    let Some((job, error)) = failed else {
        return Err(CliError::usage(
            format!("ticket #{} has no failing line", args.ticket),
            format!("`preflight ticket show {}` tells how it stands", args.ticket),
        ));
    };
    let request = LogList {
        ticket: args.ticket,
        job: Some(job),
    };
    let logs = ask(connection, &request).await?;
    let path = logs.into_iter().find(|log| log.name == error.log).map(|log| log.path);
    if args.json {
        output::json(&FirstErrorReport {
            ticket: args.ticket,
            job,
            first_error: error,
            path,
        })?;
        return Ok(0);
    }
    let paint = context.output.out;
    let mut text = paint.role(Role::Heading, &format!("{}:{}", error.log, error.line));
    text.push('\n');
    match path {
        Some(path) => {
            let mut file = LogFile::open(&path).map_err(CliError::file(path.display().to_string()))?;
            let trouble = || CliError::file(path.display().to_string());
            while file.extend().map_err(trouble())? {}
            let wanted = error.line.saturating_sub(1);
            let first = wanted.saturating_sub(args.context);
            let count = usize::try_from(wanted - first + args.context + 1).unwrap_or(usize::MAX);
            for (number, line) in (first..).zip(file.window(first, count).map_err(trouble())?) {
                let sign = if number == wanted { ">" } else { " " };
                let line = paint.log_line(&line.bytes);
                text.push_str(&format!("{} {:>6}  {line}\n", paint.role(Role::Bad, sign), number + 1));
            }
        }
        None => text.push_str(&paint.role(Role::Bad, &error.text)),
    }
    output::print(&text)?;
    Ok(0)
}
