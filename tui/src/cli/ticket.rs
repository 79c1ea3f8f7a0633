//! `preflight ticket`: makes, lists, shows, changes and cancels tickets. What removes and keeps them is in [`keep`].

use jiff::Timestamp;
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::{Job, JobState};
use preflight_protocol::method::{TicketCancel, TicketList, TicketShow, TicketUpdate};
use preflight_protocol::replay::{Agreement, TicketAgreement};
use preflight_protocol::ticket::{Ticket, TicketFiles, TicketStatus, TicketSummary};

use super::change::CreateArgs;
use super::context::Context;
use super::error::CliError;
use super::keep::{self, KeepArgs, RemoveArgs};
use super::output::{self, Paint};
use super::package_sources;
use super::report;
use super::table::Table;
use crate::measure;
use crate::theme::Role;

/// Arguments of `preflight ticket`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with tickets.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a ticket and leave it to the daemon
    #[command(
        after_help = "Example:\n  preflight ticket create -s hello_2.10-3.dsc -t 'Fix the greeting' -b 12345 --wait"
    )]
    Create(Box<CreateArgs>),
    /// List tickets, newest first
    #[command(after_help = "Example:\n  preflight ticket list --open --json")]
    List(ListArgs),
    /// Show a ticket with its jobs and tests
    #[command(after_help = "Example:\n  preflight ticket show 12 --json")]
    Show(ShowArgs),
    /// Change a ticket, or queue one that was made with --wait
    #[command(after_help = "Example:\n  preflight ticket update 12 --queue")]
    Update(UpdateArgs),
    /// Cancel a ticket: its running job is ended
    #[command(after_help = "Example:\n  preflight ticket cancel 12")]
    Cancel(CancelArgs),
    /// Remove ended tickets with their logs, artifacts, results, images and kept testbeds
    #[command(after_help = "Example:\n  preflight ticket remove 3 4 5")]
    Remove(RemoveArgs),
    /// Keep tickets: they cannot be removed, and their evidence is the last that goes when the disk is full
    #[command(after_help = "Example:\n  preflight ticket keep 12")]
    Keep(KeepArgs),
    /// Keep tickets no longer
    #[command(after_help = "Example:\n  preflight ticket unkeep 12")]
    Unkeep(KeepArgs),
}

/// Arguments of `ticket list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only tickets that have not ended
    #[arg(long)]
    pub open: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ticket show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The ticket's number
    pub ticket: TicketId,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ticket update`.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// The ticket's number
    pub ticket: TicketId,
    /// The new title
    #[arg(short = 't', long)]
    pub title: Option<String>,
    /// The new description
    #[arg(short = 'd', long)]
    pub description: Option<String>,
    /// The new bug
    #[arg(short = 'b', long)]
    pub bug: Option<String>,
    /// The new owner
    #[arg(short = 'o', long)]
    pub owner: Option<String>,
    /// Queue it
    #[arg(long)]
    pub queue: bool,
    /// Print the ticket's summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ticket cancel`.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// The ticket's number
    pub ticket: TicketId,
    /// Print the ticket's summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    match args.command {
        Command::Create(args) => create(context, *args).await,
        Command::List(args) => list(context, &args).await,
        Command::Show(args) => show(context, &args).await,
        Command::Update(args) => update(context, args).await,
        Command::Cancel(args) => cancel(context, &args).await,
        Command::Remove(args) => keep::remove(context, &args).await,
        Command::Keep(args) => keep::keep(context, &args, true).await,
        Command::Unkeep(args) => keep::keep(context, &args, false).await,
    }
}

/// `ticket create`.
///
/// # Errors
/// Where the sources are refused.
pub async fn create(context: &Context, args: CreateArgs) -> Result<u8, CliError> {
    let request = args.change.request(&args.sources, args.wait)?;
    let created = context.ask(&request).await?;
    if args.json {
        output::json(&created)?;
        return Ok(0);
    }
    let paint = context.output.err;
    for warning in &created.warnings {
        eprintln!(
            "{} {}",
            paint.role(Role::Warning, "warning:"),
            paint.role(Role::Plain, warning)
        );
    }
    let id = created.id;
    output::print(&if args.wait {
        format!("ticket #{id} is made and waits; `preflight ticket update {id} --queue` queues it")
    } else {
        format!("ticket #{id} is made; `preflight ticket show {id}` tells how it goes")
    })?;
    Ok(0)
}

