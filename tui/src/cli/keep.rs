//! `preflight ticket remove`, `keep` and `unkeep`: which tickets stay, and which go with all that belongs to them.

use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{TicketRemove, TicketUpdate};

use super::context::Context;
use super::error::CliError;
use super::output;
use super::run::report;

/// Arguments of `ticket remove`.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// The tickets' numbers; each must have ended and not be kept
    #[arg(value_name = "TICKET", required = true)]
    pub tickets: Vec<TicketId>,
    /// Print the numbers of what was removed as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ticket keep` and `ticket unkeep`.
#[derive(Debug, clap::Args)]
pub struct KeepArgs {
    /// The tickets' numbers
    #[arg(value_name = "TICKET", required = true)]
    pub tickets: Vec<TicketId>,
    /// Print the tickets' summaries as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ticket remove`.
///
/// # Errors
/// Where there is no daemon. What it refuses is told ticket by ticket, and the others are removed.
pub async fn remove(context: &Context, args: &RemoveArgs) -> Result<u8, CliError> {
    let mut removed = Vec::new();
    let mut code = 0;
    for &ticket in &args.tickets {
        match context.ask(&TicketRemove { ticket }).await {
            Ok(_) => removed.push(ticket),
            Err(error) => code = refused(context, error)?,
        }
    }
    if args.json {
        output::json(&removed)?;
    } else {
        for ticket in removed {
            output::print(&format!("ticket #{ticket} is removed"))?;
        }
    }
    Ok(code)
}

/// `ticket keep` and `ticket unkeep`.
///
/// # Errors
/// Where there is no daemon. What it refuses is told ticket by ticket, and the others are changed.
pub async fn keep(context: &Context, args: &KeepArgs, keep: bool) -> Result<u8, CliError> {
    let mut changed = Vec::new();
    let mut code = 0;
    for &id in &args.tickets {
        let request = TicketUpdate {
            id,
            keep: Some(keep),
            ..TicketUpdate::default()
        };
        match context.ask(&request).await {
            Ok(summary) => changed.push(summary),
            Err(error) => code = refused(context, error)?,
        }
    }
    if args.json {
        output::json(&changed)?;
    } else {
        let word = if keep { "is kept" } else { "is no longer kept" };
        for summary in changed {
            output::print(&format!("ticket #{} {word}", summary.id))?;
        }
    }
    Ok(code)
}

/// Tells what the daemon refuses and goes on; everything else ends the command.
fn refused(context: &Context, error: CliError) -> Result<u8, CliError> {
    match error {
        CliError::Refused(_) => {
            report(&error, context.output);
            Ok(error.exit_code())
        }
        other => Err(other),
    }
}
