//! `preflight status`: the daemon and the open tickets at a glance, or one ticket.

use jiff::Timestamp;
use preflight_protocol::health::DaemonStatus;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{Status, TicketList};
use preflight_protocol::ticket::TicketSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, ask};
use super::error::CliError;
use super::output::{self, Paint};
use super::ticket;
use crate::measure;
use crate::theme::Role;

/// Arguments of `preflight status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this ticket instead
    pub ticket: Option<TicketId>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `preflight status --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReport {
    /// The daemon.
    pub daemon: DaemonStatus,
    /// Tickets that have not ended, newest first.
    pub open_tickets: Vec<TicketSummary>,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon does not answer.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    if let Some(ticket) = args.ticket {
        let args = ticket::ShowArgs {
            ticket,
            json: args.json,
        };
        return ticket::show(context, &args).await;
    }
    let (connection, _notifications) = context.attach().await?;
    let report = StatusReport {
        daemon: ask(&connection, &Status {}).await?,
        open_tickets: ask(&connection, &TicketList { open: true }).await?,
    };
    if args.json {
        output::json(&report)?;
    } else {
        let table = ticket::table(context, &report.open_tickets, true);
        output::print(&format!("{}\n\n{table}", daemon(&report.daemon, context.output.out)))?;
    }
    Ok(0)
}

/// The daemon in a few lines.
#[must_use]
pub fn daemon(status: &DaemonStatus, paint: Paint) -> String {
    let mut lines = vec![
        paint.role(
            Role::Heading,
            &format!("preflightd {} runs (process {})", status.version, status.pid),
        ),
        paint.role(
            Role::Plain,
            &format!(
                "up {}, accelerator {}, hypervisor {}",
                measure::seconds(measure::between(status.started_at, Timestamp::now())),
                status.accelerator,
                if status.hypervisor.is_empty() {
                    "not needed yet"
                } else {
                    &status.hypervisor
                },
            ),
        ),
        format!(
            "{} queued, {} running, {}",
            measure::plural(status.queued as usize, "ticket"),
            measure::plural(status.running as usize, "job"),
            measure::plural(status.machines as usize, "machine"),
        ),
    ];
    for warning in &status.warnings {
        lines.push(format!(
            "{} {}",
            paint.role(Role::Warning, "warning:"),
            paint.role(Role::Plain, warning)
        ));
    }
    lines.join("\n")
}
