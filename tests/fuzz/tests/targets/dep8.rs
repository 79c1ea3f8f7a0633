//! `debian/tests/control`, its dependencies, and the plan that follows from it; a summary's lines.

use preflight_dep8::control::TestControl;
use preflight_dep8::dependency::Dependencies;
use preflight_dep8::plan::{Setting, plan};
use preflight_dep8::source::SourceControl;
use preflight_fuzz::fuzz;
use preflight_report::summary;
use proptest::prelude::*;

use crate::near;

const CONTROLS: &[&str] = &[
    "Tests: build, smoke\nDepends: @, @builddeps@, gcc (>= 4:10) [amd64 !i386] | clang,\n python3:any <!nocheck>\n\
     Restrictions: allow-stderr, needs-root build-needed\n\n# a comment\nTest-Command: echo a\n && echo b\n\
     Features: test-name=unit, x\nArchitecture: any !armel\nClasses: desktop\n",
    "Tests: a\nTests-Directory: t/x\nDepends: @recommends@\nRestrictions: flaky superficial\nX-Unknown: 1\n\nTest-Command: true\n",
];

const SOURCE: &str = "Source: dsc0t\nBuild-Depends: debhelper-compat (= 13), libfoo-dev [linux-any] <!nodoc> | bar\n\
                      Testsuite: autopkgtest-pkg-python\n\nPackage: dsc0t\nArchitecture: any\nRecommends: x | y\nProvides: z (= 1)\n";

const SUMMARY: &[&str] = &[
    "build                PASS\nlight                PASS (superficial)\nunits                FAIL non-zero exit status 3\n\
     noisy                FAIL stderr: oh no\nsometimes            FLAKY timed out\n*                    SKIP no tests in this package\n\
     blame: dsc0t\nbadpkg: Test dependencies are unsatisfiable\nerroneous package: x\ntestbed failure: y\nquitting: unexpected error, see log\n",
];

#[test]
fn fuzz_test_control() {
    let source = SourceControl::parse(SOURCE.as_bytes()).unwrap();
    let setting = Setting::of_a_guest("amd64");
    fuzz(&near::lines(CONTROLS, 12), Vec::len, |bytes| {
        if let Ok(control) = TestControl::parse(&bytes) {
            prop_assert!(control.stanzas.len() <= bytes.len());
            if let Ok(plan) = plan(Some(&control), &source, &setting) {
                prop_assert!(plan.runs().count() + plan.skips().count() <= 2 * bytes.len() + 1);
            }
        }
        Ok(())
    });
}

#[test]
fn fuzz_source_control() {
    fuzz(&near::lines(&[SOURCE], 10), Vec::len, |bytes| {
        let _ = SourceControl::parse(&bytes);
        Ok(())
    });
}

#[test]
fn fuzz_dependencies() {
    let alternative = "[a-z@]{1,6}(:any|:native)?( \\((<<|<=|=|>=|>>|<|>)? ?[0-9:.~+a-z-]{0,6}\\))?( \\[!?[a-z -]{0,9}\\]?)?( <!?[a-z]{0,5}>?)?";
    let near = prop::collection::vec((alternative, "[,|]? ?"), 0..5);
    let text = near.prop_map(|parts| {
        parts
            .into_iter()
            .map(|(one, end)| one + &end)
            .collect::<String>()
            .into_bytes()
    });
    fuzz(&near::edited(text), Vec::len, |bytes| {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(dependencies) = Dependencies::parse(&text) {
            let reduced = dependencies.reduced("amd64");
            prop_assert!(reduced.entries().count() <= text.len() + 1);
            // What it writes is read again.
            let written = reduced.to_string();
            let again = Dependencies::parse(&written).map(|again| again.to_string());
            prop_assert_eq!(again.ok(), Some(written));
        }
        Ok(())
    });
}

#[test]
fn fuzz_summary() {
    fuzz(&near::lines(SUMMARY, 10), Vec::len, |bytes| {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(lines) = summary::parse(&text) {
            prop_assert!(lines.len() <= text.len());
        }
        Ok(())
    });
}
