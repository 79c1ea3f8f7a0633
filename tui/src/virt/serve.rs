//! The server's loop: a line, what it asks for, an answer. It ends with `quit`, at the end of its input, by a signal, or when
//! something fails; whatever ends it, the testbed goes back.

use std::io::Write;
use std::time::Duration;

use preflight_protocol::package_sources::AskedSources;
use preflight_protocol::testbed::TestbedOpen;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Stdin};

use super::command::CommandError;
use super::copy::{self, CopyError};
use super::execute;
use super::lent::{Lent, tell};
use super::line::{Copy, LONGEST, NoRequest, parse};
use super::session::{Fault, Session, Task};
use super::sources;
use crate::cli::error::CliError;
use crate::conn::attach::Endpoint;

/// The variable by which autopkgtest's owner says how many seconds a copy may take.
const COPY_VARIABLE: &str = "AUTOPKGTEST_VIRT_COPY_TIMEOUT";
/// How long it may take where that is not said.
const COPY_LIMIT: Duration = Duration::from_secs(300);

/// Why a server ends other than by `quit`.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// A request that cannot be served.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// The caller is gone.
    #[error("end of file - caller quit?")]
    EndOfInput,
    /// There is no testbed.
    #[error("{0}")]
    Testbed(#[from] CliError),
    /// The testbed does not do what it must.
    #[error("{0}")]
    Command(#[from] CommandError),
    /// Standard input or output.
    #[error("talking to the caller: {0}")]
    Io(#[from] std::io::Error),
}

impl ServeError {
    /// What to do next.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Testbed(error) => error.hint(),
            _ => None,
        }
    }
}

/// A server.
pub(super) struct Server<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) request: TestbedOpen,
    /// Where packages come from beside the image's own archive.
    pub(super) sources: AskedSources,
    /// Whether standard error says what is waited for.
    pub(super) talk: bool,
    /// Whether it says what is asked and answered.
    pub(super) debug: bool,
    pub(super) lent: Option<Lent>,
}

impl Server<'_> {
    /// Serves to the end.
    ///
    /// # Errors
    /// [`ServeError`]; the testbed has not been given back yet, then as otherwise.
    pub(super) async fn serve(&mut self) -> Result<(), ServeError> {
        let mut session = Session::new();
        let mut input = BufReader::new(tokio::io::stdin());
        answer("ok")?;
        loop {
            let line = read_line(&mut input).await?;
            if line.trim_ascii().is_empty() {
                // As autopkgtest's own servers have it.
                continue;
            }
            if self.debug {
                tell(&format!("< {}", String::from_utf8_lossy(line.trim_ascii())));
            }
            let request = parse(&line).map_err(Fault::from)?;
            let task = session.take(request)?;
            let is_end = task == Task::Quit;
            let said = tokio::select! {
                biased;
                said = self.work(task, &mut session) => said?,
                // A caller that is gone waits for nothing any more, room on the host least of all.
                () = gone(&mut input), if !is_end => return Err(ServeError::EndOfInput),
            };
            if self.debug {
                tell(&format!("> {said}"));
            }
            if is_end {
                return Ok(());
            }
            answer(&said)?;
        }
    }

    async fn work(&mut self, task: Task, session: &mut Session) -> Result<String, ServeError> {
        const OK: &str = "ok";
        match task {
            Task::Answer(said) => return Ok(said),
            Task::Open(scratch) => {
                let sources = std::mem::take(&mut self.sources);
                sources::add(&mut self.request, sources, self.endpoint, self.talk).await?;
                let lent = self
                    .lent
                    .insert(Lent::open(self.endpoint, &self.request, self.talk).await?);
                let scratch = lent.make_scratch(scratch.as_deref()).await?;
                return Ok(session.opened(scratch, lent.user()));
            }
            Task::Revert(scratch) => {
                let lent = borrowed(&mut self.lent)?;
                lent.revert().await?;
                let scratch = lent.make_scratch(Some(&scratch)).await?;
                return Ok(session.opened(scratch, lent.user()));
            }
            Task::Reboot { scratch, prepare_only } => {
                let lent = borrowed(&mut self.lent)?;
                lent.keep_scratch(&scratch).await?;
                lent.reboot(prepare_only).await?;
                // No more than `ok`, whatever autopkgtest's documentation says: it expects nothing else.
                lent.restore_scratch().await?;
            }
            Task::Close | Task::Quit => {
                if let Some(lent) = self.lent.take() {
                    lent.close().await;
                }
            }
            Task::PrintExecuteCommand => {
                let lent = borrowed(&mut self.lent)?;
                return Ok(format!("ok {}", execute::words(lent.socket(), lent.place().testbed)?));
            }
            Task::Copy(copy) => return self.copy(&copy).await,
            Task::Shell { folder, env } => {
                let lent = borrowed(&mut self.lent)?;
                if let Err(error) = execute::shell(lent.place(), &folder, &env).await {
                    tell(&format!("cannot run a shell: {error}"));
                }
            }
        }
        Ok(OK.to_owned())
    }

    async fn copy(&mut self, copy: &Copy) -> Result<String, ServeError> {
        let lent = borrowed(&mut self.lent)?;
        let name = if copy.up { "copyup" } else { "copydown" };
        match tokio::time::timeout(copy_limit(), copy::copy(lent.place(), copy)).await {
            Ok(Ok(left_out)) => {
                if left_out > 0 {
                    tell(&format!(
                        "{name}: {left_out} entries that are no file, folder or link are left out"
                    ));
                }
                Ok("ok".to_owned())
            }
            Ok(Err(CopyError::Command(lost))) if copy::is_lost(&lost) => Err(lost.into()),
            Ok(Err(failed)) => {
                tell(&format!("{name}: {failed}"));
                Ok("copy-failed".to_owned())
            }
            Err(_) => Ok("timeout".to_owned()),
        }
    }
}

/// The testbed, which the session says is there.
fn borrowed(lent: &mut Option<Lent>) -> Result<&mut Lent, Fault> {
    lent.as_mut().ok_or(Fault::NotOpen("testbed"))
}

fn copy_limit() -> Duration {
    let said = std::env::var(COPY_VARIABLE).ok();
    let seconds = said.and_then(|text| text.trim().parse().ok());
    seconds.map_or(COPY_LIMIT, Duration::from_secs)
}

fn answer(said: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{said}")?;
    out.flush()
}

/// Waits until the caller is gone. Nobody knows while more has come than was asked to be read.
async fn gone(input: &mut BufReader<Stdin>) {
    match input.fill_buf().await {
        Ok([]) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

async fn read_line(input: &mut BufReader<Stdin>) -> Result<Vec<u8>, ServeError> {
    let mut line = Vec::new();
    let most = LONGEST as u64 + 2;
    input.take(most).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() as u64 == most => Err(Fault::from(NoRequest::TooLong).into()),
        // A line that is cut is none.
        _ => Err(ServeError::EndOfInput),
    }
}
