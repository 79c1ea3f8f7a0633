//! The keeper as a process: one for a home, followed by another when it dies, and by its kind when it is not the one
//! that is wanted. No libvirt is needed.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use preflight_testbed::InstallationId;
use preflight_testbed::keeper::{Keeper, KeeperConfiguration, KeeperLibvirt};

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("preflight-keeper");
    if !program.exists() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keeper/Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--manifest-path"])
            .arg(manifest)
            .status()
            .unwrap();
        assert!(built.success());
    }
    program
}

fn configuration(home: &Path, libvirt: KeeperLibvirt) -> KeeperConfiguration {
    KeeperConfiguration {
        program: Some(program()),
        home: home.join("k"),
        installation: InstallationId::new(&format!("k{}", std::process::id())).unwrap(),
        grace: Duration::from_secs(60),
        libvirt,
        cache: None,
    }
}

fn pid(keeper: &Keeper) -> Option<i32> {
    keeper
        .status()
        .ok()?
        .split_whitespace()
        .find_map(|word| word.strip_prefix("pid="))?
        .parse()
        .ok()
}

#[test]
fn a_home_has_one_keeper() {
    let home = tempfile::tempdir().unwrap();
    let keepers: Vec<Keeper> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Keeper::ensure(configuration(home.path(), KeeperLibvirt::None)).unwrap()))
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let first = pid(&keepers[0]).unwrap();
    assert!(keepers.iter().all(|keeper| pid(keeper) == Some(first)));
    keepers.iter().for_each(Keeper::detach);
    keepers[0].stop().unwrap();
}

#[tokio::test]
async fn a_dead_keeper_is_followed_by_another() {
    let home = tempfile::tempdir().unwrap();
    let keeper = Keeper::ensure(configuration(home.path(), KeeperLibvirt::None)).unwrap();
    let first = pid(&keeper).unwrap();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let began = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    while pid(&keeper).is_none_or(|pid| pid == first) {
        assert!(began.elapsed() < Duration::from_secs(30));
        pause.tick().await;
    }
    keeper.stop().unwrap();
}

#[test]
fn a_keeper_of_another_libvirt_makes_room() {
    let home = tempfile::tempdir().unwrap();
    let first = Keeper::ensure(configuration(home.path(), KeeperLibvirt::None)).unwrap();
    let before = pid(&first).unwrap();
    first.detach();
    let second = Keeper::ensure(configuration(home.path(), KeeperLibvirt::Session)).unwrap();
    assert_ne!(pid(&second), Some(before));
    second.stop().unwrap();
}

#[test]
fn a_long_home_is_refused_by_name() {
    let home = PathBuf::from(format!("/tmp/{}", "x".repeat(110)));
    let error = Keeper::ensure(configuration(&home, KeeperLibvirt::None))
        .unwrap_err()
        .to_string();
    assert!(error.contains("xxx/k/control") && error.contains("107"), "{error}");
}
