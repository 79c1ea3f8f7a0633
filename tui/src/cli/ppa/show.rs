//! `preflight ppa list` and `preflight ppa show`: what there is, and what was last taken of it.

use jiff::Timestamp;
use preflight_protocol::method::{PpaList, PpaShow};
use preflight_protocol::ppa::{Ppa, PpaState};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::table::Table;
use crate::theme::Role;
use crate::{measure, safe};

/// Arguments of `ppa list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ppa show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Its name
    pub name: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists them.
///
/// # Errors
/// Where there is no daemon.
pub(super) async fn list(context: &Context, args: &ListArgs) -> Result<u8, CliError> {
    let ppas = context.ask(&PpaList {}).await?;
    if args.json {
        output::json(&ppas)?;
    } else if ppas.is_empty() {
        output::print("no PPAs yet: `preflight ppa add ppa:OWNER/NAME` adds one")?;
    } else {
        output::print(&table(context, &ppas))?;
    }
    Ok(0)
}

/// Shows one.
///
/// # Errors
/// Where there is none of the name.
pub(super) async fn run(context: &Context, args: ShowArgs) -> Result<u8, CliError> {
    let ppa = context.ask(&PpaShow { name: args.name }).await?;
    if args.json {
        output::json(&ppa)?;
    } else {
        output::print(&(definition(context, &ppa) + "\n" + &states(context, &ppa)))?;
    }
    Ok(0)
}

/// What was taken of one for a series, in a few words.
pub(super) fn state_in_words(state: &PpaState, now: Timestamp) -> String {
    let packages = match state.packages {
        1 => "1 package".to_owned(),
        more => format!("{} packages", measure::count(more)),
    };
    let published = state
        .date
        .map(|date| format!(", published {}", measure::ago(date, now)));
    format!(
        "{packages} for {}{}",
        safe::text(&state.series.0),
        published.unwrap_or_default()
    )
}

fn table(context: &Context, ppas: &[Ppa]) -> String {
    let now = Timestamp::now();
    let headings = ["PPA", "SERIES", ">PACKAGES", "PUBLISHED", "?TAKEN", "?ADDRESS"];
    let mut table = Table::new(context.output, &headings);
    for ppa in ppas {
        for state in &ppa.states {
            let row = vec![
                table.text(&ppa.name),
                table.text(&state.series.0),
                table.text(&measure::count(state.packages)),
                table.text(&state.date.map(|date| measure::ago(date, now)).unwrap_or_default()),
                table.text(&measure::ago(state.refreshed_at, now)),
                table.text(&ppa.uri),
            ];
            table.row(row);
        }
    }
    table.to_string()
}

fn definition(context: &Context, ppa: &Ppa) -> String {
    let mut lines = vec![
        context.output.out.role(Role::Heading, &safe::text(&ppa.name)),
        format!("{} {} {}", ppa.uri, ppa.suite, ppa.components.join(" ")),
    ];
    if !ppa.architectures.is_empty() {
        lines.push(format!("for {} only", ppa.architectures.join(", ")));
    }
    lines.extend(ppa.fingerprints.iter().map(|key| format!("signed by {key}")));
    if let Some(priority) = ppa.priority {
        lines.push(format!("all its packages have the priority {priority}"));
    }
    if !ppa.packages.is_empty() {
        lines.push(format!("{} always from it", ppa.packages.join(", ")));
    }
    if ppa.private {
        lines.push("private: its token is kept for the daemon alone".to_owned());
    }
    let heading = lines.remove(0);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| safe::text(line.trim_end()).into_owned())
        .collect();
    format!("{heading}\n{}\n", lines.join("\n"))
}

fn states(context: &Context, ppa: &Ppa) -> String {
    let now = Timestamp::now();
    let headings = ["SERIES", "SUITE", ">PACKAGES", "PUBLISHED", "TAKEN", "?BY", "STATE"];
    let mut table = Table::new(context.output, &headings);
    for state in &ppa.states {
        let digest: String = state.state.0.chars().take(8).collect();
        let row = vec![
            table.text(&state.series.0),
            table.text(&state.suite),
            table.text(&measure::count(state.packages)),
            table.text(&state.date.map(|date| measure::ago(date, now)).unwrap_or_default()),
            table.text(&measure::ago(state.refreshed_at, now)),
            table.text(&state.origin),
            table.text(&digest),
        ];
        table.row(row);
    }
    table.to_string()
}
