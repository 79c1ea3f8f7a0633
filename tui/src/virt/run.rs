//! Runs the program: as a server, or as what a server's caller runs commands with. Its exit codes are autopkgtest's.

use std::process::ExitCode;

use clap::Parser;
use preflight_protocol::testbed::TestbedOpen;
use signal_hook::low_level::emulate_default_handler;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::Arguments;
use super::execute;
use super::lent::tell;
use super::serve::{ServeError, Server};
use crate::conn::attach::Endpoint;
use crate::conn::start::{DETACH, become_daemon};

/// What autopkgtest's own servers answer where a request or the testbed fails.
const FAILURE: u8 = 12;
/// And where something unexpected happens, wrong arguments included.
const UNEXPECTED: u8 = 16;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    // A daemon is started by whoever starts it as `daemon detach-daemon PROGRAM` of its own.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "daemon")
        && words.next().is_some_and(|word| word == DETACH)
        && let Some(program) = words.next()
    {
        tell(&become_daemon(program.as_ref()).to_string());
        return ExitCode::from(UNEXPECTED);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Who does not listen need not be told.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { UNEXPECTED } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&error.to_string());
            return ExitCode::from(UNEXPECTED);
        }
    };
    let end = runtime.block_on(run(arguments));
    // A thread that still waits for input must not keep the process.
    runtime.shutdown_background();
    match end {
        End::Code(code) => ExitCode::from(code),
        End::Signal(number) => {
            // Returns only if it is no signal that ends a process.
            let _ = emulate_default_handler(number);
            ExitCode::from(UNEXPECTED)
        }
    }
}

enum End {
    Code(u8),
    /// As if it had no handler.
    Signal(i32),
}

async fn run(arguments: Arguments) -> End {
    if let (Some(testbed), Some(socket)) = (arguments.execute(), arguments.socket.clone()) {
        return End::Code(execute::run(socket, testbed, arguments.command, arguments.terminal).await);
    }
    let endpoint = match Endpoint::discover() {
        Ok(endpoint) => endpoint,
        Err(error) => return unexpected(&error),
    };
    let Some(target) = arguments.target() else {
        return unexpected(&"a series, an image or a ticket's number is wanted");
    };
    let sources = arguments.sources.clone().asked();
    let mut server = Server {
        endpoint: &endpoint,
        request: TestbedOpen {
            target,
            variant: arguments.variant(),
        },
        sources,
        talk: !arguments.quiet,
        debug: arguments.debug,
        lent: None,
    };
    let listening = ENDING.map(|kind| signal(kind).map(|heard| (kind.as_raw_value(), heard)));
    let mut signals = Vec::new();
    for one in listening {
        match one {
            Ok(one) => signals.push(one),
            Err(error) => return unexpected(&error),
        }
    }
    let heard = async {
        let all = signals.iter_mut().map(|(number, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *number
            })
        });
        futures_util::future::select_all(all).await.0
    };
    let end = tokio::select! {
        served = server.serve() => match served {
            Ok(()) => End::Code(0),
            Err(error) => {
                tell(&format!("failure: {error}"));
                if let Some(hint) = error.hint() {
                    tell(&format!("hint: {hint}"));
                }
                End::Code(match error {
                    ServeError::Io(_) => UNEXPECTED,
                    _ => FAILURE,
                })
            }
        },
        number = heard => End::Signal(number),
    };
    if let Some(lent) = server.lent.take() {
        lent.close().await;
    }
    end
}

/// The signals that end a server; the testbed is given back first.
const ENDING: [SignalKind; 4] = [
    SignalKind::hangup(),
    SignalKind::terminate(),
    SignalKind::interrupt(),
    SignalKind::pipe(),
];

fn unexpected(error: &dyn std::fmt::Display) -> End {
    tell(&error.to_string());
    End::Code(UNEXPECTED)
}
