//! A ticket of two sources, one of which builds against the other, and the image that comes of it.

use std::path::Path;
use std::process::Command;

use preflight_protocol::image::ImageFiles;
use preflight_protocol::job::JobKind;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::check::check;

#[test]
fn sources_are_built_in_the_order_that_they_need_and_their_image_stands_alone() {
    let home = shared::turn("two sources");
    let scratch = tempfile::tempdir().unwrap();
    // One as a folder and one as an upload; the one that needs the other comes first.
    let needs = fixture::folder("greeter");
    let needed = fixture::changes_of(&fixture::copy("libgreeting", scratch.path()));
    let checked = check(&home, "two sources", &[&needs, &needed], &[], 0);
    assert_eq!(checked.tests(), ["libgreeting header PASS", "greeter evening PASS"]);
    let builds: Vec<&str> = checked
        .ticket
        .jobs
        .iter()
        .filter(|job| job.kind == JobKind::Build)
        .map(|job| job.source.as_deref().unwrap())
        .collect();
    assert_eq!(builds, ["libgreeting", "greeter"]);
    let summary = home
        .run(&["results", &checked.ticket.summary.id.to_string()])
        .with_code(0);
    assert!(summary.stdout.contains("evening              PASS"), "{summary}");

    let disk = scratch.path().join("image.qcow2");
    let id = checked.ticket.summary.id.to_string();
    // The Ubuntu CI Engine's word for `image get`.
    let finished = home.json(
        "image-get.answer",
        &["get_image", &id, "-o", disk.to_str().unwrap(), "--json"],
    );
    let files: ImageFiles = finished.parse();
    assert_eq!(files.disk, disk);
    for file in [files.kernel.unwrap(), files.initrd.unwrap()] {
        assert!(
            file.starts_with(scratch.path()) && file.metadata().unwrap().len() > 0,
            "{file:?}"
        );
    }
    assert!(!files.command_line.is_empty());
    fixture::tool(Command::new("qemu-img").args(["check", "-f", "qcow2"]).arg(&disk));
    let info = information(&disk);
    assert_eq!(info["format"], "qcow2");
    assert_eq!(info.get("backing-filename"), None, "{info:#}");
}

fn information(disk: &Path) -> Value {
    let text = fixture::tool(
        Command::new("qemu-img")
            .args(["info", "-f", "qcow2", "--output=json"])
            .arg(disk),
    );
    serde_json::from_str(&text).unwrap()
}
