//! Folders, archives and documents as they lie somewhere, read whole.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_core::TestStatus;
use preflight_results::{Format, ResultsError, Run, gather, read};
use pretty_assertions::assert_eq;

/// The output directory of a run of autopkgtest 5.28's, with the `null` server.
fn output() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/autopkgtest")
}

/// What is read, and the folder that its files are in.
fn read_as(path: &Path, format: Option<Format>, place: &str) -> Result<(Run, tempfile::TempDir), ResultsError> {
    let root = tempfile::tempdir().unwrap();
    let material = gather(path, format, root.path(), &mut |_| Ok(()))?;
    Ok((read(material, place)?, root))
}

fn read_here(path: &Path) -> (Run, tempfile::TempDir) {
    read_as(path, None, &path.display().to_string()).unwrap()
}

/// One line a test.
fn lines(run: &Run) -> Vec<String> {
    let line = |case: &preflight_results::Case| {
        let reason = case.reason.as_deref().unwrap_or_default();
        format!("{} {:?} {reason}", case.name, case.status)
            .trim_end()
            .to_owned()
    };
    run.cases.iter().map(line).collect()
}

const EXPECTED: [&str; 9] = [
    "odd Skip unknown restriction frobnicate",
    "build Pass",
    "smoke Pass",
    "light Pass superficial",
    "units Fail non-zero exit status 3",
    "noisy Fail stderr: oh no",
    "sometimes Flaky non-zero exit status 1",
    "kernel Pass",
    "maybe Skip exit status 77 and marked as skippable",
];

fn files(run: &Run) -> Vec<String> {
    let mut names: Vec<String> = run
        .files
        .iter()
        .map(|file| match &file.test {
            Some(test) => format!("{test}/{}", file.name),
            None => file.name.clone(),
        })
        .collect();
    names.sort();
    names
}

fn gz(path: &Path, content: &[u8]) {
    let mut out = flate2::write::GzEncoder::new(File::create(path).unwrap(), flate2::Compression::fast());
    out.write_all(content).unwrap();
    out.finish().unwrap();
}

/// Packs those files of autopkgtest's output that `wanted` takes.
fn tar(path: &Path, wanted: impl Fn(&str) -> bool, more: &[(&str, &str)]) {
    let mut builder = tar::Builder::new(Vec::new());
    for name in [
        "summary",
        "testpkg-version",
        "testbed-packages",
        "testinfo.json",
        "units-stdout",
        "noisy-stderr",
        "build-packages",
        "artifacts/made.txt",
    ] {
        if wanted(name) {
            builder
                .append_path_with_name(output().join(name), format!("./{name}"))
                .unwrap();
        }
    }
    for (name, content) in more {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let bytes = builder.into_inner().unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        gz(path, &bytes);
    } else {
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn an_output_directory() {
    let (run, _root) = read_here(&output());
    assert_eq!(run.format, Format::Autopkgtest);
    assert_eq!(lines(&run), EXPECTED);
    assert_eq!(run.exit_code.code(), 6);
    assert_eq!(run.reason.as_deref(), Some("units: non-zero exit status 3"));
    let identity = &run.identity;
    assert_eq!(
        (identity.source.as_deref(), identity.version.as_deref()),
        (Some("dsc0t"), Some("0.4"))
    );
    assert_eq!(
        (identity.series.as_deref(), identity.architecture.as_deref()),
        (None, Some("amd64"))
    );
    assert_eq!(run.cases[4].duration, Duration::from_secs(1));
    let log = std::fs::read_to_string(&run.log).unwrap();
    let line = run.cases[4].log_line.unwrap();
    assert_eq!(
        log.lines().nth(usize::try_from(line).unwrap() - 1),
        Some("running 2 tests")
    );
    let files = files(&run);
    for expected in [
        "artifacts/made.txt",
        "build/packages",
        "noisy/stderr",
        "units/stdout",
        "testbed-packages",
        "testinfo.json",
    ] {
        assert!(files.iter().any(|name| name == expected), "{expected}: {files:?}");
    }
    assert!(!files.iter().any(|name| name == "log"));
}

#[test]
fn a_folder_of_debcis() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("unstable/amd64/d/dsc0t/4711");
    std::fs::create_dir_all(&run).unwrap();
    gz(&run.join("log.gz"), &std::fs::read(output().join("log")).unwrap());
    tar(&run.join("artifacts.tar.gz"), |name| name != "testpkg-version", &[]);
    for (name, content) in [
        ("exitcode", "4\n"),
        ("duration", "93\n"),
        ("testpkg-version", "dsc0t 0.4\n"),
        ("worker", "w\n"),
    ] {
        std::fs::write(run.join(name), content).unwrap();
    }
    let (run, _root) = read_here(&run);
    assert_eq!((run.format, run.exit_code.code()), (Format::Debci, 4));
    assert_eq!(lines(&run), EXPECTED);
    assert_eq!(run.duration, Some(Duration::from_secs(93)));
    assert_eq!(run.identity.series.as_deref(), Some("debian-sid"));
    assert!(files(&run).contains(&"artifacts/made.txt".to_owned()));
}

#[test]
fn a_result_tar_of_ubuntus() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.tar");
    tar(
        &path,
        |name| name.starts_with("test"),
        &[("exitcode", "4\n"), ("duration", "12\n"), ("requester", "jane")],
    );
    gz(
        &folder.path().join("log.gz"),
        &std::fs::read(output().join("log")).unwrap(),
    );
    tar(
        &folder.path().join("artifacts.tar.gz"),
        |name| name.contains('-') && !name.starts_with("test"),
        &[],
    );
    for named in [path.as_path(), folder.path()] {
        let place = "https://ci.example/autopkgtest-noble/noble/amd64/d/dsc0t/20260102_030405_abcde@/result.tar";
        let (run, _root) = read_as(named, None, place).unwrap();
        assert_eq!((run.format, run.exit_code.code()), (Format::ResultTar, 4));
        assert_eq!(lines(&run), EXPECTED);
        assert_eq!(run.identity.series.as_deref(), Some("ubuntu-noble"));
        assert!(files(&run).contains(&"units/stdout".to_owned()));
        assert!(files(&run).contains(&"requester".to_owned()));
    }
    // Without a log, there is one of what the tests have written.
    let alone = tempfile::tempdir().unwrap();
    tar(&alone.path().join("result.tar"), |_| true, &[("exitcode", "6\n")]);
    let (run, _root) = read_here(&alone.path().join("result.tar"));
    assert_eq!(lines(&run), EXPECTED);
    let log = std::fs::read_to_string(&run.log).unwrap();
    let line = run.cases[4].log_line.unwrap();
    assert_eq!(
        log.lines().nth(usize::try_from(line).unwrap() - 1),
        Some("running 2 tests"),
        "{log}"
    );
}

