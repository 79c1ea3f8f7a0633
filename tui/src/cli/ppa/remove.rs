//! `preflight ppa remove`: forgets a repository.

use preflight_protocol::method::PpaRemove;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::safe;

/// Arguments of `ppa remove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    pub name: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is none of the name, or a ticket needs its token.
pub(super) async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = PpaRemove { name: args.name };
    let done = context.ask(&request).await?;
    if args.json {
        output::json(&done)?;
    } else {
        output::print(&format!(
            "removed {}; tickets keep what they have of it",
            safe::text(&request.name)
        ))?;
    }
    Ok(0)
}
