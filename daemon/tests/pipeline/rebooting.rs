//! Testbeds that start again: for a test that asks for it, and for what was installed in them.

use preflight_protocol::job::JobKind;
use preflight_testbed::fake::Faults;
use preflight_testbed::{EndReason, Hypervisor as _};

use crate::client::job;
use crate::failing::assert_failed;
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::machines::Guest;
use crate::passing::assert_passed;
use crate::source::Source;
use crate::stage::Stage;

const CONTROL: &str = "Tests: restarts\nRestrictions: needs-root, needs-reboot\n";
/// A test that was killed.
const KILLED: i32 = 137;

/// A test that has the machine start again until it was told `last`, and otherwise does what the guest's script says.
fn restarting(scene: &Scene, wish: &'static str, last: &str) -> Play {
    match &scene.stage {
        Stage::Test(_) if scene.line.contains(last) => Play::Says("it is over\n", 0),
        Stage::Test(_) => Play::Says("it begins\n", KILLED),
        Stage::Wish => Play::Says(wish, 0),
        _ => Play::Usual,
    }
}

const LAST: &str = "export AUTOPKGTEST_REBOOT_MARK='again' ADT_REBOOT_MARK='again'";

fn lab(script: impl Fn(&Scene) -> Play + Send + Sync + 'static) -> Lab {
    Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(CONTROL)],
        ..Scenario::scripted(script)
    })
}

#[tokio::test]
async fn a_test_goes_on_in_another_machine_on_the_same_disk() {
    let lab = lab(|scene| restarting(scene, "now\nagain\n", LAST));
    let ticket = lab.check().await;
    assert_passed(&ticket);
    // build, image, the test, and the test once more
    assert_eq!(lab.machines.started(), 4);
    let scenes = lab.machines.scenes();
    let of = |nth: usize| -> Vec<Stage> {
        let of_machine = scenes.iter().filter(|scene| scene.nth == nth);
        of_machine.map(|scene| scene.stage.clone()).collect()
    };
    let test = || Stage::Test("restarts".to_owned());
    assert_eq!(
        of(2)[7..],
        [Stage::Boots, test(), Stage::Wish, Stage::Keep, Stage::Reboot]
    );
    assert_eq!(of(3), [Stage::Settle, Stage::Restore, test()]);
    let log = lab.log(&ticket, &job(&ticket, JobKind::Test).attempts[0].log.0);
    let place = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words} is missing in {log}"));
    let order = [
        "test restarts: [---",
        "it begins",
        "test process requested reboot with marker again",
        "has started again as",
        "it is over",
        "test restarts: ---",
    ];
    assert!(order.map(place).is_sorted(), "{log}");
}

/// The machine that is frozen and cloned is the one that has started again.
#[tokio::test]
async fn a_testbed_boots_its_own_disk_where_something_changes_what_boots() {
    for never_freezes in [true, false] {
        let lab = Lab::new(Scenario {
            hypervisor: Faults {
                never_freezes,
                ..Faults::default()
            },
            sources: vec![Source::new("hello").with_tests("Tests: one two\n")],
            ..Scenario::scripted(|scene| match scene.stage {
                Stage::Boots => Play::Says("P installed dkms 3.0.10-8\n", 0),
                _ => Play::Usual,
            })
        });
        let ticket = lab.check().await;
        assert_passed(&ticket);
        let log = lab.log(&ticket, &job(&ticket, JobKind::Test).attempts[0].log.0);
        let why = "the testbed boots its own disk, since dkms 3.0.10-8 builds modules for the kernel that runs";
        assert!(log.contains(why), "{log}");
        for test in ["one", "two"] {
            let line = format!("preflight: test {test} runs on kernel fake (its own disk's)");
            // A clone has the memory of what it is a clone of; the fake's guests are told anew.
            assert!(log.contains(&line) || !never_freezes, "{log}");
        }
        let reboots = lab
            .machines
            .scenes()
            .iter()
            .filter(|scene| scene.stage == Stage::Reboot)
            .count();
        assert_eq!(
            reboots,
            if never_freezes { 2 } else { 1 },
            "once for all that need the same"
        );
    }
}

#[tokio::test]
async fn a_kernel_that_is_not_to_be_had_breaks_the_testbed() {
    for (refused, why) in [
        (true, "installing linux-image-cloud-amd64"),
        (false, "the testbed has booted its image's kernel, where grub-pc 2"),
    ] {
        let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage {
            Stage::Boots if refused => Play::Says("P installed grub-pc 2\n", 0),
            Stage::Boots => Play::Says("P installed grub-pc 2\nB\n", 0),
            Stage::Install if refused && scene.line.contains("linux-image") => {
                Play::SaysError("E: Unable to locate package\n", 100)
            }
            _ => Play::Usual,
        }));
        let ticket = lab.check().await;
        assert_failed(&ticket, JobKind::Test, 16, why);
    }
}

#[tokio::test]
async fn a_machine_that_does_not_start_again_breaks_the_testbed() {
    // It dies instead of going down, or is another's prey while it boots.
    for (play, why) in [
        (Stage::Reboot, "the testbed's QEMU has died instead of starting again"),
        (Stage::Settle, "the testbed's QEMU has died"),
        (Stage::Restore, "the testbed's QEMU has died"),
    ] {
        let lab = lab(move |scene| match &scene.stage {
            // Boots of the build's, the image's and the test's first machine come before.
            stage if *stage == play && (play != Stage::Settle || scene.nth == 3) => Play::Dies(EndReason::Failed),
            _ => restarting(scene, "now\nagain\n", LAST),
        });
        let ticket = lab.check().await;
        assert_failed(&ticket, JobKind::Test, 16, why);
    }
}

/// The test says when, and does it.
#[tokio::test]
async fn a_prepared_test_is_waited_for() {
    let lab = lab(|scene| match &scene.stage {
        // All is kept, and the test goes on: what ends the machine is no command of ours.
        Stage::Keep => Play::Dies(EndReason::Shutdown),
        _ => restarting(scene, "prepared\nagain\n", LAST),
    });
    let ticket = lab.check().await;
    // The answer to what was asked last is lost with the machine.
    assert_failed(&ticket, JobKind::Test, 16, "the testbed has shut itself down");
}

/// A daemon that dies between two boots leaves nothing, whichever machine there is.
#[test]
fn a_daemon_may_die_between_two_boots() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let lab = Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(CONTROL)],
        // The machine that boots again never answers.
        guests: std::sync::Arc::new(|nth| Guest {
            is_mute: nth == 3,
            ..Guest::default()
        }),
        ..Scenario::scripted(|scene| restarting(scene, "now\nagain\n", LAST))
    });
    let killed = runtime();
    let id = killed.block_on(async {
        let daemon = lab.start().await;
        let client = lab.client().await;
        let id = client.create(lab.request()).await.id;
        lab.until("the machine boots again", async || lab.machines.started() == 4)
            .await;
        drop(daemon);
        id
    });
    drop(killed);
    runtime().block_on(async {
        assert_eq!(lab.machines.list().await.unwrap().len(), 1);
        let daemon = lab.start().await;
        let mut client = lab.client().await;
        assert_passed(&client.until_ended(id).await);
        lab.assert_nothing_is_left().await;
        drop(daemon);
    });
}
