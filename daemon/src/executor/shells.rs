//! Opens shells in testbeds: a fresh one of a series, a ticket's image, a clone of a failed testbed that was kept, or one that
//! is lent. Pumps the streams between the guest and whoever holds the shell, and takes the testbed down when either is done,
//! unless it is lent.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use preflight_core::ImageId;
use preflight_guest::{Exec, ExitStatus, GuestError, OutputStream, Running, Stdin, Terminal};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_store::TicketsFolder;
use preflight_vm_images::Variant;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::borrowed::Borrowed;
use super::kept::Scene;
use super::place::{Places, refused};
use super::workshop::Workshop;
use crate::loans::LoanId;
use crate::shells::{
    Exit, OpenShell, Phase, ShellEnds, ShellInfo, ShellOutput, ShellRequest, Shells, Target, TerminalSize,
};

/// The shell of who asks for none.
const SHELL: [&str; 2] = ["bash", "-l"];
/// Pieces that are handed on at once.
const PIECE: usize = 64 << 10;

/// Opens shells by the workshop's testbeds.
pub struct TestbedShells {
    places: Places,
    borrowed: Borrowed,
}

impl TestbedShells {
    /// Shells in the testbeds of this workshop, in what tickets have left in their folders, and in testbeds that are lent.
    #[must_use]
    pub fn new(workshop: Arc<Workshop>, tickets: TicketsFolder, borrowed: Borrowed) -> Self {
        Self {
            places: Places::new(workshop, tickets),
            borrowed,
        }
    }

    /// A command in a testbed that is lent. Neither the testbed's end nor that of what the command leaves behind is its own.
    async fn open_in(&self, id: &LoanId, request: &ShellRequest) -> Result<OpenShell, RpcError> {
        let (guest, mut info) = self.borrowed.guest(id)?;
        info.cwd.clone_from(&request.cwd);
        let exec = command(request, &Scene::default(), request.cwd.clone());
        let running = guest.exec(exec).await.map_err(not_started)?;
        let (shell, ends) = OpenShell::new(info, request.terminal.unwrap_or(TerminalSize::USUAL));
        self.places.workshop.tidying.spawn(async move {
            if let Some((ends, end)) = pump(running, ends).await {
                ends.finish(end);
            }
        });
        Ok(shell)
    }
}

#[async_trait]
impl Shells for TestbedShells {
    async fn open(&self, request: ShellRequest, phase: Phase) -> Result<OpenShell, RpcError> {
        let place = match &request.target {
            Target::Series(series) => self.places.named(series, Variant::Test)?,
            Target::Ticket { ticket, job } => self.places.left_in(ticket, *job)?,
            Target::Lent(id) => return self.open_in(id, &request).await,
        };
        phase.say(match &place.kept {
            Some(_) => "resuming the failed testbed",
            None => "starting a testbed",
        });
        let workshop = &self.places.workshop;
        workshop.until_swept().await;
        let leased = self.places.lease(&place, "shell").await.map_err(refused)?;
        let scene = place.kept.as_ref().map(|kept| kept.scene.clone()).unwrap_or_default();
        let cwd = request.cwd.clone().or_else(|| scene.cwd.clone().map(PathBuf::from));
        let exec = command(&request, &scene, cwd.clone()).kill_leftovers();
        let running = leased.testbed.guest.exec(exec).await.map_err(not_started)?;
        let info = ShellInfo {
            machine: leased.testbed.machine().to_string(),
            series: place.series.clone(),
            image: ImageId(place.image.name()),
            job: place.job,
            resumed: place.kept.is_some(),
            cwd,
            note: place.note.clone(),
        };
        let (shell, ends) = OpenShell::new(info, request.terminal.unwrap_or(TerminalSize::USUAL));
        let workshop = Arc::clone(workshop);
        workshop.tidying.clone().spawn(async move {
            if let Some((ends, end)) = pump(running, ends).await {
                // The client need not wait for the machine's end.
                ends.finish(end);
            }
            leased.clear(&workshop).await;
        });
        Ok(shell)
    }

