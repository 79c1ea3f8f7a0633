//! `preflight ppa refresh`: takes repositories anew, and says of each what became of it.

use jiff::Timestamp;
use preflight_protocol::method::PpaRefresh;
use preflight_protocol::ppa::PpaRefreshed;

use super::show::state_in_words;
use crate::cli::context::Context;
use crate::cli::error::{CliError, code};
use crate::cli::output;
use crate::theme::Role;
use crate::{measure, safe};

/// Examples, and what becomes of tickets.
pub const AFTER: &str = "\
Examples:
  preflight ppa refresh                               all, for the series that each was taken for
  preflight ppa refresh jane/tools --series ubuntu-noble

Tickets that were made before keep the state that they have. Exit code 20 if one was refused.";

/// Arguments of `ppa refresh`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name; all where it is missing
    pub name: Option<String>,
    /// Only for this series, be it the first time
    #[arg(long)]
    pub series: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is none of the name.
pub(super) async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = PpaRefresh {
        name: args.name,
        series: args.series,
    };
    let all = context.ask_patiently(&request, "fetching and verifying").await?;
    if args.json {
        output::json(&all)?;
    } else if all.is_empty() {
        output::print("no PPAs yet: `preflight ppa add ppa:OWNER/NAME` adds one")?;
    }
    for one in all.iter().filter(|_| !args.json) {
        output::print(&words(context, one))?;
    }
    let refused = all.iter().any(|one| one.refused.is_some());
    Ok(if refused { code::OTHER } else { 0 })
}

fn words(context: &Context, one: &PpaRefreshed) -> String {
    let now = Timestamp::now();
    let name = context.output.out.role(Role::Heading, &safe::text(&one.name));
    if let Some(refused) = &one.refused {
        // It names the PPA.
        let message = context.output.out.role(Role::Bad, &safe::text(&refused.message));
        let mut lines = vec![message];
        lines.extend(
            refused
                .hint
                .as_ref()
                .map(|hint| format!("  hint: {}", safe::text(hint))),
        );
        lines.extend(one.before.as_ref().map(|before| {
            let taken = measure::ago(before.refreshed_at, now);
            format!("  stays in use: {}, taken {taken}", state_in_words(before, now))
        }));
        return lines.join("\n");
    }
    let Some(after) = &one.after else {
        return name;
    };
    let news = match &one.before {
        None => "taken for the first time",
        Some(before) if before.state == after.state => "nothing new",
        Some(_) => "taken anew",
    };
    format!("{name}: {news}: {}", state_in_words(after, now))
}
