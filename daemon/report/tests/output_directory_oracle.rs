//! Our output directory beside autopkgtest's own (`-- null`, no machine) of the same tests: the same files with the same
//! content. And debci's and Ubuntu's layouts of it, as `tar` and `zcat` read them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use preflight_dep8::outcome::TestStatus;
use preflight_report::run::SourceRun;
use preflight_report::testinfo::Testinfo;
use preflight_report::tree::{Entry, Tree};
use preflight_report::{debci, output_directory, ubuntu};
use pretty_assertions::assert_eq;
use recorded::{Recorded, read};

const CONTROL: &str = "Test-Command: echo out; cd $AUTOPKGTEST_ARTIFACTS; echo one > a; mkdir d; ln -s ../a d/l\nDepends:\nFeatures: test-name=passes\n\n\
    Test-Command: echo two > $AUTOPKGTEST_ARTIFACTS/b; echo warns >&2\nDepends:\nFeatures: test-name=warns\n\n\
    Test-Command: exit 77\nDepends:\nRestrictions: skippable\nFeatures: test-name=skips\n\n\
    Test-Command: echo no; false\nDepends:\nRestrictions: flaky\nFeatures: test-name=at-times\n\n\
    Tests: never\nDepends:\nRestrictions: unknown-to-all\n";
const SUMMARY: &str = "passes               PASS\n\
    warns                FAIL stderr: warns\n\
    skips                SKIP exit status 77 and marked as skippable\n\
    at-times             FLAKY non-zero exit status 1\n";

