//! A series that is Debian 12 but has a suite, and a pocket, of a test's own in the place of the security archive.

use std::path::Path;

use preflight_protocol::archive::ArchiveSnapshot;
use preflight_tests::home::Home;
use preflight_tests::repository::{Repository, SUITE};
use preflight_tests::shared;
use serde_json::Value;

/// The series.
pub(crate) const SERIES: &str = "test-bookworm";
/// The suite of its pocket `proposed`, in the test's archive.
pub(crate) const PROPOSED: &str = "extra-proposed";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes the series known to the home's daemon, with packages of this archive.
pub(crate) fn configure(home: &Home, archive: &Repository, keyring: &Path) {
    archive.keyring_with(Path::new(KEYRING), keyring);
    write_recipe(home, keyring);
    let debian = debian_mirror(home);
    let mirrors = format!(
        "\n[archive.mirrors]\n{SERIES} = {debian:?}\n{SERIES}-security = {:?}\n",
        archive.url()
    );
    home.stop_daemon();
    home.configure(&(shared::configuration(0) + &mirrors));
}

/// Nobody else is to meet the archive of this test.
pub(crate) fn forget(home: &Home) {
    home.stop_daemon();
    home.configure(&shared::configuration(0));
}

/// Takes a snapshot; the newest one.
pub(crate) fn update(home: &Home) -> ArchiveSnapshot {
    let _ = home.run(&["archive", "update", SERIES, "--quiet"]).with_code(0);
    let list: Vec<ArchiveSnapshot> = home
        .json("archive-list.answer", &["archive", "list", SERIES, "--json"])
        .parse();
    list.into_iter().next().unwrap()
}

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
            "security" => format!("security = {{ suite = {SUITE:?}, mirror = \"security\" }}"),
            "proposed" => format!("proposed = {{ suite = {PROPOSED:?}, mirror = \"security\" }}"),
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
