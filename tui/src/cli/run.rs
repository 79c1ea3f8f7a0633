//! Runs the command that the arguments name, prints its error if it has one, and answers with its exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Cli, ColorChoice, Command};
use super::context::Context;
use super::error::{CliError, code};
use super::output::Output;
use super::{
    archive, baseline, check, daemon, doctor, du, export, findings, gc, generate, image, import, import_results, lock,
    logs, ppa, promote, promotions, replay, repo, rerun, results, screen, shell, status, ticket,
};
use crate::conn::attach::Endpoint;
use crate::theme::Role;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // The terminal is gone: nothing more can be said.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { code::OTHER } else { 0 });
        }
    };
    let output = Output::new(cli.color);
    match run(cli, output) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report(&error, output);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints an error on standard error, unless its owner knows it already.
pub fn report(error: &CliError, output: Output) {
    use std::io::Write;

    if error.is_silent() {
        return;
    }
    let mut err = std::io::stderr().lock();
    let paint = output.err;
    let mut lines = Vec::new();
    let text = error.to_string();
    let mut message = text.lines();
    lines.push(format!(
        "{} {}",
        paint.role(Role::Bad, &format!("error ({}):", error.kind())),
        paint.role(Role::Plain, message.next().unwrap_or_default())
    ));
    lines.extend(message.map(|line| paint.role(Role::Dim, &format!("  {line}"))));
    if let Some(hint) = error.hint() {
        lines.push(format!(
            "{} {}",
            paint.role(Role::Heading, "hint:"),
            paint.role(Role::Plain, &hint)
        ));
    }
    for line in lines {
        let _ = writeln!(err, "{line}");
    }
}

fn run(cli: Cli, output: Output) -> Result<u8, CliError> {
    // What needs no daemon, and must work where there is no home.
    match &cli.command {
        Some(Command::Generate(args)) => return generate::run(args),
        Some(Command::Daemon(daemon::Args {
            command: daemon::Command::Detach(args),
        })) => return Err(daemon::detach(args)),
        _ => {}
    }
    let context = Context {
        endpoint: Endpoint::discover()?,
        output,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let provoke_panic = cli.provoke_panic;
    let result = runtime.block_on(async {
        match cli.command {
            None => screen::run(&context, cli.color, provoke_panic).await,
            Some(command) => dispatch(&context, command).await,
        }
    });
    // A task that still waits for a key or a disk must not keep the process.
    runtime.shutdown_background();
    result
}

async fn dispatch(context: &Context, command: Command) -> Result<u8, CliError> {
    match command {
        Command::Check(args) => check::run(context, args).await,
        Command::Ticket(args) => ticket::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Results(args) => results::run(context, args).await,
        Command::Findings(args) => findings::run(context, args).await,
        Command::Rerun(args) => rerun::run(context, args).await,
        Command::Baseline(args) => baseline::run(context, args).await,
        Command::Shell(args) => shell::run(context, args).await,
        Command::Image(args) => image::run(context, args).await,
        Command::Archive(args) => archive::run(context, args).await,
        Command::Du(args) => du::run(context, args).await,
        Command::Gc(args) => gc::run(context, args).await,
        Command::Replay(args) => replay::run(context, args).await,
        Command::Lock(args) => lock::run(context, args).await,
        Command::Repo(args) => repo::run(context, args).await,
        Command::Promote(args) => promote::run(context, args).await,
        Command::Promotions(args) => promotions::run(context, args).await,
        Command::Ppa(args) => ppa::run(context, args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::Import(args) => import::run(context, args).await,
        Command::ImportResults(args) => import_results::run(context, args).await,
        Command::Daemon(args) => daemon::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Generate(args) => generate::run(&args),
        Command::CreateTicket(args) => ticket::create(context, args).await,
        Command::UpdateTicket(args) => ticket::update(context, args).await,
        Command::GetImage(args) => image::get(context, args).await,
    }
}

/// Whether the screen's terminal shows colours: unlike the commands it is a terminal always.
#[must_use]
pub fn screen_colour(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}
