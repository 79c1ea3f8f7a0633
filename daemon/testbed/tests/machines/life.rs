//! Machines on the libvirt of this host, whichever it is: started, listed, destroyed, missed and found again. No image
//! is needed: a machine without a kernel stays in its firmware for ever.

use std::time::{Duration, Instant};

use super::bench::Bench;
use preflight_testbed::libvirt::{Configuration, LibvirtHypervisor};
use preflight_testbed::{
    Accelerator, EndReason, Hypervisor, HypervisorError, HypervisorEvent, MachineId, MachineState,
};
use tokio::sync::broadcast::Receiver;

/// As long as anything here may take; a first start of libvirt's asks each QEMU of the host what it can do.
const PATIENCE: Duration = Duration::from_secs(90);

async fn wait_for(events: &mut Receiver<HypervisorEvent>, wanted: &HypervisorEvent) {
    let found = async { while events.recv().await.unwrap() != *wanted {} };
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("{wanted:?} did not come"));
}

fn ended(id: &MachineId, reason: EndReason) -> HypervisorEvent {
    HypervisorEvent::Ended { id: id.clone(), reason }
}

/// The process of one of our machines.
fn qemu(id: &MachineId) -> Option<i32> {
    let wanted = format!("guest={id},");
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?).into_owned();
        line.contains(&wanted).then_some(pid)
    })
}

#[tokio::test]
async fn a_machine_is_started_listed_and_destroyed() {
    let bench = Bench::new("a");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(60)).await.unwrap();
    let mut events = hypervisor.events();
    let host = hypervisor.host();
    assert!(host.machine_type.starts_with("pc-q35-"), "{host:?}");
    let spec = bench.spec(1);
    hypervisor.start(&spec).await.unwrap();
    assert!(matches!(hypervisor.start(&spec).await, Err(HypervisorError::Exists(_))));
    let listed = hypervisor.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, listed[0].state), (&spec.id, MachineState::Running));
    assert_eq!(listed[0].label, spec.label.as_str());
    for socket in [spec.folder.control_socket(), spec.folder.bulk_socket()] {
        std::os::unix::net::UnixStream::connect(socket).unwrap();
    }
    let pid = qemu(&spec.id).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}")).unwrap());
    assert_ne!(owner, 0, "QEMU never runs as root");

    let began = Instant::now();
    hypervisor.destroy(&spec.id).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    wait_for(&mut events, &ended(&spec.id, EndReason::Destroyed)).await;
    assert_eq!(qemu(&spec.id), None);
    hypervisor.destroy(&spec.id).await.unwrap();
    assert!(hypervisor.list().await.unwrap().is_empty());

    // The same machine may be started again, and one whose QEMU dies is told.
    hypervisor.start(&spec).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(qemu(&spec.id).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for(&mut events, &ended(&spec.id, EndReason::Failed)).await;

    // A daemon that stops for good leaves nothing.
    hypervisor.start(&spec).await.unwrap();
    hypervisor.shut_down().await.unwrap();
    assert_eq!(qemu(&spec.id), None);
}

#[tokio::test]
async fn a_machine_that_cannot_start_says_why_and_is_told_to_nobody() {
    let bench = Bench::new("b");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(60)).await.unwrap();
    let mut events = hypervisor.events();
    let mut spec = bench.spec(1);
    spec.boot = Some(preflight_testbed::machine::DirectBoot {
        kernel: bench.home.path().join("no-kernel"),
        initrd: bench.home.path().join("no-initrd"),
        cmdline: String::new(),
    });
    let error = hypervisor.start(&spec).await.unwrap_err().to_string();
    assert!(error.contains("no-kernel"), "{error}");
    hypervisor.destroy(&spec.id).await.unwrap();
    assert_eq!(hypervisor.list().await.unwrap(), []);
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_new_daemon_finds_what_the_last_one_left_and_the_keeper_takes_down_the_rest() {
    let bench = Bench::new("c");
    let first = LibvirtHypervisor::connect(bench.configuration(1)).await.unwrap();
    first.start(&bench.spec(1)).await.unwrap();
    let second = LibvirtHypervisor::connect(bench.configuration(1)).await.unwrap();
    drop(first);
    let mut events = second.events();
    assert_eq!(second.list().await.unwrap().len(), 1);
    second.start(&bench.spec(2)).await.unwrap();
    second.destroy(&bench.spec(1).id).await.unwrap();
    wait_for(&mut events, &ended(&bench.spec(1).id, EndReason::Destroyed)).await;
    assert!(bench.keeper_says().contains(&bench.spec(2).id.to_string()));

    // Nobody comes back: after the grace period machine, libvirt and keeper are gone.
    drop(second);
    let control = bench.keeper_home().join("control");
    let began = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    while qemu(&bench.spec(2).id).is_some() || control.exists() {
        assert!(began.elapsed() < PATIENCE, "{}", bench.keeper_says());
        pause.tick().await;
    }
}

