//! A machine's state as QEMU's migration stream, out to a file and in from one, without the memory that it shares by a file.
//! Over unix sockets, since those pass libvirt's seccomp sandbox where commands do not. The commands are QEMU's:
//! <https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html> (migration).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use virt::domain::Domain;

use crate::reach::QemuAccount;

/// Half a MiB crosses in some hundredths of a second; what takes longer than this will not come.
const LONGEST: Duration = Duration::from_secs(20);
/// Between two questions how far it is.
const PAUSE: Duration = Duration::from_millis(2);
/// No device state is larger; a QEMU that sends more sends the memory, too.
const LARGEST_STATE: u64 = 64 << 20;
/// Memory that is a file shared with others stays where it is.
const IGNORE_SHARED: &str = "x-ignore-shared";

/// Sends a held machine's state into a file that does not exist yet.
pub(super) fn send(domain: &Domain, transit: &Path, account: Option<&QemuAccount>, to: &Path) -> Result<(), String> {
    let deadline = Instant::now() + LONGEST;
    let socket = transit.join("out");
    let listener = UnixListener::bind(&socket).map_err(|error| at(&socket, &error))?;
    if let Some(account) = account {
        chown(&socket, Some(account.uid), None).map_err(|error| at(&socket, &error))?;
    }
    listener.set_nonblocking(true).map_err(|error| at(&socket, &error))?;
    ignore_shared(domain, true)?;
    ask(
        domain,
        "migrate-set-parameters",
        &json!({ "max-bandwidth": 100_000_000_000_u64 }),
    )?;
    ask(domain, "migrate", &json!({ "uri": uri(&socket) }))?;
    let stream = accept(&listener, deadline).map_err(|error| format!("QEMU does not send its state: {error}"))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|error| at(to, &error))?;
    let sent = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(LONGEST)))
        .and_then(|()| io::copy(&mut stream.take(LARGEST_STATE), &mut file))
        .map_err(|error| at(to, &error))?;
    if sent == LARGEST_STATE {
        return Err("QEMU sends more than a machine's devices could need".to_owned());
    }
    completed(domain, deadline)?;
    let _ = fs::remove_file(&socket);
    Ok(())
}

/// Gives a machine that was started with `-incoming defer` its state. It is held afterwards.
pub(super) fn receive(domain: &Domain, transit: &Path, from: &Path) -> Result<(), String> {
    let deadline = Instant::now() + LONGEST;
    let socket = transit.join("in");
    let mut state = Vec::new();
    File::open(from)
        .and_then(|file| file.take(LARGEST_STATE).read_to_end(&mut state))
        .map_err(|error| at(from, &error))?;
    ignore_shared(domain, true)?;
    ask(domain, "migrate-incoming", &json!({ "uri": uri(&socket) }))?;
    let mut stream = UnixStream::connect(&socket).map_err(|error| at(&socket, &error))?;
    stream
        .set_write_timeout(Some(LONGEST))
        .and_then(|()| stream.write_all(&state))
        .and_then(|()| stream.shutdown(std::net::Shutdown::Write))
        .map_err(|error| format!("QEMU does not take its state: {error}"))?;
    completed(domain, deadline)?;
    let _ = fs::remove_file(&socket);
    // A save image that was written with it set could never be read.
    ignore_shared(domain, false)
}

fn ignore_shared(domain: &Domain, on: bool) -> Result<(), String> {
    let capabilities = json!({ "capabilities": [{ "capability": IGNORE_SHARED, "state": on }] });
    ask(domain, "migrate-set-capabilities", &capabilities).map(drop)
}

fn completed(domain: &Domain, deadline: Instant) -> Result<(), String> {
    loop {
        let answer = ask(domain, "query-migrate", &json!({}))?;
        match answer["status"].as_str() {
            Some("completed") => return Ok(()),
            Some(status @ ("failed" | "cancelled")) => {
                let why = answer["error-desc"].as_str().unwrap_or("QEMU does not say why");
                return Err(format!("the migration {status}: {why}"));
            }
            _ if Instant::now() > deadline => {
                return Err(format!("the migration took longer than {} s", LONGEST.as_secs()));
            }
            _ => pause(),
        }
    }
}

fn accept(listener: &UnixListener, deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                pause();
            }
            Err(error) => return Err(error),
        }
    }
}

/// Asks QEMU itself, and answers what it returns.
fn ask(domain: &Domain, command: &str, arguments: &Value) -> Result<Value, String> {
    let text = json!({ "execute": command, "arguments": arguments }).to_string();
    let answer = domain
        .qemu_monitor_command(&text, 0)
        .map_err(|error| format!("{command}: {}", error.message()))?;
    returned(command, &answer)
}

/// QEMU's refusals come as answers, too.
fn returned(command: &str, answer: &str) -> Result<Value, String> {
    let mut answer: Value = serde_json::from_str(answer).map_err(|error| format!("{command}: {error}"))?;
    match answer.get("error") {
        None => Ok(answer["return"].take()),
        Some(error) => Err(format!("{command}: {}", error["desc"].as_str().unwrap_or("refused"))),
    }
}

/// Waits a moment, on a thread that is for nothing else.
#[expect(
    clippy::disallowed_methods,
    reason = "QEMU tells of no migration's end, and no socket can be awaited here"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn uri(socket: &Path) -> String {
    format!("unix:{}", socket.display())
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_answers() {
        assert_eq!(
            returned("x", r#"{"return": {"status": "completed"}, "id": "libvirt-7"}"#).unwrap()["status"],
            "completed"
        );
        let refused = r#"{"id": "libvirt-8", "error": {"class": "GenericError", "desc": "no such thing"}}"#;
        assert_eq!(returned("migrate", refused).unwrap_err(), "migrate: no such thing");
        assert!(returned("migrate", "nonsense").is_err());
    }
}
