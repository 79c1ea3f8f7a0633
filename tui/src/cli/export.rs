//! `preflight export`: writes an ended ticket with all its evidence to one file.

use std::path::PathBuf;

use preflight_protocol::ids::TicketId;
use preflight_protocol::transfer::TicketExport;

use super::context::Context;
use super::error::CliError;
use super::output;
use crate::measure;

/// What follows the help.
pub const AFTER: &str = "\
The file holds the ticket, its sources, logs, results and packages, what it was run on by name, and what its jobs have
fetched by digest. `preflight import` on another machine makes a ticket of it, which `preflight replay` runs again.
With --with-packages that needs no network there.

Examples:
  preflight export 12 hello.preflight
  preflight export 12 hello.preflight --with-packages";

/// Arguments of `preflight export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number; it must have ended
    pub ticket: TicketId,
    /// The file to write; one that is there is replaced
    pub file: PathBuf,
    /// Put in all that the ticket's jobs have fetched, for a machine without a network
    #[arg(long)]
    pub with_packages: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket, it has not ended, or the file cannot be written.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let file = std::path::absolute(&args.file).map_err(CliError::file(args.file.display().to_string()))?;
    let request = TicketExport {
        ticket: args.ticket,
        file,
        with_packages: args.with_packages,
    };
    let exported = context.ask_patiently(&request, "writing the ticket").await?;
    if args.json {
        output::json(&exported)?;
        return Ok(0);
    }
    for what in &exported.left_out {
        eprintln!("not in it: {}", crate::safe::text(what));
    }
    let objects = match exported.objects {
        0 => String::new(),
        objects => format!(" and {objects} of the archive"),
    };
    output::print(&format!(
        "ticket #{} is in {}: {} files{objects}, {}",
        args.ticket,
        crate::safe::text(&args.file.display().to_string()),
        exported.files,
        measure::bytes(exported.size)
    ))?;
    Ok(0)
}
