//! Ticket repositories with their history: what is kept, what is refused, what a session or an exported tree shows of
//! them. The host's apt and apt-ftparchive judge.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::{self, Apt, TestMirror, run};
use preflight_archive::{
    Archive, ArchiveConfig, ArchiveError, GenerationId, HttpTimeouts, PackageChanges, Publication, Published,
    RepositoryLabels, Session, SessionOptions, SigningKey, TicketMount, TicketRepository, ValidUntil, VersionChange,
};
use pretty_assertions::assert_eq;
use tempfile::TempDir;

/// A repository, and packages to publish in it.
struct World {
    folder: TempDir,
    key: SigningKey,
    repository: TicketRepository,
    labels: RepositoryLabels,
    start: SystemTime,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            key: SigningKey::load_or_create(&folder.path().join("key")).unwrap(),
            repository: TicketRepository::at(folder.path().join("repository")),
            labels: RepositoryLabels {
                origin: "Preflight".to_owned(),
                label: "ticket".to_owned(),
            },
            start: SystemTime::now() - Duration::from_secs(3600),
            folder,
        }
    }

    /// A package whose content is told by its version and size.
    fn deb(&self, name: &str, version: &str, size: usize) -> PathBuf {
        let folder = self.folder.path().join(format!("built-{size}"));
        std::fs::create_dir_all(&folder).unwrap();
        support::deb(&folder, name, version, "", size)
    }

    /// Publishes these files so many seconds after the beginning.
    fn publish(&self, debs: &[PathBuf], second: u64) -> Published {
        self.try_publish(debs, second).unwrap()
    }

    fn try_publish(&self, debs: &[PathBuf], second: u64) -> Result<Published, ArchiveError> {
        self.repository.writer().unwrap().publish(&Publication {
            debs,
            labels: &self.labels,
            key: &self.key,
            at: self.start + Duration::from_secs(second),
            by: &format!("job {second}"),
        })
    }

    fn session(&self, generation: Option<GenerationId>) -> Result<Session, ArchiveError> {
        let archive = Archive::open(ArchiveConfig {
            folder: self.folder.path().join("archive"),
            keyrings: vec![],
            http: HttpTimeouts::default(),
            valid_until: ValidUntil::Enforce,
        });
        archive.unwrap().session(SessionOptions {
            repositories: vec![TicketMount {
                path: "packages".to_owned(),
                folder: self.repository.folder().to_owned(),
                generation,
            }],
            ..SessionOptions::default()
        })
    }

    async fn versions(&self, session: &Session) -> String {
        let url = "http://ticket.preflight.invalid/packages/./Packages";
        let packages = std::fs::read_to_string(session.get(url).await.unwrap().path).unwrap();
        let lines = packages.lines().filter_map(|line| line.strip_prefix("Version: "));
        lines.collect::<Vec<_>>().join(" ")
    }
}

fn aside(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with("generation-"));
    names.sort();
    names
}

