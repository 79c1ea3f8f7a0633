//! A ticket of two sources, one of which builds against the other, and the image that comes of it.

use std::path::Path;
use std::process::Command;

use preflight_protocol::image::ImageFiles;
use preflight_protocol::job::JobKind;
use preflight_protocol::repository::Repository;
use preflight_protocol::result::Outcome;
use preflight_tests::home::Home;
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
    alone(&home, &id, &needs);
}

/// The one that needs the other is checked alone: with the first state of the ticket's repository, in which there was only the
/// other one, and without.
fn alone(home: &Home, ticket: &str, needs: &Path) {
    let repositories: Vec<Repository> = home
        .json("repository-list.answer", &["repo", "list", ticket, "--json"])
        .parse();
    let generations = &repositories[0].generations;
    assert_eq!(generations.iter().map(|one| one.packages).collect::<Vec<_>>(), [2, 1]);
    let first = generations[1].generation.to_string();
    let state = format!("{ticket}@{}", &first[..12]);
    let checked = check(home, "with another ticket's", &[needs], &["--repository", &state], 0);
    assert_eq!(checked.tests(), ["greeter evening PASS"]);
    let used = &checked.ticket.repositories;
    assert_eq!(
        (used.len(), used[0].ticket.to_string(), used[0].generation.to_string()),
        (1, ticket.to_owned(), first)
    );
    let none = check(home, "without another ticket's", &[needs], &[], 12);
    assert_eq!(none.ticket.summary.outcome, Some(Outcome::BadPackage));
}

fn information(disk: &Path) -> Value {
    let text = fixture::tool(
        Command::new("qemu-img")
            .args(["info", "-f", "qcow2", "--output=json"])
            .arg(disk),
    );
    serde_json::from_str(&text).unwrap()
}