#[tokio::test]
async fn machines_survive_libvirts_death_and_what_ends_meanwhile_is_told() {
    let bench = Bench::new("d");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(60)).await.unwrap();
    let mut events = hypervisor.events();
    hypervisor.start(&bench.spec(1)).await.unwrap();
    hypervisor.start(&bench.spec(2)).await.unwrap();
    // Only the private daemon may be killed; a user's or a system's has other clients.
    let Ok(pid) = std::fs::read_to_string(bench.keeper_home().join("libvirt/daemon.pid")) else {
        return;
    };
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let victim = nix::unistd::Pid::from_raw(qemu(&bench.spec(1).id).unwrap());
    nix::sys::signal::kill(victim, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for(&mut events, &HypervisorEvent::ConnectionClosed).await;
    wait_for(&mut events, &HypervisorEvent::ConnectionRestored).await;
    // Why, depends on whether libvirt noticed it before we were back.
    let told = async {
        loop {
            if let HypervisorEvent::Ended { id, .. } = events.recv().await.unwrap() {
                return id;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, told).await.unwrap(), bench.spec(1).id);
    let left: Vec<MachineId> = hypervisor
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|machine| machine.id)
        .collect();
    assert_eq!(left, [bench.spec(2).id]);
    hypervisor.destroy(&bench.spec(2).id).await.unwrap();
    wait_for(&mut events, &ended(&bench.spec(2).id, EndReason::Destroyed)).await;
}

#[tokio::test]
async fn a_destroy_needs_no_libvirt() {
    let bench = Bench::new("e");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(60)).await.unwrap();
    let mut events = hypervisor.events();
    hypervisor.start(&bench.spec(1)).await.unwrap();
    let Ok(pid) = std::fs::read_to_string(bench.keeper_home().join("libvirt/daemon.pid")) else {
        return;
    };
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let began = Instant::now();
    hypervisor.destroy(&bench.spec(1).id).await.unwrap();
    let took = began.elapsed();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(qemu(&bench.spec(1).id), None);
    wait_for(&mut events, &ended(&bench.spec(1).id, EndReason::Destroyed)).await;
}

#[tokio::test]
async fn a_keeper_with_other_settings_makes_room() {
    let bench = Bench::new("f");
    let configuration = |accelerator| Configuration {
        accelerator,
        ..bench.configuration(60)
    };
    // Emulation proven hides KVM from a private libvirt, nothing proven does not, where QEMU's user may open it.
    let first = LibvirtHypervisor::connect(configuration(Some(Accelerator::Tcg)))
        .await
        .unwrap();
    drop(first);
    let second = LibvirtHypervisor::connect(configuration(None)).await.unwrap();
    second.start(&bench.spec(1)).await.unwrap();
    assert_eq!(second.host().accelerator, Accelerator::Tcg);
    second.set_accelerator(Accelerator::Kvm);
    assert_eq!(second.host().accelerator, Accelerator::Kvm);
    // With a machine in it, a keeper stays whatever it is.
    let third = LibvirtHypervisor::connect(configuration(Some(Accelerator::Tcg)))
        .await
        .unwrap();
    assert_eq!(third.list().await.unwrap().len(), 1);
    // One that is stopped is followed by the next at once.
    third.shut_down().await.unwrap();
    drop((second, third));
    let fourth = LibvirtHypervisor::connect(configuration(None)).await.unwrap();
    assert_eq!(fourth.list().await.unwrap(), []);
}
