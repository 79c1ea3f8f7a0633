//! A testbed: a virtual machine leased to a job, from its overlay to its last breath. Whoever has one runs commands in it;
//! how it came to be is nobody else's matter.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use preflight_archive::Session;
use preflight_guest::{Exec, ExitStatus, Guest, GuestError, OutputStream, TunnelConnection};
use preflight_store::LogStream;
use preflight_testbed::template::{Draft, Template};
use preflight_testbed::{Disk, DiskFormat, Frozen, MachineId, Method, Priority};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::answering::{Answering, END_KNOWN, silence};
use super::attempts::{Attempts, SeenAttempt};
use super::context::JobContext;
use super::failure::StepFailure;
use super::findings::{FindingBook, Subject};
use super::log::JobLog;
use super::machine::{Beginning, Ground, Launch, Launched, Tasks, end_of, words_of_end};
use super::pulse::{Beating, Pulse};
use super::remains::Leases;
use super::workshop::{BootImage, Workshop};

/// What a testbed is to be.
pub struct TestbedSpec<'a> {
    /// What it runs.
    pub image: &'a BootImage,
    /// The archive as it sees it.
    pub session: Session,
    /// Who it works for, for people who look at the hypervisor.
    pub label: &'a str,
    /// Whom it works for.
    pub priority: Priority,
    /// Whose signs of life its guest's are.
    pub(super) pulse: Option<&'a Pulse>,
    /// Who wants to know what it tries to reach.
    pub(super) findings: Option<&'a FindingBook>,
}

/// A running testbed.
pub struct Testbed {
    /// The agent in it.
    pub guest: Guest,
    /// The archive as it sees it.
    pub session: Session,
    pub(super) machine: Launched,
    pub(super) log: JobLog,
    tasks: Tasks,
    pub(super) attempts: Attempts,
    pulse: Option<Pulse>,
    /// Its guest's signs of life, as its job's.
    pub(super) beating: Option<Beating>,
    patience: Duration,
    /// When it began to work.
    since: Instant,
    own_limit: Duration,
}

impl Testbed {
    /// Leases a testbed: a clone of the image's template, or, where there can be none, a machine that boots. `leases` is told
    /// of what must be cleared before anything of it exists.
    ///
    /// # Errors
    /// The host cannot run it, or it does not boot; the log has its console's last words then.
    pub async fn lease(
        workshop: &Workshop,
        spec: TestbedSpec<'_>,
        log: &JobLog,
        leases: &Leases,
    ) -> Result<Self, StepFailure> {
        let templates = &workshop.templates;
        while let Some(template) = templates.of_image(workshop, spec.image, log, leases).await? {
            if let Some(testbed) = Self::clone_of(workshop, &template, None, &spec, log, leases).await? {
                return Ok(testbed);
            }
        }
        let launch = Launch {
            image: spec.image,
            ground: Ground::Image,
            disk: None,
            memory: None,
            label: spec.label,
            priority: spec.priority,
        };
        let _turn = templates.boot_turn(workshop).await?;
        let launched = Launched::start(workshop, launch, leases).await?;
        let answering = Answering::of(workshop, launched, log).await?;
        let (pulse, findings) = (spec.pulse, spec.findings);
        Ok(Self::new(workshop, answering, spec.session, log, pulse, findings))
    }

    /// Starts a clone of a template; one that is to be frozen again gets the files of `draft`. `None` where it does not
    /// answer: the template is not used again then.
    pub(super) async fn clone_of(
        workshop: &Workshop,
        template: &Arc<Template>,
        draft: Option<&Draft>,
        spec: &TestbedSpec<'_>,
        log: &JobLog,
        leases: &Leases,
    ) -> Result<Option<Self>, StepFailure> {
        let templates = &workshop.templates;
        // The first clone proves the template: until it has answered, there is no second.
        let proving = match templates.is_proven(template) {
            true => None,
            false => Some(templates.lock(template.id()).await),
        };
        let shares_memory = template.record().identity.method == Method::SharedMemory;
        let launch = Launch {
            image: spec.image,
            ground: Ground::Template(template),
            disk: draft.map(Draft::disk),
            memory: draft.filter(|_| shares_memory).map(Draft::memory),
            label: spec.label,
            priority: spec.priority,
        };
        let parked = match draft {
            None => workshop.pool.take(template.id(), leases).await,
            Some(_) => None,
        };
        let cloned = async {
            let gone_on = match parked {
                // What became of one that was held says nothing of those that are not made yet.
                Some(parked) => parked
                    .go_on()
                    .await
                    .inspect_err(|failure| tracing::warn!(%failure, "a clone that was held is lost"))
                    .ok(),
                None => None,
            };
            let answering = match gone_on {
                Some(answering) => answering,
                None => {
                    let launched = Launched::start(workshop, launch, leases).await?;
                    Answering::of(workshop, launched, log).await?
                }
            };
            let session = spec.session.clone();
            let (pulse, findings) = (spec.pulse, spec.findings);
            Ok::<_, StepFailure>(Self::new(workshop, answering, session, log, pulse, findings))
        };
        let failure = match cloned.await {
            Ok(testbed) => {
                templates.prove(template);
                return Ok(Some(testbed));
            }
            Err(failure) => failure,
        };
        drop(proving);
        // A hypervisor that is away says nothing of the template.
        if let Err(error) = workshop.hypervisor().await?.list().await {
            return Err(StepFailure::Testbed(error.to_string()));
        }
        log.say(&format!("preflight: a clone does not answer: {failure}"));
        templates.distrust(template, &failure.to_string(), log);
        Ok(None)
    }

