//! Where packages come from that the mirror does not have any more: the host's own folder, a snapshot service, or nowhere,
//! which is the archive's failure and none of the package's. Nothing counts but its digest.

use std::fs;
use std::path::Path;

use preflight_archive::{HostCache, Network, Places};
use preflight_protocol::job::JobKind;
use preflight_protocol::ticket::Ticket;
use serde_json::{Value, json};

use crate::client::job;
use crate::failing::assert_failed;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::mirror::{GUEST_URL, TestMirror, guest};
use crate::stage::Stage;

const PACKAGE: &str = "pool/main/d/demo/demo_1.0+b1-1_all.deb";
const FILE: &str = "demo_1.0+b1-1_all.deb";

/// A lab whose images are of the mirror's archive, the package gone from there; a guest asks for it, and fails then,
/// whatever the answer.
async fn lab(mirror: &TestMirror, places: Places) -> Lab {
    let url: &'static str = guest(PACKAGE).leak();
    let mut lab = Lab::new(Scenario::scripted(move |scene| match scene.stage {
        Stage::BuildDepends => Play::Fetches(url),
        _ => Play::Usual,
    }));
    lab.places = places;
    let folders = lab.folders();
    for image in fs::read_dir(folders.cache.join("images")).unwrap() {
        let file = image.unwrap().path().join("image.json");
        let mut metadata: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        metadata["sources"] = json!([{
            "origin": mirror.url,
            "uri": GUEST_URL,
            "suites": ["stable"],
            "components": ["main"],
        }]);
        fs::write(&file, metadata.to_string()).unwrap();
    }
    // The release file is known, as the making of the images would have it, and the package's index with it.
    let archive = mirror.archive_in(&folders.cache.join("archive"));
    let session = archive.session(mirror.options(Network::Allowed)).unwrap();
    session.get(&guest("dists/stable/InRelease")).await.unwrap();
    lab
}

/// The build's log, and the ticket.
async fn checked(lab: &Lab) -> (String, Ticket) {
    let ticket = lab.check().await;
    let log = job(&ticket, JobKind::Build).log.clone().unwrap();
    (lab.log(&ticket, &log.0), ticket)
}

/// Moves the package to another place.
fn take_away(mirror: &TestMirror, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::rename(mirror.root().join(PACKAGE), to).unwrap();
}

#[tokio::test]
async fn the_hosts_own_folder_has_it_and_a_wrong_file_is_passed_over() {
    let mirror = TestMirror::start().await;
    let [wrong, right] = ["wrong", "right"].map(|name| mirror.folder.path().join(name));
    fs::create_dir_all(&wrong).unwrap();
    fs::write(wrong.join(FILE), vec![0; 200_000]).unwrap();
    take_away(&mirror, &right.join(FILE));
    let places = Places {
        host_caches: [wrong, right].map(HostCache::AptArchives).to_vec(),
        ..Places::default()
    };
    let (log, _) = checked(&lab(&mirror, places).await).await;
    assert!(log.contains("200 OK"), "{log}");
    assert_eq!(mirror.asked(PACKAGE).len(), 0);
}

#[tokio::test]
async fn a_snapshot_service_has_it_at_the_release_files_moment() {
    let mirror = TestMirror::start().await;
    let release = fs::read_to_string(mirror.root().join("dists/stable/Release")).unwrap();
    let date = release.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap();
    let moment = jiff::fmt::rfc2822::parse(&date.replace("UTC", "+0000")).unwrap();
    let moment = moment.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
    take_away(
        &mirror,
        &mirror.folder.path().join("service").join(moment).join(PACKAGE),
    );
    let server = mirror.url.trim_end_matches("/debian");
    let template = format!("{server}/service/{{timestamp}}/{{path}}");
    let places = Places {
        snapshot_services: vec![(GUEST_URL.parse().unwrap(), template.parse().unwrap())],
        ..Places::default()
    };
    let (log, _) = checked(&lab(&mirror, places).await).await;
    assert!(log.contains("200 OK"), "{log}");
}

#[tokio::test]
async fn what_nobody_has_is_named_and_not_the_packages_fault() {
    let mirror = TestMirror::start().await;
    take_away(&mirror, &mirror.folder.path().join("away"));
    let (log, ticket) = checked(&lab(&mirror, Places::default()).await).await;
    assert!(log.contains("404"), "{log}");
    assert_failed(&ticket, JobKind::Build, 16, PACKAGE);
    let why = job(&ticket, JobKind::Build).reason.clone().unwrap();
    assert!(why.contains("archive.snapshot_services"), "{why}");
}
