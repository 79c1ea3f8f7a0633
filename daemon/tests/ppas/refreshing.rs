//! A PPA that was tampered with is refused with the reason, and its last good state stays in use.

use std::fs;
use std::path::Path;

use preflight_protocol::method::{PpaRefresh, PpaRemove};
use preflight_protocol::package_sources::AskedPpa;
use preflight_protocol::ppa::PpaAdd;

use crate::ppa::repository::Repository;
use crate::world::{SERIES, SUITE, World, ask, list, refresh, refused, remove};

/// What is done to a suite that is newer than the one that was taken, and is indexed but not signed yet.
type Tamper = fn(&Repository, &Path);

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn sign(repository: &Repository, folder: &Path) {
    repository.gpg.sign(folder, &repository.key, &[]);
}

/// Five ways, and a word of the reason and of the hint.
const TAMPERED: &[(&str, &str, &str, Tamper)] = &[
    (
        "another key",
        "key",
        "remove the PPA and add it again",
        |repository, folder| {
            let other = repository.gpg.key("other", &["--faked-system-time", "20200101T000000"]);
            repository.gpg.sign(folder, &other, &[]);
        },
    ),
    (
        "a release file changed after its signature",
        "signature",
        "try again later",
        |repository, folder| {
            sign(repository, folder);
            change(&folder.join("InRelease"), |bytes| {
                let at = bytes.windows(6).position(|window| window == b"Suite:").unwrap();
                bytes[at + 7] ^= 1;
            });
        },
    ),
    (
        "an expired release file",
        "expired at 2020",
        "try again later",
        |repository, folder| {
            change(&folder.join("Release"), |bytes| {
                bytes.splice(0..0, *b"Valid-Until: Wed, 01 Jan 2020 00:00:00 UTC\n");
            });
            sign(repository, folder);
        },
    ),
    (
        "an index changed after its release file",
        "signed index says",
        "try again later",
        |repository, folder| {
            sign(repository, folder);
            change(&folder.join("main/binary-amd64/Packages.xz"), |bytes| {
                *bytes.last_mut().unwrap() ^= 1
            });
        },
    ),
    (
        "an older release file",
        "older than the one",
        "withholds updates",
        |repository, folder| {
            repository.release(
                folder,
                &[
                    "Suite=bookworm",
                    "Components=main",
                    "Architectures=amd64",
                    "Date=Fri, 01 Nov 2024 00:00:00 UTC",
                ],
            );
            sign(repository, folder);
        },
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tampered_with_is_refused_and_the_last_good_state_stays_in_use() {
    let world = World::new().await;
    let (daemon, client) = world.start().await;
    let good = ask(&client, &world.request("it")).await;
    let asked = AskedPpa {
        name: "it".into(),
        ..AskedPpa::default()
    };
    let (_, used) = world.ticket(&daemon, &client, &asked).await.unwrap();
    world.repository.add("later", "2.0-1", "");
    for (what, words, hint, tamper) in TAMPERED {
        let folder = world.repository.index(SUITE, &["Date=Sun, 03 Nov 2024 00:00:00 UTC"]);
        tamper(&world.repository, &folder);
        let outcome = refresh(&client, "it").await;
        let told = outcome.refused.unwrap_or_else(|| panic!("{what} is taken"));
        assert!(
            told.message.contains(words) && told.message.contains("the PPA it is refused"),
            "{what}: {told:?}"
        );
        assert!(told.hint.as_ref().unwrap().contains(hint), "{what}: {told:?}");
        assert_eq!(outcome.after, None);
        assert_eq!(list(&client).await, good, "{what}");
        // A new one is refused for the same reason, and a ticket gets what is known to be good.
        let error = refused(&client, &world.request("new")).await;
        assert!(error.message.contains(words), "{what}: {error}");
        let (_, again) = world.ticket(&daemon, &client, &asked).await.unwrap();
        assert_eq!(again, used, "{what}");
    }
    world.repository.publish(SUITE, &["Date=Sun, 03 Nov 2024 00:00:00 UTC"]);
    let outcome = refresh(&client, "it").await;
    assert_eq!(outcome.refused, None);
    assert_eq!(
        (outcome.before.unwrap().packages, outcome.after.unwrap().packages),
        (1, 2)
    );
    let unchanged = refresh(&client, "it").await;
    assert_eq!(unchanged.before.unwrap().state, unchanged.after.unwrap().state);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_series_has_a_state_of_its_own_taken_when_it_is_first_wanted() {
    let world = World::new().await;
    let (daemon, client) = world.start().await;
    ask(&client, &world.request("it")).await;
    let of_sid = |name: Option<&str>| PpaRefresh {
        name: name.map(str::to_owned),
        series: Some("debian-sid".into()),
    };
    let outcome = ask(&client, &of_sid(None)).await;
    let told = outcome[0].refused.as_ref().unwrap();
    assert!(told.hint.as_ref().unwrap().contains("--series"), "{told:?}");
    world.repository.publish("sid", &[]);
    let outcome = ask(&client, &of_sid(Some("it"))).await;
    assert_eq!((outcome[0].before.is_some(), outcome[0].after.is_some()), (false, true));
    let states: Vec<String> = list(&client)
        .await
        .remove(0)
        .states
        .into_iter()
        .map(|state| state.series.0)
        .collect();
    assert_eq!(states, [SERIES, "debian-sid"]);
    let nobody = refused(&client, &of_sid(Some("nobody"))).await;
    assert!(nobody.hint().unwrap().contains("ppa list"), "{nobody}");

    // What the cache no longer has is taken again where a ticket wants it.
    let (_, before) = world
        .ticket(
            &daemon,
            &client,
            &AskedPpa {
                name: "it".into(),
                ..AskedPpa::default()
            },
        )
        .await
        .unwrap();
    drop((client, daemon));
    fs::remove_dir_all(world.house.folders().cache.join("archive")).unwrap();
    let (daemon, client) = world.start().await;
    let asked = AskedPpa {
        name: "it".into(),
        priority: Some(-1),
        packages: vec!["src:demo".into()],
    };
    let (_, after) = world.ticket(&daemon, &client, &asked).await.unwrap();
    assert_eq!((after.state, after.suite), (before.state, before.suite));
    assert_eq!(
        (after.priority, after.packages),
        (Some(-1), vec!["src:demo".to_owned()])
    );
    for wrong in [
        AskedPpa {
            name: "nobody".into(),
            ..AskedPpa::default()
        },
        AskedPpa {
            priority: Some(0),
            ..asked.clone()
        },
        AskedPpa {
            packages: vec!["a b".into()],
            ..asked
        },
    ] {
        world.ticket(&daemon, &client, &wrong).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_keeps_what_it_has_of_a_ppa_that_is_removed() {
    let world = World::new().await;
    let (daemon, client) = world.start().await;
    let definition = PpaAdd {
        packages: vec!["demo".into()],
        ..world.request("it")
    };
    ask(&client, &definition).await;
    let asked = AskedPpa {
        name: "it".into(),
        ..AskedPpa::default()
    };
    let (id, before) = world.ticket(&daemon, &client, &asked).await.unwrap();
    remove(&client, "it").await;
    assert_eq!(crate::world::used(&daemon, id).await, before);
    assert_eq!(
        (before.packages.as_slice(), before.upstream.as_str()),
        (&["demo".to_owned()][..], world.server.url.as_str())
    );
    world.ticket(&daemon, &client, &asked).await.unwrap_err();
    let error = refused(&client, &PpaRemove { name: "it".into() }).await;
    assert!(error.message.contains("there is no PPA it"), "{error}");
    drop((client, daemon));
    let (daemon, _client) = world.start().await;
    assert_eq!(crate::world::used(&daemon, id).await, before);
}
