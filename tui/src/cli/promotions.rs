//! `preflight promotions`: links, where they have been, and how a ticket stands to them.

use jiff::Timestamp;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{PromotionCheck, PromotionList};
use preflight_protocol::promotion::{LinkInfo, LinkMove, LinkStanding};

use super::context::Context;
use super::error::CliError;
use super::output;
use super::promote::{generation, points_at};
use super::table::Table;
use crate::theme::Role;
use crate::{measure, safe};

/// Arguments of `preflight promotions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this link's history
    pub link: Option<String>,
    /// Show how a ticket stands to every link, and what is missing
    #[arg(long, value_name = "TICKET", conflicts_with = "link")]
    pub ticket: Option<TicketId>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such link or ticket.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    if let Some(ticket) = args.ticket {
        let standings = context.ask(&PromotionCheck { ticket }).await?;
        if args.json {
            output::json(&standings)?;
        } else {
            output::print(&standing(context, &standings))?;
        }
        return Ok(0);
    }
    let one = args.link.is_some();
    let links = context.ask(&PromotionList { link: args.link }).await?;
    if args.json {
        output::json(&links)?;
        return Ok(0);
    }
    let text = match &links[..] {
        [link] if one => history(context, link),
        links => list(context, links),
    };
    output::print(&text)?;
    for link in &links {
        if let Some(fault) = &link.fault {
            eprintln!("{}", safe::text(&format!("{} cannot be moved: {fault}", link.name)));
        }
    }
    Ok(0)
}

fn list(context: &Context, links: &[LinkInfo]) -> String {
    let now = Timestamp::now();
    let mut table = Table::new(context.output, &["LINK", "POINTS AT", "?SINCE", "?BY", "?CRITERIA"]);
    for link in links {
        let last = link.moves.first();
        let criteria = link.criteria.as_ref().map(|file| file.display().to_string());
        let row = vec![
            table.text(&link.name),
            table.text(&points_at(link.points_at.as_ref())),
            table.text(&last.map(|step| measure::ago(step.at, now)).unwrap_or_default()),
            table.text(last.map_or("", |step| &step.by)),
            table.text(&criteria.unwrap_or_else(|| "built in".to_owned())),
        ];
        table.row(row);
    }
    table.to_string()
}

fn history(context: &Context, link: &LinkInfo) -> String {
    if link.moves.is_empty() {
        return format!("{} has never been moved", safe::text(&link.name));
    }
    let mut table = Table::new(
        context.output,
        &["WHEN", "TICKET", "?GENERATION", "BEFORE", "BY", "WHY"],
    );
    let ticket = |state: Option<TicketId>| state.map_or_else(|| "nothing".to_owned(), |id| format!("#{id}"));
    for step in &link.moves {
        let row = vec![
            table.text(&step.at.to_string()),
            table.text(&ticket(step.to.as_ref().map(|to| to.ticket))),
            table.text(&step.to.as_ref().map(generation).unwrap_or_default()),
            table.text(&ticket(step.from.as_ref().map(|from| from.ticket))),
            table.text(&step.by),
            table.text(&why(step)),
        ];
        table.row(row);
    }
    table.to_string()
}

fn why(step: &LinkMove) -> String {
    let why = step.why.as_deref().unwrap_or_default();
    match (step.rollback, why) {
        (false, why) => why.to_owned(),
        (true, "") => "rolled back".to_owned(),
        (true, why) => format!("rolled back: {why}"),
    }
}

fn standing(context: &Context, standings: &[LinkStanding]) -> String {
    let paint = context.output.out;
    let mut lines = Vec::new();
    for standing in standings {
        let (role, word) = match (&standing.fault, standing.missing.is_empty()) {
            (Some(_), _) => (Role::Warning, "unknown"),
            (None, true) => (Role::Good, "met"),
            (None, false) => (Role::Bad, "not met"),
        };
        let here = if standing.points_here { "; points here" } else { "" };
        lines.push(format!(
            "{}: {}{here}",
            safe::text(&standing.link),
            paint.role(role, word)
        ));
        let missing = standing.missing.iter();
        let missing = missing.map(|missing| format!("{}: {}", missing.wanted, missing.found));
        for line in standing.fault.iter().cloned().chain(missing) {
            lines.push(paint.role(Role::Plain, &format!("  {line}")));
        }
    }
    lines.join("\n")
}
