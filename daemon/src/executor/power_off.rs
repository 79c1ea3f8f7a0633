//! How a testbed's machine goes: powered off in order, so that its disk is whole, or seen to have gone.

use std::time::Duration;

use preflight_guest::Exec;
use preflight_testbed::EndReason;

use super::answering::END_KNOWN;
use super::failure::StepFailure;
use super::machine::{end_of, words_of_end};
use super::testbed::Testbed;

impl Testbed {
    /// Powers the machine off in an orderly way, so that its disk can be used as an image.
    ///
    /// # Errors
    /// It does not go, or not in order, and its disk is as a power cut would leave it.
    pub async fn power_off(mut self, limit: Duration) -> Result<(), StepFailure> {
        // The agent goes down with the machine: its silence means nothing from here on.
        self.beating = None;
        let gone = async {
            // Its answer may never come: the agent goes down with the machine.
            let asked = self.guest.output(Exec::new(["systemctl", "poweroff"])).await;
            tracing::debug!(machine = %self.machine.id, ?asked, "asked to power off");
            self.gone().await
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

    /// Waits until the machine is gone, and says how it ended where somebody saw it.
    pub(super) async fn gone(&self) -> Option<EndReason> {
        self.guest.closed().await;
        // The socket closes when QEMU ends, a moment before libvirt knows. No answer is no knowledge: a machine that
        // still writes to its disk must not be taken for gone.
        while self
            .machine
            .hypervisor
            .list()
            .await
            .map_or(true, |list| list.iter().any(|info| info.id == self.machine.id))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::timeout(END_KNOWN, end_of(self.machine.ended.clone()))
            .await
            .ok()
    }
}
