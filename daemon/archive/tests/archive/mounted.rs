//! Another ticket's repository in a session: a state of its own folder, and what the host's apt makes of it beside the
//! archive and the ticket's own.

use std::path::Path;
use std::time::SystemTime;

use crate::support::{self, Apt, GUEST_URL, TestMirror};
use preflight_archive::{
    ArchiveError, GenerationId, Network, Publication, RepositoryLabels, SessionOptions, SigningKey, TicketMount,
    TicketRepository, mounted_preferences, mounted_source, ticket_preferences, ticket_source,
};

/// The same for all tickets, as the daemon has it.
fn labels() -> RepositoryLabels {
    RepositoryLabels {
        origin: "Preflight".to_owned(),
        label: "ticket".to_owned(),
    }
}

/// A repository with packages of these versions, a generation each.
fn repository(folder: &Path, key: &SigningKey, versions: &[(&str, &str)]) -> (TicketRepository, Vec<GenerationId>) {
    let repository = TicketRepository::at(folder.join("repository"));
    let publish = |(name, version): &(&str, &str)| {
        let publication = Publication {
            debs: &[support::deb(folder, name, version, "", 10)],
            labels: &labels(),
            key,
            at: SystemTime::now(),
            by: "a test",
        };
        repository.writer().unwrap().publish(&publication).unwrap().generation
    };
    let generations = versions.iter().map(publish).collect();
    (repository, generations)
}

#[test]
fn a_generation_that_was_shared_outlives_its_repository() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
    let (repository, generations) = repository(folder.path(), &key, &[("mine", "1"), ("mine", "2")]);
    let copy = TicketRepository::at(folder.path().join("copy"));
    repository.share(generations[0], &copy).unwrap();
    repository.share(generations[0], &copy).unwrap();
    let of = |repository: &TicketRepository| std::fs::read(repository.folder_of(generations[0]).join("InRelease")).ok();
    assert!(of(&copy).is_some() && of(&copy) == of(&repository));
    let public = String::from_utf8(key.public_armored().unwrap()).unwrap();
    std::fs::remove_dir_all(repository.folder()).unwrap();
    assert_eq!(copy.key(generations[0]).unwrap(), public);
    // It can be given on, and nothing else is there.
    copy.share(generations[0], &TicketRepository::at(folder.path().join("next")))
        .unwrap();
    let error = copy.share(generations[1], &repository).unwrap_err();
    assert!(matches!(error, ArchiveError::NoSuchGeneration { .. }), "{error}");
    assert!(!repository.folder().exists());
    assert_eq!(std::fs::read_dir(copy.folder()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn apt_takes_the_tickets_own_before_anothers_and_that_before_the_archive() {
    let mirror = TestMirror::start().await;
    let folder = tempfile::tempdir().unwrap();
    let below = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    // The archive has demo-data 1.0-1: both are older.
    let (other, states) = repository(
        &below("other"),
        &mirror.key,
        &[("demo-data", "0.9-1"), ("unrelated", "1")],
    );
    let (own, _) = repository(&below("own"), &mirror.key, &[("demo-data", "0.8-1")]);
    let mount = |path: &str, repository: &TicketRepository, generation| TicketMount {
        path: path.to_owned(),
        folder: repository.folder().to_owned(),
        generation,
    };
    let session = mirror
        .archive()
        .session(SessionOptions {
            repositories: vec![mount("packages", &own, None)],
            mounted: vec![mount("first", &other, Some(states[0]))],
            ..mirror.options(Network::Allowed)
        })
        .unwrap();
    let loopback = session.listen_loopback().await.unwrap();
    let key = mirror.keyring();
    let key = key.to_str().unwrap();
    let archive = format!("deb [signed-by={key}] {GUEST_URL} stable main\n");
    let with_other = format!("{archive}{}", mounted_source("first", key));
    let with_own = format!("{with_other}{}", ticket_source("packages", key));
    for (source, preferences, expected) in [
        (&archive, mounted_preferences(), "Inst demo-data (1.0-1 "),
        (&with_other, mounted_preferences(), "Inst demo-data (0.9-1 "),
        (
            &with_own,
            format!("{}\n{}", mounted_preferences(), ticket_preferences(&labels())),
            "Inst demo-data (0.8-1 ",
        ),
    ] {
        let apt = Apt::new(Some(&loopback.proxy_url()), source);
        std::fs::write(apt.folder.path().join("etc/preferences"), preferences).unwrap();
        apt.succeed(&["update"]).await;
        let simulated = apt.succeed(&["install", "--simulate", "demo-data"]).await;
        assert!(simulated.contains(expected), "{expected}: {simulated}");
    }
    let locked = session.lock().from_archives();
    assert!(locked.entries().all(|entry| !entry.url.as_str().contains("mounted")));
    assert!(locked.len() < session.lock().len());
    // Only what is mounted is there.
    let refused = session.get("http://mounted.preflight.invalid/other/./Packages").await;
    assert!(refused.unwrap_err().reason.contains("no such file"));
}
