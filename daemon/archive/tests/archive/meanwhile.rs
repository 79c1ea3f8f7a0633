//! Snapshots are taken while testbeds read: neither disturbs the other. apt is the judge of what each reader got.

use std::time::SystemTime;

use futures_util::future::join_all;
use preflight_archive::{Archive, Network, SessionOptions, Snapshot};
use pretty_assertions::assert_eq;

use crate::distribution::{publish, request, seconds, upload};
use crate::support::{Apt, GUEST_URL, TestMirror};

const SUITES: &[(&str, &[&str])] = &[("sid", &["main"])];
/// How often the archive moves on.
const ROUNDS: u64 = 5;
/// Readers of each round.
const READERS: usize = 4;

/// What apt would install in a testbed that is pinned to a snapshot, read from its indices as they are served.
async fn version_in(mirror: &TestMirror, archive: &Archive, snapshot: &Snapshot, network: Network) -> String {
    let session = archive
        .session(SessionOptions {
            state: Some(snapshot.state),
            ..mirror.options(network)
        })
        .unwrap();
    let loopback = session.listen_loopback().await.unwrap();
    let source = format!("deb [signed-by={}] {GUEST_URL} sid main\n", mirror.keyring().display());
    let apt = Apt::new(Some(&loopback.proxy_url()), &source);
    apt.succeed(&["update", "-eany"]).await;
    let simulated = apt.succeed(&["install", "--simulate", "one"]).await;
    if network == Network::Allowed {
        // What is named is what is fetched: apt holds its bytes against the index.
        apt.succeed(&["download", "one"]).await;
    }
    let (_, rest) = simulated.split_once("Inst one (").unwrap();
    rest.split_once(' ').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_and_readers_do_not_disturb_each_other() {
    let mirror = TestMirror::start().await;
    let now = SystemTime::now();
    let archive = mirror.archive();
    let mut snapshots: Vec<Snapshot> = vec![];
    for round in 1..=ROUNDS {
        upload(&mirror.root(), "sid", "main", "one", &format!("{round}.0"));
        publish(&mirror, "sid", &["main"], now + seconds(round));
        let updates = join_all((0..2).map(|_| {
            let wanted = request(&mirror, SUITES, now + seconds(round));
            archive.take_snapshot(wanted, None)
        }));
        // Half of the readers are of the newest snapshot, half of the oldest; every other one is a testbed without network.
        let readers = snapshots.iter().take(1).chain(snapshots.last());
        let readers = join_all(readers.cycle().take(READERS).enumerate().map(|(number, snapshot)| {
            let network = [Network::Allowed, Network::Forbidden][number / 2 % 2];
            version_in(&mirror, &archive, snapshot, network)
        }));
        let (updates, versions) = tokio::join!(updates, readers);
        let mut taken = updates.into_iter().map(|taken| taken.unwrap().snapshot);
        let (one, other) = (taken.next().unwrap(), taken.next().unwrap());
        // Who asks twice at once has one snapshot.
        assert_eq!(one, other);
        if !snapshots.is_empty() {
            let newest = format!("{}.0", round - 1);
            let wanted: Vec<&str> = ["1.0", &newest].into_iter().cycle().take(READERS).collect();
            assert_eq!(versions, wanted);
        }
        snapshots.push(one);
    }
    let kept = archive.snapshots().unwrap();
    assert_eq!(kept, snapshots);
    for object in kept.iter().flat_map(Snapshot::objects) {
        assert!(archive.store().verify(object).unwrap());
    }
}
