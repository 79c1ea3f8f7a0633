//! Builds and images that fail: whose fault it is, and which line of the log says so.

use preflight_protocol::job::{JobKind, JobState};
use preflight_protocol::result::Outcome;
use preflight_protocol::ticket::{Ticket, TicketStatus, WorkflowStep};
use preflight_testbed::EndReason;

use crate::client::job;
use crate::guest::Play;
use crate::lab::{BOOT, Lab, Scenario};
use crate::stage::Stage;

/// That a ticket has failed with this code at a job of this kind, and that what came before has passed and what would
/// have come after was not tried.
pub(crate) fn assert_failed(ticket: &Ticket, kind: JobKind, code: u8, reason: &str) {
    let summary = &ticket.summary;
    let outcome = match code {
        4 | 6 => Outcome::Fail,
        12 => Outcome::BadPackage,
        16 => Outcome::TestbedBroken,
        other => panic!("no failure has the code {other}"),
    };
    assert_eq!(
        (
            summary.workflow_step,
            summary.status,
            summary.exit_code,
            summary.outcome
        ),
        (WorkflowStep::Failed, TicketStatus::Failed, Some(code), Some(outcome)),
        "{ticket:#?}"
    );
    let failed = ticket.jobs.iter().find(|job| job.state == JobState::Failed).unwrap();
    assert_eq!(failed.kind, kind, "{ticket:#?}");
    let why = failed.reason.as_deref().unwrap_or_default();
    assert!(why.contains(reason), "{why:?} does not say {reason:?}");
    let whole = summary.reason.as_deref().unwrap_or_default();
    assert!(whole.contains(why), "{whole:?} does not say {why:?}");
    for job in &ticket.jobs {
        let expected = match job.kind.cmp(&kind) {
            std::cmp::Ordering::Less => JobState::Passed,
            std::cmp::Ordering::Equal => JobState::Failed,
            std::cmp::Ordering::Greater => JobState::Skipped,
        };
        assert_eq!(job.state, expected, "{:?}", job.kind);
    }
}

/// That the first error is this line, and that the log has it there.
pub(crate) fn assert_first_error(lab: &Lab, ticket: &Ticket, kind: JobKind, text: &str) {
    let job = job(ticket, kind);
    let error = job
        .first_error
        .as_ref()
        .unwrap_or_else(|| panic!("no first error: {job:#?}"));
    assert_eq!(Some(&error.log), job.log.as_ref());
    assert!(error.text.contains(text), "{error:?} instead of {text:?}");
    let log = lab.log(ticket, &error.log.0);
    let line = usize::try_from(error.line).unwrap() - 1;
    assert_eq!(log.lines().nth(line).map(str::trim), Some(error.text.as_str()), "{log}");
}

async fn fails_at(stage: Stage, play: Play) -> (Lab, Ticket) {
    let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage == stage {
        true => play.clone(),
        false => Play::Usual,
    }));
    let ticket = lab.check().await;
    (lab, ticket)
}

#[tokio::test]
async fn a_compilers_error_is_the_first_error() {
    let output = "cc -c hello.c\nhello.c:3:5: error: expected ';'\nmake: *** [x] Error 1\n";
    let (lab, ticket) = fails_at(Stage::Build, Play::Says(output, 2)).await;
    assert_failed(&ticket, JobKind::Build, 12, "dpkg-buildpackage: exit status 2");
    assert_first_error(&lab, &ticket, JobKind::Build, "hello.c:3:5: error: expected ';'");
    assert!(ticket.artifacts.is_empty());
}

#[tokio::test]
async fn dependencies_that_there_are_not_are_the_packages_fault() {
    let output = "The following packages have unmet dependencies:\n builddeps : Depends: nope\nE: Unable to correct problems, you have held broken packages.\n";
    let (lab, ticket) = fails_at(Stage::BuildDepends, Play::SaysError(output, 100)).await;
    assert_failed(&ticket, JobKind::Build, 12, "installing build dependencies failed");
    let error = job(&ticket, JobKind::Build).first_error.clone().unwrap();
    assert!(lab.log(&ticket, &error.log.0).contains(&error.text));
}

#[tokio::test]
async fn an_archive_that_cannot_be_asked_is_not_the_packages_fault() {
    for (stage, kind) in [
        (Stage::BuildDepends, JobKind::Build),
        (Stage::Install, JobKind::Image),
        (Stage::Satisfy, JobKind::Test),
    ] {
        let at = stage.clone();
        let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage == at {
            true => Play::Fetches("http://mirror.example/debian/dists/bookworm/InRelease"),
            false => Play::Usual,
        }));
        let ticket = lab.check_with(|request| request.offline = true).await;
        assert_failed(&ticket, kind, 16, "");
        let why = job(&ticket, kind).reason.clone().unwrap();
        assert!(
            why.contains("mirror.example") || why.contains("failed to download"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_build_that_asks_the_network_is_told_by_that() {
    let play = Play::Tries("pypi.example", "hello.c:3:5: error: something else\n", 1);
    let (lab, ticket) = fails_at(Stage::Build, play).await;
    assert_failed(&ticket, JobKind::Build, 12, "exit status 1");
    assert_first_error(&lab, &ticket, JobKind::Build, "asking for pypi.example");
}

#[tokio::test]
async fn what_asked_the_network_before_the_build_is_not_why_it_fails() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::Settle => Play::Tries("ntp.example", "", 0),
        Stage::Build => Play::Says("hello.c:3:5: error: expected ';'\n", 2),
        _ => Play::Usual,
    }));
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Build, 12, "exit status 2");
    assert_first_error(&lab, &ticket, JobKind::Build, "hello.c:3:5: error: expected ';'");
}