    async fn finish(&self) {
        self.places.workshop.finish().await;
    }
}

fn command(request: &ShellRequest, scene: &Scene, cwd: Option<PathBuf>) -> Exec {
    let mut exec = match &request.command {
        Some(words) => Exec::new(words),
        None => Exec::new(SHELL),
    };
    exec = exec.stdin();
    for (name, value) in scene.environment().chain(request.env.iter().cloned()) {
        exec = exec.env(name, value);
    }
    if let Some(cwd) = cwd {
        exec = exec.cwd(cwd);
    }
    if let Some(user) = request.user.clone().or_else(|| scene.user.clone()) {
        exec = exec.user(user);
    }
    match request.terminal {
        Some(size) => exec.terminal(size.rows, size.cols),
        None => exec,
    }
}

/// Carries everything to and fro until the command ends or nobody wants it any more; answers how it ended, where somebody
/// still wants to know.
async fn pump(mut running: Running, mut ends: ShellEnds) -> Option<(ShellEnds, Result<Exit, RpcError>)> {
    let (signals, terminal) = (running.signals(), running.terminal());
    // A task of its own: what is typed must not wait for output, nor output for what is typed.
    let (_, nothing) = mpsc::channel(1);
    let typed = std::mem::replace(&mut ends.stdin, nothing);
    let _typing = AbortOnDropHandle::new(tokio::spawn(hand_on(typed, running.take_stdin())));
    loop {
        tokio::select! {
            () = ends.dropped.cancelled() => {
                signals.kill_all();
                return None;
            }
            output = running.output() => match output {
                Ok(Some(output)) => {
                    let bytes = Bytes::from(output.bytes);
                    for piece in bytes.chunks(PIECE).map(|piece| bytes.slice_ref(piece)) {
                        let piece = match output.stream {
                            OutputStream::Stdout => ShellOutput::Stdout(piece),
                            OutputStream::Stderr => ShellOutput::Stderr(piece),
                        };
                        // A client that is slow to read may still send a signal.
                        let output = ends.output.clone();
                        let sending = output.send(piece);
                        tokio::pin!(sending);
                        loop {
                            tokio::select! {
                                _ = &mut sending => break,
                                () = ends.dropped.cancelled() => {
                                    signals.kill_all();
                                    return None;
                                }
                                Some(signal) = ends.signals.recv() => signals.signal_group(signal.into()),
                                Ok(()) = ends.size.changed(), if terminal.is_some() => resize(&mut ends, terminal.as_ref()),
                            }
                        }
                    }
                }
                Ok(None) => break,
                Err(error) => return Some((ends, Err(refused(error.into())))),
            },
            Some(signal) = ends.signals.recv() => signals.signal_group(signal.into()),
            Ok(()) = ends.size.changed(), if terminal.is_some() => resize(&mut ends, terminal.as_ref()),
        }
    }
    let end = match running.wait().await {
        // What an exit status is of on Linux: eight bits, and signals below 65.
        Ok(ExitStatus::Code(code)) => Ok(Exit::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX))),
        Ok(ExitStatus::Signal(signal)) => Ok(Exit::Signal(u8::try_from(signal & 0x7f).unwrap_or(u8::MAX))),
        Err(error) => Err(refused(error.into())),
    };
    Some((ends, end))
}

fn resize(ends: &mut ShellEnds, terminal: Option<&Terminal>) {
    let size = *ends.size.borrow_and_update();
    if let Some(terminal) = terminal {
        terminal.resize(size.rows, size.cols);
    }
}

/// Hands on what is typed, to its end. A command that has ended needs none of it.
async fn hand_on(mut typed: mpsc::Receiver<Bytes>, stdin: Option<Stdin>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = typed.recv().await {
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = stdin.close().await;
}

/// What cannot be started is the asker's matter, not the host's.
fn not_started(error: GuestError) -> RpcError {
    match error {
        GuestError::Refused(failure) => RpcError::new(ErrorCode::InvalidParams, failure.detail),
        other => refused(other.into()),
    }
}
