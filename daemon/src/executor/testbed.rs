//! A testbed: a virtual machine leased to a job, from its overlay to its last breath. Whoever has one runs commands in it;
//! how it came to be is nobody else's matter.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use preflight_archive::Session;
use preflight_guest::{ChannelSockets, Exec, ExitStatus, Guest, GuestError, NetworkAttempt, OutputStream};
use preflight_store::LogStream;
use preflight_testbed::machine::DirectBoot;
use preflight_testbed::overlay::create_overlay;
use preflight_testbed::{
    Accelerator, Disk, DiskFormat, EndReason, Hypervisor, HypervisorEvent, Label, MachineFolder, MachineId,
    MachineSpec, MiB,
};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use super::failure::StepFailure;
use super::log::JobLog;
use super::workshop::{BootImage, Workshop};

/// So much of a guest's console is shown when it does not boot.
const CONSOLE_SHOWN: u64 = 4096;

/// A healthy agent gives a sign of life each second; a guest that says nothing for so long, unscaled, is lost.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);
/// libvirt tells of a machine's end a moment after its socket has closed.
const END_KNOWN: Duration = Duration::from_secs(2);

/// What a testbed is to be.
pub struct TestbedSpec<'a> {
    /// What it boots.
    pub image: &'a BootImage,
    /// Where its disk goes: a file that does not exist yet. Without one it is an overlay that goes with the testbed.
    pub disk: Option<PathBuf>,
    /// The archive as it sees it.
    pub session: Session,
    /// Who it works for, for people who look at the hypervisor.
    pub label: String,
}

/// A running testbed.
pub struct Testbed {
    /// The agent in it.
    pub guest: Guest,
    /// The archive as it sees it.
    pub session: Session,
    machine: MachineId,
    hypervisor: Arc<dyn Hypervisor>,
    log: JobLog,
    tasks: Vec<JoinHandle<()>>,
    attempts: Arc<Mutex<Vec<SeenAttempt>>>,
    ended: watch::Receiver<Option<EndReason>>,
    patience: Duration,
}

/// An attempt to reach the network, and the log's line that tells of it.
#[derive(Debug, Clone)]
pub struct SeenAttempt {
    /// The line, counted from 1.
    pub line: u64,
    /// The line's text.
    pub text: String,
}

/// What is left of a testbed when its job is over, whichever way: taken away by [`Remains::clear`].
#[derive(Debug, Clone)]
pub struct Remains {
    machine: MachineId,
    folder: PathBuf,
    overlay: Option<PathBuf>,
}

impl Testbed {
    /// Boots a testbed. `remains` is told of what must be cleared before anything of it exists.
    ///
    /// # Errors
    /// The host cannot run it, or it does not boot; the log has its console's last words then.
    pub async fn boot(
        workshop: &Workshop,
        spec: TestbedSpec<'_>,
        log: &JobLog,
        remains: &Mutex<Vec<Remains>>,
    ) -> Result<Self, StepFailure> {
        let hypervisor = workshop.hypervisor().await?;
        let host = hypervisor.host();
        let machine = workshop.new_machine();
        let folder = workshop.folders.machines.join(machine.number().to_string());
        let overlay = spec
            .disk
            .is_none()
            .then(|| workshop.folders.overlays.join(format!("{machine}.qcow2")));
        let disk = spec.disk.clone().or_else(|| overlay.clone()).unwrap_or_default();
        remains.lock().unwrap_or_else(PoisonError::into_inner).push(Remains {
            machine: machine.clone(),
            folder: folder.clone(),
            overlay,
        });

        let broken = |what: &str, error: &dyn std::fmt::Display| StepFailure::Testbed(format!("{what}: {error}"));
        std::fs::create_dir_all(&folder).map_err(|error| broken("the machine's folder", &error))?;
        create_overlay(&spec.image.disk, spec.image.format, &disk)
            .await
            .map_err(|error| broken("the testbed's disk", &error))?;
        let base = &spec.image.base;
        let mut backing = vec![(spec.image.disk.clone(), spec.image.format)];
        backing.extend(spec.image.backing.iter().cloned());
        let machine_folder = MachineFolder::new(&folder).map_err(|error| broken("the machine's folder", &error))?;
        let sockets = ChannelSockets {
            control: machine_folder.control_socket(),
            bulk: machine_folder.bulk_socket(),
        };
        let console = machine_folder.console_log();
        let machine_spec = MachineSpec {
            id: machine.clone(),
            label: Label::new(&spec.label).map_err(|error| broken("the machine's label", &error))?,
            memory: workshop.settings.memory.unwrap_or(MiB(base.metadata.memory_mib)),
            cpus: workshop.settings.cpus,
            boot: Some(DirectBoot {
                kernel: base.kernel(),
                initrd: workshop.initrd(base)?,
                cmdline: Workshop::command_line(base, host.accelerator == Accelerator::Tcg),
            }),
            disk: Some(Disk {
                path: disk,
                format: DiskFormat::Qcow2,
                backing,
            }),
            folder: machine_folder,
            accelerator: host.accelerator,
        };
        let started = Instant::now();
        let (end, ended) = watch::channel(None);
        let ending = tokio::spawn(watch_end(hypervisor.events(), machine.clone(), end));
        hypervisor
            .start(&machine_spec)
            .await
            .map_err(|error| StepFailure::Testbed(error.to_string()))?;
        let attached = Guest::attach(sockets, started + workshop.limit(|limits| limits.boot)).await;
        let (guest, mut tunnels) = match attached {
            Ok(attached) => attached,
            Err(error) => {
                log.say(&format!("preflight: the testbed does not answer: {error}"));
                show_console(&console, log);
                return Err(StepFailure::Testbed(format!("the testbed did not boot: {error}")));
            }
        };
        log.say(&format!(
            "preflight: testbed {machine} answers after {:.1} s ({}, {} CPUs, {} MiB, image {})",
            started.elapsed().as_secs_f64(),
            host.accelerator,
            machine_spec.cpus,
            machine_spec.memory.0,
            base.id(),
        ));

        let attempts = Arc::new(Mutex::new(Vec::new()));
        let (session, network) = (spec.session.clone(), guest.network_attempts());
        let serving = tokio::spawn(async move {
            while let Some(connection) = tunnels.recv().await {
                let session = session.clone();
                tokio::spawn(async move { session.serve(connection).await });
            }
        });
        let watching = tokio::spawn(watch_network(network, log.clone(), Arc::clone(&attempts)));
        let testbed = Self {
            guest,
            session: spec.session,
            machine,
            hypervisor,
            log: log.clone(),
            tasks: vec![serving, watching, ending],
            attempts,
            ended,
            patience: workshop.scaled(SIGN_OF_LIFE),
        };
        testbed.settle().await?;
        tracing::debug!(machine = %testbed.machine, ready_after = ?started.elapsed(), "a testbed is ready");
        Ok(testbed)
    }

