//! `preflight results`: a ticket's test results as autopkgtest's summary, as JSON, or as the subunit v2 stream itself.

use std::fs::File;

use clap::ValueEnum;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{ResultStream, TicketShow};
use preflight_protocol::result::{Finding, Outcome, TestResult};
use preflight_protocol::ticket::{TestCounts, WorkflowStep};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::CliError;
use super::{output, report};

/// Arguments of `preflight results`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    pub ticket: TicketId,
    /// How to print them
    #[arg(long, default_value = "summary")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How to print results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The lines of autopkgtest's summary file
    Summary,
    /// The subunit v2 stream, as it was recorded
    Subunit,
    /// One JSON object (schema cli-results.json)
    Json,
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
/// Where there is no such ticket.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let format = if args.json { Format::Json } else { args.format };
    if format == Format::Subunit {
        let streams = context.ask(&ResultStream { ticket: args.ticket }).await?;
        let mut out = std::io::stdout().lock();
        for stream in streams {
            let mut file = File::open(&stream.path).map_err(CliError::file(stream.path.display().to_string()))?;
            std::io::copy(&mut file, &mut out)?;
        }
        return Ok(0);
    }
    let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
    if format == Format::Json {
        output::json(&ResultsReport {
            ticket: ticket.summary.id,
            workflow_step: ticket.summary.workflow_step,
            outcome: ticket.summary.outcome,
            exit_code: ticket.summary.exit_code,
            counts: report::count(&ticket),
            tests: ticket.own_tests().cloned().collect(),
            findings: ticket.own_findings().cloned().collect(),
        })?;
    } else if ticket.own_tests().next().is_none() {
        // Not on standard output: a summary file has no such line.
        eprintln!("ticket #{} has no test results", ticket.summary.id);
    } else {
        output::print(&report::tests(&ticket, context.output.out).join("\n"))?;
    }
    if format == Format::Summary {
        for line in report::findings(ticket.own_findings(), context.output.err) {
            eprintln!("{line}");
        }
    }
    Ok(0)
}
