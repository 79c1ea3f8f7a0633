//! What tickets say of their tests, and what sources do: network policy, time-outs, variables, sudo, tests that autodep8 writes.

use std::sync::{Arc, Mutex};

use preflight_protocol::job::JobKind;
use preflight_protocol::result::TestStatus;
use preflight_protocol::test_options::{InternetPolicy, TestOptions, TestTimeout};
use preflight_protocol::ticket::Ticket;

use crate::client::job;
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

fn lab(source: Source, script: impl Fn(&Scene) -> Play + Send + Sync + 'static) -> Lab {
    Lab::new(Scenario {
        sources: vec![source],
        ..Scenario::scripted(script)
    })
}

async fn check(lab: &Lab, tests: TestOptions) -> Ticket {
    lab.check_with(move |request| request.tests = tests).await
}

fn results(ticket: &Ticket) -> Vec<String> {
    let line = |test: &preflight_protocol::result::TestResult| {
        let reason = test.reason.as_deref().unwrap_or_default();
        format!("{} {:?} {reason}", test.name, test.status)
    };
    ticket.tests.iter().map(line).collect()
}

#[tokio::test]
async fn tests_that_need_the_internet_run_as_the_ticket_says() {
    let control = "Tests: net\nRestrictions: needs-internet\n\nTests: other\n";
    let fails = |scene: &Scene| match &scene.stage {
        Stage::Test(name) if name == "net" => Play::Says("no route\n", 1),
        _ => Play::Usual,
    };
    for (internet, expected) in [
        (
            InternetPolicy::Skip,
            "net Skip Test restriction \"needs-internet\" requires testbed capability \"has_internet\"",
        ),
        (
            InternetPolicy::Try,
            "net Skip Failed, but test has needs-internet and that's not guaranteed",
        ),
        (InternetPolicy::Run, "net Fail non-zero exit status 1"),
    ] {
        let lab = lab(Source::new("hello").with_tests(control), fails);
        let options = TestOptions {
            internet,
            ..TestOptions::default()
        };
        let ticket = check(&lab, options.clone()).await;
        assert_eq!(results(&ticket), [expected, "other Pass "]);
        assert_eq!(ticket.test_options, options);
    }
}

#[tokio::test]
async fn a_test_has_the_time_that_was_said_of_it() {
    let lab = lab(
        Source::new("hello").with_tests("Tests: one two\n"),
        |scene| match &scene.stage {
            Stage::Test(name) if name == "one" => Play::Hangs("waiting\n"),
            _ => Play::Usual,
        },
    );
    let timeouts = [("hello/one", 1), ("hello", 1000)];
    let options = TestOptions {
        timeouts: timeouts
            .map(|(of, after_s)| TestTimeout {
                of: of.to_owned(),
                after_s,
            })
            .into(),
        ..TestOptions::default()
    };
    let ticket = check(&lab, options).await;
    assert_eq!(results(&ticket), ["one Fail timed out", "two Pass "]);
}

/// Series of the lab have autopkgtest 5.28, which does not tell tests of architectures.
#[tokio::test]
async fn tests_are_told_of_triggers_and_variables() {
    let lab = lab(Source::new("hello").with_tests("Tests: one\n"), |scene| {
        let told = "export ADT_TEST_TRIGGERS='hello/1.0 libc/2:3'; export A='b c'; ";
        match &scene.stage {
            Stage::Test(_) if scene.line.contains(told) && !scene.line.contains("_ARCH") => Play::Usual,
            Stage::Test(_) => Play::Says("it was not told\n", 1),
            _ => Play::Usual,
        }
    });
    let options = TestOptions {
        triggers: vec!["hello/1.0".into(), "libc/2:3".into()],
        env: vec!["A=b c".into()],
        ..TestOptions::default()
    };
    assert_eq!(results(&check(&lab, options).await), ["one Pass "]);
}

#[tokio::test]
async fn sudo_is_given_to_those_that_ask_for_it_or_they_are_skipped() {
    let control = "Tests: sudo\nRestrictions: needs-sudo\n\nTests: other\n";
    let source = || Source::new("hello").with_tests(control);
    let given = lab(source(), |_| Play::Usual);
    let ticket = given.check().await;
    assert_eq!(results(&ticket), ["sudo Pass ", "other Pass "]);
    let refused = lab(source(), |scene| match scene.stage {
        Stage::EnableSudo => Play::Says("", 6),
        _ => Play::Usual,
    });
    assert_eq!(
        results(&refused.check().await),
        [
            "sudo Skip Failed to enable needs-sudo restriction: exit status 6",
            "other Pass "
        ]
    );
}

#[tokio::test]
async fn autodep8_writes_tests_where_a_source_asks_for_them() {
    let asking = |tests| Source {
        testsuite: Some("autopkgtest-pkg-perl"),
        tests,
        ..Source::new("hello")
    };
    let lab = lab(asking(None), |_| Play::Usual);
    let ticket = lab.check().await;
    assert_eq!(results(&ticket), ["generated Pass "]);
    assert_eq!(ticket.warnings, Vec::<String>::new());
    let log = &job(&ticket, JobKind::Test).attempts[0].log;
    let log = lab.log(&ticket, &log.0);
    assert!(log.contains("autodep8 0.28 wrote this (autopkgtest-pkg-perl)"), "{log}");
    assert!(log.contains("Features: test-name=generated"), "{log}");
    // The tree is kept by now; its tests are generated all the same.
    assert_eq!(results(&lab.check().await), ["generated Pass "]);

    let both = self::lab(asking(Some("Tests: own\n")), |_| Play::Usual);
    assert_eq!(results(&both.check().await), ["own Pass ", "generated Pass "]);
}

#[tokio::test]
async fn without_autodep8_there_are_the_tests_that_people_wrote() {
    for (tests, expected) in [
        (None, "* Skip no tests in this package"),
        (Some("Tests: own\n"), "own Pass "),
    ] {
        let source = Source {
            testsuite: Some("autopkgtest-pkg-perl"),
            tests,
            ..Source::new("hello")
        };
        let lab = lab(source, |scene| match scene.stage {
            Stage::Download => Play::SaysError("E: Unable to locate package autodep8\n", 100),
            _ => Play::Usual,
        });
        let ticket = lab.check().await;
        assert_eq!(results(&ticket), [expected]);
        assert!(
            ticket.warnings[0].contains("the archive has no autodep8"),
            "{:?}",
            ticket.warnings
        );
        assert!(ticket.tests.iter().all(|test| test.status != TestStatus::Fail));
    }
}

/// The build that the ticket does anyway is the build that the test wants.
#[tokio::test]
async fn a_test_that_wants_a_built_tree_gets_that_of_the_build() {
    let control = "Tests: built\nRestrictions: build-needed\n\nTests: other\n";
    let builds = Arc::new(Mutex::new(Vec::new()));
    let seen = builds.clone();
    let lab = lab(Source::new("hello").with_tests(control), move |scene| {
        if matches!(scene.stage, Stage::Build | Stage::BuildDepends) {
            seen.lock().unwrap().push(scene.stage.clone());
        }
        Play::Usual
    });
    let ticket = lab.check().await;
    assert_eq!(results(&ticket), ["built Pass ", "other Pass "]);
    assert_eq!(*builds.lock().unwrap(), [Stage::BuildDepends, Stage::Build]);
    // Its packed tree is as the build left it: another one than the source's.
    let log = &job(&ticket, JobKind::Build).attempts[0].log;
    assert!(lab.log(&ticket, &log.0).contains("the built tree is kept for tests"));
}