#[tokio::test]
async fn a_build_that_hangs_is_ended_and_its_last_line_shown() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::Build => Play::Hangs("checking for slowness...\nwaiting for ever\n"),
        _ => Play::Usual,
    }));
    let ticket = lab.check_with(|request| request.build_timeout_s = Some(1)).await;
    assert_failed(&ticket, JobKind::Build, 12, "the build took longer than 1 s");
    assert_first_error(&lab, &ticket, JobKind::Build, "waiting for ever");
}

#[tokio::test]
async fn a_source_that_cannot_be_unpacked_is_a_bad_package() {
    let (lab, ticket) = fails_at(Stage::Extract, Play::SaysError("dpkg-source: error: no patch\n", 2)).await;
    assert_failed(&ticket, JobKind::Build, 12, "cannot unpack");
    assert_first_error(&lab, &ticket, JobKind::Build, "dpkg-source: error: no patch");
}

#[tokio::test]
async fn a_folder_that_cannot_be_packed_is_a_bad_package() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::Pack => Play::SaysError("dpkg-source: error: unrepresentable changes\n", 2),
        _ => Play::Usual,
    }));
    let folder = lab.sources[0].write_folder(&lab.desk());
    let ticket = lab.check_with(|request| request.sources = vec![folder]).await;
    assert_failed(&ticket, JobKind::Source, 12, "cannot pack");
    assert_first_error(
        &lab,
        &ticket,
        JobKind::Source,
        "dpkg-source: error: unrepresentable changes",
    );
}

#[tokio::test]
async fn a_package_that_cannot_be_installed_is_a_bad_package() {
    let output = "Setting up hello (1.0) ...\ndpkg: error processing package hello (--configure):\n installed hello package post-installation script subprocess returned error exit status 1\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n";
    let (lab, ticket) = fails_at(Stage::Install, Play::Says(output, 100)).await;
    assert_failed(&ticket, JobKind::Image, 12, "installing the ticket's packages failed");
    assert_first_error(&lab, &ticket, JobKind::Image, "dpkg: error processing package hello");
    assert_eq!(ticket.image, None);
}

#[tokio::test]
async fn a_command_of_our_own_that_fails_is_the_testbeds_fault() {
    for (stage, kind, what) in [
        (Stage::PackTree, JobKind::Build, "packing the tree"),
        (Stage::List, JobKind::Build, "listing what was built"),
        (Stage::Clean, JobKind::Image, "cleaning the image"),
        (Stage::UnpackTree, JobKind::Test, "unpacking the tree"),
    ] {
        let (lab, ticket) = fails_at(stage, Play::SaysError("tar: no space left\n", 2)).await;
        assert_failed(
            &ticket,
            kind,
            16,
            &format!("{what} failed in the testbed (exit status 2)"),
        );
        let log = job(&ticket, kind).log.clone().unwrap();
        assert!(lab.log(&ticket, &log.0).contains("tar: no space left"));
    }
}

#[tokio::test]
async fn an_image_whose_machine_does_not_go_in_order_is_none() {
    for (play, why) in [
        (Play::Dies(EndReason::Panicked), "panicked"),
        (Play::Dies(EndReason::Failed), "died"),
        (Play::Dies(EndReason::Destroyed), "destroyed"),
    ] {
        let (_, ticket) = fails_at(Stage::PowerOff, play).await;
        assert_failed(&ticket, JobKind::Image, 16, why);
        assert_eq!(ticket.image, None);
    }
}

#[tokio::test]
async fn a_machine_that_does_not_go_is_given_up() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::PowerOff => Play::Hangs(""),
        _ => Play::Usual,
    }));
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    lab.machines.reached(|scene| scene.stage == Stage::PowerOff).await;
    // In steps that are shorter than the dispatcher's patience: the guest is well, and beats between them.
    let ticket = lab.pass_until(BOOT.as_secs() / 3, client.until_ended(id)).await;
    assert_failed(&ticket, JobKind::Image, 16, "did not power off");
    drop(daemon);
    lab.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_image_waits_for_its_machine_while_nobody_can_be_asked() {
    let lab = Lab::new(Scenario::default());
    lab.machines.refuse_lists(3);
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    crate::passing::assert_passed(&ticket);
    assert!(
        lab.machines.list_is_answered(),
        "it was asked until there was an answer"
    );
    drop(daemon);
    lab.assert_nothing_is_left().await;
}
