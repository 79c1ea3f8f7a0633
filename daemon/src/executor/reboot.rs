//! A testbed starts again, as a machine of another name on the same disk: with what is installed there, its own kernel too,
//! and with the same lease, session, log and findings. Who may ask for that, and why, is nobody's matter here.

use std::time::Duration;

use preflight_guest::Exec;
use preflight_testbed::EndReason;

use super::answering::Answering;
use super::context::JobContext;
use super::failure::StepFailure;
use super::machine::{Ground, Launch, Launched, words_of_end};
use super::remains::{Leases, destroy};
use super::testbed::Testbed;
use super::workshop::Workshop;

/// Brings a machine down whatever its init is.
const REBOOT: &str = "if [ -d /run/systemd/system ]; then exec systemctl reboot; else exec reboot; fi";

/// Who brings the machine down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// It is asked to, and is switched off where it does not come to it.
    Asked,
    /// It does so itself, and has so long for it.
    Awaited(Duration),
}

impl JobContext {
    /// Starts a testbed of this job again.
    ///
    /// # Errors
    /// It does not go down where it was to do so itself, ended in another way, or does not come back; it is lost then.
    pub async fn reboot(&self, testbed: &mut Testbed, how: Reboot) -> Result<(), StepFailure> {
        testbed.reboot(&self.workshop, &self.leases, how).await
    }
}

impl Testbed {
    /// Starts it again. `leases` are those that it was leased with.
    ///
    /// # Errors
    /// As [`JobContext::reboot`].
    pub(super) async fn reboot(
        &mut self,
        workshop: &Workshop,
        leases: &Leases,
        how: Reboot,
    ) -> Result<(), StepFailure> {
        let before = std::time::Instant::now();
        self.settle().await;
        match how {
            Reboot::Asked => self.bring_down(workshop).await?,
            Reboot::Awaited(limit) => self.go_down(limit).await?,
        }
        // What came on its last way.
        self.attempts.settle();
        self.beating = None;
        let launch = Launch {
            image: &self.machine.image,
            ground: Ground::Again(&self.machine),
            disk: Some(self.machine.disk.path.clone()),
            memory: self.machine.memory_file.clone(),
            label: &self.machine.label,
            priority: self.machine.priority,
        };
        let turn = workshop.templates.boot_turn(workshop).await?;
        let launched = Launched::start(workshop, launch, leases).await?;
        if let Some(remains) = leases.take(&self.machine.id) {
            remains.clear(Some(&self.machine.hypervisor)).await;
        }
        let answering = Answering::of(workshop, launched, &self.log).await?;
        drop(turn);
        let was = self.machine.id.clone();
        self.go_on_with(answering);
        self.log.say(&format!(
            "preflight: testbed {was} has started again as {} after {:.2} s, with kernel {}",
            self.machine.id,
            before.elapsed().as_secs_f64(),
            self.kernel(),
        ));
        Ok(())
    }

    /// Asks the machine to go down, and switches it off where that takes too long.
    async fn bring_down(&mut self, workshop: &Workshop) -> Result<(), StepFailure> {
        // The agent goes down with the machine: its silence means nothing from here on.
        self.beating = None;
        let limit = workshop.limit(|limits| limits.short);
        let going = async {
            // Its answer may never come.
            let asked = self.guest.output(Exec::new(["sh", "-c", REBOOT])).await;
            tracing::debug!(machine = %self.machine.id, ?asked, "asked to start again");
            self.gone().await
        };
        match tokio::time::timeout(limit, going).await {
            Ok(reason) => is_good(reason),
            Err(_) => {
                let seconds = limit.as_secs();
                self.log.say(&format!(
                    "preflight: the testbed has not gone down within {seconds} s and is switched off"
                ));
                destroy(&self.machine.hypervisor, &self.machine.id)
                    .await
                    .map_err(|error| StepFailure::Testbed(error.to_string()))
            }
        }
    }

    /// Waits for a machine that goes down by itself.
    async fn go_down(&self, limit: Duration) -> Result<(), StepFailure> {
        tokio::select! {
            reason = self.gone() => is_good(reason),
            silence = self.silence() => Err(silence),
            () = tokio::time::sleep(limit) => Err(StepFailure::Testbed(format!(
                "the testbed was to start again, and has not gone down within {} s",
                limit.as_secs()
            ))),
        }
    }
}

/// Whether that is how a machine ends that starts again. A kernel that panics does so, too; nobody sees the difference
/// between a machine that powers itself off and one that resets itself.
fn is_good(reason: Option<EndReason>) -> Result<(), StepFailure> {
    match reason {
        None | Some(EndReason::Shutdown | EndReason::Panicked | EndReason::WhileDisconnected) => Ok(()),
        Some(reason) => Err(StepFailure::Testbed(format!(
            "{} instead of starting again",
            words_of_end(reason)
        ))),
    }
}
