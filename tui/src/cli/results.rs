//! `preflight results`: a ticket's test results, printed or written in the formats of others. The daemon makes all of them but
//! JSON and the subunit v2 stream, which is there while the tests run.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::method::{ResultStream, TicketShow};
use preflight_protocol::result::{Finding, Outcome, TestResult, TestStatus};
use preflight_protocol::result_export::{ResultFormat, ResultsExport, ResultsExported};
use preflight_protocol::ticket::{TestCounts, Ticket, WorkflowStep};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::CliError;
use super::output::Paint;
use super::{output, report, results_stream};
use crate::measure;
use crate::theme::Role;

pub(super) const AFTER: &str = "\
Formats for programs:
  autopkgtest  a folder: autopkgtest's output directory; of several sources one each
  debci        a folder: SUITE/ARCHITECTURE/PREFIX/SOURCE/RUN as debci's collector takes it, and RUN.json
  result-tar   a file as Ubuntu's workers upload it, and log.gz and artifacts.tar.gz beside it
  subunit      subunit v2, while the tests run too: --follow prints it as it comes
  subunit-v1, junit, pyunit (the text of Python's unittest), json (schema cli-results.json)

Examples:
  preflight results 12
  preflight results 12 --format junit -o results.xml
  preflight results 12 --format autopkgtest -o results-12
  preflight results 12 --format result-tar --source hello -o hello/result.tar
  preflight results 12 --format subunit --follow | subunit2pyunit

Exit codes:
    0  they are printed or written; with --follow it is the ticket's, see `preflight check --help`
   20  there is no such ticket, it has no such tests, they have not ended, and all else";

/// Arguments of `preflight results`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    pub ticket: TicketId,
    /// How to print or write them
    #[arg(long, default_value = "summary")]
    pub format: Format,
    /// Write them here and not to standard output
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Only those of this source
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Those of this job, a rerun, say, and not the ticket's own
    #[arg(long, value_name = "JOB")]
    pub job: Option<JobId>,
    /// Go on printing until the ticket has ended, and exit with its code; of the format subunit
    #[arg(short, long, conflicts_with_all = ["json", "output", "source", "job"])]
    pub follow: bool,
    /// The same as --format json; with a format that goes to -o, say as JSON what was written
    #[arg(long)]
    pub json: bool,
}

/// How to print or write results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The lines of autopkgtest's summary file
    Summary,
    /// autopkgtest's output directory
    Autopkgtest,
    /// debci's layout
    Debci,
    /// Ubuntu's layout
    ResultTar,
    /// The subunit v2 stream, as it was recorded
    Subunit,
    /// A subunit v1 stream
    SubunitV1,
    /// JUnit XML
    Junit,
    /// The text of Python's unittest
    Pyunit,
    /// One JSON object (schema cli-results.json)
    Json,
}

impl Format {
    /// What the daemon makes.
    fn of_daemon(self) -> Option<ResultFormat> {
        Some(match self {
            Self::Summary => ResultFormat::Summary,
            Self::Autopkgtest => ResultFormat::Autopkgtest,
            Self::Debci => ResultFormat::Debci,
            Self::ResultTar => ResultFormat::ResultTar,
            Self::SubunitV1 => ResultFormat::SubunitV1,
            Self::Junit => ResultFormat::Junit,
            Self::Pyunit => ResultFormat::Pyunit,
            Self::Subunit | Self::Json => return None,
        })
    }

    /// Whether it is more than one file.
    fn is_several(self) -> bool {
        matches!(self, Self::Autopkgtest | Self::Debci | Self::ResultTar)
    }

