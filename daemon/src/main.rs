//! `preflightd`: reads its arguments and configuration, then runs the library's daemon until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use preflight_protocol::endpoint::{Folders, HOME_VARIABLE};
use preflightd::assembly;
use preflightd::bootstrap::{Daemon, DaemonError, Home};
use preflightd::config::Config;
use preflightd::diagnostics;
use tokio::signal::unix::{SignalKind, signal};

/// Builds and tests Debian packages in virtual machines, for the clients of one user.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Write to stderr too, not only to the log file. The daemon never leaves the foreground by itself.
    #[arg(long)]
    foreground: bool,
    /// Print the configuration as it is in effect, and exit.
    #[arg(long)]
    print_config: bool,
    /// The folder that holds configuration, state, cache and runtime.
    #[arg(long, env = HOME_VARIABLE, value_name = "FOLDER")]
    home: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "preflightd ends");
            eprintln!("preflightd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), DaemonError> {
    let own = nix::unistd::geteuid().as_raw();
    let folders = Folders::discover(arguments.home.as_deref(), own)?;
    let config = Config::read(&folders.config_file())?;
    if arguments.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    let home = Home::enter(folders)?;
    let log = home.folders().daemon_log();
    if let Err(error) = diagnostics::start(&log, &config.log.filter, arguments.foreground) {
        eprintln!("preflightd: {log:?}: {error}; nothing is logged");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| DaemonError::Services(format!("the system gives no threads: {error}")))?;
    let result = runtime.block_on(live(home, &config));
    // Requests that are still handled do not hold up the end.
    runtime.shutdown_background();
    result
}

async fn live(home: Home, config: &Config) -> Result<(), DaemonError> {
    let (services, host) = assembly::services(&home, config).await?;
    let daemon = Daemon::start(home, config, services).await?;
    notify(&sd_notify::NotifyState::Ready);
    let stop = daemon.stopper();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let Ok(mut signals) = signal(kind) else { continue };
        let stop = stop.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                tracing::info!("a signal asks to stop");
                stop.cancel();
            }
        });
    }
    tokio::spawn(async move {
        stop.cancelled().await;
        notify(&sd_notify::NotifyState::Stopping);
    });
    daemon.ended_after(host.stop()).await
}

/// Does nothing where no service manager asks for it.
fn notify(state: &sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, std::slice::from_ref(state)) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