    /// What every testbed needs before its first command, however it came to be: the time, and randomness of its own.
    async fn settle(&self) -> Result<(), StepFailure> {
        let mut seed = [0; 64];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut seed))
            .map_err(|error| StepFailure::Testbed(format!("no randomness for the testbed: {error}")))?;
        self.guest.seed_random(&seed).await?;
        self.guest.set_clock(SystemTime::now()).await?;
        // `degraded` is as good as `running` here: a unit that fails is the image's matter. The agent answers long
        // before the system is up.
        let ready = Exec::new(["systemctl", "is-system-running", "--wait"]);
        self.guest.output(ready).await?;
        Ok(())
    }

    /// Runs a command with its output in the log.
    ///
    /// # Errors
    /// The testbed fails, or the command takes longer than `limit` (unscaled time is the caller's matter).
    pub async fn run(&self, exec: Exec, limit: Duration) -> Result<Ran, StepFailure> {
        let mut running = self.guest.exec(exec).await?;
        let signals = running.signals();
        let reading = async {
            while let Some(output) = running.output().await? {
                let stream = match output.stream {
                    OutputStream::Stdout => LogStream::Stdout,
                    OutputStream::Stderr => LogStream::Stderr,
                };
                self.log.output(stream, &output.bytes);
            }
            running.wait().await
        };
        tokio::select! {
            status = reading => match status {
                Ok(status) => Ok(Ran::Ended(status)),
                Err(error) => Err(self.why(error).await),
            },
            () = tokio::time::sleep(limit) => {
                signals.kill_all();
                Ok(Ran::TimedOut)
            }
            failure = self.silence() => Err(failure),
        }
    }

    /// Waits until the guest has given no sign of life for so long that none will come.
    pub async fn silence(&self) -> StepFailure {
        let mut health = self.guest.health();
        loop {
            match tokio::time::timeout(self.patience, health.changed()).await {
                Ok(Ok(())) => {}
                // The session is over: whoever uses it is told so.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => {
                    let seconds = self.patience.as_secs();
                    return StepFailure::Testbed(format!("the testbed has given no sign of life for {seconds} s"));
                }
            }
        }
    }

    /// A failure of the guest's channel in the hypervisor's words, where the machine has ended.
    pub async fn why(&self, error: GuestError) -> StepFailure {
        if !error.is_guest_lost() {
            return error.into();
        }
        let mut ended = self.ended.clone();
        let known = tokio::time::timeout(END_KNOWN, ended.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(reason)) => StepFailure::Testbed(match *reason {
                Some(EndReason::Shutdown) => "the testbed has shut itself down".to_owned(),
                Some(EndReason::Panicked) => "the testbed's kernel has panicked".to_owned(),
                Some(EndReason::ConsoleFlood) => "the testbed has flooded its console and was destroyed".to_owned(),
                Some(EndReason::Destroyed) => "the testbed was destroyed from outside".to_owned(),
                _ => "the testbed's QEMU has died".to_owned(),
            }),
            _ => error.into(),
        }
    }

    /// Runs a command of Preflight's own whose output matters only when it fails.
    ///
    /// # Errors
    /// It fails.
    pub async fn must(&self, what: &str, exec: Exec) -> Result<Vec<u8>, StepFailure> {
        let captured = self.guest.output(exec).await?;
        if captured.is_success() {
            return Ok(captured.stdout);
        }
        self.log.output(LogStream::Stdout, &captured.stdout);
        self.log.output(LogStream::Stderr, &captured.stderr);
        Err(StepFailure::Testbed(format!(
            "{what} failed in the testbed ({})",
            describe(captured.status)
        )))
    }

    /// What the guest tried to reach, so far.
    #[must_use]
    pub fn network_attempts(&self) -> Vec<SeenAttempt> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Powers the machine off in an orderly way, so that its disk can be used as an image.
    ///
    /// # Errors
    /// It does not go, and its disk is as a power cut would leave it.
    pub async fn power_off(self, limit: Duration) -> Result<(), StepFailure> {
        let gone = async {
            // Its answer may never come: the agent goes down with the machine.
            let asked = self.guest.output(Exec::new(["systemctl", "poweroff"])).await;
            tracing::debug!(machine = %self.machine, ?asked, "asked to power off");
            self.guest.closed().await;
            // The socket closes when QEMU ends, a moment before libvirt knows.
            while self
                .hypervisor
                .list()
                .await
                .is_ok_and(|list| list.iter().any(|info| info.id == self.machine))
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, gone)
            .await
            .map_err(|_| StepFailure::Testbed("the testbed did not power off".to_owned()))
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// By itself.
    Ended(ExitStatus),
    /// Its time was up, and it was killed.
    TimedOut,
}

