//! Prefetching: what testbeds are asked, and that whatever cannot be had is named, whoever is to blame.

use std::sync::atomic::{AtomicBool, Ordering};

use preflight_protocol::error::ErrorCode;
use preflight_protocol::ids::{Attempt, TicketId};
use preflight_protocol::job::{JobKind, JobState};
use preflight_protocol::prefetch::{ArchivePrefetch, ArchivePrefetched, PrefetchResult};
use preflight_protocol::result::Outcome;
use preflight_protocol::ticket::{Ticket, TicketStatus};
use preflight_testbed::EndReason;
use tokio::runtime::Builder;

use crate::client::{Client, job, within};
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

const HELLO: &str = "'http://mirror.example/debian/pool/main/h/hello/hello_1_all.deb' hello_1_all.deb 10 SHA256:0\n";

fn packages(names: &[&str]) -> ArchivePrefetch {
    ArchivePrefetch {
        packages: names.iter().map(|name| (*name).to_owned()).collect(),
        // Nobody's network is needed for a test.
        offline: true,
        ..ArchivePrefetch::default()
    }
}

async fn ask(client: &Client, request: &ArchivePrefetch) -> TicketId {
    within(client.connection.request(request)).await.unwrap().ticket
}

async fn refused(client: &Client, request: &ArchivePrefetch) -> (ErrorCode, String) {
    match within(client.connection.request(request)).await.unwrap_err() {
        preflight_protocol::client::ClientError::Rpc(error) => (error.code, error.message),
        other => panic!("{other}"),
    }
}

/// A ticket that prefetches, at its end; what came of it where it came so far.
async fn prefetch(lab: &Lab, request: &ArchivePrefetch) -> (Ticket, Option<PrefetchResult>) {
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let ticket = ask(&client, request).await;
    let ended = client.until_ended(ticket).await;
    let result = within(client.connection.request(&ArchivePrefetched { ticket })).await;
    lab.assert_nothing_is_left().await;
    drop(daemon);
    (ended, result.ok())
}

fn missing(result: &PrefetchResult) -> Vec<(&str, &str)> {
    let missing = result.missing.iter();
    missing
        .map(|missing| (missing.what.as_str(), missing.reason.as_str()))
        .collect()
}

/// What apt was asked, machine by machine.
fn asked(lab: &Lab) -> Vec<String> {
    let scenes = lab.machines.scenes();
    let asked = scenes.iter().filter(|scene| scene.stage == Stage::Ask);
    asked
        .filter_map(|scene| Some(scene.line.split_once("--print-uris ")?.1.to_owned()))
        .collect()
}

#[tokio::test]
async fn what_cannot_be_had_is_named() {
    let lab = Lab::new(Scenario::scripted(|scene: &Scene| match scene.stage {
        Stage::Ask if scene.line.ends_with("nosuch") => Play::SaysError("E: Unable to locate package nosuch\n", 100),
        Stage::Ask => Play::Says(HELLO, 0),
        _ => Play::Usual,
    }));
    let (ticket, result) = prefetch(&lab, &packages(&["hello", "nosuch"])).await;
    let summary = &ticket.summary;
    assert_eq!(
        (summary.status, summary.exit_code, summary.outcome),
        (TicketStatus::Failed, Some(4), Some(Outcome::Fail))
    );
    assert_eq!(job(&ticket, JobKind::BaseImage).state, JobState::Passed);
    let result = result.unwrap();
    let [(file, why), (package, unknown)] = missing(&result)[..] else {
        panic!("{result:#?}");
    };
    assert_eq!(
        (file, package, unknown),
        ("hello_1_all.deb", "nosuch", "Unable to locate package nosuch")
    );
    assert!(why.contains("nothing is known of this archive yet"), "{why}");
    assert_eq!((result.fetched.files, result.there.files), (0, 0));
    // Together, then one by one, of both images.
    let once = ["install hello nosuch", "install hello", "install nosuch"];
    assert_eq!(asked(&lab), [once, once].concat());
}

#[tokio::test]
async fn a_source_needs_what_its_control_files_say() {
    let source = Source {
        build_depends: "debhelper-compat (= 13), hello",
        ..Source::new("hello")
            .with_tests("Test-Command: true\nDepends: @, curl\n\nTest-Command: false\nDepends: wget\n")
    };
    let lab = Lab::new(Scenario {
        sources: vec![source],
        ..Scenario::default()
    });
    let sources = lab.request().sources;
    let request = ArchivePrefetch {
        sources,
        ..packages(&[])
    };
    let (ticket, result) = prefetch(&lab, &request).await;
    assert_eq!(ticket.summary.exit_code, Some(0), "{ticket:#?}");
    assert_eq!(result, Some(PrefetchResult::default()));
    assert_eq!(ticket.summary.title, "prefetch what hello 1.0 needs");
    assert_eq!(
        asked(&lab),
        [
            "build-dep /run/preflight-prefetch/source-0",
            "satisfy curl",
            "satisfy wget"
        ]
    );
    // Nothing of the source has run.
    let scenes = lab.machines.scenes();
    assert!(
        !scenes
            .iter()
            .any(|scene| matches!(scene.stage, Stage::Build | Stage::Test(_)))
    );
}

