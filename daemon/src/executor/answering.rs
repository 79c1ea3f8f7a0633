//! A machine whose agent answers, and which is ready for its first command: it has its identity, the time, and randomness of
//! its own. Nobody has given it anything to do yet, so that it can be held until somebody does.

use std::time::{Duration, SystemTime};

use preflight_guest::{Exec, Guest, GuestError, Renewal, TunnelConnection};
use preflight_store::LogStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::failure::StepFailure;
use super::log::JobLog;
use super::machine::{Beginning, Launched, console_tail, end_of, words_of_end};
use super::workshop::Workshop;

/// So much of a guest's console is shown when it does not boot.
const CONSOLE_SHOWN: u64 = 4096;

/// A healthy agent gives a sign of life each second; unscaled, so much may lie between two.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// A testbed that misses so many is lost.
const HEARTBEATS: u32 = 10;

/// libvirt may take so long to tell of a machine's end after its socket has closed.
pub(super) const END_KNOWN: Duration = Duration::from_secs(2);

/// How long a guest may give no sign of life on this host.
fn patience(workshop: &Workshop) -> Duration {
    workshop.scaled(HEARTBEAT) * HEARTBEATS
}

/// Waits until a guest has given no sign of life for so long that none will come, counted from `since` at the earliest: what
/// was held has said nothing meanwhile.
pub(super) async fn silence(guest: &Guest, patience: Duration, since: Instant) -> StepFailure {
    let mut health = guest.health();
    loop {
        let last = health.borrow().as_ref().map_or(since, |health| health.at.max(since));
        match tokio::time::timeout_at(last + patience, health.changed()).await {
            Ok(Ok(())) => {}
            // The session is over: whoever uses it is told so.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => {
                let seconds = patience.as_secs();
                return StepFailure::Unresponsive(format!("the testbed has given no sign of life for {seconds} s"));
            }
        }
    }
}

/// A machine whose agent answers.
pub(super) struct Answering {
    pub(super) machine: Launched,
    pub(super) guest: Guest,
    /// Its package tunnel; connections wait until somebody serves them.
    pub(super) tunnels: mpsc::Receiver<TunnelConnection>,
    /// How long it may give no sign of life.
    pub(super) patience: Duration,
}

impl Answering {
    /// Waits for the agent of a machine that was started, and makes the machine ready.
    pub(super) async fn of(workshop: &Workshop, machine: Launched, log: &JobLog) -> Result<Self, StepFailure> {
        let limit = workshop.limit(|limits| limits.boot);
        let attached = tokio::select! {
            attached = Guest::attach(machine.sockets.clone(), machine.started + limit) => {
                attached.map_err(|error| error.to_string())
            }
            // Its sockets tell nothing: a guest that is not there yet looks the same.
            reason = end_of(machine.ended.clone()) => Err(words_of_end(reason).to_owned()),
        };
        let (guest, tunnels) = match attached {
            Ok(attached) => attached,
            Err(error) => {
                log.say(&format!("preflight: the testbed does not answer: {error}"));
                let tail = console_tail(&machine.console, CONSOLE_SHOWN);
                if !tail.is_empty() {
                    log.say("preflight: the end of its console:");
                    log.output(LogStream::Stdout, &tail);
                }
                return Err(StepFailure::Testbed(format!("the testbed did not boot: {error}")));
            }
        };
        let answering = Self {
            machine,
            guest,
            tunnels,
            patience: patience(workshop),
        };
        answering.settle(limit).await?;
        Ok(answering)
    }

    /// What every testbed needs before its first command; and one that has just booted, its services.
    async fn settle(&self, limit: Duration) -> Result<(), StepFailure> {
        let settling = async {
            match self.machine.beginning {
                Beginning::Boot => self.guest.renew(&Renewal::now(None)).await?,
                Beginning::Clone => return self.guest.renew(&Renewal::now(None)).await,
                // Its identity is what it was.
                Beginning::Reboot => {
                    let Renewal { seed, .. } = Renewal::now(None);
                    self.guest.seed_random(&seed).await?;
                    self.guest.set_clock(SystemTime::now()).await?;
                }
            }
            // `degraded` is as good as `running` here: a unit that fails is the image's matter. The agent answers long
            // before the system is up.
            let ready = Exec::new(["systemctl", "is-system-running", "--wait"]);
            self.guest.output(ready).await.map(drop)
        };
        self.within(limit, settling).await
    }

    /// Runs a first command for nothing, since a clone's first costs more than any other, and holds the machine.
    pub(super) async fn park(&self, limit: Duration) -> Result<(), StepFailure> {
        let warming = async { self.guest.output(Exec::new(["true"])).await.map(drop) };
        self.within(limit, warming).await?;
        let machine = &self.machine;
        let held = machine.hypervisor.hold(&machine.id).await;
        held.map_err(|error| StepFailure::Testbed(error.to_string()))
    }

    /// Lets a machine that was held go on, in the time that it is now.
    pub(super) async fn go_on(mut self) -> Result<Self, StepFailure> {
        self.machine.started = std::time::Instant::now();
        let machine = &self.machine;
        machine
            .hypervisor
            .resume(&machine.id)
            .await
            .map_err(|error| StepFailure::Testbed(error.to_string()))?;
        // It answered before it was held: one that does not now is lost.
        self.within(LONGEST_RETURN, self.guest.set_clock(SystemTime::now()))
            .await?;
        Ok(self)
    }

    async fn within(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<(), GuestError>>,
    ) -> Result<(), StepFailure> {
        let what = "making the testbed ready";
        tokio::select! {
            done = work => match done {
                Err(error) if error.is_guest_lost() => {
                    // libvirt tells of a machine's end a moment after its socket has closed.
                    let ended = tokio::time::timeout(END_KNOWN, end_of(self.machine.ended.clone())).await;
                    let why = ended.map_or_else(|_| error.to_string(), |reason| words_of_end(reason).to_owned());
                    Err(StepFailure::Testbed(why))
                }
                done => done.map_err(|error| StepFailure::Testbed(format!("{what}: {error}"))),
            },
            reason = end_of(self.machine.ended.clone()) => {
                Err(StepFailure::Testbed(words_of_end(reason).to_owned()))
            }
            silent = silence(&self.guest, self.patience, Instant::now()) => Err(silent),
            () = tokio::time::sleep(limit) => {
                Err(StepFailure::Testbed(format!("{what} took longer than {} s", limit.as_secs())))
            }
        }
    }
}

/// How long a machine that was held may take to answer again; another is started then.
const LONGEST_RETURN: Duration = Duration::from_secs(10);