#[test]
fn a_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.log.gz");
    gz(&path, &std::fs::read(output().join("log")).unwrap());
    for path in [output().join("log"), path] {
        let (run, _root) = read_here(&path);
        assert_eq!((run.format, run.exit_code.code()), (Format::Log, 6));
        assert_eq!(lines(&run), EXPECTED);
        assert_eq!(files(&run), Vec::<String>::new());
    }
}

#[test]
fn documents() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("v1"), "test: s-a\nhello\nfailure: s-a [\nBoom: no\n]\n").unwrap();
    gz(
        &at("junit.xml.gz"),
        b"<testsuite><testcase name='a'/><testcase name='b'><skipped message='why'/></testcase></testsuite>",
    );
    let (run, _root) = read_here(&at("v1"));
    assert_eq!(
        (run.format, lines(&run), run.exit_code.code()),
        (Format::Subunit1, vec!["s-a Fail Boom: no".to_owned()], 4)
    );
    let log = std::fs::read_to_string(&run.log).unwrap();
    let line = usize::try_from(run.cases[0].log_line.unwrap()).unwrap();
    let after: Vec<&str> = log.lines().skip(line - 1).collect();
    assert_eq!(
        after[1..3],
        ["hello", " - - - - - - - - - - traceback - - - - - - - - - -"],
        "{log}"
    );
    let (run, _root) = read_here(&at("junit.xml.gz"));
    assert_eq!(
        (run.format, lines(&run), run.exit_code.code()),
        (Format::Junit, vec!["a Pass".to_owned(), "b Skip why".to_owned()], 2)
    );
    // One document in a folder is it; of two, one has to be named.
    let two = folder.path().join("two");
    std::fs::create_dir(&two).unwrap();
    std::fs::copy(at("v1"), two.join("stream")).unwrap();
    assert_eq!(read_here(&two).0.format, Format::Subunit1);
    std::fs::write(two.join("other.xml"), "<testsuite><testcase name='a'/></testsuite>").unwrap();
    let error = read_as(&two, None, "").unwrap_err().to_string();
    assert!(error.contains("several"), "{error}");
    assert_eq!(lines(&read_as(&two, Some(Format::Junit), "").unwrap().0), ["a Pass"]);
}

#[test]
fn what_is_none_of_them_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("prose"), "once upon a time").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::create_dir(at("nothing")).unwrap();
    std::os::unix::fs::symlink("/", at("nothing/link")).unwrap();
    for name in ["prose", "empty", "nothing"] {
        let error = read_as(&at(name), None, "").unwrap_err();
        assert!(matches!(error, ResultsError::Unknown(_)), "{name}: {error}");
    }
    for (path, format) in [(output(), Format::Junit), (at("prose"), Format::Debci)] {
        assert!(read_as(&path, Some(format), "").is_err(), "{format}");
    }
    // A log in which nothing is told.
    std::fs::write(at("log"), "autopkgtest [10:00:00]: version 5.28\n").unwrap();
    assert!(
        read_as(&at("log"), None, "")
            .unwrap_err()
            .to_string()
            .contains("neither a summary")
    );
    let missing = read_as(&at("missing"), None, "").unwrap_err();
    assert!(matches!(missing, ResultsError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound));
}

#[test]
fn a_folder_is_taken_with_care() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("summary"),
        "a PASS\nsome new word of a later version\n../../b FAIL timed out\n",
    )
    .unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at("a-stdout")).unwrap();
    std::fs::create_dir(at("binaries")).unwrap();
    std::fs::write(at("binaries/x.deb"), "!<arch>").unwrap();
    nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (run, root) = read_here(folder.path());
    assert_eq!(lines(&run), ["a Pass", "../../b Fail timed out"]);
    assert_eq!(files(&run), ["summary"]);
    assert_eq!(run.left_out.len(), 3, "{:?}", run.left_out);
    // A name that leads elsewhere is no file's.
    assert!(run.cases.iter().any(|case| case.status == TestStatus::Fail));
    drop(root);
    // Room is asked for before it is taken.
    let root = tempfile::tempdir().unwrap();
    let refused = gather(folder.path(), None, root.path(), &mut |_| {
        Err(io::Error::other("no room"))
    });
    assert!(refused.unwrap_err().to_string().contains("no room"));
}
