//! Machines frozen by shared memory and their clones, on the libvirt of this host. What runs in them does not matter here:
//! they stay in their firmware.

use std::path::{Path, PathBuf};

use super::bench::Bench;
use preflight_testbed::libvirt::LibvirtHypervisor;
use preflight_testbed::{
    EndReason, Frozen, Hypervisor, HypervisorError, HypervisorEvent, MachineSpec, MachineState, Method, Start,
};

fn template(bench: &Bench, number: u64) -> (MachineSpec, PathBuf) {
    let folder = bench.home.path().join(format!("t{number}"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let spec = MachineSpec {
        memory_file: Some(folder.join("memory")),
        ..bench.spec(number)
    };
    (spec, folder.join("state"))
}

fn clone(bench: &Bench, number: u64, frozen: &Frozen) -> MachineSpec {
    MachineSpec {
        start: Start::Clone(frozen.clone()),
        ..bench.spec(number)
    }
}

async fn states(hypervisor: &LibvirtHypervisor) -> Vec<(u64, MachineState)> {
    let mut all: Vec<_> = hypervisor
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|info| (info.id.number(), info.state))
        .collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    all
}

fn kept(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn clones_go_on_where_a_machine_was_frozen() {
    let bench = Bench::new("fz");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(5)).await.unwrap();
    let mut events = hypervisor.events();

    let (spec, state) = template(&bench, 1);
    hypervisor.start(&spec).await.unwrap();
    let frozen = hypervisor.freeze(&spec.id, Method::SharedMemory, &state).await.unwrap();
    assert_eq!(states(&hypervisor).await, []);
    let ended = HypervisorEvent::Ended {
        id: spec.id.clone(),
        reason: EndReason::Frozen,
    };
    assert_eq!(events.recv().await.unwrap(), ended);
    assert_eq!(frozen.memory.as_deref(), spec.memory_file.as_deref());
    let memory = kept(spec.memory_file.as_deref().unwrap());

    // Two that run, one that is held, and one that is frozen in its turn.
    for number in [2, 3] {
        hypervisor.start(&clone(&bench, number, &frozen)).await.unwrap();
    }
    let held = clone(&bench, 4, &frozen);
    hypervisor.start(&held).await.unwrap();
    hypervisor.hold(&held.id).await.unwrap();
    use MachineState::{Paused, Running};
    assert_eq!(states(&hypervisor).await, [(2, Running), (3, Running), (4, Paused)]);
    hypervisor.resume(&held.id).await.unwrap();
    assert_eq!(states(&hypervisor).await[2], (4, Running));

    let (layer, state) = template(&bench, 5);
    let layer = MachineSpec {
        start: Start::Clone(frozen.clone()),
        ..layer
    };
    hypervisor.start(&layer).await.unwrap();
    let above = hypervisor
        .freeze(&layer.id, Method::SharedMemory, &state)
        .await
        .unwrap();
    hypervisor.start(&clone(&bench, 6, &above)).await.unwrap();
    assert_eq!(states(&hypervisor).await.len(), 4);
    for number in [2, 3, 4, 6] {
        hypervisor.destroy(&bench.spec(number).id).await.unwrap();
    }
    // Whatever the clones did, they did it to their own memory.
    assert!(kept(spec.memory_file.as_deref().unwrap()) == memory);
    hypervisor.shut_down().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_frozen_or_cloned_is_refused_and_leaves_nothing() {
    let bench = Bench::new("fx");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(5)).await.unwrap();
    let plain = bench.spec(1);
    hypervisor.start(&plain).await.unwrap();
    let state = bench.home.path().join("state");
    let refused = hypervisor.freeze(&plain.id, Method::SharedMemory, &state).await;
    assert!(matches!(refused, Err(HypervisorError::Freeze { .. })), "{refused:?}");
    assert_eq!(states(&hypervisor).await, [(1, MachineState::Running)]);
    hypervisor.destroy(&plain.id).await.unwrap();

    let (spec, state) = template(&bench, 2);
    hypervisor.start(&spec).await.unwrap();
    let frozen = hypervisor.freeze(&spec.id, Method::SharedMemory, &state).await.unwrap();
    let whole = kept(&frozen.state);
    std::fs::write(&frozen.state, &whole[..whole.len() / 2]).unwrap();
    let refused = hypervisor.start(&clone(&bench, 3, &frozen)).await;
    assert!(matches!(refused, Err(HypervisorError::Start { .. })), "{refused:?}");
    assert_eq!(states(&hypervisor).await, []);
    hypervisor.shut_down().await.unwrap();
}
