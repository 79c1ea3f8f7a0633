//! Snapshots of an archive: two tickets at once, on two snapshots of the same series, come to different results because of
//! them.

use std::path::Path;

use preflight_protocol::archive::{ArchiveSnapshot, SnapshotDiff};
use preflight_tests::home::Home;
use preflight_tests::repository::{Repository, SUITE};
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::check::{end, start};

/// The recipe that is like Debian's but has a suite of the test's own.
const SERIES: &str = "test-bookworm";
const PACKAGE: &str = "preflight-extra";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Debian 12's recipe with the test's archive in the place of the security archive.
fn write_recipe(home: &Home, keyring: &Path) {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm-images/recipes/debian-bookworm.toml"),
    );
    let mut recipe = String::new();
    for line in text.unwrap().lines() {
        let line = match line.split(" = ").next().unwrap_or_default() {
            "distribution" => "distribution = \"test\"".to_owned(),
            "aliases" => continue,
            "keyrings" => format!("keyrings = [{:?}]", keyring.display().to_string()),
            "suites" => line.replace("bookworm-security", SUITE),
            _ => line.to_owned(),
        };
        recipe.push_str(&line);
        recipe.push('\n');
    }
    let folder = home.folders.config.join("recipes");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{SERIES}.toml")), recipe).unwrap();
}

/// Where this host's Debian images come from: what apt's sources in one of them say.
fn debian_mirror(home: &Home) -> String {
    let images = || {
        let entries = std::fs::read_dir(home.folders.cache.join("images"))
            .into_iter()
            .flatten();
        entries
            .filter_map(|entry| std::fs::read(entry.unwrap().path().join("image.json")).ok())
            .map(|text| serde_json::from_slice::<Value>(&text).unwrap())
            .find(|image| image["recipe"] == "debian-bookworm")
    };
    let image = images().unwrap_or_else(|| {
        let _ = home.run(&["image", "build", "debian-bookworm", "--quiet"]).with_code(0);
        images().unwrap()
    });
    let sources = image["sources_list"].as_str().unwrap();
    let url = sources.split_whitespace().find(|word| word.contains("://"));
    url.unwrap().to_owned()
}

/// Takes a snapshot; the newest one.
fn update(home: &Home) -> ArchiveSnapshot {
    let _ = home.run(&["archive", "update", SERIES, "--quiet"]).with_code(0);
    let list: Vec<ArchiveSnapshot> = home
        .json("archive-list.answer", &["archive", "list", SERIES, "--json"])
        .parse();
    list.into_iter().next().unwrap()
}

#[test]
fn two_tickets_on_two_snapshots_see_two_archives() {
    let home = shared::turn("snapshots");
    let archive = Repository::start();
    let scratch = tempfile::tempdir().unwrap();
    let keyring = scratch.path().join("archive.gpg");
    archive.keyring_with(Path::new(KEYRING), &keyring);
    write_recipe(&home, &keyring);
    let debian = debian_mirror(&home);
    let mirrors = format!(
        "\n[archive.mirrors]\n{SERIES} = {debian:?}\n{SERIES}-security = {:?}\n",
        archive.url()
    );
    home.stop_daemon();
    home.configure(&(shared::configuration(0) + &mirrors));

    archive.publish(&[(PACKAGE, "1")]);
    let first = update(&home);
    // Nothing has changed: it is the same one.
    assert_eq!(update(&home).name, first.name);
    archive.publish(&[(PACKAGE, "2")]);
    let second = update(&home);
    assert_ne!(first.name, second.name);
    let diff: SnapshotDiff = home
        .json(
            "archive-diff.answer",
            &["archive", "diff", &first.name, &second.name, "--json"],
        )
        .parse();
    let changes: Vec<_> = diff
        .changes
        .iter()
        .map(|change| {
            (
                change.package.as_str(),
                change.before.as_deref(),
                change.after.as_deref(),
            )
        })
        .collect();
    assert_eq!(changes, [(PACKAGE, Some("1"), Some("2"))]);

    let source = fixture::folder("follower");
    let check =
        |name: &str, snapshot: &str| start(&home, name, &[&source], &["--series", SERIES, "--snapshot", snapshot]);
    let [old, new] = [check("first", &first.name), check("second", &second.name)];
    let old = end(&home, old, 0);
    assert_eq!(old.tests(), ["follower first-version PASS"]);
    assert_eq!(old.ticket.snapshot.as_ref(), Some(&first.name));
    let new = end(&home, new, 4);
    assert_eq!(new.tests(), ["follower first-version FAIL non-zero exit status 1"]);
    // Nobody else is to meet the archive of this test.
    home.stop_daemon();
    home.configure(&shared::configuration(0));
}
