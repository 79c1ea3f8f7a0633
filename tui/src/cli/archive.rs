//! `preflight archive`: takes, lists, shows, compares and forgets snapshots of series' archives. Prefetching has a file of
//! its own.

use jiff::Timestamp;
use preflight_protocol::archive::{
    ArchiveDiff, ArchiveList, ArchivePrune, ArchiveShow, ArchiveSnapshot, ArchiveUpdate, PackageChange, SnapshotDiff,
};
use preflight_protocol::method::TicketShow;

use super::check;
use super::context::{Context, ask};
use super::error::CliError;
use super::image::users;
use super::output;
use super::prefetch;
use super::table::Table;
use crate::theme::Role;
use crate::{measure, safe};

/// Examples and what a name may be.
pub const AFTER: &str = "\
Examples:
  preflight archive update                            take a snapshot of your series' archive
  preflight archive list                              what there is
  preflight archive prefetch --source .               fetch what a check will need on a journey
  preflight check --snapshot debian-bookworm@2026-11-20 .

A snapshot's name may be cut short where it stays the only one of that beginning.";

/// Arguments of `preflight archive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with snapshots.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Take a snapshot of a series' archive as it is now
    #[command(after_help = "Example:\n  preflight archive update debian-bookworm")]
    Update(UpdateArgs),
    /// List snapshots, newest first
    #[command(after_help = "Example:\n  preflight archive list debian-bookworm --json")]
    List(ListArgs),
    /// Show one snapshot: its suites, and who uses it
    #[command(after_help = "Example:\n  preflight archive show debian-bookworm@2026-11-20")]
    Show(ShowArgs),
    /// List packages that differ between two snapshots
    #[command(after_help = "Example:\n  preflight archive diff debian-bookworm@2026-11-19 debian-bookworm@2026-11-20")]
    Diff(DiffArgs),
    /// Fetch what checks will need without a network, and say what is still missing
    #[command(after_help = prefetch::AFTER)]
    Prefetch(Box<prefetch::Args>),
    /// Forget snapshots that nobody needs; their files go when the disk's budget wants their room
    #[command(after_help = "Example:\n  preflight archive prune --keep 3 --dry-run")]
    Prune(PruneArgs),
}