impl Ran {
    /// Whether it ended with exit code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Ended(ExitStatus::Code(0))
    }
}

/// An exit status in words.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit status {code}"),
        ExitStatus::Signal(signal) => format!("killed by signal {signal}"),
    }
}

impl Remains {
    /// Destroys the machine and removes its files. Nothing that is there no more is an error.
    pub async fn clear(&self, hypervisor: Option<&Arc<dyn Hypervisor>>) {
        if let Some(hypervisor) = hypervisor
            && let Err(error) = hypervisor.destroy(&self.machine).await
        {
            tracing::error!(machine = %self.machine, %error, "a machine is left behind");
            return;
        }
        if let Err(error) = remove_machine_folder(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "a machine's folder is left behind");
        }
        if let Some(overlay) = &self.overlay
            && let Err(error) = std::fs::remove_file(overlay)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(overlay = %overlay.display(), %error, "an overlay is left behind");
        }
    }
}

fn remove_machine_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

async fn watch_end(
    mut events: broadcast::Receiver<HypervisorEvent>,
    machine: MachineId,
    end: watch::Sender<Option<EndReason>>,
) {
    loop {
        match events.recv().await {
            Ok(HypervisorEvent::Ended { id, reason }) if id == machine => {
                end.send_replace(Some(reason));
                return;
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn watch_network(
    mut network: tokio::sync::broadcast::Receiver<NetworkAttempt>,
    log: JobLog,
    attempts: Arc<Mutex<Vec<SeenAttempt>>>,
) {
    /// A guest can try at will; further attempts are in its own output.
    const MOST: usize = 100;
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match network.recv().await {
            Ok(attempt) => {
                let text = words_of(&attempt);
                let line = log.say(&text);
                let mut seen = attempts.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.len() < MOST {
                    seen.push(SeenAttempt { line, text });
                }
                if seen.len() == MOST {
                    return;
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn words_of(attempt: &NetworkAttempt) -> String {
    let mut text = format!("preflight: network attempt refused: {:?} to ", attempt.protocol).to_lowercase();
    match (&attempt.query, attempt.port) {
        (Some(query), _) => text += &format!("{} (asking for {query})", attempt.destination),
        (None, Some(port)) => text += &std::net::SocketAddr::new(attempt.destination, port).to_string(),
        (None, None) => text += &attempt.destination.to_string(),
    }
    match &attempt.owner {
        Some(owner) => text += &format!(" by {} (pid {}, uid {})", owner.name, owner.pid, owner.uid),
        None => text += " by a process that was gone",
    }
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(400)
        .collect()
}

fn show_console(console: &Path, log: &JobLog) {
    use std::io::{Read, Seek, SeekFrom};
    let Ok(mut file) = std::fs::File::open(console) else {
        return;
    };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut tail = Vec::new();
    let read = file
        .seek(SeekFrom::Start(size.saturating_sub(CONSOLE_SHOWN)))
        .and_then(|_| file.take(CONSOLE_SHOWN).read_to_end(&mut tail));
    if read.is_ok() && !tail.is_empty() {
        log.say("preflight: the end of its console:");
        log.output(LogStream::Stdout, &tail);
    }
}

/// Opens a folder to QEMU's user where that is another one: its sockets lie in it.
///
/// # Errors
/// The system's.
pub fn make_reachable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o711))
}