#[tokio::test]
async fn a_source_that_cannot_be_read_keeps_nobody_from_the_others() {
    let lab = Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests("Depends: one"), Source::new("world")],
        ..Scenario::default()
    });
    let request = ArchivePrefetch {
        sources: lab.request().sources,
        ..packages(&[])
    };
    let (ticket, result) = prefetch(&lab, &request).await;
    assert_eq!(ticket.summary.exit_code, Some(4));
    let result = result.unwrap();
    let [(what, why)] = missing(&result)[..] else {
        panic!("{result:#?}");
    };
    assert_eq!(what, "what hello 1.0 needs");
    assert!(why.starts_with("debian/tests/control: "), "{why}");
    assert_eq!(asked(&lab), ["build-dep /run/preflight-prefetch/source-0"]);
}

#[tokio::test]
async fn a_testbed_that_dies_or_is_cancelled_leaves_no_result() {
    let lab = Lab::new(Scenario::scripted(|scene: &Scene| match scene.stage {
        Stage::Ask if scene.line.ends_with("dies") => Play::Dies(EndReason::Failed),
        Stage::Ask => Play::Hangs(""),
        _ => Play::Usual,
    }));
    let (ticket, result) = prefetch(&lab, &packages(&["dies"])).await;
    assert_eq!((ticket.summary.exit_code, result), (Some(16), None));

    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = ask(&client, &packages(&["hangs"])).await;
    lab.machines.reached(|scene| scene.line.ends_with("hangs")).await;
    client.cancel(id).await;
    let ticket = client.until_ended(id).await;
    assert_eq!(ticket.summary.status, TicketStatus::Cancelled);
    lab.assert_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn what_a_ticket_needs_to_run_again_is_looked_for_without_a_guest() {
    let lab = Lab::new(Scenario::default());
    let checked = lab.check().await.summary.id;
    let machines = lab.machines.started();
    let request = ArchivePrefetch {
        ticket: Some(checked),
        offline: true,
        ..ArchivePrefetch::default()
    };
    let (ticket, result) = prefetch(&lab, &request).await;
    // Its guests have fetched nothing.
    assert_eq!(result, Some(PrefetchResult::default()));
    assert_eq!(ticket.summary.exit_code, Some(0));

    // The next run of it would start from this one.
    let gone = lab.forget_base_image();
    let (ticket, result) = prefetch(&lab, &request).await;
    let result = result.unwrap();
    let missing = missing(&result);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0].0, format!("the base image {gone}"));
    assert_eq!(ticket.summary.exit_code, Some(4));
    assert_eq!(lab.machines.started(), machines);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let lab = Lab::new(Scenario::scripted(|scene: &Scene| match scene.stage {
        Stage::Build => Play::Hangs(""),
        _ => Play::Usual,
    }));
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let of_ticket = |id| ArchivePrefetch {
        ticket: Some(TicketId(id)),
        ..ArchivePrefetch::default()
    };
    let with_package = ArchivePrefetch {
        ticket: Some(TicketId(1)),
        ..packages(&["hello"])
    };
    let relative = ArchivePrefetch {
        sources: vec!["hello".into()],
        ..ArchivePrefetch::default()
    };
    for (request, code, part) in [
        (
            ArchivePrefetch::default(),
            ErrorCode::InvalidParams,
            "nothing to prefetch",
        ),
        (packages(&["-o"]), ErrorCode::InvalidParams, "is no package"),
        (relative, ErrorCode::InvalidParams, "not an absolute path"),
        (with_package, ErrorCode::InvalidParams, "nothing else can be named"),
        (of_ticket(9), ErrorCode::NotFound, "9"),
    ] {
        let (found, message) = refused(&client, &request).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let running = client.create(lab.request()).await.id;
    lab.machines.reached(|scene| scene.stage == Stage::Build).await;
    let (code, message) = refused(&client, &of_ticket(running.0)).await;
    assert_eq!(code, ErrorCode::Conflict, "{message}");
    let shown = within(client.connection.request(&ArchivePrefetched { ticket: running })).await;
    assert!(shown.is_err());
    client.cancel(running).await;
    let ticket = client.until_ended(running).await;
    assert_eq!(job(&ticket, JobKind::Build).attempt, Attempt(1));
    lab.until_nothing_is_left().await;
    drop(daemon);
}

#[test]
fn a_killed_daemons_prefetch_is_finished_by_the_next() {
    let once = AtomicBool::new(true);
    let lab = Lab::new(Scenario::scripted(move |scene: &Scene| {
        let is_first = scene.stage == Stage::Ask && once.swap(false, Ordering::SeqCst);
        if is_first { Play::Hangs("") } else { Play::Usual }
    }));
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let killed = runtime();
    let id = killed.block_on(async {
        let daemon = lab.start().await;
        let client = lab.client().await;
        let id = ask(&client, &packages(&["hello"])).await;
        lab.machines.reached(|scene| scene.stage == Stage::Ask).await;
        drop(daemon);
        id
    });
    drop(killed);
    runtime().block_on(async {
        let daemon = lab.start().await;
        let mut client = lab.client().await;
        let ticket = client.until_ended(id).await;
        assert_eq!(ticket.summary.exit_code, Some(0), "{ticket:#?}");
        assert_eq!(job(&ticket, JobKind::Prefetch).attempt, Attempt(2));
        // What is wanted was not lost with the daemon.
        assert_eq!(asked(&lab), ["install hello"; 3]);
        lab.assert_nothing_is_left().await;
        drop(daemon);
    });
}
