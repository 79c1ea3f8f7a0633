//! Images that gain packages and a PPA: each starts from what it shares with an earlier one, says what it has changed as dpkg
//! in it does, and is asked for twice at no cost.

use std::collections::BTreeMap;

use preflight_protocol::image::{ImageDetails, ImageInfo};
use preflight_tests::home::Home;
use preflight_tests::repository::{Repository, SUITE};
use preflight_tests::{progress, shared};
use pretty_assertions::assert_eq;

const SERIES: &str = "debian-bookworm";
const TOOL: &str = "preflight-tool";

fn rebuild(home: &Home, base: &str, packages: &[&str], more: &[&str]) -> ImageDetails {
    let mut arguments = vec!["image", "rebuild", "--base", base, "-n", "mine", "--json"];
    arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
    arguments.extend(more);
    let finished = home.json("image-show.answer", &arguments);
    progress::say(&format!("rebuild {}: {:.1?}", packages.join(" "), finished.took));
    finished.parse()
}

/// Packages by name, as dpkg in an image has them.
fn installed(home: &Home, image: &str) -> BTreeMap<String, String> {
    // What was removed without its configuration is listed, too.
    let format = "${db:Status-Status} ${Package} ${Version}\n";
    let query = ["dpkg-query", "--show", "--showformat", format];
    let finished = home.run(&[&["shell", image, "--"][..], &query].concat()).with_code(0);
    let lines = finished
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("installed "));
    let packages = lines.filter_map(|line| line.split_once(' '));
    packages
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}

/// The base image's packages with an image's changes.
fn told(base: &BTreeMap<String, String>, image: &ImageDetails) -> BTreeMap<String, String> {
    let mut packages = base.clone();
    for change in &image.rebuilt.as_ref().unwrap().packages {
        assert_eq!(packages.get(&change.name), change.before.as_ref());
        match change.after.clone() {
            Some(version) => packages.insert(change.name.clone(), version),
            None => packages.remove(&change.name),
        };
    }
    packages
}

fn names(image: &ImageDetails) -> Vec<&str> {
    let packages = image.rebuilt.as_ref().unwrap().packages.iter();
    packages.map(|change| change.name.as_str()).collect()
}

fn images(home: &Home) -> Vec<ImageInfo> {
    let images: Vec<ImageInfo> = home.json("image-list.answer", &["image", "list", "--json"]).parse();
    images
        .into_iter()
        .filter(|image| image.id.0.starts_with("image-"))
        .collect()
}

fn remove_all(home: &Home) {
    for image in images(home) {
        let _ = home.run(&["image", "remove", &image.id.0]).with_code(0);
    }
}

#[test]
fn an_image_gains_packages_and_a_ppa() {
    let home = shared::turn("rebuild");
    let pristine = installed(&home, SERIES);

    let first = rebuild(&home, SERIES, &["jq"], &[]);
    assert_eq!(names(&first), ["jq", "libjq1", "libonig5"]);
    let second = rebuild(&home, SERIES, &["tree", "jq"], &["--remove", "tzdata"]);
    assert_eq!(installed(&home, "mine"), told(&pristine, &second));
    assert!(names(&second).contains(&"tree") && !installed(&home, "mine").contains_key("tzdata"));
    // It has gone on from the first.
    assert_eq!(second.rebuilt.as_ref().unwrap().steps.len(), 2);

    let tickets = home.tickets().len();
    assert_eq!(rebuild(&home, SERIES, &["jq"], &[]).info.id, first.info.id);
    assert_eq!(home.tickets().len(), tickets);
    assert_eq!(installed(&home, "mine"), told(&pristine, &first));

    let ppa = Repository::of("Rebuilds");
    ppa.publish(&[(TOOL, "7")]);
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("key.asc");
    ppa.key(&key);
    // A run that has failed may have left one.
    let _ = home.run(&["ppa", "remove", "rebuilds"]);
    let add = ["ppa", "add", ppa.url(), SUITE, "main", "--key", key.to_str().unwrap()];
    let _ = home
        .run(&[&add[..], &["--name", "rebuilds", "--series", SERIES]].concat())
        .with_code(0);
    let third = rebuild(&home, "mine", &[TOOL], &["--ppa", "rebuilds"]);
    assert_eq!(names(&third), ["jq", "libjq1", "libonig5", TOOL]);
    assert_eq!(third.rebuilt.as_ref().unwrap().sources, ["PPA rebuilds"]);
    // The image knows the PPA, and gets packages from it though it was removed.
    let _ = home.run(&["ppa", "remove", "rebuilds"]).with_code(0);
    let again = format!("apt-get install -y --reinstall {TOOL} && cat /usr/share/{TOOL}/version");
    let shell = home.run(&["shell", "mine", "--", "sh", "-c", &again]).with_code(0);
    assert_eq!(shell.stdout.lines().last(), Some("7"), "{shell}");

    let failed = home.run(&[
        "image",
        "rebuild",
        "--base",
        "mine",
        "--package",
        "nosuch",
        "-n",
        "mine",
    ]);
    let failed = failed.with_code(12);
    assert!(failed.stdout.contains("E: Unable to locate package nosuch"), "{failed}");
    let named: Vec<ImageInfo> = images(&home)
        .into_iter()
        .filter(|image| !image.names.is_empty())
        .collect();
    assert_eq!(
        named.iter().map(|image| &image.id).collect::<Vec<_>>(),
        [&third.info.id]
    );
    remove_all(&home);
}
