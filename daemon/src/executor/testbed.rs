//! A testbed: a virtual machine leased to a job, from its overlay to its last breath. Whoever has one runs commands in it;
//! how it came to be is nobody else's matter.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use preflight_archive::Session;
use preflight_guest::{ChannelSockets, Exec, ExitStatus, Guest, GuestError, OutputStream};
use preflight_store::LogStream;
use preflight_testbed::machine::DirectBoot;
use preflight_testbed::overlay::create_overlay;
use preflight_testbed::{
    Accelerator, Disk, DiskFormat, EndReason, Hypervisor, HypervisorEvent, Label, MachineFolder, MachineId,
    MachineSpec, MiB,
};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

use super::attempts::{Attempts, SeenAttempt};
use super::failure::StepFailure;
use super::log::JobLog;
use super::remains::Remains;
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
    _tasks: Tasks,
    attempts: Attempts,
    ended: watch::Receiver<Option<EndReason>>,
    patience: Duration,
    own_limit: Duration,
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
        let (starting, start) = watch::channel(());
        remains.lock().unwrap_or_else(PoisonError::into_inner).push(Remains {
            machine: machine.clone(),
            folder: folder.clone(),
            overlay,
            start,
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
            start: preflight_testbed::Start::Boot,
            memory_file: None,
            held: false,
            priority: preflight_testbed::Priority::Background,
        };
        let started = Instant::now();
        let (end, ended) = watch::channel(None);
        let mut tasks = Tasks::default();
        tasks.spawn(watch_end(hypervisor.events(), machine.clone(), end));
        let (starter, wanted) = (Arc::clone(&hypervisor), machine_spec.clone());
        // A task of its own: a start that has begun goes on when its job is cancelled, and must not be lost sight of.
        let start = tokio::spawn(async move {
            let started = starter.start(&wanted).await;
            drop(starting);
            started
        });
        match start.await {
            Ok(started) => started.map_err(|error| StepFailure::Testbed(error.to_string()))?,
            Err(error) => return Err(broken("starting the machine", &error)),
        }
        let boot_limit = workshop.limit(|limits| limits.boot);
        let attached = tokio::select! {
            attached = Guest::attach(sockets, started + boot_limit) => attached.map_err(|error| error.to_string()),
            // Its sockets tell nothing: a guest that is not there yet looks the same.
            reason = end_of(ended.clone()) => Err(words_of_end(reason).to_owned()),
        };
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

        let attempts = Attempts::new(guest.network_attempts(), log.clone());
        let session = spec.session.clone();
        tasks.spawn(async move {
            while let Some(connection) = tunnels.recv().await {
                let session = session.clone();
                tokio::spawn(async move { session.serve(connection).await });
            }
        });
        tasks.spawn(attempts.clone().watch(guest.network_attempts()));
        let testbed = Self {
            guest,
            session: spec.session,
            machine,
            hypervisor,
            log: log.clone(),
            _tasks: tasks,
            attempts,
            ended,
            patience: workshop.scaled(SIGN_OF_LIFE),
            own_limit: workshop.limit(|limits| limits.copy),
        };
        testbed.settle(boot_limit).await?;
        tracing::debug!(machine = %testbed.machine, ready_after = ?started.elapsed(), "a testbed is ready");
        Ok(testbed)
    }

    /// What every testbed needs before its first command, however it came to be: the time, and randomness of its own.
    async fn settle(&self, limit: Duration) -> Result<(), StepFailure> {
        let mut seed = [0; 64];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut seed))
            .map_err(|error| StepFailure::Testbed(format!("no randomness for the testbed: {error}")))?;
        let settling = async {
            self.guest.seed_random(&seed).await?;
            self.guest.set_clock(SystemTime::now()).await?;
            // `degraded` is as good as `running` here: a unit that fails is the image's matter. The agent answers long
            // before the system is up.
            let ready = Exec::new(["systemctl", "is-system-running", "--wait"]);
            self.guest.output(ready).await.map(drop)
        };
        self.attend_for(limit, "starting the testbed's system", settling).await
    }

    /// Waits for something short that the guest does for us: a copy, or a command of Preflight's own. A guest that dies,
    /// falls silent or takes its time is not waited for, and the failure says so.
    ///
    /// # Errors
    /// The guest's refusal, or the testbed's failure.
    pub async fn attend<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, GuestError>>,
    ) -> Result<T, StepFailure> {
        self.attend_for(self.own_limit, what, work).await
    }

    async fn attend_for<T>(
        &self,
        limit: Duration,
        what: &str,
        work: impl Future<Output = Result<T, GuestError>>,
    ) -> Result<T, StepFailure> {
        tokio::select! {
            done = work => match done {
                Ok(value) => Ok(value),
                Err(error) if error.is_guest_lost() => Err(self.why(error).await),
                Err(error) => Err(StepFailure::Testbed(format!("{what}: {error}"))),
            },
            () = tokio::time::sleep(limit) => Err(StepFailure::Testbed(format!(
                "{what} took longer than {} s",
                limit.as_secs()
            ))),
            silence = self.silence() => Err(silence),
        }
    }

    /// Runs a command with its output in the log.
    ///
    /// # Errors
    /// The testbed fails, or the command takes longer than `limit` (unscaled time is the caller's matter).
    pub async fn run(&self, exec: Exec, limit: Duration) -> Result<Ran, StepFailure> {
        let mut running = self.attend("starting a command", self.guest.exec(exec)).await?;
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
        match tokio::time::timeout(END_KNOWN, end_of(self.ended.clone())).await {
            Ok(reason) => StepFailure::Testbed(words_of_end(reason).to_owned()),
            Err(_) => error.into(),
        }
    }

    /// Runs a command of Preflight's own whose output matters only when it fails.
    ///
    /// # Errors
    /// It fails.
    pub async fn must(&self, what: &str, exec: Exec) -> Result<Vec<u8>, StepFailure> {
        let captured = self.attend(what, self.guest.output(exec)).await?;
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

    /// What the guest tried to reach first, from this line of the log on.
    pub async fn network_attempt(&self, since: u64) -> Option<SeenAttempt> {
        // Attempts and a command's end come by two ports: an attempt that came before the end is here once its port has
        // answered. What it answers does not matter.
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&since.to_le_bytes());
        let _ = tokio::time::timeout(END_KNOWN, self.guest.seed_random(&seed)).await;
        self.attempts.since(since)
    }

    /// Powers the machine off in an orderly way, so that its disk can be used as an image.
    ///
    /// # Errors
    /// It does not go, or not in order, and its disk is as a power cut would leave it.
    pub async fn power_off(self, limit: Duration) -> Result<(), StepFailure> {
        let gone = async {
            // Its answer may never come: the agent goes down with the machine.
            let asked = self.guest.output(Exec::new(["systemctl", "poweroff"])).await;
            tracing::debug!(machine = %self.machine, ?asked, "asked to power off");
            self.guest.closed().await;
            // The socket closes when QEMU ends, a moment before libvirt knows. No answer is no knowledge: a machine that
            // still writes to its disk must not be taken for gone.
            while self
                .hypervisor
                .list()
                .await
                .map_or(true, |list| list.iter().any(|info| info.id == self.machine))
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::timeout(END_KNOWN, end_of(self.ended.clone())).await.ok()
        };
        match tokio::time::timeout(limit, gone).await {
            Err(_) => Err(StepFailure::Testbed("the testbed did not power off".to_owned())),
            // Nobody saw how it ended, which says nothing against it.
            Ok(None | Some(EndReason::Shutdown | EndReason::WhileDisconnected)) => Ok(()),
            Ok(Some(reason)) => Err(StepFailure::Testbed(format!(
                "{} instead of powering off",
                words_of_end(reason)
            ))),
        }
    }
}

/// Tasks that end with their owner.
#[derive(Default)]
struct Tasks(Vec<AbortHandle>);

impl Tasks {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task).abort_handle());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
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

/// Waits for a machine's end. For ever where nobody tells of it.
async fn end_of(mut ended: watch::Receiver<Option<EndReason>>) -> EndReason {
    let known = ended.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
    match known {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

fn words_of_end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Shutdown => "the testbed has shut itself down",
        EndReason::Panicked => "the testbed's kernel has panicked",
        EndReason::ConsoleFlood => "the testbed has flooded its console and was destroyed",
        EndReason::Frozen => "the testbed was frozen",
        EndReason::Destroyed => "the testbed was destroyed from outside",
        EndReason::Failed | EndReason::WhileDisconnected => "the testbed's QEMU has died",
    }
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
