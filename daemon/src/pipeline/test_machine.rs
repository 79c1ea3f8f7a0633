//! A testbed as the dep8 room wants it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use preflight_dep8::machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine};
use preflight_dep8::outcome::Trouble;
use preflight_guest::{GuestError, OutputStream, Signals, TreeLimits};

use super::test_run::Stop;
use crate::executor::{StepFailure, Testbed};

/// More than any test's artifacts should be; what is beyond is left out with a warning in the log.
const ARTIFACTS: TreeLimits = TreeLimits {
    max_bytes: 2 << 30,
    max_entries: 100_000,
};

/// A testbed that runs tests.
pub(super) struct TestbedMachine<'a> {
    testbed: &'a Testbed,
    running: Mutex<Vec<Signals>>,
    /// Why the testbed was given up, where it was.
    silence: Mutex<Option<StepFailure>>,
}

impl<'a> TestbedMachine<'a> {
    pub(super) fn new(testbed: &'a Testbed) -> Self {
        Self {
            testbed,
            running: Mutex::default(),
            silence: Mutex::default(),
        }
    }

    /// In the hypervisor's words, where the machine has ended.
    async fn lost(&self, error: GuestError) -> MachineError {
        MachineError::Lost(self.testbed.why(error).await.to_string())
    }

    /// Why the job ends with this trouble: a testbed that has fallen silent is more than a failure of it.
    pub(super) fn stop(&self, trouble: Trouble) -> Stop {
        match self.silence.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(silence) => Stop::Step(silence),
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
        let mut running = match self.testbed.guest.exec(exec).await {
            Ok(running) => running,
            // As a shell would say it: what cannot be started is the command's matter, not the machine's.
            Err(GuestError::Refused(failure)) => {
                on_output(Stream::Stderr, format!("{}\n", failure.detail).as_bytes());
                return Ok(ExitStatus::Code(127));
            }
            Err(error) => return Err(self.lost(error).await),
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
                Err(error) => return Err(self.lost(error).await),
            },
            silence = self.testbed.silence() => {
                let lost = MachineError::Lost(silence.to_string());
                *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some(silence);
                return Err(lost);
            }
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
        match self.testbed.guest.pull_tree(from, to, ARTIFACTS).await {
            Ok(report) if report.left_out_count == 0 => Ok(()),
            Ok(report) => Err(MachineError::Refused(format!(
                "{} files of {from} were left out",
                report.left_out_count
            ))),
            Err(GuestError::Refused(failure)) => Err(MachineError::Refused(failure.detail)),
            Err(error @ GuestError::Unacceptable(_)) => Err(MachineError::Refused(error.to_string())),
            Err(error) => Err(self.lost(error).await),
        }
    }
}
