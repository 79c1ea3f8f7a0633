//! Detects attempts to reach the network: a TUN device of the agent's takes the default routes, so that every packet that
//! would leave the guest comes here. Connections are refused at once and names do not exist, so programs fail quickly.
//! Costs: a program is refused where it would have found no network at all; a namespace of its own is not seen.

mod limiter;
mod owner;
mod packet;
mod routes;

use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use preflight_guest_protocol::StreamId;
use preflight_guest_protocol::message::{FailureKind, NetworkAttempt, ToHost};

use crate::failure::Refusal;
use crate::serve::{Agent, thread};
use limiter::Limiter;

const DEVICE: &str = "/dev/net/tun";
const INTERFACE: &str = "preflight0";
const RESOLVER: &str = "/etc/resolv.conf";
/// Without a name server the C library asks the loopback, where nobody would notice. Any address does; this one is of a
/// range that is nobody's (RFC 5737).
const NAME_SERVER: &str = "# Written by the Preflight guest agent: lookups are seen, and answered with \"no such name\".\n\
                           nameserver 192.0.2.53\n";
/// Longer than any packet: the device's MTU is 1500.
const PACKET: usize = 4096;

/// The detection, on or off.
#[derive(Default)]
pub(crate) struct Watch {
    running: Mutex<Option<PipeWriter>>,
}

impl Watch {
    /// Turns it on or off; it is no error if it is so already.
    pub(crate) fn set(&self, agent: &Arc<Agent>, on: bool) -> Result<(), Refusal> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match (on, running.is_some()) {
            (true, false) => *running = Some(start(agent).map_err(unsupported)?),
            // The thread sees the pipe's end and closes the device, and its routes go with it.
            (false, true) => *running = None,
            _ => {}
        }
        Ok(())
    }
}

fn unsupported(error: io::Error) -> Refusal {
    let detail = format!("network attempts can't be watched here (the kernel's tun driver is needed): {error}");
    Refusal::plain(FailureKind::Unsupported, detail)
}

fn start(agent: &Arc<Agent>) -> io::Result<PipeWriter> {
    if !Path::new(DEVICE).exists() {
        // The initrd may lack the module where the image has it.
        let _ = Command::new("modprobe")
            .arg("tun")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    let device = File::options().read(true).write(true).open(DEVICE)?;
    crate::sys::make_tun(&device, INTERFACE)?;
    routes::take_all(INTERFACE)?;
    name_a_server();
    let (stopped, stop) = io::pipe()?;
    let agent = Arc::clone(agent);
    thread("watch", move || watch(&agent, device, &stopped))?;
    Ok(stop)
}

/// Sends lookups to the device, if the guest has no name server of its own. A link is some program's and left alone.
fn name_a_server() {
    let is_link = fs::symlink_metadata(RESOLVER).is_ok_and(|metadata| metadata.is_symlink());
    let has_server = fs::read_to_string(RESOLVER).is_ok_and(|text| {
        text.lines().any(|line| {
            line.trim_start()
                .strip_prefix("nameserver")
                .is_some_and(|at| !at.contains("127."))
        })
    });
    if !is_link && !has_server {
        // Lookups are then missed, and nothing else.
        let _ = fs::write(RESOLVER, NAME_SERVER);
    }
}

fn watch(agent: &Agent, mut device: File, stopped: &PipeReader) {
    let mut limiter = Limiter::new(Instant::now());
    let mut buffer = [0; PACKET];
    loop {
        let mut fds = [
            PollFd::new(device.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return,
        }
        if fds[1].any() == Some(true) {
            return;
        }
        let Ok(length) = device.read(&mut buffer) else { continue };
        let Some(seen) = packet::look(&buffer[..length]) else {
            continue;
        };
        if let Some(left_out) = limiter.admit(&seen, Instant::now()) {
            report(agent, &seen, left_out);
        }
        // Only now: until it is answered, the process waits and can be found.
        if let Some(reply) = &seen.reply {
            let _ = device.write(reply);
        }
    }
}

fn report(agent: &Agent, seen: &packet::Seen, left_out: u32) {
    let Some(session) = agent.session() else { return };
    let attempt = NetworkAttempt {
        protocol: seen.protocol,
        destination: seen.destination,
        port: seen.port,
        query: seen.query.clone(),
        owner: owner::find(seen),
        left_out,
    };
    // A session that is over has nobody to tell.
    let _ = agent
        .link
        .control
        .tell(session.id(), StreamId::SESSION, &ToHost::NetworkAttempt(attempt));
}
