//! `preflight` alone: the terminal UI.

use std::io::IsTerminal;

use super::arguments::ColorChoice;
use super::context::Context;
use super::error::CliError;
use super::run::screen_colour;
use crate::app;
use crate::theme::Theme;

/// Opens the terminal UI.
///
/// # Errors
/// Where there is no terminal.
pub async fn run(context: &Context, color: ColorChoice, provoke_panic: bool) -> Result<u8, CliError> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(CliError::usage(
            "the terminal UI needs a terminal",
            "`preflight ticket list` prints the tickets, `preflight --help` the other commands",
        ));
    }
    let theme = Theme::from_environment(screen_colour(color));
    app::run(context.endpoint.clone(), theme, provoke_panic)
        .await
        .map_err(CliError::file("the terminal"))?;
    Ok(0)
}
