//! Replays: builds, image and tests run again from the beginning, whatever the earlier run has left; what the locks do not
//! name is refused; and one job alone finds what the others had made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::job::JobKind;
use preflight_protocol::method::{TicketAgreement, TicketReplay};
use preflight_protocol::replay::{Agreement, DifferenceKind};
use preflight_protocol::result::{FindingKind, Outcome};
use preflight_protocol::ticket::Ticket;
use preflight_testbed::fake::Faults;
use preflightd::bootstrap::Daemon;

use crate::client::{Client, within};
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::passing::assert_passed;
use crate::source::Source;
use crate::stage::Stage;

/// A library, and a program that is built with it.
fn two_sources() -> Vec<Source> {
    let app = Source {
        build_depends: "lib",
        ..Source::new("app")
    };
    vec![app, Source::new("lib")]
}

/// A daemon that has run a ticket.
async fn run(lab: &Lab) -> (Daemon, Client, Ticket) {
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    (daemon, client, ticket)
}

async fn replay(client: &mut Client, ticket: TicketId, job: Option<JobId>) -> (Ticket, Agreement) {
    let request = TicketReplay {
        ticket,
        job,
        owner: None,
    };
    let id = within(client.connection.request(&request)).await.unwrap().id;
    let ticket = client.until_ended(id).await;
    let agreement = within(client.connection.request(&TicketAgreement { ticket: id })).await;
    (ticket, agreement.unwrap())
}

#[tokio::test]
async fn all_of_a_ticket_runs_again_from_the_beginning() {
    let lab = Lab::new(Scenario {
        sources: two_sources(),
        ..Scenario::default()
    });
    let (daemon, mut client, earlier) = run(&lab).await;
    assert_passed(&earlier);
    let before = lab.machines.scenes();
    let (later, agreement) = replay(&mut client, earlier.summary.id, None).await;
    assert_passed(&later);
    let same = agreement.same;
    assert!(agreement.agrees, "{agreement:?}");
    assert_eq!((same.jobs, same.tests, same.packages), (5, 2, 2));
    assert_ne!(later.image, earlier.image, "the image was made anew");
    let all = lab.machines.scenes();
    let count =
        |scenes: &[crate::guest::Scene], stage: &Stage| scenes.iter().filter(|scene| scene.stage == *stage).count();
    for stage in [
        Stage::BuildDepends,
        Stage::Extract,
        Stage::Build,
        Stage::Install,
        Stage::Test("command1".to_owned()),
    ] {
        assert_eq!(count(&all, &stage), 2 * count(&before, &stage), "{stage:?}");
    }
    lab.assert_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn a_lone_job_finds_what_the_others_had_made() {
    let lab = Lab::new(Scenario {
        sources: two_sources(),
        ..Scenario::default()
    });
    let (daemon, mut client, earlier) = run(&lab).await;
    let id = earlier.summary.id;
    let jobs = earlier.jobs.iter().filter(|job| {
        // The library's build needs nobody.
        job.kind != JobKind::Build || job.source.as_deref() == Some("app")
    });
    for job in jobs {
        let (later, agreement) = replay(&mut client, id, Some(job.id)).await;
        assert_passed(&later);
        assert!(agreement.agrees, "{agreement:?}");
        let kinds: Vec<_> = later.jobs.iter().map(|job| (job.kind, job.source.clone())).collect();
        assert_eq!(kinds, [(job.kind, job.source.clone())]);
        // What it was given is nothing that it has made.
        let made = later
            .artifacts
            .iter()
            .filter(|artifact| artifact.name.ends_with(".deb"))
            .count();
        assert_eq!(made, usize::from(job.kind == JobKind::Build));
        assert_eq!(later.image == earlier.image, job.kind == JobKind::Test);
    }
    lab.assert_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn what_the_lock_does_not_name_is_refused_and_the_runs_differ() {
    const URL: &str = "http://elsewhere.example/debian/pool/main/m/more/more_1_all.deb";
    let wants_more = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&wants_more);
    let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage {
        Stage::Install if told.load(Ordering::Relaxed) => Play::Fetches(URL),
        _ => Play::Usual,
    }));
    let (daemon, mut client, earlier) = run(&lab).await;
    assert_passed(&earlier);
    wants_more.store(true, Ordering::Relaxed);
    let (later, agreement) = replay(&mut client, earlier.summary.id, None).await;
    let image = later.jobs.iter().find(|job| job.kind == JobKind::Image).unwrap();
    assert_eq!(image.outcome, Some(Outcome::BadPackage), "{later:#?}");
    let fetches = later.findings.iter().filter_map(|finding| match &finding.kind {
        FindingKind::Fetch { url, reason } => Some((url.as_str(), reason.as_str())),
        _ => None,
    });
    let [(url, reason)] = fetches.collect::<Vec<_>>()[..] else {
        panic!("{:?}", later.findings);
    };
    assert_eq!(url, URL);
    assert!(reason.contains("this testbed replays a lock"), "{reason}");
    assert!(!agreement.agrees && !agreement.same_results);
    let first = &agreement.differences[0];
    assert_eq!(
        (first.what, first.text.as_str()),
        (DifferenceKind::Job, "image: bad package, was pass")
    );
    drop(daemon);
}

/// The layers that are kept, by their titles.
fn layers(lab: &Lab) -> Vec<String> {
    let folders = std::fs::read_dir(lab.folders().cache.join("templates")).unwrap();
    // One that is just being made has no record.
    let records = folders.filter_map(|entry| std::fs::read(entry.unwrap().path().join("template.json")).ok());
    let mut titles: Vec<String> = records
        .map(|text| serde_json::from_slice::<serde_json::Value>(&text).unwrap())
        .map(|record| record["title"].as_str().unwrap().to_owned())
        .collect();
    titles.sort();
    titles
}

#[tokio::test]
async fn layers_are_made_anew_and_go_with_their_job() {
    let lab = Lab::new(Scenario {
        hypervisor: Faults::default(),
        ..Scenario::default()
    });
    let (daemon, mut client, earlier) = run(&lab).await;
    assert_passed(&earlier);
    let before = layers(&lab);
    let (later, agreement) = replay(&mut client, earlier.summary.id, None).await;
    assert_passed(&later);
    assert!(agreement.agrees, "{agreement:?}");
    for job in &later.jobs {
        let log = lab.log(&later, &job.log.clone().unwrap().0);
        assert!(!log.contains("is there already"), "{log}");
    }
    let builds = lab
        .machines
        .scenes()
        .into_iter()
        .filter(|scene| scene.stage == Stage::BuildDepends);
    assert_eq!(builds.count(), 2);
    // What stays is what the replay's own image was cloned from.
    let image = later.image.unwrap();
    lab.until("its layers are gone", async || layers(&lab).len() <= before.len() + 1)
        .await;
    let more: Vec<String> = layers(&lab)
        .into_iter()
        .filter(|title| !before.contains(title))
        .collect();
    assert_eq!(more, [format!("image {image}")]);
    lab.assert_nothing_is_left().await;
    drop(daemon);
}
