//! Small logs, and which of their lines wins.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(log: &str, job: JobKind, ending: Ending<'_>, line: u64, text: &str, category: Category) {
    let found = first_error(log.as_bytes(), job, ending).unwrap().unwrap();
    assert_eq!(
        (found.line, found.text.as_str(), found.category),
        (line, text, category)
    );
}

#[test]
fn a_compiler_error_before_what_make_says() {
    let log = "gcc -c hello.c\nhello.c: In function 'main':\nhello.c:3:5: error: 'x' undeclared\nmake[1]: *** [Makefile:2: all] Error 1\n\
        make: *** [debian/rules:5: build] Error 2\nother.c:1:1: error: later\ndpkg-buildpackage: error: debian/rules build\n";
    check(
        log,
        JobKind::Build,
        Ending::Failed,
        3,
        "hello.c:3:5: error: 'x' undeclared",
        Category::Compiler,
    );
}

#[test]
fn the_message_right_before_make_gives_up() {
    let log = "cp: cannot stat 'early': No such file or directory\nfine again\ncp: cannot stat 'foo': No such file or directory\n\
        make[1]: *** [debian/rules:8: override_dh_install] Error 1\ndpkg-buildpackage: error: x\n";
    check(
        log,
        JobKind::Build,
        Ending::Failed,
        3,
        "cp: cannot stat 'foo': No such file or directory",
        Category::Command,
    );
    let log =
        "false\nmake: *** [debian/rules:5: build] Error 1\ndpkg-buildpackage: error: debian/rules build subprocess\n";
    check(
        log,
        JobKind::Build,
        Ending::Failed,
        2,
        "make: *** [debian/rules:5: build] Error 1",
        Category::Build,
    );
}

#[test]
fn a_tracebacks_last_line() {
    let log = "start\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    int('error: x')\nValueError: invalid\n";
    check(
        log,
        JobKind::Test,
        Ending::Failed,
        5,
        "ValueError: invalid",
        Category::Exception,
    );
    let chained = format!(
        "{log}\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"b\"\nKeyError: 'b'\nmore\n"
    );
    check(
        &chained,
        JobKind::Test,
        Ending::Failed,
        11,
        "KeyError: 'b'",
        Category::Exception,
    );
    let network = "Traceback (most recent call last):\n  File \"a\"\nurllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n";
    let found = first_error(network.as_bytes(), JobKind::Test, Ending::Failed)
        .unwrap()
        .unwrap();
    assert_eq!((found.line, found.category), (3, Category::Network));
}

const TEST_LOG: &str = "E: Failed to fetch http://mirror.example/x\n\
    autopkgtest [10:00:00]: test two: [-----------------------\n\
    one is fine\n\
    oh: something\n\
    checking the rest\n\
    autopkgtest [10:00:01]: test two: -----------------------]\n\
    autopkgtest [10:00:01]: test two:  - - - - - - - - - - results - - - - - - - - - -\n\
    two                  FAIL stderr: oh: something\n";

#[test]
fn what_is_known_of_the_end_points_at_the_line() {
    check(
        TEST_LOG,
        JobKind::Test,
        Ending::Stderr("oh: something"),
        4,
        "oh: something",
        Category::Stderr,
    );
    check(
        TEST_LOG,
        JobKind::Test,
        Ending::TimedOut,
        5,
        "checking the rest",
        Category::Timeout,
    );
    check(
        TEST_LOG,
        JobKind::Test,
        Ending::Failed,
        5,
        "checking the rest",
        Category::LastLine,
    );
    let fetch = "E: Failed to fetch http://mirror.example/x";
    check(
        TEST_LOG,
        JobKind::Test,
        Ending::NotInstalled,
        1,
        fetch,
        Category::Network,
    );
}

#[test]
fn of_several_tests_the_one_that_failed() {
    let one = "autopkgtest [10:00:00]: test one: [-----------------------\nFAIL: not really\n\
        autopkgtest [10:00:01]: test one: -----------------------]\n\
        one                  PASS\nautopkgtest [10:00:01]: test two: preparing testbed\nE: Unable to locate package x\n";
    let after = TEST_LOG
        .replace("two", "three")
        .replace("checking the rest", "hello.c:1:1: error: of the third");
    let log = format!("{one}{TEST_LOG}{after}");
    check(
        &log,
        JobKind::Test,
        Ending::Failed,
        11,
        "checking the rest",
        Category::LastLine,
    );
    let missing = "E: Unable to locate package x";
    check(
        &format!("{one}two                  FAIL badpkg\n"),
        JobKind::Test,
        Ending::NotInstalled,
        6,
        missing,
        Category::Dependency,
    );
}

#[test]
fn a_network_attempt() {
    let log =
        "hello.c:3:5: warning: x\nTrying example.org\ncurl: (6) Could not resolve host: example.org\nFAIL: download\n";
    let text = "curl: (6) Could not resolve host: example.org";
    for ending in [
        Ending::Failed,
        Ending::NetworkRefused { target: None },
        Ending::NetworkRefused {
            target: Some("example.org"),
        },
    ] {
        check(log, JobKind::Test, ending, 3, text, Category::Network);
    }
    let quiet = "begin\nasking example.org:443\nFAIL: download\n";
    let ending = Ending::NetworkRefused {
        target: Some("example.org"),
    };
    check(
        quiet,
        JobKind::Test,
        ending,
        2,
        "asking example.org:443",
        Category::Network,
    );
}

#[test]
fn what_apt_cannot_do() {
    let log = "Some packages could not be installed.\n foo : Depends: libbar2 (>= 2.1) but 2.0-1 is to be installed\nE: Unable to correct problems, you have held broken packages.\n";
    let text = "foo : Depends: libbar2 (>= 2.1) but 2.0-1 is to be installed";
    check(log, JobKind::Image, Ending::Failed, 2, text, Category::Dependency);
}

#[test]
fn nothing_and_nearly_nothing() {
    assert_eq!(first_error(&b""[..], JobKind::Build, Ending::Failed).unwrap(), None);
    assert_eq!(
        first_error(&b"\n \n\x1b[0m\n"[..], JobKind::Build, Ending::TimedOut).unwrap(),
        None
    );
    check(
        "\n\nlast\n\n",
        JobKind::Build,
        Ending::Failed,
        3,
        "last",
        Category::LastLine,
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_log(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let found = first_error(&bytes[..], JobKind::Test, Ending::Failed).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
        if let Some(found) = found {
            prop_assert!(found.line >= 1 && found.line <= lines);
            prop_assert!(found.text.chars().count() <= lines::MAX_TEXT && !found.text.chars().any(char::is_control));
        }
    }
}
