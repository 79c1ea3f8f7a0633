//! A testbed as the dep8 room wants it.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use preflight_dep8::machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine};
use preflight_dep8::outcome::Trouble;
use preflight_dep8::reboot::{Places, Reboot};
use preflight_guest::{GuestError, OutputStream, Signals, TreeLimits};
use tokio::sync::{RwLock, RwLockReadGuard};

use super::test_run::Stop;
use crate::executor::{self, JobContext, StepFailure, Testbed};

/// More than any test's artifacts should be; what is beyond is left out with a warning in the log.
const ARTIFACTS: TreeLimits = TreeLimits {
    max_bytes: 2 << 30,
    max_entries: 100_000,
};

/// A testbed that runs tests.
pub(super) struct TestbedMachine<'a> {
    testbed: Held<'a>,
    running: Mutex<Vec<Signals>>,
    /// Why the testbed was given up, where it was.
    failure: Mutex<Option<StepFailure>>,
    places: Places,
}

/// A testbed, and whether it may become another machine.
enum Held<'a> {
    Shared(&'a Testbed),
    /// Commands share it, a reboot has it alone.
    Own(&'a JobContext, RwLock<&'a mut Testbed>),
}

/// A testbed while it stays the machine that it is.
enum Steady<'a> {
    Shared(&'a Testbed),
    Own(RwLockReadGuard<'a, &'a mut Testbed>),
}

impl Deref for Steady<'_> {
    type Target = Testbed;

    fn deref(&self) -> &Testbed {
        match self {
            Self::Shared(testbed) => testbed,
            Self::Own(testbed) => testbed,
        }
    }
}

impl<'a> TestbedMachine<'a> {
    /// One that does not start again.
    pub(super) fn new(testbed: &'a Testbed) -> Self {
        Self::of(Held::Shared(testbed))
    }

    /// One of this job that starts again when a test wants that.
    pub(super) fn that_reboots(context: &'a JobContext, testbed: &'a mut Testbed) -> Self {
        Self::of(Held::Own(context, RwLock::new(testbed)))
    }

    fn of(testbed: Held<'a>) -> Self {
        Self {
            testbed,
            running: Mutex::default(),
            failure: Mutex::default(),
            places: Places::of_a_guest(),
        }
    }

    async fn testbed(&self) -> Steady<'_> {
        match &self.testbed {
            Held::Shared(testbed) => Steady::Shared(testbed),
            Held::Own(_, testbed) => Steady::Own(testbed.read().await),
        }
    }

    /// Why it is lost, as somebody must know who ends the job for it.
    fn lost_for(&self, failure: StepFailure) -> MachineError {
        let lost = MachineError::Lost(failure.to_string());
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        lost
    }

    /// Why the job ends with this trouble: a testbed that has fallen silent is more than a failure of it.
    pub(super) fn stop(&self, trouble: Trouble) -> Stop {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Stop::Step(failure),
            None => Stop::Trouble(trouble, None),
        }
    }
}

#[async_trait]
impl TestMachine for TestbedMachine<'_> {
    async fn exec(&self, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<ExitStatus, MachineError> {
        let mut exec = preflight_guest::Exec::new(&command.argv)
            .user(command.user)
            .cwd(command.cwd);
        for (name, value) in &command.env {
            exec = exec.env(name, value);
        }
        let testbed = self.testbed().await;
        let mut running = match testbed.guest.exec(exec).await {
            Ok(running) => running,
            // As a shell would say it: what cannot be started is the command's matter, not the machine's.
            Err(GuestError::Refused(failure)) => {
                on_output(Stream::Stderr, format!("{}\n", failure.detail).as_bytes());
                return Ok(ExitStatus::Code(127));
            }
            Err(error) => return Err(lost(&testbed, error).await),
        };
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(running.signals());
        let reading = async {
            while let Some(output) = running.output().await? {
                let stream = match output.stream {
                    OutputStream::Stdout => Stream::Stdout,
                    OutputStream::Stderr => Stream::Stderr,
                };
                on_output(stream, &output.bytes);
            }
            running.wait().await
        };
        let status = tokio::select! {
            status = reading => match status {
                Ok(status) => status,
                Err(error) => return Err(lost(&testbed, error).await),
            },
            silence = testbed.silence() => return Err(self.lost_for(silence)),
        };
        Ok(match status {
            preflight_guest::ExitStatus::Code(code) => ExitStatus::Code(code),
            preflight_guest::ExitStatus::Signal(signal) => ExitStatus::Signal(signal),
        })
    }

    async fn kill_all(&self) -> Result<(), MachineError> {
        for signals in self.running.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            signals.kill_all();
        }
        Ok(())
    }

    async fn pull_tree(&self, from: &str, to: &Path) -> Result<(), MachineError> {
        let testbed = self.testbed().await;
        match testbed.guest.pull_tree(from, to, ARTIFACTS).await {
            Ok(report) if report.left_out_count == 0 => Ok(()),
            Ok(report) => Err(MachineError::Refused(format!(
                "{} files of {from} were left out",
                report.left_out_count
            ))),
            Err(GuestError::Refused(failure)) => Err(MachineError::Refused(failure.detail)),
            Err(error @ GuestError::Unacceptable(_)) => Err(MachineError::Refused(error.to_string())),
            Err(error) => Err(lost(&testbed, error).await),
        }
    }

    fn reboot_places(&self) -> Option<&Places> {
        Some(&self.places)
    }

    async fn reboot(&self, how: Reboot) -> Result<(), MachineError> {
        let Held::Own(context, testbed) = &self.testbed else {
            return Err(MachineError::Refused("this testbed cannot start again".to_owned()));
        };
        // Their processes are gone with the session.
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let how = match how {
            Reboot::Asked => executor::Reboot::Asked,
            Reboot::Awaited(limit) => executor::Reboot::Awaited(limit),
        };
        let mut testbed = testbed.write().await;
        context
            .reboot(&mut testbed, how)
            .await
            .map_err(|failure| self.lost_for(failure))
    }
}

/// In the hypervisor's words, where the machine has ended.
async fn lost(testbed: &Testbed, error: GuestError) -> MachineError {
    MachineError::Lost(testbed.why(error).await.to_string())
}
