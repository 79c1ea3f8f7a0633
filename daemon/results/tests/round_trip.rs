//! What Preflight writes in any format, read back: the same tests, results, reasons, times and outputs.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "../../report/tests/recorded/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod recorded;

use std::path::Path;
use std::time::Duration;

use preflight_core::TestStatus;
use preflight_report::run::SourceRun;
use preflight_report::tree::{Entry, Tree};
use preflight_report::{debci, junit, output_directory, subunit1, ubuntu};
use preflight_results::{Format, Run, gather, read};
use pretty_assertions::assert_eq;
use recorded::Recorded;

/// One test of each result, with outputs that no format likes.
fn of_each() -> Recorded {
    use preflight_dep8::outcome::TestStatus::{Fail, Flaky, Pass, PassSuperficial, Skip};
    let hard = "half a char: \u{fc}\n]]> \u{1b}[31m & <b> \r\n0\r\n]\n".as_bytes();
    Recorded::new()
        .test("passes", Pass, None, (b"out\n", b""))
        .test("smoke", PassSuperficial, None, (b"", b"warned\n"))
        .test(
            "fails",
            Fail,
            Some("non-zero exit status 1"),
            (hard, b"no char: \xff\n"),
        )
        .test(
            "long",
            Fail,
            Some("stderr: it's \"late\""),
            (&[b'x'; 100_000], b"it's \"late\"\n"),
        )
        .test("slow", Flaky, Some("timed out"), (b"waits", b""))
        .test("kernel", Skip, Some("unknown restriction x"), (b"", b""))
        .test("broken", Fail, Some("badpkg"), (b"", b""))
}

fn put(tree: &Tree, folder: &Path) {
    for (name, entry) in tree.iter() {
        let path = folder.join(name);
        match entry {
            Entry::Folder => std::fs::create_dir_all(path).unwrap(),
            Entry::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            other => other.write(&mut std::fs::File::create(path).unwrap()).unwrap(),
        }
    }
}

/// What is read back, and the folder that its files are in.
fn back(path: &Path) -> (Run, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let material = gather(path, None, root.path(), &mut |_| Ok(())).unwrap();
    let mut run = read(material, &path.display().to_string()).unwrap();
    run.identity.source.get_or_insert_with(|| "tiny".to_owned());
    run.without_source();
    (run, root)
}

fn results(run: &Run) -> Vec<(String, TestStatus, Option<String>)> {
    let result = |case: &preflight_results::Case| (case.name.clone(), case.status, case.reason.clone());
    run.cases.iter().map(result).collect()
}

/// As they were recorded, in a ticket's words.
fn expected(run: &SourceRun) -> Vec<(String, TestStatus, Option<String>)> {
    use preflight_dep8::outcome::TestStatus as Word;
    let result = |test: &preflight_report::run::TestRun| {
        let (status, reason) = match test.status {
            Word::Pass => (TestStatus::Pass, None),
            Word::PassSuperficial => (TestStatus::Pass, Some("superficial".to_owned())),
            Word::Fail => (TestStatus::Fail, test.reason.clone()),
            Word::Flaky => (TestStatus::Flaky, test.reason.clone()),
            Word::Skip => (TestStatus::Skip, test.reason.clone()),
        };
        (test.name.clone(), status, reason)
    };
    run.tests.iter().map(result).collect()
}

fn recorded_run(recorded: &Recorded) -> SourceRun {
    let summary = "passes               PASS\n\
                   smoke                PASS (superficial)\n\
                   fails                FAIL non-zero exit status 1\n\
                   long                 FAIL stderr: it's \"late\"\n\
                   slow                 FLAKY timed out\n\
                   kernel               SKIP unknown restriction x\n\
                   broken               FAIL badpkg\n\
                   badpkg: Test dependencies are unsatisfiable\n";
    recorded.write("log", "autopkgtest [10:00:00]: version 5.28\n");
    SourceRun {
        summary: summary.to_owned(),
        exit_code: 14,
        ..recorded.run("tiny", None)
    }
}

#[test]
fn folders() {
    let recorded = of_each();
    let run = recorded_run(&recorded);
    type Writer = fn(&SourceRun) -> std::io::Result<Tree>;
    let layouts: [(Writer, &str, Format); 3] = [
        (output_directory::tree, "", Format::Autopkgtest),
        (debci::tree, "bookworm/amd64/t/tiny/20231114_221310", Format::Debci),
        (ubuntu::tree, "", Format::ResultTar),
    ];
    for (write, below, format) in layouts {
        let folder = tempfile::tempdir().unwrap();
        put(&write(&run).unwrap(), folder.path());
        let (found, _root) = back(&folder.path().join(below));
        assert_eq!(found.format, format);
        assert_eq!(results(&found), expected(&run), "{format}");
        assert_eq!(found.exit_code.code(), 14, "{format}");
        assert_eq!(found.identity.source.as_deref(), Some("tiny"));
        assert_eq!(found.identity.version.as_deref(), Some("1.0-1"));
        if format != Format::Debci {
            let file = found
                .files
                .iter()
                .find(|file| file.test.as_deref() == Some("fails") && file.name == "stdout");
            let content = std::fs::read(&file.unwrap().path).unwrap();
            assert_eq!(content, std::fs::read(recorded.path("fails/stdout")).unwrap());
        }
    }
}

#[test]
fn documents() {
    let recorded = of_each();
    let run = recorded_run(&recorded);
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Vec::new();
    subunit1::write(&mut stream, std::slice::from_ref(&run)).unwrap();
    let xml = junit::report(std::slice::from_ref(&run)).unwrap();
    for (name, content, format) in [
        ("v1", stream, Format::Subunit1),
        ("xml", xml.into_bytes(), Format::Junit),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let (found, _root) = back(&path);
        assert_eq!(found.format, format);
        let mut wanted = expected(&run);
        if format == Format::Junit {
            // It has no word for it.
            wanted[1].2 = None;
            assert_eq!(found.identity.series.as_deref(), Some("debian-bookworm"));
            assert_eq!(found.identity.version.as_deref(), Some("1.0-1"));
        }
        assert_eq!(results(&found), wanted, "{format}");
        assert!(
            found.cases.iter().all(|case| case.duration == Duration::from_secs(1)),
            "{format}"
        );
        let output = |case: usize, name: &str| {
            let mut files = found.cases[case].attachments.iter();
            let file = files.find(|file| file.name == name);
            file.map(|file| String::from_utf8_lossy(&file.content).into_owned())
                .unwrap_or_default()
        };
        assert_eq!(output(0, "stdout"), "out\n", "{format}");
        assert_eq!(output(3, "stdout").len(), 100_000, "{format}");
    }
}

/// A testbed that broke is no test that failed.
#[test]
fn a_broken_testbed() {
    let recorded = Recorded::new().test(
        "passes",
        preflight_dep8::outcome::TestStatus::Pass,
        None,
        (b"out\n", b""),
    );
    let run = recorded.run("tiny", Some("testbed failure: gone"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xml");
    std::fs::write(&path, junit::report(&[run]).unwrap()).unwrap();
    let (found, _root) = back(&path);
    assert_eq!(found.cases.len(), 1);
    assert_eq!(
        (found.exit_code.code(), found.reason.as_deref()),
        (16, Some("testbed failure: gone"))
    );
}
