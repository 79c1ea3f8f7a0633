//! `preflight ppa pool`: the repositories that tickets get and give back.

use jiff::Timestamp;
use preflight_protocol::method::{PoolGrow, PoolList, PoolRelease};
use preflight_protocol::pool::{PoolRepository, PoolState};

use super::context::Context;
use super::error::CliError;
use super::output;
use super::table::Table;
use crate::measure;
use crate::theme::Role;

/// Arguments of `preflight ppa pool`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with the pool.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the repositories, where each stands and who holds it
    #[command(after_help = "Example:\n  preflight ppa pool list --json")]
    List(ListArgs),
    /// Add repositories
    #[command(after_help = "Example:\n  preflight ppa pool grow 4")]
    Grow(GrowArgs),
    /// Take a repository from a ticket of which nothing runs, and have it cleaned; a ticket's end does so by itself
    #[command(after_help = "Example:\n  preflight ppa pool release pool/03")]
    Release(ReleaseArgs),
}

/// Arguments of `ppa pool list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ppa pool grow`.
#[derive(Debug, clap::Args)]
pub struct GrowArgs {
    /// How many to add
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub by: u32,
    /// Print the pool as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ppa pool release`.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// The repository, such as pool/03
    pub name: String,
    /// Print the pool as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let (pool, json) = match args.command {
        Command::List(args) => (context.ask(&PoolList {}).await?, args.json),
        Command::Grow(args) => (context.ask(&PoolGrow { by: args.by }).await?, args.json),
        Command::Release(args) => (context.ask(&PoolRelease { name: args.name }).await?, args.json),
    };
    if json {
        output::json(&pool)?;
    } else if pool.is_empty() {
        output::print("the pool has no repositories yet: `preflight ppa pool grow 4` adds four")?;
    } else {
        output::print(&table(context, &pool))?;
    }
    Ok(0)
}

fn table(context: &Context, pool: &[PoolRepository]) -> String {
    let now = Timestamp::now();
    let mut table = Table::new(context.output, &["REPOSITORY", "STATE", "TICKET", "?SINCE"]);
    for repository in pool {
        let (role, word) = match repository.state {
            PoolState::Free => (Role::Good, "free"),
            PoolState::Reserved => (Role::Running, "reserved"),
            PoolState::Dirty => (Role::Warning, "dirty"),
            PoolState::Cleaning => (Role::Warning, "cleaning"),
        };
        let ticket = repository.ticket.map(|ticket| format!("#{ticket}"));
        let row = vec![
            table.text(&repository.name),
            table.role(role, word),
            table.text(&ticket.unwrap_or_default()),
            table.text(&measure::ago(repository.since, now)),
        ];
        table.row(row);
    }
    table.to_string()
}
