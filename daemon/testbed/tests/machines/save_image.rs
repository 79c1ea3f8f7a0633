//! Machines saved to one file by libvirt, and others that go on from it, on the libvirt of this host. They stay in their
//! firmware; that a guest's system survives it is shown by the whole project's tests.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use super::bench::Bench;
use preflight_testbed::libvirt::LibvirtHypervisor;
use preflight_testbed::{
    EndReason, Frozen, Hypervisor, HypervisorError, HypervisorEvent, MachineSpec, MachineState, Method, MiB, Start,
};

fn clone(bench: &Bench, number: u64, frozen: &Frozen) -> MachineSpec {
    MachineSpec {
        start: Start::Clone(frozen.clone()),
        ..bench.spec(number)
    }
}

/// What lies in a machine's folder.
fn files(spec: &MachineSpec) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(spec.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn machines_go_on_side_by_side_from_one_file() {
    let bench = Bench::new("sv");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(5)).await.unwrap();
    let mut events = hypervisor.events();
    let saved = bench.spec(1);
    hypervisor.start(&saved).await.unwrap();
    let path = bench.home.path().join("saved");
    let frozen = hypervisor.freeze(&saved.id, Method::SaveImage, &path).await.unwrap();
    assert_eq!(frozen.memory, None);
    let ended = HypervisorEvent::Ended {
        id: saved.id.clone(),
        reason: EndReason::Frozen,
    };
    assert_eq!(events.recv().await.unwrap(), ended);
    let found = std::fs::metadata(&path).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o444);
    assert_eq!(found.uid(), nix::unistd::geteuid().as_raw());
    let bytes = std::fs::read(&path).unwrap();

    // Started at once.
    let (second, third) = (clone(&bench, 2, &frozen), clone(&bench, 3, &frozen));
    let (one, other) = tokio::join!(hypervisor.start(&second), hypervisor.start(&third));
    one.unwrap();
    other.unwrap();
    hypervisor.hold(&third.id).await.unwrap();
    let mut listed = hypervisor.list().await.unwrap();
    listed.sort_by_key(|machine| machine.id.number());
    let states: Vec<_> = listed
        .iter()
        .map(|machine| (machine.id.number(), machine.state))
        .collect();
    assert_eq!(states, [(2, MachineState::Running), (3, MachineState::Paused)]);
    hypervisor.resume(&third.id).await.unwrap();
    for spec in [&second, &third] {
        assert_eq!(files(spec), ["bulk", "console.log", "control", "t"]);
        std::os::unix::net::UnixStream::connect(spec.folder.control_socket()).unwrap();
    }

    // What went on from a file can be saved, too; and a file that is there is not written over.
    let again = bench.home.path().join("again");
    let refused = hypervisor.freeze(&third.id, Method::SaveImage, &path).await;
    assert!(matches!(refused, Err(HypervisorError::Freeze { .. })), "{refused:?}");
    let frozen = hypervisor.freeze(&third.id, Method::SaveImage, &again).await.unwrap();
    hypervisor.start(&clone(&bench, 4, &frozen)).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    hypervisor.shut_down().await.unwrap();
}

#[tokio::test]
async fn what_cannot_go_on_is_told_at_once_and_leaves_nothing() {
    let bench = Bench::new("sx");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(5)).await.unwrap();
    let saved = bench.spec(1);
    hypervisor.start(&saved).await.unwrap();
    let path = bench.home.path().join("saved");
    let frozen = hypervisor.freeze(&saved.id, Method::SaveImage, &path).await.unwrap();

    // Refused by QEMU: it was another guest's memory. By us: cut short. By libvirt: there is such a domain.
    let larger = MachineSpec {
        memory: MiB(96),
        ..clone(&bench, 2, &frozen)
    };
    let short = Frozen {
        state: bench.home.path().join("short"),
        ..frozen.clone()
    };
    std::fs::write(&short.state, &std::fs::read(&path).unwrap()[..200]).unwrap();
    let other = LibvirtHypervisor::connect(bench.configuration(5)).await.unwrap();
    other.start(&bench.spec(4)).await.unwrap();
    for spec in [larger, clone(&bench, 3, &short), clone(&bench, 4, &frozen)] {
        let began = Instant::now();
        let refused = hypervisor.start(&spec).await;
        assert!(
            matches!(refused, Err(HypervisorError::Start { .. })),
            "{}: {refused:?}",
            spec.id
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let left = hypervisor.list().await.unwrap();
        assert!(left.len() == 1 && left[0].id == bench.spec(4).id, "{left:?}");
        assert!(
            !files(&spec).iter().any(|name| name.starts_with("image")),
            "{:?}",
            files(&spec)
        );
    }
    hypervisor.shut_down().await.unwrap();
}
