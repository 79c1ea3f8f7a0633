//! `preflight repo`: what tickets have built, in every state that their repositories were in: listed, shown, compared,
//! exported, served.

mod files;
mod paste;
mod request;
mod serve;
pub(super) mod state;
pub mod status;

use std::path::PathBuf;

use jiff::Timestamp;
use preflight_protocol::repository::{
    GenerationName, Repository, RepositoryChanges, RepositoryDiff, RepositoryExport, RepositoryList, RepositoryPackage,
    RepositoryShow, VersionChange,
};

use super::context::{Context, ask};
use super::error::CliError;
use super::output;
use super::table::Table;
use crate::theme::Role;
use crate::{measure, safe};
use paste::{paste, safe_lines};
use state::{State, TicketNumber};

/// How many digits of a digest tables show; as many as tell any two apart.
const DIGITS: usize = 12;

/// What `preflight repo --help` says last.
pub const AFTER: &str = "\
Examples:
  preflight repo list
  preflight repo status
  preflight repo diff 12 13
  preflight repo export 12 /srv/preflight
  preflight repo serve 12 --listen 192.0.2.7:8000

Each build of a ticket publishes its repository anew, and no state of it is ever changed. TICKET
is the newest one, TICKET@GENERATION any, by the beginning of its digest as `repo list TICKET` has it.
POOL is a repository of the PPA pool, such as pool/07: what the ticket has built that holds it now.";

const EXPORT_AFTER: &str = "\
Example:
  preflight repo export 12 /srv/preflight

DIR is missing, empty, or an earlier export, of whichever ticket: who reads from it meanwhile
sees the old state or the new one. In it are the key (key.asc), the file for
/etc/apt/sources.list.d (preflight.sources, the key in it), and the one for
/etc/apt/preferences.d that has these packages win over an archive's (preflight.pref).";

const SERVE_AFTER: &str = "\
Examples:
  preflight repo serve 12
  preflight repo serve 12@1f2e3d4c --listen 192.0.2.7:8000
  preflight repo serve pool/07 --listen 192.0.2.7:8000

Without @GENERATION it goes with the ticket: what a build publishes is served from then on, and
who reads meanwhile sees the old state or the new one. A repository of the pool goes from ticket
to ticket: while it is no ticket's, what the last one has built is served on. Nobody but this machine is served unless
--listen says so. The tree is copied below TMPDIR, and goes when Ctrl-C ends the command.

Exit codes:
    0  ended by Ctrl-C or SIGTERM
   20  there is nothing to serve, or the address cannot be had";

/// Arguments of `preflight repo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with repositories.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the repositories of tickets, or the states of one
    #[command(after_help = "Examples:\n  preflight repo list\n  preflight repo list 12 --json")]
    List(ListArgs),
    /// Show a state's packages: versions, sizes, digests
    #[command(after_help = "Examples:\n  preflight repo show 12\n  preflight repo show 12@1f2e3d4c --json")]
    Show(ShowArgs),
    /// Show what was found out about a ticket's repository, and which links point at it or could
    #[command(after_help = "Examples:\n  preflight repo status\n  preflight repo status 12 --json")]
    Status(status::Args),
    /// Show how the packages of two states differ
    #[command(after_help = "Examples:\n  preflight repo diff 12 13\n  preflight repo diff 12@1f2e3d4c 12")]
    Diff(DiffArgs),
    /// Write a state as a tree that apt on any host accepts
    #[command(after_help = EXPORT_AFTER)]
    Export(ExportArgs),
    /// Serve a state over http for colleagues, until Ctrl-C
    #[command(after_help = SERVE_AFTER)]
    Serve(serve::Args),
}

