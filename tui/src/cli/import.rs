//! `preflight import`: makes a ticket of a file that `preflight export` wrote.

use std::path::PathBuf;

use preflight_protocol::transfer::TicketImport;

use super::context::Context;
use super::error::CliError;
use super::output;
use crate::safe;

/// What follows the help.
pub const AFTER: &str = "\
The ticket gets a number of this machine and shows where it comes from. It has ended there and does not run here;
`preflight replay` runs it again. The file is checked before anything of it is kept: all of it is imported, or nothing.

Example:
  preflight import hello.preflight";

/// Arguments of `preflight import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such file, or it is refused.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let file = std::path::absolute(&args.file).map_err(CliError::file(args.file.display().to_string()))?;
    let imported = context
        .ask_patiently(&TicketImport { file }, "reading the file")
        .await?;
    if args.json {
        output::json(&imported)?;
        return Ok(0);
    }
    let origin = &imported.origin;
    output::print(&format!(
        "ticket #{id} is ticket #{} of {}; `preflight ticket show {id}` shows it",
        origin.ticket,
        safe::text(&origin.host),
        id = imported.ticket
    ))?;
    Ok(0)
}
