//! Small logs, and what is found in them.

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

fn sources() -> SourceFiles {
    SourceFiles::new(["src/a.c", "t/b.py"].map(str::to_owned))
}

fn read(log: &str, job: JobKind, has_failed: bool, first: Option<(u64, &str)>) -> Vec<Finding> {
    let sources = sources();
    let reading = Reading {
        job,
        has_failed,
        first,
        sources: &sources,
    };
    log_findings(log.as_bytes(), reading).unwrap()
}

fn words(found: &[Finding]) -> Vec<String> {
    let line = |line: Option<u64>| line.map_or("-".to_owned(), |line| line.to_string());
    found
        .iter()
        .map(|finding| format!("{} {}", line(finding.log_line), finding))
        .collect()
}

const MANY: &str = "make[1]: Entering directory '/build/tree/src'\n\
    a.c:1:2: warning: unused\n\
    a.c: In function 'f':\n\
    a.c:3:4: error: 'x' undeclared\n\
    make[1]: Leaving directory '/build/tree/src'\n\
    a.c:1:2: warning: unused\n\
    cp: cannot stat 'y': No such file or directory\n\
    make: *** [debian/rules:5: build] Error 1\n";

#[test]
fn the_first_error_comes_first_and_the_same_is_counted() {
    assert_eq!(
        words(&read(
            MANY,
            JobKind::Build,
            true,
            Some((4, "a.c:3:4: error: 'x' undeclared"))
        )),
        [
            "4 src/a.c:3:4: error: 'x' undeclared",
            "2 src/a.c:1:2: warning: unused, 2 times"
        ]
    );
    // A hint is a finding where it is the first error, and so is what no pattern knows.
    for (line, text) in [
        (7, "error: cp: cannot stat 'y': No such file or directory"),
        (3, "error: a.c: In function 'f':"),
    ] {
        let message = text.strip_prefix("error: ").unwrap();
        let found = read(MANY, JobKind::Build, true, Some((line, message)));
        assert_eq!(words(&found)[0], format!("{line} {text}"));
        assert_eq!(found.len(), 3);
    }
}

#[test]
fn what_failed_nothing_is_a_warning() {
    assert_eq!(
        words(&read(MANY, JobKind::Build, false, None)),
        [
            "2 src/a.c:1:2: warning: unused, 2 times",
            "4 src/a.c:3:4: warning: 'x' undeclared"
        ]
    );
    let log = "autopkgtest [10:00:00]: test one: [-----------------------\nFAIL: not really\n\
        autopkgtest [10:00:01]: test one: -----------------------]\none                  PASS\n\
        autopkgtest [10:00:00]: test two: [-----------------------\nFAIL: really\n\
        autopkgtest [10:00:01]: test two: -----------------------]\ntwo                  FAIL x\n";
    let found = read(log, JobKind::Test, true, Some((6, "FAIL: really")));
    let tests: Vec<_> = found.iter().map(|finding| finding.test.as_deref()).collect();
    assert_eq!(tests, [Some("two"), Some("one")]);
    assert_eq!(words(&found), ["6 error: FAIL: really", "2 warning: FAIL: not really"]);
}

#[test]
fn what_belongs_together_is_one() {
    for (log, expected) in [
        (
            "error[E0308]: mismatched types\n  --> src/a.c:7:21\n   |\n",
            "1 src/a.c:7:21: error: mismatched types [E0308]",
        ),
        (
            "CMake Error at CMakeLists.txt:72 (find_package):\n  By not providing \"FindX.cmake\"\n  it cannot be found.\n\n  More.\n",
            "1 CMakeLists.txt:72: error: By not providing \"FindX.cmake\" it cannot be found.",
        ),
        (
            "A.java:7: error: cannot find symbol\n\tfoo(bar);\n\t    ^\n",
            "1 A.java:7:6: error: cannot find symbol",
        ),
        (
            "thread 'x' panicked at src/a.c:1:2:\nleft != right\nnote: run with `RUST_BACKTRACE=1`\n",
            "1 src/a.c:1:2: error: left != right",
        ),
        (
            "dpkg: error processing archive x.deb (--unpack):\n trying to overwrite '/usr/bin/x'\n",
            "1 error: error processing archive x.deb (--unpack): trying to overwrite '/usr/bin/x'",
        ),
        (
            "Traceback (most recent call last):\n  File \"/build/x/t/b.py\", line 3, in f\n    g()\n  File \"/usr/lib/g.py\", line 9, in g\n\
             ValueError: no\n\nDuring handling of the above exception, another exception occurred:\n\n\
             Traceback (most recent call last):\n  File \"/build/x/t/b.py\", line 5, in f\nKeyError: 'k'\n",
            "11 t/b.py:5: error: KeyError: 'k'",
        ),
        (
            "patching file src/a.c\nHunk #1 FAILED at 675.\n",
            "2 src/a.c:675: error: Hunk #1 FAILED at 675",
        ),
        (
            "    a.c_test.go:5: got 1\n--- FAIL: TestX (0.00s)\n",
            "1 a.c_test.go:5: error: got 1",
        ),
    ] {
        assert_eq!(words(&read(log, JobKind::Build, true, None)), [expected], "{log}");
    }
}

#[test]
fn of_many_those_that_are_worse_are_listed() {
    let mut log = String::new();
    for number in 0..1000 {
        log += &format!("a.c:{number}:1: warning: one of many\n");
    }
    for number in 0..150 {
        log += &format!("a.c:{number}:2: error: late\n");
    }
    let found = read(&log, JobKind::Build, true, Some((1001, "a.c:0:2: error: late")));
    assert_eq!(found.len(), MOST_FINDINGS + 1);
    let errors = found.iter().filter(|finding| severity(finding) == Severity::Error);
    assert_eq!(errors.count(), 150);
    assert_eq!(
        words(&found)[200],
        "- note: 950 more findings of this log are not listed"
    );
    assert_eq!(words(&found)[1], "1 src/a.c:0:1: warning: one of many");
}

proptest! {
    #[test]
    fn fuzz_log_findings(log in r#"([ \t]{0,2}(error(\[E1\])?: x|a\.c:1:2: (error|warning): y|CMake Error at a:1|Traceback \(most recent call last\):|  File "b\.py", line 3|E   assert x|Error: z|    x_test\.go:5: m|--- FAIL: T|panic: p|autopkgtest \[10:00:00\]: test t: (\[-----------------------|-----------------------\])|t +(PASS|FAIL)|make: \*\*\* \[x\] Error 1|\PC{0,12})\n){0,30}"#,
        has_failed: bool, first in proptest::option::of(1u64..40)) {
        let found = read(&log, JobKind::Test, has_failed, first.map(|line| (line, "first")));
        let lines = log.lines().count() as u64;
        prop_assert!(found.len() <= MOST_FINDINGS + 1);
        for finding in &found {
            let is_of_log = finding.log_line.is_none_or(|line| (1..=lines).contains(&line) || Some(line) == first);
            prop_assert!(is_of_log, "{finding:?}");
            prop_assert!(!finding.to_string().contains(char::is_control));
        }
        if let Some(first) = first {
            prop_assert_eq!(found[0].log_line, Some(first));
            prop_assert_eq!(severity(&found[0]), Severity::Error);
        }
    }

    #[test]
    fn fuzz_log_findings_of_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
        let sources = sources();
        let reading = Reading { job: JobKind::Build, has_failed: true, first: None, sources: &sources };
        log_findings(&bytes[..], reading).unwrap();
    }
}