async fn list(context: &Context, args: &ListArgs) -> Result<u8, CliError> {
    let tickets = context.ask(&TicketList { open: args.open }).await?;
    if args.json {
        output::json(&tickets)?;
    } else {
        output::print(&table(context, &tickets, args.open))?;
    }
    Ok(0)
}

/// A table of tickets, or a word on there being none.
#[must_use]
pub fn table(context: &Context, tickets: &[TicketSummary], open: bool) -> String {
    if tickets.is_empty() {
        return if open {
            "no open tickets".to_owned()
        } else {
            "no tickets yet: run `preflight check` in a package's folder".to_owned()
        };
    }
    let now = Timestamp::now();
    let mut table = Table::new(
        context.output,
        &[">#", "STATE", "TITLE", "?TESTS", "?SERIES", "?OWNER", ">AGE"],
    );
    for ticket in tickets {
        let counts = ticket.test_counts;
        let all = counts.pass + counts.fail + counts.flaky + counts.skip;
        let tests = if all == 0 {
            String::new()
        } else {
            format!("{}/{all} ok", counts.pass)
        };
        let row = vec![
            table.text(&ticket.id.to_string()),
            table.look(&context.output.out.theme.ticket(ticket)),
            table.text(&ticket.title),
            table.text(&tests),
            table.text(&ticket.series.0),
            table.text(&ticket.owner),
            table.text(&measure::age(ticket.created_at, now)),
        ];
        table.row(row);
    }
    table.to_string()
}

/// `ticket show`.
///
/// # Errors
/// Where there is no such ticket.
pub async fn show(context: &Context, args: &ShowArgs) -> Result<u8, CliError> {
    let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
    if args.json {
        output::json(&ticket)?;
    } else {
        let agreement = match ticket.replay_of {
            // Nobody can say where the ticket that it replays has been removed.
            Some(_) if ticket.summary.status.is_final() => {
                context.ask(&TicketAgreement { ticket: args.ticket }).await.ok()
            }
            _ => None,
        };
        output::print(&text(context, &ticket, agreement.as_ref()))?;
    }
    Ok(0)
}

fn text(context: &Context, ticket: &Ticket, agreement: Option<&Agreement>) -> String {
    let paint = context.output.out;
    let summary = &ticket.summary;
    let mut lines = vec![format!(
        "{}  {}",
        paint.role(Role::Heading, &format!("#{} {}", summary.id, summary.title)),
        paint.look(&paint.theme.ticket(summary))
    )];
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!(
                "{} {}",
                paint.role(Role::Dim, &format!("{name:<12}")),
                paint.role(Role::Plain, value)
            ));
        }
    };
    field(
        "step",
        &format!("{} {}", summary.workflow_step.number(), summary.workflow_step),
    );
    field("reason", summary.reason.as_deref().unwrap_or_default());
    field(
        "exit code",
        &summary.exit_code.map(|code| code.to_string()).unwrap_or_default(),
    );
    field("series", &summary.series.0);
    field("owner", &summary.owner);
    field("bug", ticket.bug.as_deref().unwrap_or_default());
    field("description", &ticket.description);
    field("made", &local(summary.created_at.0));
    if let Some(origin) = &ticket.origin {
        let at = local(origin.exported_at.0);
        field(
            "imported",
            &format!("ticket #{} of {}, exported {at}", origin.ticket, origin.host),
        );
    }
    if let Some(origin) = &ticket.results_origin {
        let at = local(origin.imported_at.0);
        field(
            "results of",
            &format!("{} ({}), imported {at}", origin.place, origin.format),
        );
    }
    field("kept", if summary.kept { "yes" } else { "" });
    field("added", &ticket.add_packages.join(", "));
    field("removed", &ticket.remove_packages.join(", "));
    if let Some(replay) = &ticket.replay_of {
        let job = replay.job.as_ref().map_or_else(String::new, |job| match &job.source {
            Some(source) => format!(", its {} of {source}", job.kind),
            None => format!(", its {}", job.kind),
        });
        let end = match agreement {
            Some(agreement) if agreement.agrees => ", and agrees with it".to_owned(),
            Some(_) => format!(
                ", and differs: `preflight replay {} --agreement` says in what",
                summary.id
            ),
            None => String::new(),
        };
        field("replays", &format!("ticket #{}{job}{end}", replay.ticket));
    }
    field("snapshot", ticket.snapshot.as_deref().unwrap_or_default());
    for line in package_sources::used(ticket) {
        field(line.0, &line.1);
    }
    for source in &ticket.subtickets {
        field(
            "source",
            &format!("{} {} from {}", source.source, source.version, source.origin.display()),
        );
    }
    for warning in &ticket.warnings {
        field("warning", warning);
    }
    for (job, attempt, bytes) in report::kept_testbeds(ticket) {
        let size = measure::bytes(bytes);
        let id = summary.id;
        field(
            "testbed",
            &format!("of job {job}, attempt {attempt}, kept ({size}): preflight shell {id} --job {job}"),
        );
    }
    for artifact in &ticket.artifacts {
        let freed = if summary.gone.contains(&TicketFiles::Artifacts) {
            " (freed)"
        } else {
            ""
        };
        field("artifact", &format!("{}{freed}", artifact.path.display()));
    }
    let mut out = lines.join("\n");
    if !ticket.jobs.is_empty() {
        out.push_str("\n\n");
        out.push_str(&jobs(context, ticket));
    }
    let findings = report::findings(ticket, ticket.findings.iter(), paint);
    for lines in [report::tests(ticket, paint), report::reruns(ticket, paint), findings] {
        if !lines.is_empty() {
            out.push('\n');
            out.push_str(&lines.join("\n"));
            out.push('\n');
        }
    }
    if let Some(error) = crate::model::fold::failed(ticket)
        .first()
        .and_then(|job| job.first_error.as_ref())
    {
        out.push_str(&first_error(paint, &error.log.0, error.line, &error.text));
    }
    out
}

