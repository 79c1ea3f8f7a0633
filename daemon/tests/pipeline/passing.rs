//! Tickets in which all goes well: what is built, in which order, from what, and what is kept of it.

use std::process::{Command, Stdio};

use preflight_protocol::ids::Attempt;
use preflight_protocol::job::{JobKind, JobState};
use preflight_protocol::method::{LockShow, ResultStream};
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{Ticket, TicketStatus, WorkflowStep};

use crate::client::{job, within};
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

/// That all went well, at the first attempt.
pub(crate) fn assert_passed(ticket: &Ticket) {
    let summary = &ticket.summary;
    assert_eq!(
        (summary.workflow_step, summary.status),
        (WorkflowStep::Complete, TicketStatus::Complete),
        "{ticket:#?}"
    );
    assert_eq!(
        (summary.exit_code, summary.outcome, &summary.reason),
        (Some(0), Some(Outcome::Pass), &None)
    );
    for job in &ticket.jobs {
        assert_eq!((job.state, &job.first_error), (JobState::Passed, &None));
    }
}

fn stages_of(scenes: &[Scene], nth: usize) -> Vec<Stage> {
    let of_machine = scenes.iter().filter(|scene| scene.nth == nth);
    of_machine.map(|scene| scene.stage.clone()).collect()
}

#[tokio::test]
async fn a_package_is_built_installed_and_tested() {
    let lab = Lab::new(Scenario::default());
    let ticket = lab.check().await;
    assert_passed(&ticket);
    assert!(ticket.jobs.iter().all(|job| job.attempt == Attempt(1)));
    let names: Vec<&str> = ticket.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "hello_1.0_all.deb",
            "hello_1.0_amd64.buildinfo",
            "hello_1.0_amd64.changes"
        ]
    );
    for artifact in &ticket.artifacts {
        assert_eq!(std::fs::metadata(&artifact.path).unwrap().len(), artifact.size);
    }
    let tests: Vec<_> = ticket
        .tests
        .iter()
        .map(|test| (test.name.as_str(), test.status))
        .collect();
    assert_eq!(tests, [("command1", TestStatus::Pass)]);

    // Each job has a testbed that nothing else has touched.
    let scenes = lab.machines.scenes();
    assert_eq!(lab.machines.started(), 3);
    assert_eq!(
        stages_of(&scenes, 0),
        [
            Stage::Settle,
            Stage::BuildDepends,
            Stage::MakeFolder,
            Stage::Extract,
            Stage::Remove,
            Stage::PackTree,
            Stage::Remove,
            Stage::TestsControl,
            Stage::Build,
            Stage::List
        ]
    );
    assert_eq!(
        stages_of(&scenes, 1),
        [Stage::Settle, Stage::Install, Stage::Clean, Stage::PowerOff]
    );
    assert_eq!(
        stages_of(&scenes, 2),
        [
            Stage::Settle,
            Stage::MakeFolder,
            Stage::UnpackTree,
            Stage::Satisfy,
            Stage::Query,
            Stage::Prepare,
            Stage::Commands,
            Stage::Boots,
            Stage::Test("command1".to_owned())
        ]
    );
    // What the source says runs as nobody's root.
    for scene in &scenes {
        let is_the_sources = matches!(scene.stage, Stage::Extract | Stage::Build | Stage::Test(_));
        assert_eq!(
            is_the_sources || matches!(scene.stage, Stage::PackTree | Stage::UnpackTree),
            scene.user.as_deref() == Some("preflight"),
            "{scene:?}"
        );
    }
    let root = lab.tickets().ticket(preflight_core::TicketId(1)).root().to_owned();
    let kept = root.join("tests/hello/command1/artifacts/kept");
    assert_eq!(std::fs::read(kept).unwrap(), b"artifact");
}

#[tokio::test]
async fn the_same_source_is_unpacked_once() {
    let lab = Lab::new(Scenario::default());
    for _ in 0..2 {
        assert_passed(&lab.check().await);
    }
    let scenes = lab.machines.scenes();
    let stages = |first: Stage, second: Stage| {
        let found = scenes.iter().filter(|scene| [&first, &second].contains(&&scene.stage));
        found.map(|scene| scene.stage.clone()).collect::<Vec<_>>()
    };
    // Two builds and one test, since the second ticket's image is there already.
    assert_eq!(
        stages(Stage::Extract, Stage::PackTree),
        [Stage::Extract, Stage::PackTree]
    );
    let build = |nth| stages_of(&scenes, nth).contains(&Stage::Build);
    let second = (1..lab.machines.started()).find(|nth| build(*nth)).unwrap();
    assert_eq!(
        stages_of(&scenes, second)[2..5],
        [Stage::MakeFolder, Stage::UnpackTree, Stage::Build]
    );
}

