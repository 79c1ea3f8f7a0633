//! `preflight replay`: runs a ticket again from its locks alone, follows that, and says whether the two runs agree.

use preflight_protocol::client::ClientError;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::method::TicketShow;
use preflight_protocol::replay::{Agreement, AgreementCounts, TicketAgreement, TicketReplay, TicketReplaying};
use preflight_protocol::ticket::{Ticket, TicketStatus};

use super::context::{Context, ask};
use super::error::{CliError, code};
use super::follow::{self, Interrupts};
use super::output::{self, Paint};
use super::progress;
use crate::conn::attach::Attached;
use crate::model::fold;
use crate::safe;
use crate::theme::Role;

/// What `preflight replay --help` says last.
pub const AFTER: &str = "\
A replay is a ticket of its own, made from the sources that the earlier one has kept. Its builds, image and tests run
again on the same base images, from the beginning: no layer and no image of the earlier run is used but the one that holds
apt's lists, and that only if all in it is named by the lock. No file is served that the locks do not name, and nothing is
fetched, so that it needs no network. An imported ticket can be replayed, too.

The runs agree where jobs and tests ended alike, the same files were fetched, and every package is the same bit for bit.
With --job, a build, an image or a test job is run again alone, on the packages and the image that the earlier run made.

Examples:
  preflight replay 12
  preflight replay 12 --job 31
  preflight replay 12 --detach
  preflight replay 14 --agreement

Exit codes:
    0  the runs agree
    1  they do not; what differs is said
   20  the ticket cannot be replayed, and all else
  130  cancelled, or ended by Ctrl-C";

/// Arguments of `preflight replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket's number; it must have ended
    pub ticket: TicketId,
    /// Run only this job again: a build, an image or a test
    #[arg(long, value_name = "JOB")]
    pub job: Option<JobId>,
    /// Make the replay and leave it alone
    #[arg(long, visible_alias = "no-follow")]
    pub detach: bool,
    /// Run nothing: the ticket is a replay that has ended, and what came of it is said once more
    #[arg(long, conflicts_with_all = ["job", "detach"])]
    pub agreement: bool,
    /// Print JSON (schema ticket-agreement.answer.json, with --detach ticket-replay.answer.json)
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the ticket cannot be replayed, or the daemon does not stay.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    if args.agreement {
        let ticket = context.ask(&TicketShow { id: args.ticket }).await?;
        let agreement = context.ask(&TicketAgreement { ticket: args.ticket }).await?;
        return tell(context, &ticket, &agreement, args.json);
    }
    let attached = context.attach().await?;
    let interrupts = Interrupts::listen()?;
    let replaying = begin(&attached, &args).await?;
    if args.detach {
        let id = replaying.id;
        if args.json {
            output::json(&replaying)?;
        } else {
            output::print(&format!(
                "ticket #{id} replays #{}; `preflight replay {id} --agreement` says what came of it",
                args.ticket
            ))?;
        }
        return Ok(0);
    }
    let mut watcher = progress::watcher(args.quiet, context.output.err);
    watcher.say(&format!("ticket #{} replays #{}", replaying.id, args.ticket));
    let followed = follow::follow(context, attached, replaying.id, interrupts, watcher.as_mut()).await?;
    drop(watcher);
    if followed.ticket.summary.status == TicketStatus::Cancelled {
        eprintln!("ticket #{} was cancelled: nothing is said of it", replaying.id);
        return Ok(code::INTERRUPTED);
    }
    let agreement = context.ask(&TicketAgreement { ticket: replaying.id }).await?;
    tell(context, &followed.ticket, &agreement, args.json)
}

/// Makes the ticket. It is asked for once: a daemon that dies over it may have stored it or not.
async fn begin(attached: &Attached, args: &Args) -> Result<TicketReplaying, CliError> {
    let request = TicketReplay {
        ticket: args.ticket,
        job: args.job,
        owner: None,
    };
    match ask(&attached.0, &request).await {
        Err(CliError::NoDaemon(..)) => Err(CliError::NoDaemon(
            ClientError::Closed.to_string(),
            Some("`preflight ticket list` shows whether the replay was made; if not, try again".to_owned()),
        )),
        other => other,
    }
}

fn tell(context: &Context, ticket: &Ticket, agreement: &Agreement, json: bool) -> Result<u8, CliError> {
    if json {
        output::json(agreement)?;
    } else {
        output::print(&text(ticket, agreement, context.output.out))?;
    }
    Ok(if agreement.agrees { 0 } else { code::DIFFERS })
}

/// For people: one line, and where the runs do not agree what differs and where to look.
fn text(ticket: &Ticket, agreement: &Agreement, paint: Paint) -> String {
    let (id, of) = (agreement.ticket, &agreement.replay_of);
    let what = match &of.job {
        Some(job) => match &job.source {
            Some(source) => format!("the {} of {} of #{}", job.kind, safe::text(source), of.ticket),
            None => format!("the {} of #{}", job.kind, of.ticket),
        },
        None => format!("#{}", of.ticket),
    };
    if agreement.agrees {
        let line = format!("replay of {what} agrees: {}", counts(agreement.same));
        return paint.role(Role::Good, &line);
    }
    let same = if agreement.same_results {
        "the results are the same, but not all else"
    } else {
        "the results differ"
    };
    let mut lines = vec![paint.role(Role::Bad, &format!("replay of {what} does not agree: {same}"))];
    let difference = |text: &str| format!("    {}", safe::text(text));
    lines.extend(agreement.differences.iter().map(|found| difference(&found.text)));
    if let Some(reason) = &ticket.summary.reason {
        lines.push(paint.role(Role::Plain, reason));
    }
    lines.push(format!("the same: {}", counts(agreement.same)));
    if !fold::failed(ticket).is_empty() {
        lines.push(format!(
            "`preflight logs {id} --first-error` shows what failed in the replay"
        ));
    }
    lines.join("\n")
}

/// `2 jobs, 1 test, 1 package bit for bit, 84 files of the lock`.
fn counts(same: AgreementCounts) -> String {
    let of = |count: u64, one: &str, many: &str, end: &str| {
        let noun = if count == 1 { one } else { many };
        format!("{count} {noun}{end}")
    };
    [
        of(same.jobs, "job", "jobs", ""),
        of(same.tests, "test", "tests", ""),
        of(same.packages, "package", "packages", " bit for bit"),
        of(same.files, "file", "files", " of the lock"),
    ]
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_words() {
        let same = AgreementCounts {
            jobs: 2,
            tests: 1,
            packages: 0,
            files: 84,
        };
        assert_eq!(
            counts(same),
            "2 jobs, 1 test, 0 packages bit for bit, 84 files of the lock"
        );
    }
}
