//! `preflight baseline`: runs tests of a ticket without the change, as far as that was not done, and says what their results
//! mean, with what differs between the two runs.

use std::collections::BTreeMap;

use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{TicketBaseline, TicketVerdicts};
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::verdict::{JudgedTest, LogLine, Meaning, PackageDifference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, ask};
use super::error::{CliError, code};
use super::follow::{self, Interrupts};
use super::output::{self, Paint};
use super::progress;
use super::report::summary_line;
use crate::theme::Role;

/// How many packages are named to people.
const NAMED_PACKAGES: usize = 10;

/// What `preflight baseline --help` says last.
pub const AFTER: &str = "\
Examples:
  preflight baseline 12                 those that have failed
  preflight baseline 12 upstream-tests
  preflight baseline 12 --all --json
  preflight baseline 12 --no-run        what is known already

A test is run on the base image of the ticket's own image, from the ticket's own tree, with the ticket's package sources
(snapshot, pockets, PPAs, repositories of other tickets) and with what --add-package and --remove-package say, but without the
packages that the ticket has built: those are the change. What the same test has done on the same base for an earlier ticket is
taken, and said so. The ticket, its outcome and its exit code stay as they are.

Verdicts:
  regression       it fails, and does not fail without the change
  always failed    it fails without the change, too
  fixed            it passes, and fails without the change
  flaky            some of its further runs passed (--rerun-failed), or its package says that it is
  new              without the change it cannot be run: the archive has no such package
  testbed broken   the baseline's testbed failed, twice: nothing is known

Exit codes:
    0  no regression among those that were held against their baseline
    4  a regression
   16  no regression, and a baseline's testbed failed
   20  wrong usage, no daemon, and all else
  130  ended by Ctrl-C, which cancels what runs";

/// Arguments of `preflight baseline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    ticket: TicketId,
    /// Tests by name, or SOURCE/TEST where several sources have it; those that have failed where none is named
    #[arg(value_name = "TEST", conflicts_with = "all")]
    tests: Vec<String>,
    /// All tests that were run
    #[arg(long)]
    all: bool,
    /// Run nothing: show what is known
    #[arg(long, conflicts_with_all = ["tests", "all"])]
    no_run: bool,
    /// Print one JSON object at the end (schema cli-baseline.json); progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// What `preflight baseline --json` prints, last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineReport {
    /// The ticket's number.
    pub ticket: TicketId,
    /// The process's exit code.
    pub exit_code: u8,
    /// How many tests have which verdict.
    pub counts: BTreeMap<String, u64>,
    /// All tests that were run without the change or once more.
    pub tests: Vec<JudgedTest>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket or test, or the daemon does not stay.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let id = args.ticket;
    let mut attached = context.attach().await?;
    let interrupts = Interrupts::listen()?;
    let mut interrupted = false;
    if !args.no_run {
        let request = TicketBaseline {
            ticket: id,
            tests: args.tests,
            all: args.all,
        };
        let jobs = ask(&attached.0, &request).await?.jobs;
        if !jobs.is_empty() {
            let mut watcher = progress::watcher(args.quiet, context.output.err);
            let followed = follow::follow(context, attached, id, interrupts, watcher.as_mut()).await?;
            interrupted = followed.interrupted;
            attached = context.attach().await?;
        }
    }
    let tests = ask(&attached.0, &TicketVerdicts { ticket: id }).await?;
    let exit_code = match interrupted {
        true => code::INTERRUPTED,
        false => exit_code(&tests),
    };
    if args.json {
        output::json(&BaselineReport {
            ticket: id,
            exit_code,
            counts: counts(&tests),
            tests,
        })?;
    } else {
        output::print(&text(id, &tests, context.output.out))?;
    }
    Ok(exit_code)
}

fn exit_code(tests: &[JudgedTest]) -> u8 {
    let any = |meaning: Meaning| {
        tests
            .iter()
            .any(|test| test.verdict.is_some_and(|found| found.meaning == meaning))
    };
    if any(Meaning::Regression) {
        4
    } else if any(Meaning::TestbedBroken) {
        code::HOST
    } else {
        0
    }
}

fn counts(tests: &[JudgedTest]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for verdict in tests.iter().filter_map(|test| test.verdict) {
        *counts.entry(verdict.meaning.to_string()).or_default() += 1;
    }
    counts
}

fn text(id: TicketId, tests: &[JudgedTest], paint: Paint) -> String {
    if tests.is_empty() {
        return format!("no test of ticket #{id} has a baseline: none has failed (--all: of all tests)");
    }
    let first = tests.first().map(|test| &test.source);
    let many = tests.iter().any(|test| Some(&test.source) != first);
    let lines = tests.iter().flat_map(|test| one(test, many, paint));
    let mut lines: Vec<String> = lines.collect();
    let counts = counts(tests);
    if !counts.is_empty() {
        let words: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        lines.push(String::new());
        lines.push(words.join(", "));
    }
    lines.join("\n")
}

fn one(test: &JudgedTest, with_source: bool, paint: Paint) -> Vec<String> {
    let name = match with_source {
        true => format!("{}/{}", test.source, test.name),
        false => test.name.clone(),
    };
    let result = summary_line(&name, test.status, test.reason.as_deref());
    let result = paint.style(paint.theme.test(test.status).style, &result);
    let mut lines = vec![match test.verdict {
        Some(verdict) => format!(
            "{result}  {}",
            paint.role(Role::of_verdict(verdict.meaning), &format!("[{verdict}]"))
        ),
        None => result,
    }];
    let mut say = |text: String| lines.push(format!("    {}", paint.role(Role::Plain, &text)));
    if let Some(baseline) = &test.baseline {
        let found = result_words(baseline.status, baseline.outcome, baseline.reason.as_deref());
        let whose = match &baseline.taken_from {
            Some(taken) => format!("as ticket #{} found in job {}", taken.ticket, taken.job),
            None => format!("job {}", baseline.job),
        };
        say(format!("without the change: {found} ({whose})"));
    }
    if test.again.runs > 0 {
        say(format!("run again: {} passed", test.again));
    }
    if !test.packages.is_empty() {
        say("packages that differ, with and without the change:".to_owned());
        let more = test.packages.len().saturating_sub(NAMED_PACKAGES) as u64 + test.more_packages;
        for package in test.packages.iter().take(NAMED_PACKAGES) {
            say(format!("    {}", package_words(package)));
        }
        if more > 0 {
            say(format!("    and {more} more (--json: all)"));
        }
    }
    if let Some(divergence) = &test.divergence {
        say("the logs part here:".to_owned());
        let shown = [("with", &divergence.with), ("without", &divergence.without)];
        for (word, line) in shown {
            say(match line {
                Some(line) => format!("    {word:<8} {}", line_words(line)),
                None => format!("    {word:<8} (the log has ended)"),
            });
        }
    }
    lines
}

fn result_words(status: Option<TestStatus>, outcome: Option<Outcome>, reason: Option<&str>) -> String {
    let word = match (status, outcome) {
        (Some(status), _) => status.to_string(),
        (None, Some(outcome)) => outcome.to_string(),
        (None, None) => "no result".to_owned(),
    };
    match reason {
        Some(reason) => format!("{word} {reason}"),
        None => word,
    }
}

fn package_words(package: &PackageDifference) -> String {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{} {} {}",
        package.name,
        version(&package.with),
        version(&package.without)
    )
}

fn line_words(line: &LogLine) -> String {
    format!("job {}, line {}: {}", line.job, line.line, line.text.trim_end())
}
