use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SAID: [Said; 5] = [Said::Pass, Said::Fail, Said::Flaky, Said::Skip, Said::NotInstallable];

fn rate(passed: u32, runs: u32) -> Rate {
    Rate { passed, runs }
}

#[test]
fn every_result_against_every_baseline() {
    use Baseline::{Broken, Said as Found};
    use Said::{Fail, Flaky, NotInstallable, Pass, Skip};
    use Verdict::{AlwaysFailed, Fixed, New, Regression, TestbedBroken};
    let marked = Verdict::Flaky(None);
    let table = [
        // with the change, then without it: broken, pass, fail, flaky, skip, not installable
        (Pass, [None, None, Some(Fixed), Some(marked), None, Some(New)]),
        (
            Fail,
            [
                Some(TestbedBroken),
                Some(Regression),
                Some(AlwaysFailed),
                Some(AlwaysFailed),
                Some(Regression),
                Some(New),
            ],
        ),
        (
            Flaky,
            [
                Some(TestbedBroken),
                Some(marked),
                Some(AlwaysFailed),
                Some(AlwaysFailed),
                Some(marked),
                Some(New),
            ],
        ),
        (Skip, [None; 6]),
        (
            NotInstallable,
            [
                Some(TestbedBroken),
                Some(Regression),
                Some(AlwaysFailed),
                Some(AlwaysFailed),
                Some(Regression),
                Some(AlwaysFailed),
            ],
        ),
    ];
    let baselines = [
        Broken,
        Found(Pass),
        Found(Fail),
        Found(Flaky),
        Found(Skip),
        Found(NotInstallable),
    ];
    for (own, expected) in table {
        for (baseline, expected) in baselines.into_iter().zip(expected) {
            assert_eq!(
                judge(own, Rate::default(), Some(baseline)),
                expected,
                "{own:?} {baseline:?}"
            );
        }
        assert_eq!(
            judge(own, Rate::default(), None),
            None,
            "{own:?}: there is nothing to hold it against"
        );
    }
}

#[test]
fn what_passes_now_and_then_is_flaky_whatever_its_baseline() {
    for own in [Said::Fail, Said::Flaky, Said::NotInstallable] {
        for baseline in [None, Some(Baseline::Said(Said::Pass)), Some(Baseline::Broken)] {
            let found = judge(own, rate(1, 3), baseline);
            assert_eq!(found, Some(Verdict::Flaky(Some(rate(1, 3)))), "{own:?} {baseline:?}");
        }
    }
    let always = judge(Said::Fail, rate(0, 3), Some(Baseline::Said(Said::Pass)));
    assert_eq!(
        always,
        Some(Verdict::Regression),
        "that it fails each time is no flakiness"
    );
    assert_eq!(judge(Said::Fail, rate(0, 3), None), None);
    assert_eq!(
        Verdict::Flaky(Some(rate(2, 5))).to_string(),
        "flaky: 2 of 5 more runs passed"
    );
}

#[test]
fn results_are_read_in_autopkgtests_words() {
    for (status, reason, expected) in [
        (TestStatus::Pass, Some("superficial"), Said::Pass),
        (TestStatus::Fail, Some("non-zero exit status 1"), Said::Fail),
        (TestStatus::Fail, Some("badpkg"), Said::NotInstallable),
        (TestStatus::Flaky, Some("badpkg"), Said::NotInstallable),
        (TestStatus::Flaky, None, Said::Flaky),
        (
            TestStatus::Skip,
            Some("exit status 77 and marked as skippable"),
            Said::Skip,
        ),
        (
            TestStatus::Skip,
            Some("installation fails and skip-not-installable set"),
            Said::NotInstallable,
        ),
    ] {
        let result = TestResult {
            source: "s".into(),
            name: "t".into(),
            status,
            reason: reason.map(str::to_owned),
            duration: Duration::ZERO,
            log_line: None,
        };
        assert_eq!(Said::of(&result), expected, "{status:?} {reason:?}");
    }
}

fn said() -> impl Strategy<Value = Said> {
    proptest::sample::select(&SAID)
}

fn baseline() -> impl Strategy<Value = Option<Baseline>> {
    proptest::option::of(prop_oneof![said().prop_map(Baseline::Said), Just(Baseline::Broken)])
}

proptest! {
    /// A testbed's failure is never a test's, and never hides one.
    #[test]
    fn a_broken_testbed_accuses_nobody(own in said(), runs in 0u32..5) {
        let found = judge(own, rate(0, runs), Some(Baseline::Broken));
        prop_assert!(matches!(found, None | Some(Verdict::TestbedBroken)), "{:?}", found);
    }

    #[test]
    fn a_regression_is_a_failure_that_was_none_before(own in said(), passed in 0u32..4, more in 0u32..4, baseline in baseline()) {
        let found = judge(own, rate(passed, passed + more), baseline);
        if found == Some(Verdict::Regression) {
            prop_assert!(matches!(own, Said::Fail | Said::NotInstallable));
            prop_assert!(matches!(baseline, Some(Baseline::Said(Said::Pass | Said::Skip))));
            prop_assert_eq!(passed, 0);
        }
        if found == Some(Verdict::Fixed) {
            prop_assert_eq!((own, baseline), (Said::Pass, Some(Baseline::Said(Said::Fail))));
        }
        if own == Said::Skip {
            prop_assert_eq!(found, None);
        }
    }

    /// More runs can only take a verdict towards flaky.
    #[test]
    fn a_run_that_passes_only_excuses(own in said(), baseline in baseline(), runs in 1u32..6) {
        let (without, with) = (judge(own, Rate::default(), baseline), judge(own, rate(1, runs), baseline));
        prop_assert!(with == without || matches!(with, Some(Verdict::Flaky(Some(_)))));
    }
}