fn first_error(paint: Paint, log: &str, line: u64, text: &str) -> String {
    format!(
        "\nfirst error, {}:\n{}\n",
        paint.role(Role::Plain, &format!("{log}:{line}")),
        paint.role(Role::Bad, &format!("    {}", text.trim()))
    )
}

fn jobs(context: &Context, ticket: &Ticket) -> String {
    let mut table = Table::new(
        context.output,
        &[">JOB", "KIND", "SOURCE", "STATE", "?>TRY", "?>TIME", "REASON"],
    );
    for job in &ticket.jobs {
        let row = vec![
            table.text(&job.id.to_string()),
            table.text(&job.title()),
            table.text(&job.subject().unwrap_or_default()),
            table.look(&context.output.out.theme.job(job.state)),
            table.text(&job.attempt.to_string()),
            table.text(&time(job)),
            table.text(word(job).unwrap_or_default()),
        ];
        table.row(row);
    }
    table.to_string()
}

fn time(job: &Job) -> String {
    match (job.started_at, job.finished_at) {
        (Some(start), Some(end)) => measure::seconds(measure::between(start, end.0)),
        (Some(start), None) if job.state == JobState::Running => {
            measure::clock(measure::between(start, Timestamp::now()))
        }
        _ => String::new(),
    }
}

fn word(job: &Job) -> Option<&str> {
    match &job.progress {
        Some(progress) if job.state == JobState::Running => Some(&progress.phase),
        _ => job.reason.as_deref(),
    }
}

/// A moment in the owner's time zone.
fn local(moment: Timestamp) -> String {
    moment
        .to_zoned(jiff::tz::TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// `ticket update`.
///
/// # Errors
/// Where there is no such ticket, or nothing is asked for.
pub async fn update(context: &Context, args: UpdateArgs) -> Result<u8, CliError> {
    let UpdateArgs {
        ticket: id,
        title,
        description,
        bug,
        owner,
        queue,
        json,
    } = args;
    if title.is_none() && description.is_none() && bug.is_none() && owner.is_none() && !queue {
        return Err(CliError::usage(
            "nothing to change",
            format!("`preflight ticket update {id} --queue` queues it, `--title` and others change it"),
        ));
    }
    let summary = context
        .ask(&TicketUpdate {
            id,
            title,
            description,
            bug,
            owner,
            queue,
            keep: None,
        })
        .await?;
    if json {
        output::json(&summary)?;
    } else {
        let look = context.output.out.look(&context.output.out.theme.ticket(&summary));
        output::print(&format!("ticket #{id} is changed: {look}"))?;
    }
    Ok(0)
}

async fn cancel(context: &Context, args: &CancelArgs) -> Result<u8, CliError> {
    let summary = context.ask(&TicketCancel { id: args.ticket }).await?;
    if args.json {
        output::json(&summary)?;
    } else {
        let word = match summary.status {
            TicketStatus::Cancelled => "is cancelled",
            // It ended before: what was still to be done for it were reruns.
            status if status.is_final() => "has ended, and its reruns are cancelled",
            _ => "is being cancelled",
        };
        output::print(&format!("ticket #{} {word}", summary.id))?;
    }
    Ok(0)
}
