//! The daemon's end of the keeper (`preflight-keeper`, a process of its own): starts it, stays attached so that the
//! keeper knows that a daemon lives, and passes requests. What the keeper does with them is written there.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::machine::{InstallationId, MachineError, MachineId, check_socket_path};
use crate::reach::QemuAccount;

/// The keeper's program.
pub const KEEPER: &str = "preflight-keeper";
/// How long the keeper may take to answer anything but `libvirt`.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// How long a libvirt daemon may take: a first start asks each QEMU what it can do.
const LONGEST_LIBVIRT: Duration = Duration::from_secs(70);
/// How often a keeper is started before it is given up; each start waits for the one before to be gone.
const MOST_STARTS: u32 = 5;
/// Between two attempts to get a dead keeper back.
const RETRY: Duration = Duration::from_secs(1);

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The program is not there.
    #[error("{KEEPER} is not found beside {0}; install it there or configure its path")]
    NotFound(PathBuf),
    /// Its folder's path is too long.
    #[error(transparent)]
    Path(#[from] MachineError),
    /// It could not be started.
    #[error("{KEEPER} did not start: {0}")]
    Start(String),
    /// It could not be spoken to.
    #[error("the keeper does not answer: {0}")]
    Silent(#[from] std::io::Error),
    /// It refused.
    #[error("the keeper says: {0}")]
    Refused(String),
}

/// Which libvirt daemon the keeper is to start when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeeperLibvirt {
    /// None.
    None,
    /// A private one, whose QEMUs run as this account.
    Private {
        /// QEMU's account.
        account: QemuAccount,
        /// Whether libvirt must not see `/dev/kvm`.
        hide_kvm: bool,
    },
    /// The user's session daemon.
    Session,
}

impl KeeperLibvirt {
    /// How a running keeper says it; the two must agree.
    fn settings(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Session => "session".to_owned(),
            Self::Private { account, hide_kvm } => {
                let kvm = if *hide_kvm { "hidden" } else { "shown" };
                format!("private {}:{} kvm-{kvm}", account.user, account.group)
            }
        }
    }
}

/// What a keeper needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperConfiguration {
    /// Its program; without it, the one beside this program.
    pub program: Option<PathBuf>,
    /// Its folder: short, for sockets lie in it, and only this user's.
    pub home: PathBuf,
    /// Whose machines it keeps.
    pub installation: InstallationId,
    /// How long machines are kept after the daemon has gone, in whole seconds.
    pub grace: Duration,
    /// The libvirt daemon.
    pub libvirt: KeeperLibvirt,
    /// Where a private libvirt keeps what it learnt about QEMU; several homes may share it one after another.
    pub cache: Option<PathBuf>,
}

/// A keeper to which this process is attached. When the last clone is dropped, the keeper begins to count its grace.
#[derive(Debug, Clone)]
pub struct Keeper(Arc<Attached>);

#[derive(Debug)]
struct Attached {
    configuration: KeeperConfiguration,
    connection: Arc<Mutex<Option<UnixStream>>>,
    leaving: Arc<AtomicBool>,
    /// Dropped to wake the watcher from its pause.
    wake: Mutex<Option<mpsc::Sender<()>>>,
}

impl Keeper {
    /// Attaches to the keeper of this home, and starts one where none runs. Blocks for a moment.
    ///
    /// # Errors
    /// The program is missing, its folder unusable, or it ended.
    pub fn ensure(configuration: KeeperConfiguration) -> Result<Self, KeeperError> {
        check_socket_path(&configuration.home.join("control"))?;
        let stream = attach_or_start(&configuration, Found::MakesRoom)?;
        let connection = Arc::new(Mutex::new(Some(stream.try_clone()?)));
        let leaving = Arc::new(AtomicBool::new(false));
        let (wake, woken) = mpsc::channel();
        {
            let (configuration, connection, leaving) = (configuration.clone(), connection.clone(), leaving.clone());
            std::thread::Builder::new()
                .name("keeper".into())
                .spawn(move || stay_attached(&configuration, stream, &connection, &leaving, &woken))?;
        }
        Ok(Self(Arc::new(Attached {
            configuration,
            connection,
            leaving,
            wake: Mutex::new(Some(wake)),
        })))
    }

    /// Has libvirt's daemon started where it does not run; answers with its URI. Blocks, up to a minute.
    ///
    /// # Errors
    /// It did not start, or this keeper has none.
    pub fn libvirt(&self) -> Result<String, KeeperError> {
        ask(&self.0.configuration.home, "libvirt", LONGEST_LIBVIRT)
    }

    /// Kills a machine without asking libvirt, and waits for its end. One that is not there is no error. Blocks.
    ///
    /// # Errors
    /// It would not die.
    pub fn kill(&self, id: &MachineId) -> Result<(), KeeperError> {
        ask(&self.0.configuration.home, &format!("kill {id}"), LONGEST_ANSWER).map(drop)
    }

    /// Puts a machine behind everything else on the host; it can't be undone. One that is not there is no error. Blocks.
    ///
    /// # Errors
    /// It is another user's process, or the keeper is of an older release.
    pub fn lower(&self, id: &MachineId) -> Result<(), KeeperError> {
        ask(&self.0.configuration.home, &format!("lower {id}"), LONGEST_ANSWER).map(drop)
    }

    /// The machines of this installation whose QEMU runs, whatever libvirt says of them. Blocks.
    ///
    /// # Errors
    /// It does not answer.
    pub fn machines(&self) -> Result<Vec<MachineId>, KeeperError> {
        let names = ask(&self.0.configuration.home, "list", LONGEST_ANSWER)?;
        Ok(names.split(',').filter_map(|name| name.parse().ok()).collect())
    }

