//! Machines that nobody waits for run behind everything else on the host, so that it stays usable. Two things decide between
//! processes, and both are set: nice values, by the keeper, which finds a machine's QEMU and all its threads; and cgroups,
//! which only a system's libvirt makes, and in whose presence nice values count for nothing outside of one.

use virt::connect::Connect;
use virt::domain::SchedulerInfo;
use virt::error::Error;

use crate::keeper::Keeper;
use crate::machine::MachineId;
use crate::start::Priority;

/// A machine's share of the processors beside others in its cgroup's parent: the least that both versions of cgroups know.
/// By default it is 100 in the second and 1024 in the first.
const LEAST_SHARE: u64 = 2;

/// Gives a machine that runs its priority. There is no way back from [`Priority::Background`] for an ordinary user: a machine
/// that may yet work for a person is started as [`Priority::Interactive`]. What cannot be set is written to the log and
/// is nobody's failure.
pub(super) fn apply(keeper: &Keeper, connect: &Connect, id: &MachineId, priority: Priority) {
    match priority {
        Priority::Interactive => {}
        Priority::Background => {
            if let Err(error) = keeper.lower(id) {
                tracing::warn!(%id, %error, "a machine competes with the host's other programs");
            }
            if let Err(error) = share(connect, id) {
                tracing::debug!(%id, error = error.message(), "the machine has no cgroup of its own");
            }
        }
    }
}

fn share(connect: &Connect, id: &MachineId) -> Result<(), Error> {
    let share = SchedulerInfo {
        cpu_shares: Some(LEAST_SHARE),
        ..SchedulerInfo::default()
    };
    connect
        .lookup_domain_by_name(&id.to_string())?
        .set_scheduler_parameters(&share)
}
