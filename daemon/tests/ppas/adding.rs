//! What is added was verified, is there after the daemon's death, and is used by tickets whatever becomes of it.

use preflight_protocol::error::ErrorCode;
use preflight_protocol::event::EventKind;
use preflight_protocol::method::{PpaAdd, PpaRefresh, PpaShow};
use preflight_protocol::package_sources::AskedPpa;
use serde_json::json;

use crate::ppa::stand_in::StandIn;
use crate::world::{SERIES, SUITE, World, ask, list, refused, remove};

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_added_listed_and_there_after_the_daemons_death() {
    let world = World::new().await;
    let (daemon, mut client) = world.start().await;
    client.subscribe(None).await;
    let request = PpaAdd {
        priority: Some(700),
        packages: vec!["src:demo".into()],
        ..world.request("test/it")
    };
    let added = ask(&client, &request).await;
    let of_it = |kind: &EventKind| matches!(kind, EventKind::PpaChanged(ppa) if ppa.name == "test/it");
    client.until("the PPA", of_it).await;
    let [ppa] = added.as_slice() else {
        panic!("{added:?}");
    };
    assert_eq!(
        (ppa.name.as_str(), ppa.uri.as_str()),
        ("test/it", world.server.url.as_str())
    );
    assert_eq!(
        (ppa.suite.as_str(), ppa.priority, ppa.private),
        ("{series}", Some(700), false)
    );
    assert_eq!(ppa.fingerprints, std::slice::from_ref(&world.repository.key));
    let [state] = ppa.states.as_slice() else {
        panic!("{ppa:?}");
    };
    assert_eq!((state.series.0.as_str(), state.suite.as_str()), (SERIES, SUITE));
    assert_eq!((state.origin.as_str(), state.packages), ("Test", 1));
    assert_eq!(list(&client).await, added);

    let twice = refused(&client, &world.request("test/it")).await;
    assert_eq!(twice.code, ErrorCode::Conflict);
    assert!(twice.hint().unwrap().contains("ppa refresh test/it"), "{twice}");

    drop((client, daemon));
    let (_daemon, mut client) = world.start().await;
    assert_eq!(list(&client).await, added);
    client.subscribe(None).await;
    remove(&client, "test/it").await;
    let gone = |kind: &EventKind| matches!(kind, EventKind::PpaRemoved { name } if name == "test/it");
    client.until("its removal", gone).await;
    let error = refused(&client, &PpaShow { name: "test/it".into() }).await;
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_sources_is_added_whole_or_not_at_all() {
    let world = World::new().await;
    let (_daemon, client) = world.start().await;
    world.repository.publish("extra", &[]);
    let file = world.repository.folder.path().join("two.sources");
    let write = |suites: &str| {
        let key = world.repository.key_file();
        let text = format!(
            "Types: deb\nURIs: {}\nSuites: {suites}\nComponents: main\nSigned-By: {}\n",
            world.server.url,
            key.display()
        );
        std::fs::write(&file, text).unwrap();
    };
    let request = PpaAdd {
        source: vec![file.to_string_lossy().into_owned()],
        ..PpaAdd::default()
    };
    write("bookworm nowhere");
    let error = refused(&client, &request).await;
    assert!(error.message.contains("nowhere"), "{error}");
    assert_eq!(list(&client).await, []);
    write("bookworm extra");
    let names: Vec<String> = ask(&client, &request).await.into_iter().map(|ppa| ppa.name).collect();
    assert_eq!(names, ["two", "two-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_launchpads_is_resolved_and_what_cannot_be_is_refused() {
    let mut world = World::new().await;
    let keys = world.repository.keys();
    let stand_in = StandIn::start(&world.repository.key, keys.armored()).await;
    // Where it publishes: this repository, below the PPA's name.
    let published = world.repository.folder.path().join("jane/tools");
    std::fs::create_dir_all(&published).unwrap();
    std::os::unix::fs::symlink("../..", published.join("ubuntu")).unwrap();
    world.launchpad = preflight_archive::LaunchpadConfig {
        content: world.server.url.clone(),
        ..stand_in.config()
    };
    let (_daemon, client) = world.start().await;
    let asked = |source: &str| PpaAdd {
        source: vec![source.into()],
        ..PpaAdd::default()
    };
    let added = ask(&client, &asked("ppa:jane/tools")).await;
    assert_eq!(added[0].name, "jane/tools");
    assert_eq!(added[0].uri, format!("{}/jane/tools/ubuntu", world.server.url));

    for (source, words, hint) in [
        ("ppa:joe/none", "Launchpad has no ppa:joe/none", "check the owner"),
        ("ppa:Jane", "is no PPA of Launchpad's", "write ppa:OWNER/NAME"),
        ("nonsense", "is no PPA", "write ppa:OWNER/NAME"),
        ("https://ppa.example/x", "followed by a suite", "./ for a flat"),
    ] {
        let error = refused(&client, &asked(source)).await;
        assert!(error.message.contains(words), "{source}: {error}");
        assert!(error.hint().unwrap().contains(hint), "{source}: {error:?}");
        assert_eq!(error.code, ErrorCode::InvalidParams);
    }
    stand_in.archive(json!({"private": true}));
    let again = PpaAdd {
        name: Some("again".into()),
        ..asked("ppa:jane/tools")
    };
    let error = refused(&client, &again).await;
    assert!(error.hint().unwrap().contains("--token-file"), "{error}");
    assert_eq!(list(&client).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_nothing_is_added_and_what_is_there_is_used() {
    let mut world = World::new().await;
    let (daemon, client) = world.start().await;
    ask(&client, &world.request("it")).await;
    drop((client, daemon));
    world.network = preflight_archive::Network::Forbidden;
    let (daemon, client) = world.start().await;
    let error = refused(&client, &world.request("other")).await;
    assert!(error.message.contains("offline"), "{error}");
    let all = ask(&client, &PpaRefresh::default()).await;
    assert!(all[0].refused.as_ref().unwrap().message.contains("offline"), "{all:?}");
    let asked = AskedPpa {
        name: "it".into(),
        ..AskedPpa::default()
    };
    let (_, used) = world.ticket(&daemon, &client, &asked).await.unwrap();
    assert_eq!(used.suite.suite, SUITE);
}
