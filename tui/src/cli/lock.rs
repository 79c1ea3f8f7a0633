//! `preflight lock`: what a ticket's jobs have started from, and what they have fetched, by digest.

use preflight_protocol::archive::{Lock, LockHead};
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::method::LockShow;

use super::context::Context;
use super::error::CliError;
use super::output::{self, Paint};
use crate::safe;
use crate::theme::Role;

/// What `preflight lock --help` says last.
pub const AFTER: &str = "\
A job's lock names the base image and the archive state that it was made of, the ticket's image where the job started from
that, the snapshot and the PPAs by their states, the files of the source package, and every file that was fetched.
`preflight replay` runs a ticket again from its locks alone.

Examples:
  preflight lock 12
  preflight lock 12 --job 31 --json";

/// Arguments of `preflight lock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number
    pub ticket: TicketId,
    /// Only this job's
    #[arg(long, value_name = "JOB")]
    pub job: Option<JobId>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such ticket.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = LockShow {
        ticket: args.ticket,
        job: args.job,
    };
    let locks = context.ask(&request).await?;
    if args.json {
        output::json(&locks)?;
        return Ok(0);
    }
    if locks.iter().all(|lock| lock.entries.is_empty()) {
        eprintln!("ticket #{} has fetched nothing", args.ticket);
    }
    let lines: Vec<String> = locks.iter().flat_map(|lock| lines(lock, context.output.out)).collect();
    output::print(&lines.join("\n"))?;
    Ok(0)
}

fn lines(lock: &Lock, paint: Paint) -> Vec<String> {
    let mut lines = vec![paint.role(Role::Heading, &format!("# job {}", lock.job))];
    lines.extend(lock.head.iter().flat_map(head));
    let origin =
        |origin: Option<&String>| origin.map_or_else(String::new, |origin| format!("  from {}", safe::text(origin)));
    let entries = lock.entries.iter();
    lines.extend(entries.map(|entry| {
        let from = origin(entry.origin.as_ref());
        format!(
            "{}  {}{}",
            entry.sha256,
            safe::text(&entry.url),
            paint.role(Role::Dim, &from)
        )
    }));
    lines
}

fn head(head: &LockHead) -> Vec<String> {
    let digest = |digest: &dyn std::fmt::Display, name: &str| format!("{digest}  {}", safe::text(name));
    let mut lines = vec![match &head.archive_state {
        Some(state) => digest(state, &format!("base image {}", head.base)),
        None => safe::text(&format!("base image {}", head.base)).into_owned(),
    }];
    lines.extend(
        head.image
            .iter()
            .map(|image| safe::text(&format!("image {image}")).into_owned()),
    );
    lines.extend(head.states.iter().map(|state| digest(&state.state, &state.name)));
    lines.extend(head.sources.iter().map(|file| digest(&file.sha256, &file.name)));
    lines
}