/// Arguments of `repo list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// The ticket whose states to list
    ticket: Option<TicketNumber>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `repo show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The ticket, or a state of its repository
    #[arg(value_name = "TICKET|POOL[@GENERATION]")]
    state: State,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `repo diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// What to compare with
    #[arg(value_name = "TICKET|POOL[@GENERATION]")]
    from: State,
    /// What to compare
    #[arg(value_name = "TICKET|POOL[@GENERATION]")]
    to: State,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `repo export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The ticket, or a state of its repository
    #[arg(value_name = "TICKET|POOL[@GENERATION]")]
    state: State,
    /// Where to
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where the tree will be served, for `preflight.sources`; the folder itself where it is missing
    #[arg(long, value_name = "URL")]
    uri: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket or state, or the daemon refuses.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    match args.command {
        Command::List(args) => list(context, &args).await,
        Command::Show(args) => show(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Diff(args) => diff(context, args).await,
        Command::Export(args) => export(context, args).await,
        Command::Serve(args) => serve::run(context, args).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<u8, CliError> {
    let request = RepositoryList {
        ticket: args.ticket.map(|number| number.0),
    };
    let repositories = context.ask(&request).await?;
    if args.json {
        output::json(&repositories)?;
    } else if let ([repository], true) = (&repositories[..], args.ticket.is_some()) {
        output::print(&states(context, repository))?;
    } else if repositories.is_empty() {
        eprintln!("no repositories: a ticket has one once a build of it has passed, until its artifacts are freed");
    } else {
        output::print(&all(context, &repositories))?;
    }
    Ok(0)
}

fn all(context: &Context, repositories: &[Repository]) -> String {
    let now = Timestamp::now();
    let headings = [
        ">TICKET",
        "TITLE",
        ">STATES",
        ">PACKAGES",
        ">SIZE",
        "?PUBLISHED",
        "GENERATION",
    ];
    let mut table = Table::new(context.output, &headings);
    for repository in repositories {
        let generations = &repository.generations;
        let current = generations.iter().find(|generation| generation.current);
        let Some(shown) = current.or(generations.first()) else {
            continue;
        };
        let row = vec![
            table.text(&format!("#{}", repository.ticket)),
            table.text(&repository.title),
            table.text(&measure::count(generations.len() as u64)),
            table.text(&measure::count(shown.packages)),
            table.text(&measure::bytes(shown.size)),
            table.text(&measure::ago(shown.published_at, now)),
            table.text(short(&shown.generation.0)),
        ];
        table.row(row);
    }
    table.to_string()
}

fn states(context: &Context, repository: &Repository) -> String {
    let now = Timestamp::now();
    let headings = ["GENERATION", "PUBLISHED", "?BY", ">PACKAGES", ">SIZE", "STATE"];
    let mut table = Table::new(context.output, &headings);
    for generation in &repository.generations {
        let row = vec![
            table.text(short(&generation.generation.0)),
            table.text(&measure::ago(generation.published_at, now)),
            table.text(&generation.by),
            table.text(&measure::count(generation.packages)),
            table.text(&measure::bytes(generation.size)),
            match generation.current {
                true => table.role(Role::Good, "current"),
                false => table.role(Role::Dim, "kept"),
            },
        ];
        table.row(row);
    }
    table.to_string()
}

async fn show(context: &Context, args: ShowArgs) -> Result<u8, CliError> {
    let (connection, _notifications) = context.attach().await?;
    let request = RepositoryShow {
        state: args.state.resolve(&connection).await?,
    };
    let shown = ask(&connection, &request).await?;
    if args.json {
        output::json(&shown)?;
        return Ok(0);
    }
    let summary = &shown.summary;
    let by = match summary.by.as_str() {
        "" => String::new(),
        by => format!(" by {by}"),
    };
    let published = summary.published_at.0.strftime("%F %T UTC");
    let mut lines = vec![
        context
            .output
            .out
            .role(Role::Heading, &format!("ticket #{}", shown.ticket)),
        format!("generation  {}", summary.generation),
        safe::text(&format!("published   {published}{by}")).into_owned(),
        safe::text(&format!("files       {}", shown.folder.display())).into_owned(),
    ];
    if !summary.current {
        lines.push("a newer one is current".to_owned());
    }
    lines.push(String::new());
    let mut table = Table::new(
        context.output,
        &["PACKAGE", "VERSION", "ARCH", "?SOURCE", ">SIZE", "SHA256"],
    );
    for package in &shown.contents {
        let digest = match context.output.terminal {
            true => short(&package.sha256.0),
            false => package.sha256.0.as_str(),
        };
        let row = vec![
            table.text(&package.name),
            table.text(&package.version),
            table.text(&package.architecture),
            table.text(&package.source),
            table.text(&measure::bytes(package.size)),
            table.text(digest),
        ];
        table.row(row);
    }
    output::print(&(lines.join("\n") + "\n" + &table.to_string()))?;
    Ok(0)
}

async fn diff(context: &Context, args: DiffArgs) -> Result<u8, CliError> {
    let (connection, _notifications) = context.attach().await?;
    let request = RepositoryDiff {
        from: args.from.resolve(&connection).await?,
        to: args.to.resolve(&connection).await?,
    };
    let changes = ask(&connection, &request).await?;
    if args.json {
        output::json(&changes)?;
    } else {
        output::print(&difference(context, &changes))?;
    }
    Ok(0)
}

fn difference(context: &Context, changes: &RepositoryChanges) -> String {
    let (from, to) = (named(&changes.from), named(&changes.to));
    let count = changes.added.len() + changes.removed.len() + changes.changed.len();
    if count == 0 {
        let same = measure::plural(changes.same as usize, "file");
        return format!("{from} and {to} hold the same {same}\n");
    }
    let mut table = Table::new(context.output, &["CHANGE", "PACKAGE", "ARCH", "FROM", "TO", ">SIZE"]);
    let mut row = |role: Role, word: &str, from: Option<&RepositoryPackage>, to: Option<&RepositoryPackage>| {
        let Some(package) = to.or(from) else { return };
        let version =
            |package: Option<&RepositoryPackage>| package.map_or("-", |package| package.version.as_str()).to_owned();
        let cells = vec![
            table.role(role, word),
            table.text(&package.name),
            table.text(&package.architecture),
            table.text(&version(from)),
            table.text(&version(to)),
            table.text(&grown(from.map_or(0, |from| from.size), to.map_or(0, |to| to.size))),
        ];
        table.row(cells);
    };
    for package in &changes.removed {
        row(Role::Bad, "removed", Some(package), None);
    }
    for changed in &changes.changed {
        let (role, word) = match changed.change {
            VersionChange::Upgraded => (Role::Good, "upgraded"),
            VersionChange::Downgraded => (Role::Bad, "downgraded"),
            VersionChange::Rebuilt => (Role::Plain, "rebuilt"),
        };
        row(role, word, Some(&changed.from), Some(&changed.to));
    }
    for package in &changes.added {
        row(Role::Good, "added", None, Some(package));
    }
    let same = measure::plural(changes.same as usize, "file");
    format!("from {from} to {to}; {same} the same\n\n{table}")
}

/// How much larger or smaller a file is.
fn grown(from: u64, to: u64) -> String {
    match to.checked_sub(from) {
        Some(0) => "=".to_owned(),
        Some(more) => format!("+{}", measure::bytes(more)),
        None => format!("-{}", measure::bytes(from - to)),
    }
}

async fn export(context: &Context, args: ExportArgs) -> Result<u8, CliError> {
    let folder = std::path::absolute(&args.folder).map_err(CliError::file(args.folder.display().to_string()))?;
    let (connection, _notifications) = context.attach().await?;
    let request = RepositoryExport {
        state: args.state.resolve(&connection).await?,
        folder,
        uri: args.uri,
    };
    let exported = context.ask_patiently(&request, "writing the tree").await?;
    if args.json {
        output::json(&exported)?;
        return Ok(0);
    }
    let packages = measure::plural(exported.packages as usize, "package");
    output::print(&format!(
        "{} of {} in {}\n\n{}",
        packages,
        named(&exported.state),
        safe::text(&exported.folder.display().to_string()),
        safe_lines(&paste(&exported, None))
    ))?;
    Ok(0)
}

fn named(state: &GenerationName) -> String {
    format!("{}@{}", state.ticket, short(&state.generation.0))
}

fn short(digest: &str) -> &str {
    digest.get(..DIGITS).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_change() {
        assert_eq!(
            (grown(1, 1), grown(0, 2000), grown(2000, 0)),
            ("=".into(), "+2.0 kB".into(), "-2.0 kB".into())
        );
    }
}
