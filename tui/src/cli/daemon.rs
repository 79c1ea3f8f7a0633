//! `preflight daemon`: starts, stops and looks at the daemon.

use std::path::PathBuf;
use std::time::Duration;

use preflight_protocol::client::ClientError;
use preflight_protocol::health::DaemonStatus;
use preflight_protocol::method::{Status, Stop};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::context::{Context, ask};
use super::error::{CliError, code};
use super::{output, status};
use crate::conn::start;

/// How long the daemon may take to end its machines and write what it knows.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `preflight daemon`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with the daemon.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Start it, unless it runs
    #[command(after_help = "Example:\n  preflight daemon start")]
    Start,
    /// Stop it; what it ran is run again at the next start
    #[command(after_help = "Example:\n  preflight daemon stop")]
    Stop,
    /// Tell whether it runs, without starting it; ends with 3 where it does not
    #[command(after_help = "Example:\n  preflight daemon status --json")]
    Status(StatusArgs),
    /// Leave the starter's session and become the daemon
    #[command(name = start::DETACH, hide = true)]
    Detach(DetachArgs),
}

/// Arguments of `daemon status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print JSON (schema cli-daemon-status.json)
    #[arg(long)]
    pub json: bool,
}

/// Arguments of the hidden command.
#[derive(Debug, clap::Args)]
pub struct DetachArgs {
    /// The daemon's program
    pub program: PathBuf,
}

/// What `preflight daemon status --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonReport {
    /// Whether a daemon answers.
    pub running: bool,
    /// What it says of itself.
    pub status: Option<DaemonStatus>,
    /// Where it is asked.
    pub socket: PathBuf,
    /// Its own log.
    pub log: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon does not start or does not stop.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    match args.command {
        Command::Start => {
            let before = context.endpoint.connect().await.is_ok();
            let (connection, _notifications) = context.attach().await?;
            let word = if before { "runs already" } else { "is started" };
            let status = ask(&connection, &Status {}).await?;
            output::print(&format!("the daemon {word} (process {})", status.pid))?;
            Ok(0)
        }
        Command::Stop => stop(context).await,
        Command::Status(args) => show(context, &args).await,
        Command::Detach(args) => Err(detach(&args)),
    }
}

/// Becomes the daemon; answers only where that fails.
#[must_use]
pub fn detach(args: &DetachArgs) -> CliError {
    CliError::file(args.program.display().to_string())(start::become_daemon(&args.program))
}

async fn stop(context: &Context) -> Result<u8, CliError> {
    let (connection, mut notifications) = match context.endpoint.connect().await {
        Ok(attached) => attached,
        Err(ClientError::NoDaemon { .. }) => {
            output::print("no daemon runs")?;
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    };
    match connection.request(&Stop {}).await {
        // It may be gone before its answer is.
        Ok(_) | Err(ClientError::Closed) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = timeout(PATIENCE, async {
        while notifications.recv().await.is_some() {}
        while context.endpoint.connect().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    if gone.await.is_err() {
        return Err(CliError::NoDaemon(
            format!("the daemon has not ended within {} s", PATIENCE.as_secs()),
            Some(format!(
                "its log is {}",
                context.endpoint.folders.daemon_log().display()
            )),
        ));
    }
    output::print("the daemon is stopped")?;
    Ok(0)
}

async fn show(context: &Context, args: &StatusArgs) -> Result<u8, CliError> {
    let status = match context.endpoint.connect().await {
        Ok((connection, _notifications)) => Some(ask(&connection, &Status {}).await?),
        Err(ClientError::NoDaemon { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let report = DaemonReport {
        running: status.is_some(),
        status,
        socket: context.endpoint.socket.clone(),
        log: context.endpoint.folders.daemon_log(),
    };
    if args.json {
        output::json(&report)?;
    } else {
        let words = match &report.status {
            Some(status) => status::daemon(status, context.output.out),
            None => {
                "no daemon runs; `preflight daemon start` starts it, as does every command that needs it".to_owned()
            }
        };
        output::print(&format!(
            "{words}\nsocket {}\nlog {}",
            report.socket.display(),
            report.log.display()
        ))?;
    }
    Ok(if report.running { 0 } else { code::NOT_RUNNING })
}
