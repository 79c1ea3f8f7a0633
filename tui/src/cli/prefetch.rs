//! `preflight archive prefetch`: has fetched what checks will need without a network, and says what is still missing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use preflight_protocol::error::ErrorCode;
use preflight_protocol::ids::TicketId;
use preflight_protocol::prefetch::{ArchivePrefetch, ArchivePrefetched, FileCount, PrefetchResult};
use preflight_protocol::result::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, ask};
use super::error::{CliError, code};
use super::follow::{self, Followed, Interrupts};
use super::package_sources::PackageSources;
use super::{change, output, progress, report};
use crate::{measure, safe};

/// What `preflight archive prefetch --help` says last.
pub const AFTER: &str = "\
Examples:
  preflight archive prefetch hello curl           what installing these packages needs
  preflight archive prefetch --source .           what building and testing this source needs
  preflight archive prefetch --ticket 12          what ticket 12 has fetched, to run it again
  preflight archive prefetch --offline hello      what is missing now, fetching nothing

Then `preflight check --offline` works without a network. What a build adds to its packages' dependencies is taken from
their versions in the archive. The files stay as long as the ticket; `preflight ticket keep` keeps it.

Exit codes: 0 when all is there, 4 when something is missing, otherwise those of `preflight check`.";

/// Arguments of `archive prefetch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Packages, with all that they depend on: NAME or NAME=VERSION
    #[arg(value_name = "PACKAGE", required_unless_present_any = ["sources", "ticket"])]
    packages: Vec<String>,
    /// A folder with debian/, a .dsc or a _source.changes file: what building and testing it needs; may be repeated
    #[arg(long = "source", value_name = "PATH")]
    sources: Vec<PathBuf>,
    /// What this ticket has fetched; packages, sources and where they come from are the ticket's own then
    #[arg(long, value_name = "TICKET", conflicts_with_all = ["packages", "sources", "series"])]
    ticket: Option<TicketId>,
    /// The series, such as debian-bookworm; what the sources say, the configured one, or this host's own, where it is missing
    #[arg(long)]
    series: Option<String>,
    /// Where packages come from
    #[command(flatten)]
    package_sources: PackageSources,
    /// Fetch nothing: only say what is missing
    #[arg(long)]
    offline: bool,
    /// Leave it to the daemon
    #[arg(long, visible_alias = "no-follow")]
    detach: bool,
    /// Print one JSON object at the end (schema cli-prefetch.json); progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// What `preflight archive prefetch --json` prints, last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrefetchReport {
    /// The ticket that prefetches.
    pub ticket: TicketId,
    /// The process's exit code; none for a ticket that is not followed.
    pub exit_code: Option<u8>,
    /// How it ended; none for a ticket that is not followed.
    pub outcome: Option<Outcome>,
    /// Why, where it did not pass.
    pub reason: Option<String>,
    /// What came of it; none where it did not come so far.
    pub result: Option<PrefetchResult>,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses, or does not stay.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let sources = args.sources.iter().map(|path| change::resolve(path));
    let sources = sources.collect::<Result<Vec<PathBuf>, CliError>>()?;
    let request = ArchivePrefetch {
        series: args.series,
        packages: args.packages,
        sources,
        ticket: args.ticket,
        package_sources: args.package_sources.asked(),
        offline: args.offline,
    };
    let attached = context.attach().await?;
    let interrupts = Interrupts::listen()?;
    let made = ask(&attached.0, &request).await?;
    let mut watcher = progress::watcher(args.quiet, context.output.err);
    watcher.say(&format!("ticket #{}", made.ticket));
    if args.detach {
        for warning in &made.warnings {
            watcher.say(&safe::text(&format!("warning: {warning}")));
        }
        drop(watcher);
        return detached(made.ticket, args.json);
    }
    let followed = follow::follow(context, attached, made.ticket, interrupts, watcher.as_mut()).await?;
    drop(watcher);
    let result = match context.ask(&ArchivePrefetched { ticket: made.ticket }).await {
        Ok(result) => Some(result),
        // It did not come so far, and the ticket says why.
        Err(CliError::Refused(error)) if error.code == ErrorCode::NotFound => None,
        Err(error) => return Err(error),
    };
    finish(&followed, result, args.json)
}