    fn word(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What `preflight results --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsReport {
    /// The ticket's number.
    pub ticket: TicketId,
    /// Where the ticket stands.
    pub workflow_step: WorkflowStep,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// autopkgtest's exit code, once it ended.
    pub exit_code: Option<u8>,
    /// Its tests by result; reruns are left out.
    pub counts: TestCounts,
    /// Its tests.
    pub tests: Vec<TestResult>,
    /// What its testbeds tried to reach, and were refused.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket, or nothing can be written.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let is_printed = args.format == Format::Summary && args.output.is_none();
    let format = if args.json && is_printed {
        Format::Json
    } else {
        args.format
    };
    if args.follow {
        if format != Format::Subunit {
            return Err(CliError::usage(
                format!("--follow is for the format subunit, and not for {}", format.word()),
                format!(
                    "preflight results {} --format subunit --follow | subunit-2to1",
                    args.ticket
                ),
            ));
        }
        return results_stream::follow(context, args.ticket).await;
    }
    if format.is_several() && args.output.is_none() {
        return Err(CliError::usage(
            format!("the format {} is more than can be printed", format.word()),
            "say with -o where it is to be",
        ));
    }
    match format {
        Format::Subunit => subunit(context, &args).await?,
        Format::Json => json(context, &args).await?,
        Format::Summary if args.output.is_none() => return summary(context, &args).await,
        _ => made_by_daemon(context, &args, format).await?,
    }
    Ok(0)
}

/// The streams that were recorded, one after another.
async fn subunit(context: &Context, args: &Args) -> Result<(), CliError> {
    let jobs = match &args.source {
        None => None,
        Some(source) => {
            let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
            let of_source = ticket.jobs.iter().filter(|job| job.source.as_ref() == Some(source));
            Some(of_source.map(|job| job.id).collect::<Vec<_>>())
        }
    };
    let streams = context.ask(&ResultStream { ticket: args.ticket }).await?;
    let wanted = streams.iter().filter(|stream| {
        args.job.is_none_or(|job| job == stream.job) && jobs.as_ref().is_none_or(|jobs| jobs.contains(&stream.job))
    });
    write(args.output.as_deref(), |out| {
        for stream in wanted {
            let mut file = File::open(&stream.path).map_err(CliError::file(stream.path.display().to_string()))?;
            std::io::copy(&mut file, out)?;
        }
        Ok(())
    })
}

async fn json(context: &Context, args: &Args) -> Result<(), CliError> {
    let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
    let report = ResultsReport {
        ticket: ticket.summary.id,
        workflow_step: ticket.summary.workflow_step,
        outcome: ticket.summary.outcome,
        exit_code: ticket.summary.exit_code,
        counts: report::count(&ticket),
        tests: tests(&ticket, args).cloned().collect(),
        findings: ticket.own_findings().cloned().collect(),
    };
    match &args.output {
        None => Ok(output::json(&report)?),
        path => write(path.as_deref(), |out| {
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            Ok(writeln!(out)?)
        }),
    }
}

fn tests<'a>(ticket: &'a Ticket, args: &'a Args) -> impl Iterator<Item = &'a TestResult> {
    ticket.tests.iter().filter(|test| {
        let is_wanted = match args.job {
            Some(job) => test.job == job,
            None => !ticket.is_rerun(test.job),
        };
        is_wanted && args.source.as_ref().is_none_or(|source| *source == test.source)
    })
}

/// The summary for people. Of tests that have not all ended it has those that have.
async fn summary(context: &Context, args: &Args) -> Result<u8, CliError> {
    let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
    if tests(&ticket, args).next().is_none() {
        // Not on standard output: a summary file has no such line.
        eprintln!("ticket #{} has no test results", ticket.summary.id);
    } else if ticket.summary.status.is_final() {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("summary");
        export(context, args, ResultFormat::Summary, file.clone()).await?;
        let text = std::fs::read(&file).map_err(CliError::file(file.display().to_string()))?;
        let lines: Vec<String> = String::from_utf8_lossy(&text)
            .lines()
            .map(|line| coloured(line, context.output.out))
            .collect();
        output::print(&lines.join("\n"))?;
    } else {
        output::print(&report::tests(&ticket, context.output.out).join("\n"))?;
    }
    for line in report::findings(&ticket, ticket.own_findings(), context.output.err) {
        eprintln!("{line}");
    }
    Ok(0)
}

/// A line of a summary as a terminal may have it.
fn coloured(line: &str, paint: Paint) -> String {
    let status = match line.split_whitespace().nth(1) {
        Some("PASS") => Some(TestStatus::Pass),
        Some("FAIL") => Some(TestStatus::Fail),
        Some("SKIP") => Some(TestStatus::Skip),
        Some("FLAKY") => Some(TestStatus::Flaky),
        _ => None,
    };
    match status {
        Some(status) => paint.style(paint.theme.test(status).style, line),
        None if line.ends_with(':') => paint.role(Role::Heading, line),
        None => paint.role(Role::Plain, line),
    }
}

async fn made_by_daemon(context: &Context, args: &Args, format: Format) -> Result<(), CliError> {
    let Some(made) = format.of_daemon() else {
        return Ok(());
    };
    let Some(path) = &args.output else {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(format.word());
        export(context, args, made, file.clone()).await?;
        let mut file = File::open(&file).map_err(CliError::file(file.display().to_string()))?;
        std::io::copy(&mut file, &mut std::io::stdout().lock())?;
        return Ok(());
    };
    let absolute = std::path::absolute(path).map_err(CliError::file(path.display().to_string()))?;
    let exported = export(context, args, made, absolute).await?;
    if args.json {
        return Ok(output::json(&exported)?);
    }
    let files = if exported.files == 1 { "file" } else { "files" };
    Ok(output::print(&format!(
        "the results of {} are in {}: {} {files}, {}",
        crate::safe::text(&exported.sources.join(", ")),
        crate::safe::text(&path.display().to_string()),
        exported.files,
        measure::bytes(exported.size)
    ))?)
}

/// Has the daemon write, and says what the owner should know of it.
async fn export(
    context: &Context,
    args: &Args,
    format: ResultFormat,
    output: PathBuf,
) -> Result<ResultsExported, CliError> {
    let request = ResultsExport {
        ticket: args.ticket,
        format,
        source: args.source.clone(),
        job: args.job,
        output,
    };
    let exported = context.ask_patiently(&request, "writing the results").await?;
    for note in &exported.notes {
        eprintln!("note: {}", crate::safe::text(note));
    }
    Ok(exported)
}

/// Writes to a file, which appears whole or not at all, or to standard output.
fn write(path: Option<&Path>, content: impl FnOnce(&mut dyn Write) -> Result<(), CliError>) -> Result<(), CliError> {
    let Some(path) = path else {
        return content(&mut std::io::stdout().lock());
    };
    let trouble = || CliError::file(path.display().to_string());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(trouble())?;
    content(&mut file)?;
    file.persist(path).map_err(|error| trouble()(error.error))?;
    Ok(())
}
