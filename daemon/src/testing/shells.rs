//! Shells without testbeds: a command is a process of this host, a terminal an echo that tells its sizes and signals.
//! What is open is counted, so that a test sees that what nobody wants any more is gone.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use preflight_core::{ImageId, JobId, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use crate::shells::{
    Exit, OpenShell, Phase, ShellEnds, ShellInfo, ShellOutput, ShellRequest, Shells, Target, TerminalSize,
};

/// A series whose testbeds are never ready.
pub const SLOW_SERIES: &str = "debian-slow";
/// A series whose testbeds do not start.
pub const BROKEN_SERIES: &str = "debian-broken";

/// Opens shells on this host.
#[derive(Debug, Clone, Default)]
pub struct LocalShells {
    open: Arc<watch::Sender<usize>>,
}

/// One that is open, or about to be.
struct Counted(Arc<watch::Sender<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl LocalShells {
    /// How many are open or about to be; changes are seen.
    #[must_use]
    pub fn open_now(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    fn count(&self) -> Counted {
        self.open.send_modify(|count| *count += 1);
        Counted(Arc::clone(&self.open))
    }
}

#[async_trait]
impl Shells for LocalShells {
    async fn open(&self, request: ShellRequest, phase: Phase) -> Result<OpenShell, RpcError> {
        let counted = self.count();
        let (series, job) = match &request.target {
            Target::Series(series) => (series.clone(), None),
            Target::Ticket { ticket, job } => (ticket.series.clone(), *job),
            Target::Lent(id) => (Series(id.0.clone()), None),
        };
        match series.as_str() {
            SLOW_SERIES => {
                phase.say("waiting for the end of days");
                std::future::pending().await
            }
            BROKEN_SERIES => return Err(RpcError::new(ErrorCode::Host, "the testbed does not start")),
            _ => phase.say("starting a testbed"),
        }
        let size = request.terminal.unwrap_or(TerminalSize::USUAL);
        let (shell, ends) = OpenShell::new(info(series, job, &request), size);
        if request.terminal.is_some() {
            tokio::spawn(async move {
                echo(ends).await;
                drop(counted);
            });
            return Ok(shell);
        }
        let child = start(&request).map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?;
        tokio::spawn(async move {
            run(child, ends).await;
            drop(counted);
        });
        Ok(shell)
    }

    async fn finish(&self) {
        // The sender is this one's.
        let _ = self.open.subscribe().wait_for(|count| *count == 0).await;
    }
}

fn info(series: Series, job: Option<JobId>, request: &ShellRequest) -> ShellInfo {
    ShellInfo {
        machine: "local".to_owned(),
        image: ImageId(format!("{series}-test")),
        series,
        job,
        resumed: job.is_some(),
        cwd: request.cwd.clone(),
        note: None,
    }
}

fn start(request: &ShellRequest) -> std::io::Result<Child> {
    let mut words = request.command.iter().flatten();
    let mut command = Command::new(words.next().map_or("sh".as_ref(), |program| program.as_os_str()));
    command
        .args(words)
        .envs(request.env.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(cwd) = &request.cwd {
        command.current_dir(cwd);
    }
    command.spawn()
}

async fn run(mut child: Child, mut ends: ShellEnds) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut input = std::mem::replace(&mut ends.stdin, mpsc::channel(1).1);
    tokio::spawn(async move {
        let Some(mut stdin) = stdin else { return };
        while let Some(bytes) = input.recv().await {
            if stdin.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    let dropped = ends.dropped.clone();
    let (out, err) = (ends.output.clone(), ends.output.clone());
    let ended = async {
        let wait = async {
            let (.., status) = tokio::join!(
                copy(stdout, out, ShellOutput::Stdout),
                copy(stderr, err, ShellOutput::Stderr),
                child.wait()
            );
            status
        };
        tokio::pin!(wait);
        loop {
            tokio::select! {
                status = &mut wait => return status,
                Some(number) = ends.signals.recv() => {
                    if let (Some(group), Ok(signal)) = (group, Signal::try_from(i32::from(number))) {
                        let _ = killpg(group, signal);
                    }
                }
            }
        }
    };
    tokio::select! {
        status = ended => ends.finish(match status {
            Ok(status) => Ok(match (status.code(), status.signal()) {
                (None, Some(number)) => Exit::Signal(number as u8),
                (code, _) => Exit::Code(code.unwrap_or_default() as u8),
            }),
            Err(error) => Err(RpcError::new(ErrorCode::Host, error.to_string())),
        }),
        () = dropped.cancelled() => {
            if let Some(group) = group {
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
    }
}

async fn copy(
    from: Option<impl AsyncRead + Unpin>,
    to: mpsc::Sender<ShellOutput>,
    wrap: impl Fn(Bytes) -> ShellOutput,
) {
    let Some(mut from) = from else { return };
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    while matches!(from.read_buf(&mut buffer).await, Ok(read) if read > 0) {
        if to.send(wrap(buffer.split().freeze())).await.is_err() {
            return;
        }
        buffer.reserve(64 * 1024);
    }
}

/// A terminal: tells its size whenever it has one, echoes what is typed, and ends at Ctrl-D or a signal.
async fn echo(mut ends: ShellEnds) {
    ends.size.mark_changed();
    loop {
        let told: Bytes = tokio::select! {
            () = ends.dropped.cancelled() => return,
            Ok(()) = ends.size.changed() => {
                let size = *ends.size.borrow_and_update();
                format!("size {} {}\r\n", size.rows, size.cols).into()
            }
            Some(number) = ends.signals.recv() => return ends.finish(Ok(Exit::Signal(number))),
            typed = ends.stdin.recv() => match typed {
                Some(typed) if typed.contains(&4) => return ends.finish(Ok(Exit::Code(0))),
                Some(typed) => typed,
                // What has hung up.
                None => return ends.finish(Ok(Exit::Signal(1))),
            },
        };
        if ends.output.send(ShellOutput::Stdout(told)).await.is_err() {
            return;
        }
    }
}
