//! `preflight promote`: moves a link to a ticket's repository, or back to what was there before.

use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{Promote, RollBack};
use preflight_protocol::promotion::{Promoted, RepositoryState};

use super::context::Context;
use super::error::CliError;
use super::output;
use crate::safe;
use crate::theme::Role;

/// The exit code where a criterion is missing, and nothing was moved: autopkgtest's "at least one test failed".
const MISSING: u8 = 4;
/// How much of a generation's digest is shown.
const SHORT: usize = 12;

/// What `--help` says after the arguments.
pub const AFTER: &str = "\
A link is a name for one state of a ticket's repository. `current` wants something built, `consistent` all sources
built, `tested` all built and no test failed. Links of your own have a file promotions/LINK.toml in the configuration's
folder, which may also take the place of those three:

  requires = [
      { job = \"build\", series = [\"debian-bookworm\", \"debian-sid\"] },
      { job = \"test\", source = \"hello\", outcome = [\"pass\", \"skipped\"] },
      { link = \"consistent\" },
  ]
  exempt = [{ source = \"hello\", test = \"upstream\", reason = \"bug 12345\", until = 2027-01-31 }]

job is source, build, image or test; series the ticket's own where it is missing (for another series its newest ticket
of the same sources and versions counts); source all; need = \"one\" is content with one job of several; outcome is
pass, skipped, no_tests, fail, or good for the first three. Results of reruns with edited files never count.

Examples:
  preflight promote tested 12 --why 'for the demonstration'
  preflight promote current-passed-ci --dry-run
  preflight promote tested --rollback

Exit codes:
    0  the link was moved, or is there already; with --dry-run, it would be
    4  a criterion is missing, and nothing was moved
   20  all else";

/// Arguments of `preflight promote`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The link
    pub link: String,
    /// The ticket's number; the newest that has ended where it is missing
    #[arg(conflicts_with = "rollback")]
    pub ticket: Option<TicketId>,
    /// Only say what would happen
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Go back to what the link pointed at before
    #[arg(long)]
    pub rollback: bool,
    /// Why, for whoever reads the link's history
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such link or ticket, or a file of criteria cannot be used.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let Args {
        link,
        ticket,
        dry_run,
        rollback,
        why,
        json,
    } = args;
    let by = None;
    let promoted = if rollback {
        context.ask(&RollBack { link, dry_run, by, why }).await?
    } else {
        let request = Promote {
            link,
            ticket,
            dry_run,
            by,
            why,
        };
        context.ask(&request).await?
    };
    let code = if promoted.missing.is_empty() { 0 } else { MISSING };
    if json {
        output::json(&promoted)?;
        return Ok(code);
    }
    if code == 0 {
        output::print(&moved(&promoted, dry_run))?;
    } else {
        refused(context, &promoted);
    }
    Ok(code)
}

fn moved(promoted: &Promoted, dry_run: bool) -> String {
    let link = safe::text(&promoted.link);
    let to = points_at(promoted.to.as_ref());
    if promoted.from == promoted.to {
        return format!("{link} points at {to} already");
    }
    let verb = if dry_run { "would point at" } else { "points at" };
    format!("{link} {verb} {to}, before: {}", points_at(promoted.from.as_ref()))
}

fn refused(context: &Context, promoted: &Promoted) {
    let paint = context.output.err;
    let ticket = promoted
        .ticket
        .map(|ticket| format!("ticket #{ticket}"))
        .unwrap_or_default();
    let link = safe::text(&promoted.link);
    eprintln!(
        "{}",
        paint.role(Role::Bad, &format!("{ticket} cannot be promoted to {link}:"))
    );
    for missing in &promoted.missing {
        let line = format!("  {}: {}", missing.wanted, missing.found);
        eprintln!("{}", paint.role(Role::Plain, &line));
    }
    if let Some(hint) = &promoted.hint {
        eprintln!(
            "{} {}",
            paint.role(Role::Heading, "hint:"),
            paint.role(Role::Plain, hint)
        );
    }
}

/// What a link points at, in words.
pub(super) fn points_at(state: Option<&RepositoryState>) -> String {
    match state {
        Some(state) => format!("ticket #{} ({})", state.ticket, generation(state)),
        None => "nothing".to_owned(),
    }
}

/// The beginning of a generation's digest.
pub(super) fn generation(state: &RepositoryState) -> String {
    let digest = &state.generation.0;
    safe::text(digest.get(..SHORT).unwrap_or(digest)).into_owned()
}
