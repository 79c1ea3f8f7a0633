//! `preflight ppa`: the repositories beside the archive.

pub mod add;
pub mod refresh;
pub mod remove;
pub mod show;

use super::context::Context;
use super::error::CliError;
use super::ppa_pool;

/// Examples, and how a ticket uses one.
pub const AFTER: &str = "\
Examples:
  preflight ppa add ppa:jane/tools                    one of Launchpad's
  preflight ppa add /etc/apt/sources.list.d/x.sources what apt knows already
  preflight ppa list
  preflight ppa refresh jane/tools

Tickets use the newest state that was taken of a PPA: `preflight check --ppa jane/tools .`";

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
    /// Fetch and verify a repository, and add it under a name
    #[command(after_help = add::AFTER)]
    Add(add::Args),
    /// List repositories, and what was last taken of each
    #[command(after_help = "Example:\n  preflight ppa list --json")]
    List(show::ListArgs),
    /// Show one: where it is, who signs it, and its newest states
    #[command(after_help = "Example:\n  preflight ppa show jane/tools")]
    Show(show::ShowArgs),
    /// Take repositories as they are now; one that is refused keeps the state that it had
    #[command(after_help = refresh::AFTER)]
    Refresh(refresh::Args),
    /// Forget a repository and its token; tickets keep what they have of it
    #[command(after_help = "Example:\n  preflight ppa remove jane/tools")]
    Remove(remove::Args),
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
        Command::Add(args) => add::run(context, args).await,
        Command::List(args) => show::list(context, &args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Refresh(args) => refresh::run(context, args).await,
        Command::Remove(args) => remove::run(context, args).await,
        Command::Pool(args) => ppa_pool::run(context, args).await,
    }
}
