//! `preflight lock`: what a ticket's jobs have fetched, by digest.

use preflight_protocol::ids::TicketId;
use preflight_protocol::method::LockShow;

use super::context::Context;
use super::error::CliError;
use super::output;
use crate::safe;
use crate::theme::Role;

/// Arguments of `preflight lock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    pub ticket: TicketId,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let locks = context.ask(&LockShow { ticket: args.ticket }).await?;
    if args.json {
        output::json(&locks)?;
        return Ok(0);
    }
    let mut lines = Vec::new();
    for lock in &locks {
        lines.push(context.output.out.role(Role::Heading, &format!("# job {}", lock.job)));
        for entry in &lock.entries {
            lines.push(format!("{}  {}", entry.sha256, safe::text(&entry.url)));
        }
    }
    if locks.iter().all(|lock| lock.entries.is_empty()) {
        eprintln!("ticket #{} has fetched nothing", args.ticket);
    }
    output::print(&lines.join("\n"))?;
    Ok(0)
}