#[tokio::test]
async fn sources_are_built_in_the_order_of_their_dependencies() {
    let app = Source {
        build_depends: "debhelper-compat (= 13), liba-dev | liba",
        ..Source::new("app")
    };
    let lab = Lab::new(Scenario {
        sources: vec![app, Source::new("liba")],
        jobs: 4,
        ..Scenario::default()
    });
    let ticket = lab.check().await;
    assert_passed(&ticket);
    let built: Vec<&str> = ticket.subtickets.iter().map(|one| one.source.as_str()).collect();
    assert_eq!(built, ["liba", "app"]);
    let scenes = lab.machines.scenes();
    let install = scenes.iter().find(|scene| scene.stage == Stage::Install).unwrap();
    assert!(
        install.line.contains("app=1.0") && install.line.contains("liba=1.0"),
        "{}",
        install.line
    );
    let tested: Vec<&str> = ticket.tests.iter().map(|test| test.source.as_str()).collect();
    assert_eq!(tested, ["liba", "app"]);
}

#[tokio::test]
async fn a_folder_becomes_a_source_package_in_a_guest() {
    let lab = Lab::new(Scenario::default());
    let folder = lab.sources[0].write_folder(&lab.desk());
    let ticket = lab.check_with(|request| request.sources = vec![folder]).await;
    assert_passed(&ticket);
    assert_eq!(job(&ticket, JobKind::Source).state, JobState::Passed);
    let scenes = lab.machines.scenes();
    assert_eq!(
        stages_of(&scenes, 0),
        [Stage::Settle, Stage::MakeFolder, Stage::Pack, Stage::Gather]
    );
    let pack = scenes.iter().find(|scene| scene.stage == Stage::Pack).unwrap();
    assert_eq!(pack.user.as_deref(), Some("preflight"));
}

#[tokio::test]
async fn an_upload_names_its_series() {
    let source = Source {
        distribution: "bookworm-backports",
        ..Source::new("hello")
    };
    let lab = Lab::new(Scenario {
        sources: vec![source],
        ..Scenario::default()
    });
    let changes = lab.sources[0].write_changes(&lab.desk());
    let ticket = lab.check_with(|request| request.sources = vec![changes]).await;
    assert_passed(&ticket);
    assert_eq!(ticket.summary.series.0, "debian-bookworm");
}

#[tokio::test]
async fn the_image_gets_and_loses_packages_as_asked() {
    let source = Source::new("hello");
    let mut built = source.built();
    built.push((
        "hello-dbgsym_1.0_all.deb".to_owned(),
        crate::source::deb("hello-dbgsym", "1.0"),
    ));
    built.push((
        "hello-doc_1.0_all.deb".to_owned(),
        crate::source::deb("hello-doc", "1.0"),
    ));
    let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage {
        Stage::Build => Play::Leaves(built.clone()),
        _ => Play::Usual,
    }));
    let ticket = lab
        .check_with(|request| {
            request.add_packages = vec!["vim".to_owned()];
            request.remove_packages = vec!["hello-doc".to_owned(), "nano".to_owned()];
        })
        .await;
    assert_passed(&ticket);
    assert_eq!(ticket.artifacts.len(), 5, "symbols are kept");
    let scenes = lab.machines.scenes();
    let install = scenes.iter().find(|scene| scene.stage == Stage::Install).unwrap();
    let (_, packages) = install.line.split_once("--allow-downgrades ").unwrap();
    assert_eq!(packages, "hello=1.0 vim hello-doc- nano-");
}

#[tokio::test]
async fn the_lock_and_the_stream_tell_of_what_happened() {
    let lab = Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(
            "Tests: one two\nDepends: @\n\nTest-Command: false\nFeatures: test-name=three\nRestrictions: flaky\n\n\
             Tests: net\nRestrictions: needs-internet\n",
        )],
        script: std::sync::Arc::new(|scene| match &scene.stage {
            Stage::Test(name) if name == "two" => Play::Says("it breaks\n", 1),
            Stage::Test(name) if name == "three" => Play::Says("it breaks at times\n", 1),
            _ => Play::Usual,
        }),
        ..Scenario::default()
    });
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    assert_eq!(ticket.summary.exit_code, Some(6), "a failure and a skip");
    // Nothing was fetched from an archive; the ticket's own repository is none.
    let lock = within(client.connection.request(&LockShow { ticket: id, job: None }))
        .await
        .unwrap();
    assert!(!serde_json::to_string(&lock).unwrap().contains("http"), "{lock:?}");

    let streams = within(client.connection.request(&ResultStream { ticket: id }))
        .await
        .unwrap();
    let streams = serde_json::to_value(&streams).unwrap();
    let path = find_path(&streams).expect("a result stream");
    let stats = Command::new("subunit-stats")
        .stdin(std::fs::File::open(path).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let stats = String::from_utf8_lossy(&stats.stdout).into_owned();
    let number = |what: &str| {
        let line = stats
            .lines()
            .find(|line| line.starts_with(what))
            .unwrap_or_else(|| panic!("{what}: {stats}"));
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(number("Total tests"), "4");
    assert_eq!(
        (number("Passed tests"), number("Failed tests")),
        ("2".to_owned(), "1".to_owned()),
        "a flaky test is no failure"
    );
    drop(daemon);
    lab.assert_nothing_is_left().await;
}

fn find_path(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Object(map) => match map.get("path") {
            Some(path) => path.as_str().map(str::to_owned),
            None => map.values().find_map(find_path),
        },
        serde_json::Value::Array(all) => all.iter().find_map(find_path),
        _ => None,
    }
}