/// Arguments of `archive update`.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// The series, such as debian-bookworm; the configured one, or this host's own, where it is missing
    pub series: Option<String>,
    /// Leave it to the daemon
    #[arg(long, visible_alias = "no-follow")]
    pub detach: bool,
    /// Print one JSON object at the end, as `check` does
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `archive list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those of this series
    pub series: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `archive show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The snapshot's name, or the beginning of it
    pub snapshot: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `archive diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The first snapshot
    pub from: String,
    /// The second
    pub to: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `archive prune`.
#[derive(Debug, clap::Args)]
pub struct PruneArgs {
    /// How many of each series stay at least
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub keep: u32,
    /// Only say what would go
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    match args.command {
        Command::Update(args) => update(context, args).await,
        Command::List(args) => list(context, args).await,
        Command::Show(args) => show(context, args).await,
        Command::Diff(args) => diff(context, args).await,
        Command::Prefetch(args) => prefetch::run(context, *args).await,
        Command::Prune(args) => prune(context, &args).await,
    }
}

async fn update(context: &Context, args: UpdateArgs) -> Result<u8, CliError> {
    let attached = context.attach().await?;
    let updating = ask(&attached.0, &ArchiveUpdate { series: args.series }).await?;
    if !args.detach {
        let code = check::watch(context, attached, updating.ticket, args.quiet, args.json).await?;
        if code == 0 && !args.json {
            // Which series was meant where none was named is the ticket's matter.
            let id = updating.ticket;
            let series = context.ask(&TicketShow { id }).await?.summary.series;
            let list = ArchiveList { series: Some(series.0) };
            if let Some(newest) = context.ask(&list).await?.first() {
                output::print(&format!("the newest snapshot is {}", safe::text(&newest.name)))?;
            }
        }
        return Ok(code);
    }
    if args.json {
        output::json(&updating)?;
    } else {
        output::print(&format!(
            "ticket #{id} takes it; `preflight ticket show {id}` tells how it goes",
            id = updating.ticket
        ))?;
    }
    Ok(0)
}

async fn list(context: &Context, args: ListArgs) -> Result<u8, CliError> {
    let snapshots = context.ask(&ArchiveList { series: args.series }).await?;
    if args.json {
        output::json(&snapshots)?;
        return Ok(0);
    }
    if snapshots.is_empty() {
        output::print("no snapshots yet: `preflight archive update` takes one")?;
        return Ok(0);
    }
    let now = Timestamp::now();
    let mut table = Table::new(context.output, &["SNAPSHOT", ">SUITES", ">SIZE", ">AGE", "?TICKETS"]);
    for snapshot in &snapshots {
        let row = vec![
            table.text(&snapshot.name),
            table.text(&measure::count(snapshot.suites.len() as u64)),
            table.text(&measure::bytes(snapshot.size)),
            table.text(&measure::age(snapshot.taken_at, now)),
            table.text(&users(&snapshot.users)),
        ];
        table.row(row);
    }
    output::print(&table.to_string())?;
    Ok(0)
}

async fn show(context: &Context, args: ShowArgs) -> Result<u8, CliError> {
    let snapshot = context.ask(&ArchiveShow { name: args.snapshot }).await?;
    if args.json {
        output::json(&snapshot)?;
        return Ok(0);
    }
    output::print(&(heading(context, &snapshot) + "\n" + &suites(context, &snapshot)))?;
    Ok(0)
}

fn heading(context: &Context, snapshot: &ArchiveSnapshot) -> String {
    let now = Timestamp::now();
    let mut lines = vec![
        context.output.out.role(Role::Heading, &safe::text(&snapshot.name)),
        format!(
            "taken {}, {} of release files and indices",
            measure::ago(snapshot.taken_at, now),
            measure::bytes(snapshot.size)
        ),
    ];
    if !snapshot.users.is_empty() {
        lines.push(format!("used by {}", users(&snapshot.users)));
    }
    lines.join("\n") + "\n"
}

fn suites(context: &Context, snapshot: &ArchiveSnapshot) -> String {
    let now = Timestamp::now();
    let mut table = Table::new(context.output, &["SUITE", ">RELEASED", "?COMPONENTS", "ARCHIVE"]);
    for suite in &snapshot.suites {
        let row = vec![
            table.text(&suite.suite),
            table.text(&suite.date.map(|date| measure::ago(date, now)).unwrap_or_default()),
            table.text(&suite.components.join(" ")),
            table.text(&suite.uri),
        ];
        table.row(row);
    }
    table.to_string()
}

async fn diff(context: &Context, args: DiffArgs) -> Result<u8, CliError> {
    let request = ArchiveDiff {
        from: args.from,
        to: args.to,
    };
    let diff = context.ask_patiently(&request, "comparing the indices").await?;
    if args.json {
        output::json(&diff)?;
        return Ok(0);
    }
    output::print(&differences(context, &diff))?;
    Ok(0)
}

fn differences(context: &Context, diff: &SnapshotDiff) -> String {
    if diff.changes.is_empty() {
        return format!(
            "{} and {} have the same packages",
            safe::text(&diff.from),
            safe::text(&diff.to)
        );
    }
    let mut table = Table::new(context.output, &["SUITE", "PACKAGE", "?FOR", "BEFORE", "AFTER"]);
    for change in &diff.changes {
        let PackageChange {
            suite,
            package,
            architecture,
            before,
            after,
        } = change;
        let row = vec![
            table.text(suite),
            table.text(package),
            table.text(architecture),
            table.text(before.as_deref().unwrap_or("-")),
            table.text(after.as_deref().unwrap_or("-")),
        ];
        table.row(row);
    }
    table.to_string()
}

async fn prune(context: &Context, args: &PruneArgs) -> Result<u8, CliError> {
    let request = ArchivePrune {
        keep: args.keep,
        dry_run: args.dry_run,
    };
    let pruned = context.ask(&request).await?;
    if args.json {
        output::json(&pruned)?;
        return Ok(0);
    }
    let verb = if args.dry_run { "would go" } else { "is forgotten" };
    let mut lines: Vec<String> = pruned
        .gone
        .iter()
        .map(|name| format!("{} {verb}", safe::text(name)))
        .collect();
    let stays = |name: &str, why: &str| format!("{} stays: {}", safe::text(name), safe::text(why));
    lines.extend(pruned.stay.iter().map(|one| stays(&one.name, &one.why)));
    if lines.is_empty() {
        lines.push("there are no snapshots".to_owned());
    }
    output::print(&lines.join("\n"))?;
    Ok(0)
}
