//! What a guest says of what it has built is not believed.

use preflight_protocol::job::JobKind;
use preflight_protocol::ticket::Ticket;

use crate::failing::assert_failed;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::source::{Source, deb};
use crate::stage::Stage;

async fn check(stage: Stage, play: Play) -> (Lab, Ticket) {
    let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage == stage {
        true => play.clone(),
        false => Play::Usual,
    }));
    let ticket = lab.check().await;
    (lab, ticket)
}

/// Words of any length for a play.
fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_not_followed() {
    let listing = "../../../evil_1_all.deb\0/etc/evil_1_all.deb\0.evil_1_all.deb\0evil_1_all.deb\n\0hello_1.0_all.deb\0\u{202e}_1_all.deb\0";
    let (lab, ticket) = check(Stage::List, Play::Says(listing, 0)).await;
    crate::passing::assert_passed(&ticket);
    let names: Vec<&str> = ticket.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, ["hello_1.0_all.deb"]);
    let folder = lab.tickets().ticket(preflight_core::TicketId(1)).artifacts();
    let files = std::fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        !name.to_string_lossy().starts_with('.')
    });
    assert_eq!(files.count(), 1);
}

#[tokio::test]
async fn more_files_than_any_source_makes_are_refused() {
    let listing = (0..2001).map(|number| format!("a{number}_1_all.deb\0")).collect();
    let (_, ticket) = check(Stage::List, Play::Says(leaked(listing), 0)).await;
    assert_failed(&ticket, JobKind::Build, 12, "more than 2000 files");
    assert!(ticket.artifacts.is_empty());
}

#[tokio::test]
async fn what_is_no_package_is_refused() {
    let junk = vec![("hello_1.0_all.deb".to_owned(), b"!<arch>\njunk".to_vec())];
    let (_, ticket) = check(Stage::Build, Play::Leaves(junk)).await;
    assert_failed(&ticket, JobKind::Build, 12, "hello_1.0_all.deb is no package");
    assert!(ticket.artifacts.is_empty());
}

#[tokio::test]
async fn a_build_that_makes_nothing_is_a_bad_package() {
    let (_, ticket) = check(Stage::Build, Play::Says("dpkg-buildpackage: info: done\n", 0)).await;
    assert_failed(&ticket, JobKind::Build, 12, "the build made no package");
}

#[tokio::test]
async fn two_packages_that_claim_to_be_the_same_are_a_bad_package() {
    let mut other = deb("hello", "1.0");
    other.extend([0; 60]);
    let twins = vec![
        ("hello_1.0_all.deb".to_owned(), deb("hello", "1.0")),
        ("twin_1.0_all.deb".to_owned(), other),
    ];
    let (_, ticket) = check(Stage::Build, Play::Leaves(twins)).await;
    assert_failed(&ticket, JobKind::Build, 12, "hello_1.0_all.deb");
}

#[tokio::test]
async fn a_file_that_is_listed_and_not_there_breaks_the_testbed() {
    let (_, ticket) = check(Stage::List, Play::Says("gone_1_all.deb\0", 0)).await;
    assert_failed(&ticket, JobKind::Build, 16, "gone_1_all.deb");
}

#[tokio::test]
async fn a_tree_without_a_control_file_is_a_bad_package() {
    let (_, ticket) = check(Stage::Extract, Play::Says("", 0)).await;
    assert_failed(&ticket, JobKind::Build, 12, "debian/control");
    let huge = vec![("tree/debian/control".to_owned(), vec![b'a'; 5 << 20])];
    let (_, ticket) = check(Stage::Extract, Play::Leaves(huge)).await;
    assert_failed(&ticket, JobKind::Build, 12, "debian/control");
}

#[tokio::test]
async fn a_source_package_that_is_another_is_a_bad_package() {
    let wrong: Vec<(String, Vec<u8>)> = Source {
        version: "2.0",
        ..Source::new("hello")
    }
    .package()
    .into_iter()
    .map(|(name, content)| (format!("package/{name}"), content))
    .collect();
    let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage {
        Stage::Gather => Play::Leaves(wrong.clone()),
        _ => Play::Usual,
    }));
    let folder = lab.sources[0].write_folder(&lab.desk());
    let ticket = lab.check_with(|request| request.sources = vec![folder]).await;
    assert_failed(&ticket, JobKind::Source, 12, "it is hello 2.0, not hello 1.0");
}

#[tokio::test]
async fn output_without_end_and_without_lines_is_stored_as_it_comes() {
    let mut output = "x".repeat(6 << 20);
    output += "\u{1b}]0;title\u{7}\nhello.c:1:1: error: after it\n";
    let (lab, ticket) = check(Stage::Build, Play::Says(leaked(output), 1)).await;
    assert_failed(&ticket, JobKind::Build, 12, "exit status 1");
    crate::failing::assert_first_error(&lab, &ticket, JobKind::Build, "hello.c:1:1: error: after it");
}