    /// Takes down all machines, a private libvirt and the keeper itself. Blocks.
    ///
    /// # Errors
    /// A machine would not die.
    pub fn stop(&self) -> Result<(), KeeperError> {
        // Set first, or the watcher would start another.
        self.0.leaving.store(true, Ordering::SeqCst);
        ask(&self.0.configuration.home, "stop", LONGEST_ANSWER).map(drop)
    }

    /// Lets go of the keeper, whoever else still has a clone of this: it begins to count its grace.
    pub fn detach(&self) {
        self.0.detach();
    }

    /// What the keeper holds, in one line for people.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&self) -> Result<String, KeeperError> {
        ask(&self.0.configuration.home, "status", LONGEST_ANSWER)
    }
}

impl Attached {
    fn detach(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        drop(self.wake.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(stream) = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.detach();
    }
}

/// Waits for the connection's end and attaches again, for machines without a keeper die slowly.
fn stay_attached(
    configuration: &KeeperConfiguration,
    mut stream: UnixStream,
    connection: &Mutex<Option<UnixStream>>,
    leaving: &AtomicBool,
    woken: &mpsc::Receiver<()>,
) {
    loop {
        let mut ignored = [0; 64];
        while matches!(stream.read(&mut ignored), Ok(count) if count > 0) {}
        loop {
            if leaving.load(Ordering::SeqCst) {
                return;
            }
            match attach_or_start(configuration, Found::IsFine) {
                Ok(next) => {
                    tracing::warn!("the keeper had ended; another one runs");
                    *connection.lock().unwrap_or_else(PoisonError::into_inner) = next.try_clone().ok();
                    stream = next;
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "the keeper has ended and can't be started again");
                    if woken.recv_timeout(RETRY) == Err(mpsc::RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            }
        }
        if leaving.load(Ordering::SeqCst) {
            return;
        }
    }
}

fn attach_or_start(configuration: &KeeperConfiguration, found: Found) -> Result<UnixStream, KeeperError> {
    let wanted = configuration.libvirt.settings();
    if let Ok((stream, settings)) = attach(&configuration.home) {
        if settings == wanted || found == Found::IsFine {
            return Ok(stream);
        }
        if !ask(&configuration.home, "list", LONGEST_ANSWER)?.is_empty() {
            tracing::warn!(
                settings,
                wanted,
                "the keeper runs another libvirt, and is left alone while it has machines"
            );
            return Ok(stream);
        }
        tracing::info!(settings, wanted, "the keeper runs another libvirt; starting anew");
        ask(&configuration.home, "stop", LONGEST_ANSWER)?;
    }
    let mut attempts = 0;
    loop {
        start(configuration)?;
        attempts += 1;
        match attach(&configuration.home) {
            Ok((stream, _)) => return Ok(stream),
            // It was one that is going, and hung up between its answer to `start` and ours.
            Err(KeeperError::Silent(_)) if attempts < MOST_STARTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// What to do with a keeper that runs another libvirt than is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It makes room, if it has no machines.
    MakesRoom,
    /// It stays: two daemons that want different ones would else stop each other's for ever.
    IsFine,
}

/// Attaches; also answers with how this keeper runs libvirt.
fn attach(home: &Path) -> Result<(UnixStream, String), KeeperError> {
    let (stream, settings) = converse(home, "attach", LONGEST_ANSWER)?;
    stream.set_read_timeout(None)?;
    Ok((stream, settings))
}

fn ask(home: &Path, request: &str, longest: Duration) -> Result<String, KeeperError> {
    converse(home, request, longest).map(|(_, answer)| answer)
}

fn converse(home: &Path, request: &str, longest: Duration) -> Result<(UnixStream, String), KeeperError> {
    let mut stream = UnixStream::connect(home.join("control"))?;
    stream.set_read_timeout(Some(longest))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    // One line is all that it sends before the next request, so no byte is lost in the buffer.
    BufReader::new(&stream).take(64 << 10).read_line(&mut answer)?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", text)) => Ok((stream, text.to_owned())),
        Some(("error", text)) => Err(KeeperError::Refused(text.to_owned())),
        _ if answer.trim_end() == "ok" => Ok((stream, String::new())),
        _ => Err(KeeperError::Silent(std::io::ErrorKind::UnexpectedEof.into())),
    }
}

fn start(configuration: &KeeperConfiguration) -> Result<(), KeeperError> {
    let mut command = Command::new(program(configuration)?);
    command.arg("start").arg("--home").arg(&configuration.home);
    command.args(["--installation", configuration.installation.as_str()]);
    command.args(["--grace", &configuration.grace.as_secs().to_string()]);
    if let Some(cache) = &configuration.cache {
        command.arg("--cache").arg(cache);
    }
    match &configuration.libvirt {
        KeeperLibvirt::None => command.args(["--libvirt", "none"]),
        KeeperLibvirt::Session => command.args(["--libvirt", "session"]),
        KeeperLibvirt::Private { account, hide_kvm } => {
            command.args([
                "--libvirt",
                "private",
                "--qemu-user",
                &account.user,
                "--qemu-group",
                &account.group,
            ]);
            command.args(hide_kvm.then_some("--hide-kvm"))
        }
    };
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| KeeperError::Start(format!("{}: {error}", command.get_program().display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(KeeperError::Start(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

fn program(configuration: &KeeperConfiguration) -> Result<PathBuf, KeeperError> {
    if let Some(program) = &configuration.program {
        return if program.exists() {
            Ok(program.clone())
        } else {
            Err(KeeperError::NotFound(program.clone()))
        };
    }
    let own = std::env::current_exe()?;
    // Tests run one folder below the programs.
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(KEEPER))
        .find(|program| program.exists())
        .ok_or(KeeperError::NotFound(own))
}
