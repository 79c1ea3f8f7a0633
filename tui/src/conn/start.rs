//! Starts `preflightd` as a process that outlives its starter, and waits until it answers. It knows how the daemon's
//! program is found and where its log is, and nothing else of the daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use preflight_protocol::client::ClientError;
use tokio::time::{Instant, sleep};

use super::attach::{Attached, Endpoint};

/// The variable that names the daemon's program, where it is neither beside `preflight` nor on PATH.
pub const DAEMON_VARIABLE: &str = "PREFLIGHT_DAEMON";
/// The hidden command that makes a process of its own of the daemon; see [`become_daemon`].
pub const DETACH: &str = "detach-daemon";
/// How long a daemon may take until it answers: it migrates its database and cleans up after a crash first.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the socket is asked after the started process has ended: another daemon may have won the race.
const RACE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(50);
/// Lines of the daemon's log that are shown when it does not start.
const LOG_LINES: usize = 10;

/// The daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no program.
    #[error("the daemon's program `preflightd` is neither beside `preflight` nor on PATH")]
    NoProgram,
    /// The system refuses.
    #[error("the daemon cannot be started: {what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// It ended before it answered.
    #[error("the daemon ended before it answered ({status}){}", last_lines(.log))]
    Ended {
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// It runs and does not answer.
    #[error("the daemon does not answer within {} s{}", PATIENCE.as_secs(), last_lines(.log))]
    Silent {
        /// The last lines of its log.
        log: String,
    },
    /// It answers with something else than a handshake.
    #[error(transparent)]
    Client(#[from] ClientError),
}

fn last_lines(log: &str) -> String {
    if log.is_empty() {
        String::new()
    } else {
        format!("; its log ends with:\n{log}")
    }
}

/// Starts the daemon and connects to it.
///
/// # Errors
/// Where there is no program, or it ends or stays silent.
pub async fn start(endpoint: &Endpoint) -> Result<Attached, StartError> {
    let mut child = spawn(endpoint)?;
    let mut deadline = Instant::now() + PATIENCE;
    let mut ended = None;
    loop {
        match endpoint.connect().await {
            Ok(attached) => return Ok(attached),
            Err(ClientError::NoDaemon { .. } | ClientError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        if ended.is_none()
            && let Ok(Some(status)) = child.try_wait()
        {
            ended = Some(status.to_string());
            deadline = deadline.min(Instant::now() + RACE);
        }
        if Instant::now() >= deadline {
            let log = tail(&endpoint.folders.daemon_log(), LOG_LINES);
            return Err(match ended {
                Some(status) => StartError::Ended { status, log },
                None => StartError::Silent { log },
            });
        }
        sleep(STEP).await;
    }
}

fn spawn(endpoint: &Endpoint) -> Result<Child, StartError> {
    let program = find_program().ok_or(StartError::NoProgram)?;
    let system = |what: &str| {
        let what = what.to_owned();
        move |source| StartError::System { what, source }
    };
    let log_path = endpoint.folders.daemon_log();
    let parent = log_path.parent().unwrap_or(Path::new("/"));
    create_private(parent).map_err(system(&format!("making {}", parent.display())))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(system(&format!("opening {}", log_path.display())))?;
    let for_errors = log.try_clone().map_err(system("its log"))?;
    let this = std::env::current_exe().map_err(system("finding this program"))?;
    Command::new(this)
        .args(["daemon", DETACH])
        .arg(&program)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(for_errors)
        .spawn()
        .map_err(system(&format!("running {}", program.display())))
}

/// The daemon makes its folders itself, but its log must be somewhere before it runs. Only the folder itself is
/// private: root's QEMU runs as another user and has to pass through what is above it.
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn find_program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(DAEMON_VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name("preflightd"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&on_path).map(|folder| folder.join("preflightd")))
        .find(|candidate| candidate.is_file())
}

/// Leaves the starter's session, so that neither its Ctrl-C nor its terminal's end reaches the daemon, and becomes it.
///
/// A command of `preflight` does this, because between fork and exec Rust could do it only with `unsafe`.
#[must_use]
pub fn become_daemon(program: &Path) -> io::Error {
    // Fails where this process leads a group already; then its starter has seen to it.
    let _ = nix::unistd::setsid();
    Command::new(program).exec()
}

/// The last lines of a text file, without reading more than 16 KiB of it.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(16 * 1024)))?;
        let mut bytes = Vec::new();
        file.take(16 * 1024).read_to_end(&mut bytes)?;
        let text: Vec<String> = bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(crate::log::line::plain)
            .collect();
        Ok(text[text.len().saturating_sub(lines)..].join("\n"))
    };
    read().unwrap_or_default()
}
