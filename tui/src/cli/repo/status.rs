//! `preflight repo status`: what has been found out about a ticket's repository, and which links point at it or could. It
//! puts answers together that other commands give one by one.

use std::fmt::Write as _;

use jiff::Timestamp;
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::JobState;
use preflight_protocol::method::{PromotionCheck, PromotionList, TicketList, TicketShow};
use preflight_protocol::promotion::LinkStanding;
use preflight_protocol::repository::{GenerationSummary, RepositoryList};
use preflight_protocol::result::Outcome;
use preflight_protocol::ticket::Ticket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::TicketNumber;
use super::{CliError, Context, output, short};
use crate::cli::table::Table;
use crate::theme::Role;
use crate::{measure, safe};

/// Arguments of `repo status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket; the newest that has ended where it is missing
    ticket: Option<TicketNumber>,
    /// Print JSON (schema cli-repo-status.json)
    #[arg(long)]
    json: bool,
}

/// A ticket's repository and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryStatus {
    /// The ticket.
    pub ticket: TicketId,
    /// The state that is current; none where nothing was published, or it was freed.
    pub current: Option<GenerationSummary>,
    /// What was run on it.
    pub jobs: Vec<JobVerdict>,
    /// How it stands to each link.
    pub links: Vec<LinkVerdict>,
}

/// How one job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobVerdict {
    /// What it does: `build`, `image`, `test`.
    pub kind: String,
    /// The source package that it does it for.
    pub source: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    pub reason: Option<String>,
}

/// How a repository stands to a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkVerdict {
    /// What the link wants, and what is missing.
    #[serde(flatten)]
    pub standing: LinkStanding,
    /// The ticket that it points at now.
    pub points_at: Option<TicketId>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let id = match args.ticket {
        Some(number) => number.0,
        None => newest(context).await?,
    };
    let ticket = context.ask(&TicketShow { id }).await?;
    let repositories = context.ask(&RepositoryList { ticket: Some(id) }).await?;
    let links = context.ask(&PromotionList::default()).await?;
    let standings = context.ask(&PromotionCheck { ticket: id }).await?;
    let points_at = |name: &str| {
        let link = links.iter().find(|link| link.name == name)?;
        Some(link.points_at.as_ref()?.ticket)
    };
    let status = RepositoryStatus {
        ticket: id,
        current: repositories
            .into_iter()
            .flat_map(|repository| repository.generations)
            .find(|generation| generation.current),
        jobs: jobs(&ticket),
        links: standings
            .into_iter()
            .map(|standing| LinkVerdict {
                points_at: points_at(&standing.link),
                standing,
            })
            .collect(),
    };
    if args.json {
        output::json(&status)?;
    } else {
        output::print(&text(context, &ticket, &status))?;
    }
    Ok(0)
}

async fn newest(context: &Context) -> Result<TicketId, CliError> {
    let tickets = context.ask(&TicketList { open: false }).await?;
    let ended = tickets
        .iter()
        .filter(|ticket| ticket.status.is_final() && !ticket.sources.is_empty());
    ended.map(|ticket| ticket.id).max_by_key(|id| id.0).ok_or_else(|| {
        CliError::usage(
            "no ticket has ended yet",
            "`preflight check` makes one; its builds publish a repository",
        )
    })
}

fn jobs(ticket: &Ticket) -> Vec<JobVerdict> {
    let own = ticket.jobs.iter().filter(|job| job.rerun.is_none());
    own.map(|job| JobVerdict {
        kind: job.kind.to_string(),
        source: job.source.clone(),
        state: job.state,
        outcome: job.outcome,
        reason: job.reason.clone(),
    })
    .collect()
}

fn text(context: &Context, ticket: &Ticket, status: &RepositoryStatus) -> String {
    let paint = context.output.out;
    let summary = &ticket.summary;
    let mut text = paint.role(Role::Heading, &format!("ticket #{}", status.ticket));
    text += &safe::text(&format!("  {} on {}", summary.title, summary.series.0));
    text.push('\n');
    text += &match &status.current {
        Some(current) => format!(
            "{} ({}), published {} as {}\n",
            measure::plural(usize::try_from(current.packages).unwrap_or(usize::MAX), "package"),
            measure::bytes(current.size),
            measure::ago(current.published_at, Timestamp::now()),
            safe::text(short(&current.generation.0)),
        ),
        None => "nothing is published\n".to_owned(),
    };
    text.push('\n');
    let mut table = Table::new(context.output, &["JOB", "SOURCE", "RESULT"]);
    for job in &status.jobs {
        let (role, word) = match (job.outcome, job.state) {
            (Some(Outcome::Pass), _) => (Role::Good, Outcome::Pass.to_string()),
            (Some(outcome @ (Outcome::Skipped | Outcome::NoTests)), _) => (Role::Dim, outcome.to_string()),
            (Some(outcome), _) => (Role::Bad, outcome.to_string()),
            (None, state) => (Role::Plain, state.to_string()),
        };
        let word = match &job.reason {
            Some(reason) => format!("{word}: {reason}"),
            None => word,
        };
        let row = vec![
            table.text(&job.kind),
            table.text(job.source.as_deref().unwrap_or_default()),
            table.role(role, &word),
        ];
        table.row(row);
    }
    text += &table.to_string();
    text.push('\n');
    for link in &status.links {
        let LinkVerdict { standing, points_at } = link;
        let elsewhere = points_at.map_or("nothing".to_owned(), |ticket| format!("ticket #{ticket}"));
        let (role, words) = match (&standing.fault, standing.points_here, standing.missing.is_empty()) {
            (_, true, _) => (Role::Good, "points here".to_owned()),
            (Some(fault), ..) => (Role::Warning, format!("cannot be moved: {fault}")),
            (None, false, true) => (Role::Plain, format!("could be moved here from {elsewhere}")),
            (None, false, false) => (Role::Dim, format!("points at {elsewhere}; it would need")),
        };
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}: {}", safe::text(&standing.link), paint.role(role, &words));
        if !standing.points_here {
            for missing in &standing.missing {
                let line = format!("  {}: {}", missing.wanted, missing.found);
                let _ = writeln!(text, "{}", paint.role(Role::Plain, &line));
            }
        }
    }
    text
}
