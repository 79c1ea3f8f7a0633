//! What others write, read here; what they read, read by us to the same end (packages subunit, python3-subunit,
//! python3-junitxml).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use preflight_core::TestStatus;
use preflight_results::{Case, parse_junit, parse_subunit1, parse_subunit2};
use pretty_assertions::assert_eq;

fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; install subunit, python3-subunit and python3-junitxml"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    output.stdout
}

/// Tests as Python's runner for subunit reports them: a stream of version 2.
fn python_stream() -> Vec<u8> {
    let script = r"
import sys, unittest, subunit, subunit.test_results
from testtools import ExtendedToStreamDecorator, TestCase
from testtools.content import text_content
class T(TestCase):
    def test_good(self): pass
    def test_bad(self):
        self.addDetail('log', text_content('line one\nl\xefne two'))
        self.assertEqual(1, 2)
    def test_skip(self): self.skipTest('no network')
    @unittest.expectedFailure
    def test_xfail(self): self.fail('as expected')
    @unittest.expectedFailure
    def test_surprise(self): pass
stream = ExtendedToStreamDecorator(subunit.StreamResultToBytes(sys.stdout.buffer))
stream.startTestRun()
unittest.defaultTestLoader.loadTestsFromTestCase(T).run(stream)
stream.stopTestRun()
";
    filter("/usr/bin/python3", &["-c", script], b"")
}

/// One line a test, in the order of names.
fn lines(cases: &[Case]) -> Vec<String> {
    let mut lines: Vec<String> = cases
        .iter()
        .map(|case| {
            let name = case.name.rsplit('.').next().unwrap();
            format!(
                "{name} {:?} {}",
                case.status,
                case.reason.as_deref().unwrap_or_default()
            )
        })
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_stream_of_pythons() {
    let stream = python_stream();
    let document = parse_subunit2(&stream).unwrap();
    let expected = [
        "test_bad Fail testtools.matchers._impl.MismatchError: 1 != 2",
        "test_good Pass",
        "test_skip Skip no network",
        "test_surprise Fail unexpected success",
        "test_xfail Pass expected failure",
    ];
    assert_eq!(lines(&document.cases), expected);
    let bad = document
        .cases
        .iter()
        .find(|case| case.name.ends_with("test_bad"))
        .unwrap();
    let log = bad.attachments.iter().find(|file| file.name == "log").unwrap();
    assert_eq!(log.content, "line one\nlïne two".as_bytes());

    // The same as version 1, which their filter writes.
    let first = parse_subunit1(&filter("subunit-2to1", &[], &stream)).unwrap();
    assert_eq!(lines(&first.cases), expected);
    // And back, which their filter writes, too.
    let again = parse_subunit2(&filter("subunit-1to2", &[], &filter("subunit-2to1", &[], &stream))).unwrap();
    assert_eq!(lines(&again.cases), expected);
    // JUnit knows neither of the expected ones.
    let junit = parse_junit(&filter("subunit2junitxml", &[], &stream)).unwrap();
    let statuses: Vec<TestStatus> = junit.cases.iter().map(|case| case.status).collect();
    assert_eq!(junit.cases.len(), 5);
    assert_eq!(
        statuses.iter().filter(|status| **status == TestStatus::Fail).count(),
        2,
        "{:?}",
        lines(&junit.cases)
    );
    assert_eq!(statuses.iter().filter(|status| **status == TestStatus::Skip).count(), 1);
}

/// A stream of version 1 with all that may be hard, as Python's own reader takes it.
#[test]
fn version_1_as_python_reads_it() {
    let stream = b"test: a\nsuccess: b\nsuccess: a\nerror: a\ntesting b b\nsuccessful b b\ntest: c\nfailure: c [\n x\n ]y\n]\n\
                   test: d\nskip: d [ multipart\nContent-Type: text/plain\nreason\n3\r\nwhy0\r\n]\ntest e\nxfail e\n\
                   test: f\nuxsuccess f\nnoise: g\ntest: g\nsuccess: gg\nsuccess: g [\nfine\n]\ntest: h\ntest: i\nsuccess i\ntest: j\n";
    let script = r"
import sys, subunit, unittest
class R(unittest.TestResult):
    def say(self, test, word): print(test.id(), word)
    def addSuccess(self, test, details=None): self.say(test, 'Pass')
    def addError(self, test, err=None, details=None): self.say(test, 'Fail')
    def addFailure(self, test, err=None, details=None): self.say(test, 'Fail')
    def addSkip(self, test, reason=None, details=None): self.say(test, 'Skip')
    def addExpectedFailure(self, test, err=None, details=None): self.say(test, 'Pass')
    def addUnexpectedSuccess(self, test, details=None): self.say(test, 'Fail')
class Nowhere:
    def write(self, data): pass
    def flush(self): pass
server = subunit.TestProtocolServer(R(), stream=Nowhere())
server.readFrom(sys.stdin.buffer)
";
    let theirs = String::from_utf8(filter("/usr/bin/python3", &["-c", script], stream)).unwrap();
    let ours: String = parse_subunit1(stream)
        .unwrap()
        .cases
        .iter()
        .map(|case| format!("{} {:?}\n", case.name, case.status))
        .collect();
    assert_eq!(ours, theirs);
}
