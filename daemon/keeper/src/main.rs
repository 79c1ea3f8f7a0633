//! `preflight-keeper`: the tiny process that outlives the daemon. It is the subreaper above libvirt's daemon and so
//! above every machine, reaps what ends, and takes the machines down when no daemon has come back for them in time.
//! It knows nothing of tickets, of libvirt's API, or of what runs in a machine.

mod arguments;
mod control;
mod home;
mod isolation;
mod libvirt_daemon;
mod machines;
mod pidfd;
mod priority;
mod start;
mod supervisor;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match arguments::Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("preflight-keeper: {message}\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match arguments.verb {
        arguments::Verb::Start => start::start(&arguments),
        arguments::Verb::Run => supervisor::run(&arguments),
        arguments::Verb::Stop => control::ask(&arguments.home, "stop"),
        arguments::Verb::Status => control::ask(&arguments.home, "status"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("preflight-keeper: {error}");
            ExitCode::FAILURE
        }
    }
}