fn detached(ticket: TicketId, json: bool) -> Result<u8, CliError> {
    if json {
        output::json(&PrefetchReport {
            ticket,
            exit_code: None,
            outcome: None,
            reason: None,
            result: None,
        })?;
    } else {
        output::print(&format!(
            "ticket #{ticket} prefetches; `preflight ticket show {ticket}` tells how it goes"
        ))?;
    }
    Ok(0)
}

fn finish(followed: &Followed, result: Option<PrefetchResult>, json: bool) -> Result<u8, CliError> {
    let ticket = &followed.ticket;
    let ended = report::exit_code(ticket);
    // It may have passed in the moment of the Ctrl-C; then it has passed.
    let exit_code = if followed.interrupted && ended != 0 {
        code::INTERRUPTED
    } else {
        ended
    };
    let report = PrefetchReport {
        ticket: ticket.summary.id,
        exit_code: Some(exit_code),
        outcome: ticket.summary.outcome,
        reason: ticket.summary.reason.clone(),
        result,
    };
    match json {
        true => output::json(&report)?,
        false => output::print(&text(&report))?,
    }
    Ok(exit_code)
}

/// For people.
fn text(report: &PrefetchReport) -> String {
    let Some(result) = &report.result else {
        let reason = report.reason.as_deref().unwrap_or("it was ended");
        return format!("nothing is prefetched: {}", safe::text(reason));
    };
    let count = |count: FileCount, verb: &str| {
        let files = measure::plural(usize::try_from(count.files).unwrap_or(usize::MAX), "file");
        format!("{files} {verb} ({})", measure::bytes(count.bytes))
    };
    let mut lines = match result.fetched.files + result.there.files {
        0 if result.missing.is_empty() => vec!["nothing is needed that the base images lack".to_owned()],
        _ => vec![format!(
            "{}, {}",
            count(result.fetched, "fetched"),
            count(result.there, "there before")
        )],
    };
    lines.extend(result.notes.iter().map(|note| format!("note: {}", safe::text(note))));
    if result.missing.is_empty() {
        lines.push(format!(
            "nothing is missing; `preflight ticket keep {}` keeps it in the store",
            report.ticket
        ));
        return lines.join("\n");
    }
    // A host that cannot be reached is the reason of hundreds.
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for missing in &result.missing {
        by_reason.entry(&missing.reason).or_default().push(&missing.what);
    }
    for (reason, what) in by_reason {
        let reason = safe::text(reason);
        if let [one] = what[..] {
            lines.push(format!("still missing: {}: {reason}", safe::text(one)));
            continue;
        }
        lines.push(format!("still missing: {reason}:"));
        lines.extend(what.into_iter().map(|one| format!("  {}", safe::text(one))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use preflight_protocol::prefetch::Missing;

    use super::*;

    fn report(result: Option<PrefetchResult>) -> PrefetchReport {
        PrefetchReport {
            ticket: TicketId(7),
            exit_code: Some(4),
            outcome: Some(Outcome::Fail),
            reason: Some("no base image".to_owned()),
            result,
        }
    }

    #[test]
    fn people_are_told_what_is_there_and_what_is_missing() {
        let result = PrefetchResult {
            fetched: FileCount { files: 1, bytes: 2048 },
            there: FileCount { files: 3, bytes: 0 },
            missing: [("a", "gone"), ("nosuch", "Unable to locate\u{1b}[2J"), ("b", "gone")]
                .map(|(what, reason)| Missing {
                    what: what.to_owned(),
                    reason: reason.to_owned(),
                })
                .into(),
            notes: vec!["who knows".to_owned()],
        };
        let all = PrefetchResult {
            missing: vec![],
            ..result.clone()
        };
        let told = text(&report(Some(result)));
        assert!(!told.contains('\u{1b}'));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "1 file fetched (2.0 kB), 3 files there before (0 B)",
                "note: who knows",
                lines[2],
                "still missing: gone:",
                "  a",
            ]
        );
        assert!(
            lines[2].starts_with("still missing: nosuch: Unable to locate"),
            "{told}"
        );
        assert!(text(&report(Some(all))).ends_with("`preflight ticket keep 7` keeps it in the store"));
        assert_eq!(text(&report(None)), "nothing is prefetched: no base image");
    }
}