/// autopkgtest's directory.
fn theirs(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let debian = folder.join("package/debian");
    std::fs::create_dir_all(debian.join("tests")).unwrap();
    for (name, text) in [
        (
            "control",
            "Source: tiny\nMaintainer: N <n@example.org>\n\nPackage: tiny\nArchitecture: all\nDescription: x\n",
        ),
        (
            "changelog",
            "tiny (1.0-1) unstable; urgency=low\n\n  * x.\n\n -- N <n@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n",
        ),
        ("tests/control", CONTROL),
    ] {
        std::fs::write(debian.join(name), text).unwrap();
    }
    let output = Command::new("autopkgtest")
        .args(["-B", "--env=A=b", "--output-dir=out", "./package", "--", "null"])
        .current_dir(folder)
        .output()
        .expect("autopkgtest, see .ci/packages");
    assert_eq!(
        output.status.code(),
        Some(6),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let out = folder.join("out");
    let files = walkdir::WalkDir::new(&out).min_depth(1).into_iter().map(|entry| {
        let entry = entry.unwrap();
        let content = match entry.file_type() {
            kind if kind.is_file() => read(entry.path()),
            kind if kind.is_symlink() => std::fs::read_link(entry.path())
                .unwrap()
                .into_os_string()
                .into_encoded_bytes(),
            _ => b"a folder".to_vec(),
        };
        (entry.path().strip_prefix(&out).unwrap().to_owned(), content)
    });
    files.collect()
}

fn ours(tree: &Tree) -> BTreeMap<PathBuf, Vec<u8>> {
    let content = |entry: &Entry| match entry {
        Entry::Folder => b"a folder".to_vec(),
        Entry::Link(target) => target.clone().into_os_string().into_encoded_bytes(),
        content => {
            let mut bytes = Vec::new();
            content.write(&mut bytes).unwrap();
            bytes
        }
    };
    tree.iter()
        .map(|(name, entry)| (name.clone(), content(entry)))
        .collect()
}

/// The same tests as our daemon records them.
fn run(testbed_packages: &[u8]) -> (Recorded, SourceRun) {
    use TestStatus::{Fail, Flaky, Pass, Skip};
    let recorded = Recorded::new();
    recorded.write("log", "autopkgtest [00:00:00]: test passes: …\n");
    recorded.write("testbed-packages", testbed_packages);
    recorded.write("passes/artifacts/a", "one\n");
    recorded.write("warns/artifacts/b", "two\n");
    std::fs::create_dir(recorded.path("passes/artifacts/d")).unwrap();
    std::os::unix::fs::symlink("../a", recorded.path("passes/artifacts/d/l")).unwrap();
    let mut info = Testinfo {
        virt_server: "autopkgtest-virt-null".to_owned(),
        custom_environment: vec!["A=b".to_owned()],
        ..Testinfo::default()
    };
    info.read_cpuinfo(&read(Path::new("/proc/cpuinfo")));
    let kernel = ["osrelease", "version"].map(|name| read(&Path::new("/proc/sys/kernel").join(name)));
    info.kernel_version = Some(Testinfo::kernel(&kernel[0], &kernel[1]));
    recorded.write("testinfo.json", info.json().unwrap());
    let unknown = Some("unknown restriction unknown-to-all");
    let recorded = recorded
        .test("never", Skip, unknown, (b"", b""))
        .test("passes", Pass, None, (b"out\n", b""))
        .test("warns", Fail, Some("stderr: warns"), (b"", b"warns\n"))
        .test(
            "skips",
            Skip,
            Some("exit status 77 and marked as skippable"),
            (b"", b""),
        )
        .test("at-times", Flaky, Some("non-zero exit status 1"), (b"no\n", b""));
    let mut run = recorded.run("tiny", None);
    // autopkgtest 5.28 says it twice.
    let skipped = "never                SKIP unknown restriction unknown-to-all\n";
    run.summary = format!("{skipped}{skipped}{SUMMARY}");
    for test in run.tests.iter_mut().filter(|test| test.name != "never") {
        let packages = recorded.write(&format!("{}/packages", test.name), testbed_packages);
        test.packages = Some(packages);
    }
    (recorded, run)
}

#[test]
fn the_directory_is_autopkgtests() {
    let folder = tempfile::tempdir().unwrap();
    let mut theirs = theirs(folder.path());
    let (_recorded, run) = run(&theirs[Path::new("testbed-packages")]);
    let tree = output_directory::tree(&run).unwrap();
    assert_eq!(tree.notes, Vec::<String>::new());
    let mut ours = ours(&tree);
    // Times, and autopkgtest's own words.
    assert!(ours.remove(Path::new("log")).is_some() && theirs.remove(Path::new("log")).is_some());
    for (name, content) in &theirs {
        assert_eq!(
            ours.get(name).map(|bytes| String::from_utf8_lossy(bytes)),
            Some(String::from_utf8_lossy(content)),
            "{}",
            name.display()
        );
    }
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
}

#[test]
fn what_collides_is_noted_and_no_link_is_written_through() {
    let recorded = Recorded::new();
    recorded.write("one/artifacts/same", "first");
    recorded.write("one/artifacts/folder/x", "x");
    recorded.write("two/artifacts/same", "second");
    recorded.write("two/artifacts/folder", "a file");
    recorded.write("two/artifacts/link/passwd", "written through");
    std::os::unix::fs::symlink("/etc", recorded.path("one/artifacts/link")).unwrap();
    recorded.write("testbed-packages", "");
    let recorded = recorded
        .test("one", TestStatus::Pass, None, (b"", b""))
        .test("two", TestStatus::Pass, None, (b"", b""))
        .test("testbed", TestStatus::Pass, None, (b"", b""));
    let mut run = recorded.run("tiny", None);
    run.tests[2].packages = Some(recorded.write("testbed/packages", "a\t1\n"));
    let tree = output_directory::tree(&run).unwrap();
    let ours = ours(&tree);
    let text = |name: &str| String::from_utf8_lossy(&ours[Path::new(name)]).into_owned();
    assert_eq!(text("artifacts/same"), "second");
    assert_eq!(text("artifacts/folder"), "a folder");
    assert_eq!(text("artifacts/link"), "/etc");
    assert_eq!(text("testbed-packages"), "");
    assert!(!ours.contains_key(Path::new("artifacts/link/passwd")));
    let named: BTreeSet<&str> = tree.notes.iter().map(|note| note.split(' ').next().unwrap()).collect();
    assert_eq!(
        named,
        BTreeSet::from([
            "artifacts/folder",
            "artifacts/link",
            "artifacts/link/passwd",
            "artifacts/same",
            "testbed-packages"
        ])
    );
}

/// What a program prints of a file.
fn said(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(file).output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ubuntus_files_are_read_by_tar_and_zcat() {
    let (recorded, run) = run(b"apt\t2.6.1\n");
    let tree = ubuntu::tree(&run).unwrap();
    for (name, entry) in tree.iter() {
        let mut bytes = Vec::new();
        entry.write(&mut bytes).unwrap();
        recorded.write(&format!("upload/{}", name.display()), bytes);
    }
    let upload = |name: &str| recorded.path("upload").join(name);
    let listed = said("tar", &["-tf"], &upload("result.tar"));
    assert_eq!(
        listed,
        "duration\nexitcode\nsummary\ntestbed-packages\ntestinfo.json\ntestpkg-version\n"
    );
    let out = recorded.path("unpacked");
    std::fs::create_dir(&out).unwrap();
    for archive in ["result.tar", "artifacts.tar.gz"] {
        said("tar", &["-C", out.to_str().unwrap(), "-xf"], &upload(archive));
    }
    for (name, content) in [
        ("exitcode", "6\n"),
        ("duration", "65\n"),
        ("testpkg-version", "tiny 1.0-1\n"),
        ("passes-stdout", "out\n"),
        ("artifacts/d/l", "one\n"),
    ] {
        assert_eq!(String::from_utf8(read(&out.join(name))).unwrap(), content, "{name}");
    }
    assert_eq!(
        said("zcat", &[], &upload("log.gz")),
        "autopkgtest [00:00:00]: test passes: …\n"
    );
}

#[test]
fn debcis_files_are_what_its_collector_reads() {
    let (recorded, mut run) = run(b"apt\t2.6.1\n");
    run.triggers = Some("tiny/1.0-1".to_owned());
    let tree = debci::tree(&run).unwrap();
    let ours = ours(&tree);
    let base = "bookworm/amd64/t/tiny/20231114_221310";
    let names: Vec<String> = ours.keys().map(|name| name.display().to_string()).collect();
    let of_run: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix(base)?.strip_prefix('/'))
        .collect();
    assert_eq!(
        of_run,
        [
            "artifacts",
            "artifacts/a",
            "artifacts/b",
            "artifacts/d",
            "artifacts/d/l",
            "at-times-packages",
            "duration",
            "exitcode",
            "log.gz",
            "passes-packages",
            "skips-packages",
            "summary",
            "testbed-packages",
            "testinfo.json",
            "testpkg-version",
            "trigger",
            "warns-packages",
            "worker"
        ]
    );
    let record: serde_json::Value = serde_json::from_slice(&ours[Path::new(&format!("{base}.json"))]).unwrap();
    for (field, value) in [
        ("run_id", "20231114_221310"),
        ("suite", "bookworm"),
        ("arch", "amd64"),
        ("package", "tiny"),
        ("version", "1.0-1"),
        ("status", "fail"),
        ("message", "Tests failed, and at least one test skipped"),
        ("duration_human", "1m 5s"),
        ("date", "2023-11-14T22:13:10.000Z"),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    // A long log is cut, and ends with the summary.
    recorded.write("log", vec![b'x'; (20 << 20) + 1]);
    let log = Path::new(base).join("log.gz");
    let (_, entry) = tree.iter().find(|(name, _)| **name == log).unwrap();
    let mut bytes = Vec::new();
    entry.write(&mut bytes).unwrap();
    let log = said("zcat", &[], &recorded.write("long.gz", bytes));
    let end = &log[20 << 20..];
    assert!(
        end.contains("WARNING: log file truncated at 20 MB") && end.ends_with(SUMMARY),
        "{end}"
    );
}