#[tokio::test]
async fn every_state_is_kept_and_can_be_mounted_again() {
    let world = World::new();
    let repository = &world.repository;
    assert_eq!(
        (repository.current().unwrap(), repository.history().unwrap()),
        (None, vec![])
    );
    assert!(world.session(None).is_err());

    let one = world.deb("mine", "1.0-1", 10);
    let first = world.publish(&[], 0);
    let second = world.publish(std::slice::from_ref(&one), 1);
    // The same once more, later: nothing is added.
    let again = world.publish(std::slice::from_ref(&one), 2);
    assert_eq!(
        (second.is_new, again.is_new, again.generation),
        (true, false, second.generation)
    );
    // What a writer that died has left.
    std::fs::create_dir(repository.folder().join("aside-of-a-dead-one")).unwrap();
    let third = world.publish(&[world.deb("mine", "1.0-2", 10), world.deb("other", "1.0-1", 10)], 3);
    // Back to what was: another moment, so another generation.
    let fourth = world.publish(std::slice::from_ref(&one), 4);
    assert_eq!(aside(repository.folder()), ["current", "history.jsonl"]);
    assert_eq!(repository.current().unwrap(), Some(fourth.generation));

    let history = repository.history().unwrap();
    let told: Vec<(GenerationId, &str, usize)> = history
        .iter()
        .map(|entry| (entry.generation, entry.by.as_str(), entry.packages.len()))
        .collect();
    assert_eq!(
        told,
        [
            (first.generation, "job 0", 0),
            (second.generation, "job 1", 1),
            (third.generation, "job 3", 2),
            (fourth.generation, "job 4", 1)
        ]
    );
    let published: Vec<_> = [&first, &second, &third, &fourth]
        .map(|one| one.packages.clone())
        .into();
    assert_eq!(
        history.iter().map(|entry| entry.packages.clone()).collect::<Vec<_>>(),
        published
    );

    let changes = repository.diff(second.generation, third.generation).unwrap();
    assert_eq!((changes.added.len(), changes.removed.len(), changes.same), (1, 0, 0));
    let [(old, new)] = &changes.changed[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(VersionChange::of(old, new), VersionChange::Upgraded);
    assert!(
        repository
            .diff(second.generation, fourth.generation)
            .unwrap()
            .is_empty()
    );
    assert_eq!(PackageChanges::between(&[], &first.packages), PackageChanges::default());

    let beginning = &third.generation.to_string()[..20];
    assert_eq!(repository.find(beginning).unwrap().generation, third.generation);
    for wrong in ["", "xyz", &"0".repeat(64)] {
        let error = repository.find(wrong).unwrap_err();
        assert!(matches!(error, ArchiveError::NoSuchGeneration { .. }), "{error}");
    }

    let old = world.session(Some(third.generation)).unwrap();
    let current = world.session(None).unwrap();
    world.publish(&[], 5);
    // A session shows what was mounted, whatever is published since.
    assert_eq!(world.versions(&old).await, "1.0-2 1.0-1");
    assert_eq!(world.versions(&current).await, "1.0-1");
    let none = "0".repeat(64).parse().unwrap();
    assert!(matches!(
        world.session(Some(none)),
        Err(ArchiveError::NoSuchGeneration { .. })
    ));
}

#[test]
fn two_files_of_one_name_are_refused_with_both_names() {
    let world = World::new();
    let good = world.deb("mine", "1.0-1", 10);
    let before = world.publish(std::slice::from_ref(&good), 0);
    let other = world.deb("mine", "1.0-1", 20);
    let error = world.try_publish(&[good, other], 1).unwrap_err().to_string();
    assert_eq!(error.matches("mine_1.0-1_all.deb of source mine").count(), 2, "{error}");
    assert_eq!(world.repository.current().unwrap(), Some(before.generation));
    assert_eq!(world.repository.history().unwrap().len(), 1);
}

#[test]
fn whoever_dies_while_publishing_leaves_one_state_or_the_other() {
    let world = World::new();
    let deb = world.deb("mine", "1.0-1", 10);
    let first = world.publish(std::slice::from_ref(&deb), 0);
    let second = world.publish(&[], 1);
    let link = world.repository.folder().join("current");
    let back = || {
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(first.folder.file_name().unwrap(), &link).unwrap();
    };
    // After the journal was written, before the link was renamed.
    back();
    assert_eq!(world.repository.current().unwrap(), Some(first.generation));
    assert_eq!(world.repository.history().unwrap().len(), 2);
    // The attempt that takes its place publishes the same: it is there, and becomes the current one.
    let again = world.publish(&[], 1);
    assert_eq!((again.is_new, again.generation), (true, second.generation));
    assert_eq!(world.repository.current().unwrap(), Some(second.generation));
    assert_eq!(world.repository.generation(second.generation).unwrap().packages, []);
    // A repository of before there was a journal.
    back();
    std::fs::remove_file(world.repository.folder().join("history.jsonl")).unwrap();
    let history = world.repository.history().unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(
        (history[0].generation, &history[0].packages),
        (first.generation, &first.packages)
    );
}

#[test]
fn writers_wait_for_one_another() {
    let world = World::new();
    let artifacts = world.folder.path().join("artifacts");
    std::fs::create_dir(&artifacts).unwrap();
    let built: Vec<PathBuf> = (0..6)
        .map(|number| world.deb(&format!("mine{number}"), "1", 1))
        .collect();
    std::thread::scope(|scope| {
        for (number, deb) in built.iter().enumerate() {
            let (world, artifacts) = (&world, &artifacts);
            scope.spawn(move || {
                std::fs::hard_link(deb, artifacts.join(deb.file_name().unwrap())).unwrap();
                let writer = world.repository.writer().unwrap();
                let all: Vec<PathBuf> = std::fs::read_dir(artifacts)
                    .unwrap()
                    .map(|e| e.unwrap().path())
                    .collect();
                let publication = Publication {
                    debs: &all,
                    labels: &world.labels,
                    key: &world.key,
                    at: world.start,
                    by: &number.to_string(),
                };
                writer.publish(&publication).unwrap();
            });
        }
    });
    let history = world.repository.history().unwrap();
    let counts: Vec<usize> = history.iter().map(|entry| entry.packages.len()).collect();
    assert!(counts.is_sorted(), "somebody's packages were lost: {counts:?}");
    assert_eq!(counts.last(), Some(&built.len()));
    assert_eq!(
        world.repository.current().unwrap(),
        history.last().map(|entry| entry.generation)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_hosts_apt_accepts_an_exported_tree() {
    let world = World::new();
    let mirror = TestMirror::start().await;
    let tree = mirror.folder.path().join("exported/1");
    let uri = format!("{}/exported/1", mirror.url.trim_end_matches("/debian"));
    let first = world.publish(&[world.deb("mine", "2:1.0-1", 100), world.deb("other", "1.0", 10)], 0);
    let second = world.publish(&[world.deb("mine", "2:1.0-1", 200)], 1);

    // As files, by the source that was written, the key in it.
    let exported = world.repository.export(first.generation, &tree, None).unwrap();
    assert_eq!(
        (exported.packages, exported.size),
        (2, first.packages.iter().map(|p| p.size).sum())
    );
    let parts = tree.with_file_name("parts");
    std::fs::create_dir(&parts).unwrap();
    std::fs::copy(&exported.sources, parts.join("preflight.sources")).unwrap();
    let sources = format!("-oDir::Etc::sourceparts={}", parts.display());
    let preferences = format!("-oDir::Etc::preferences={}", exported.preferences.display());
    let options = ["-oDir::Etc::sourcelist=/dev/null", &sources, &preferences];
    let with = |words: &[&'static str]| {
        options
            .iter()
            .copied()
            .chain(words.iter().copied())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let apt = |apt: &Apt, words: &[&'static str]| {
        let (mut command, words) = (apt.command(&[]), with(words));
        let output = run(command.args(words));
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let files = Apt::new(None, "");
    let updated = apt(&files, &["update"]);
    assert!(!updated.contains("W:") && !updated.contains("E:"), "{updated}");
    let simulated = apt(&files, &["install", "--simulate", "mine", "other"]);
    assert!(simulated.contains("Inst mine (2:1.0-1 ticket:"), "{simulated}");
    // What apt's own tool would have written of these packages and indices.
    let ours = std::fs::read_to_string(tree.join("Packages")).unwrap();
    let scanned = run(Command::new("apt-ftparchive")
        .args(["packages", "pool"])
        .current_dir(&tree))
    .stdout;
    let facts = |text: &str| {
        let keys = ["Package:", "Version:", "Architecture:", "Filename:", "Size:", "SHA256:"];
        let lines = text.lines().filter(|line| keys.iter().any(|key| line.starts_with(key)));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(facts(&ours), facts(&String::from_utf8(scanned).unwrap()));
    let listed = |text: &str| {
        let lines = text
            .lines()
            .skip_while(|line| *line != "SHA256:")
            .skip(1)
            .take_while(|line| line.starts_with(' '));
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut words: Vec<String> = words.filter(|line| line.contains(" Packages")).collect();
        words.sort();
        words
    };
    let release = std::fs::read_to_string(tree.join("Release")).unwrap();
    let theirs = run(Command::new("apt-ftparchive").args(["release", "."]).current_dir(&tree)).stdout;
    assert_eq!(listed(&release), listed(&String::from_utf8(theirs).unwrap()));

    // By http, from a server that knows nothing of it; apt asks by digest.
    let served = world.repository.export(first.generation, &tree, Some(&uri)).unwrap();
    std::fs::copy(&served.sources, parts.join("preflight.sources")).unwrap();
    let web = Apt::new(None, "");
    let update = with(&["update"]);
    web.succeed(&update.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    assert!(
        mirror
            .behaviour
            .lock()
            .unwrap()
            .asked
            .iter()
            .any(|(path, _)| path.contains("/by-hash/SHA256/")),
        "apt did not ask by hash"
    );
    // The next generation takes its place; who has read the old lists still gets the old package.
    world.repository.export(second.generation, &tree, Some(&uri)).unwrap();
    let fetch = with(&["download", "mine", "other"]);
    web.succeed(&fetch.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let fetched = web.folder.path().join("work/mine_2%3a1.0-1_all.deb");
    assert_eq!(std::fs::metadata(&fetched).unwrap().len(), first.packages[0].size);
    web.succeed(&update.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    std::fs::remove_file(&fetched).unwrap();
    let fetch = with(&["download", "mine"]);
    web.succeed(&fetch.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(std::fs::metadata(&fetched).unwrap().len(), second.packages[0].size);
    assert_ne!(first.packages[0].size, second.packages[0].size);
}

#[test]
fn an_export_spoils_nothing_and_tells_what_is_wrong() {
    let world = World::new();
    let published = world.publish(&[world.deb("mine", "1.0", 10)], 0);
    let export = |target: &Path, uri| world.repository.export(published.generation, target, uri);
    let foreign = world.folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "").unwrap();
    for (target, uri) in [
        (foreign.as_path(), None),
        (Path::new("relative"), None),
        (&world.folder.path().join("new"), Some("no url")),
    ] {
        let error = export(target, uri).unwrap_err();
        assert!(matches!(error, ArchiveError::ExportTarget { .. }), "{error}");
    }
    assert_eq!(aside(&foreign), ["thesis.txt"]);

    // One that was cut short is begun again; what is in the tree can be spoilt without spoiling the history.
    let tree = world.folder.path().join("tree");
    export(&tree, None).unwrap();
    let package = tree.join(&published.packages[0].path);
    std::fs::write(&package, "spoilt").unwrap();
    std::fs::create_dir(tree.join(".preflight-aside")).unwrap();
    std::fs::write(tree.join(".preflight-aside/file"), "half").unwrap();
    export(&tree, None).unwrap();
    let whole = std::fs::read(published.folder.join(&published.packages[0].path)).unwrap();
    assert_eq!(std::fs::read(&package).unwrap(), whole);
    assert!(!tree.join(".preflight-aside").exists());

    // The other way round: what is not as it was published is not handed on.
    let original = published.folder.join(&published.packages[0].path);
    std::fs::remove_file(&original).unwrap();
    std::fs::write(&original, "spoilt").unwrap();
    let error = export(&world.folder.path().join("another"), None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("has changed since it was published"), "{error}");
}