    /// Puts a guest that answers to work: what it does from now on is this log's, and what it fetches this session's.
    pub(super) fn new(
        workshop: &Workshop,
        answering: Answering,
        session: Session,
        log: &JobLog,
        pulse: Option<&Pulse>,
        findings: Option<&FindingBook>,
    ) -> Self {
        let Answering {
            machine,
            guest,
            tunnels,
            patience,
        } = answering;
        let beating = pulse.map(|pulse| pulse.follow(&guest));
        let attempts = Attempts::new(
            guest.network_attempts(),
            session.clone(),
            log.clone(),
            findings.cloned(),
        );
        let tasks = work(&guest, tunnels, &session, &attempts);
        log.say(&format!(
            "preflight: testbed {} {} after {:.2} s ({})",
            machine.id,
            match &machine.template {
                Some(template) => format!("goes on from {} {}", template.record().title, template.id()),
                None if machine.beginning == Beginning::Clone => "goes on from where it failed".to_owned(),
                None => "is up".to_owned(),
            },
            machine.started.elapsed().as_secs_f64(),
            machine.words,
        ));
        Self {
            guest,
            session,
            machine,
            log: log.clone(),
            tasks,
            attempts,
            pulse: pulse.cloned(),
            beating,
            patience,
            since: Instant::now(),
            own_limit: workshop.limit(|limits| limits.copy),
        }
    }

    /// Puts its guest to work again, after it has started again: all else is as it was.
    pub(super) fn go_on_with(&mut self, answering: Answering) {
        let Answering {
            machine,
            guest,
            tunnels,
            patience,
        } = answering;
        self.attempts.follow(guest.network_attempts());
        self.tasks = work(&guest, tunnels, &self.session, &self.attempts);
        self.beating = self.pulse.as_ref().map(|pulse| pulse.follow(&guest));
        self.since = Instant::now();
        (self.machine, self.guest, self.patience) = (machine, guest, patience);
    }

    /// The kernel that runs in it, in words.
    #[must_use]
    pub fn kernel(&self) -> String {
        let hello = self.guest.hello();
        let whose = if hello.own_kernel {
            "its own disk's"
        } else {
            "its image's"
        };
        format!("{} ({whose})", hello.kernel)
    }

    /// The image that it runs.
    #[must_use]
    pub fn image(&self) -> &BootImage {
        &self.machine.image
    }

    /// The template that it is a clone of, where it is one.
    pub(super) fn template(&self) -> Option<&Arc<Template>> {
        self.machine.template.as_ref()
    }

    /// The machine's name.
    #[must_use]
    pub fn machine(&self) -> &MachineId {
        &self.machine.id
    }

    /// Its disk. The file goes with the testbed's job unless somebody takes it away.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.machine.disk
    }

    /// What its disk is an overlay of, nearest first.
    pub(super) fn chain(&self) -> Vec<(PathBuf, DiskFormat)> {
        self.machine.disk.backing.clone()
    }

    /// Freezes it; it is gone then.
    pub(super) async fn freeze(self, method: Method, state: &Path) -> Result<Frozen, StepFailure> {
        // A clone goes on here: what is on its way to the disk now would be on its way for ever.
        self.must("bringing the testbed to rest", Exec::new(["sync"])).await?;
        let Launched { id, hypervisor, .. } = self.into_machine();
        hypervisor
            .freeze(&id, method, state)
            .await
            .map_err(|error| StepFailure::Testbed(error.to_string()))
    }

    /// Hangs up, so that the agent waits for somebody else.
    pub(super) fn into_machine(self) -> Launched {
        self.machine
    }

    /// Gives the testbed back before its job ends. Nobody waits for it.
    pub fn release(self, context: &JobContext) {
        context.release(self.into_machine());
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
        let since = Instant::now();
        let done = tokio::select! {
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
        };
        tracing::debug!(machine = %self.machine.id, what, elapsed = ?since.elapsed(), "asked of a testbed");
        done
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
        let failure = silence(&self.guest, self.patience, self.since).await;
        self.machine.silent.store(true, Ordering::Relaxed);
        failure
    }

    /// A failure of the guest's channel in the hypervisor's words, where the machine has ended.
    pub async fn why(&self, error: GuestError) -> StepFailure {
        if !error.is_guest_lost() {
            return error.into();
        }
        match tokio::time::timeout(END_KNOWN, end_of(self.machine.ended.clone())).await {
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

    /// From here on, what it tries to reach is somebody else's doing.
    pub fn attribute(&self, subject: Subject) {
        self.attempts.attribute(subject);
    }

    /// Takes down what the guest has tried to reach so far.
    pub async fn settle(&self) {
        // Attempts and a command's end come by two ports: an attempt that came before the end is here once its port has
        // answered. What it answers does not matter; nor does the seed, which is no more than a question.
        let _ = tokio::time::timeout(END_KNOWN, self.guest.seed_random(&[0; 32])).await;
        self.attempts.settle();
    }

    /// What the guest tried to reach first on the network, from this line of the log on. To be asked once it has settled.
    #[must_use]
    pub fn network_attempt(&self, since: u64) -> Option<SeenAttempt> {
        self.attempts.since(since)
    }
}

/// Serves a guest's package tunnel, and takes down what it tries to reach.
fn work(guest: &Guest, mut tunnels: mpsc::Receiver<TunnelConnection>, session: &Session, attempts: &Attempts) -> Tasks {
    let mut tasks = Tasks::default();
    let served = session.clone();
    tasks.spawn(async move {
        while let Some(connection) = tunnels.recv().await {
            let session = served.clone();
            tokio::spawn(async move { session.serve(connection).await });
        }
    });
    tasks.spawn(attempts.watch(guest.network_attempts()));
    tasks
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

/// Opens a folder to QEMU's user where that is another one: its sockets lie in it.
///
/// # Errors
/// The system's.
pub fn make_reachable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o711))
}
