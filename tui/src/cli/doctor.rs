//! `preflight doctor`: what this host has and lacks.

use preflight_protocol::health::{Check, CheckState};
use preflight_protocol::method::Doctor;

use super::context::Context;
use super::error::{CliError, code};
use super::output;
use super::table::Table;
use crate::safe;
use crate::theme::{Look, Role, Theme};

/// Arguments of `preflight doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Probe again, whatever is remembered
    #[arg(long)]
    pub fresh: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command. Ends with 16 where something is missing.
///
/// # Errors
/// Where the daemon does not answer.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let checks = context
        .ask_patiently(&Doctor { fresh: args.fresh }, "probing this host with a guest")
        .await?;
    if args.json {
        output::json(&checks)?;
    } else {
        output::print(&text(context, &checks))?;
    }
    let missing = checks.iter().any(|check| check.state == CheckState::Missing);
    Ok(if missing { code::HOST } else { 0 })
}

fn text(context: &Context, checks: &[Check]) -> String {
    let theme = context.output.out.theme;
    let mut table = Table::new(context.output, &["STATE", "WHAT", "FOUND"]);
    for check in checks {
        let row = vec![
            table.look(&look(check.state, theme)),
            table.text(&check.name),
            table.text(&check.detail),
        ];
        table.row(row);
    }
    let mut out = table.to_string();
    for check in checks.iter().filter(|check| check.state != CheckState::Ok) {
        if let Some(hint) = &check.hint {
            out.push_str(&format!(
                "{} {}\n",
                context.output.out.role(Role::Heading, &format!("{}:", check.name)),
                safe::text(hint)
            ));
        }
    }
    out
}

fn look(state: CheckState, theme: Theme) -> Look {
    let (glyph, word, role) = match state {
        CheckState::Ok => (theme.pick("✓", "+"), "ok", Role::Good),
        CheckState::Warning => ("!", "warning", Role::Warning),
        CheckState::Missing => (theme.pick("✗", "x"), "missing", Role::Bad),
    };
    Look {
        glyph,
        word: word.to_owned(),
        style: theme.style(role),
    }
}
