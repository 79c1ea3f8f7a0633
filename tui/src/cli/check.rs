//! `preflight check`: makes a ticket of source packages, follows it, and ends with autopkgtest's exit code.

use std::path::PathBuf;

use preflight_protocol::client::ClientError;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{TicketCreate, TicketCreated, TicketShow};
use preflight_protocol::ticket::Ticket;

use super::change::Change;
use super::context::{Context, ask};
use super::error::{CliError, code};
use super::follow::{self, Followed, Interrupts};
use super::report::{self, CheckReport};
use super::results_stream::Pump;
use super::{output, progress};
use crate::conn::attach::Attached;

/// Arguments of `preflight check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders with debian/, .dsc or _source.changes files
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// What the ticket is made of
    #[command(flatten)]
    pub change: Change,
    /// Submit the ticket and leave it alone
    #[arg(long, visible_alias = "no-follow")]
    pub detach: bool,
    /// Print one JSON object at the end (schema cli-check.json); progress goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Print the tests as a subunit v2 stream while they run; progress and report go to standard error
    #[arg(long, conflicts_with_all = ["json", "detach"])]
    pub subunit: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the sources are refused, or the daemon does not stay.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = args.change.request(&args.paths, false)?;
    let attached = context.attach().await?;
    let interrupts = Interrupts::listen()?;
    let created = submit(&attached, &request).await?;
    let mut watcher = progress::watcher(args.quiet, context.output.err);
    watcher.say(&format!("ticket #{}", created.id));
    if args.detach {
        let ticket = ask(&attached.0, &TicketShow { id: created.id }).await?;
        for warning in &created.warnings {
            watcher.say(&crate::safe::text(&format!("warning: {warning}")));
        }
        drop(watcher);
        if args.json {
            output::json(&CheckReport::new(&ticket))?;
        } else {
            output::print(&format!(
                "ticket #{id} is made; `preflight ticket show {id}` tells how it goes",
                id = created.id
            ))?;
        }
        return Ok(0);
    }
    if args.subunit {
        let mut pump = Pump::new(context, created.id);
        let followed = tokio::select! {
            followed = follow::follow(context, attached, created.id, interrupts, watcher.as_mut()) => followed?,
            error = pump.run() => return Err(error),
        };
        // It has ended: what was written last is still to be put out.
        pump.copy().await?;
        drop(watcher);
        if !args.quiet {
            eprintln!("{}", report::text(&followed.ticket, context.output.err));
        }
        return Ok(exit_code(&followed));
    }
    let followed = follow::follow(context, attached, created.id, interrupts, watcher.as_mut()).await?;
    drop(watcher);
    finish(context, &followed, args.json)
}

/// Makes the ticket. It is asked for once: a daemon that dies over it may have stored it or not.
async fn submit(attached: &Attached, request: &TicketCreate) -> Result<TicketCreated, CliError> {
    match attached.0.request(request).await {
        Err(ClientError::Closed) => Err(CliError::NoDaemon(
            "the daemon ended while it took the ticket".to_owned(),
            Some("`preflight ticket list` shows whether it was made; if not, try again".to_owned()),
        )),
        other => Ok(other?),
    }
}

/// Follows a ticket that was made elsewhere, to its report.
///
/// # Errors
/// Where the daemon does not stay.
pub async fn watch(
    context: &Context,
    attached: Attached,
    id: TicketId,
    quiet: bool,
    json: bool,
) -> Result<u8, CliError> {
    let mut watcher = progress::watcher(quiet, context.output.err);
    let followed = follow::follow(context, attached, id, Interrupts::listen()?, watcher.as_mut()).await?;
    drop(watcher);
    finish(context, &followed, json)
}

/// Tells how a ticket that was followed has ended.
///
/// # Errors
/// Where standard output is gone.
pub(super) fn finish(context: &Context, followed: &Followed, json: bool) -> Result<u8, CliError> {
    let ticket: &Ticket = &followed.ticket;
    if json {
        output::json(&CheckReport::new(ticket))?;
    } else {
        output::print(&report::text(ticket, context.output.out))?;
    }
    Ok(exit_code(followed))
}

fn exit_code(followed: &Followed) -> u8 {
    let code = report::exit_code(&followed.ticket);
    // It may have passed in the moment of the Ctrl-C; then it has passed.
    if followed.interrupted && code != 0 {
        code::INTERRUPTED
    } else {
        code
    }
}
