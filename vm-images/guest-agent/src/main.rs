//! `/init` of a guest's initrd, and the agent that it leaves behind; which of the two is told by the process id.

use std::path::PathBuf;
use std::process::ExitCode;

use preflight_guest_agent::{Options, PortSource, init, serve};

const USAGE: &str = "usage: preflight-guest-agent [--control SOCKET --bulk SOCKET --root FOLDER] [--tunnel-port N]
Without sockets the virtio-serial ports are served and the guest is prepared (apt's configuration, loopback).
With them, a renewal of the guest's identity changes the files in FOLDER and nothing else.";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return init::run();
    }
    let Some(options) = options(std::env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match serve(options) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("preflight-guest-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Option<Options> {
    let (mut control, mut bulk, mut root, mut tunnel_port) = (None, None, None, None);
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        match argument.to_str()? {
            "--control" => control = Some(PathBuf::from(value)),
            "--bulk" => bulk = Some(PathBuf::from(value)),
            "--root" => root = Some(PathBuf::from(value)),
            "--tunnel-port" => tunnel_port = Some(value.to_str()?.parse().ok()?),
            _ => return None,
        }
    }
    let mut options = match (control, bulk, root) {
        (None, None, None) => Options::of_guest(),
        (Some(control), Some(bulk), Some(root)) => {
            Options::over_sockets(PortSource::Socket(control), PortSource::Socket(bulk), root)
        }
        _ => return None,
    };
    options.tunnel_port = tunnel_port.unwrap_or(options.tunnel_port);
    Some(options)
}
