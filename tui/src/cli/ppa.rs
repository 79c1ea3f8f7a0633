//! `preflight ppa`: the repositories beside the archive.

use super::context::Context;
use super::error::CliError;
use super::ppa_pool;

/// Arguments of `preflight ppa`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with repositories.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Repositories that tickets get and give back
    #[command(after_help = "Example:\n  preflight ppa pool list")]
    Pool(ppa_pool::Args),
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    match args.command {
        Command::Pool(args) => ppa_pool::run(context, args).await,
    }
}
