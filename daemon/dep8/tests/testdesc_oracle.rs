//! Test control files, many of them made up, under autopkgtest's own reader and under ours: the same tests in the same order,
//! with the same commands, restrictions and dependencies, and the same skips in the same words.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod testdesc;

use std::fs;

use pretty_assertions::assert_eq;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

const SOURCES: &[&str] = &[
    "Source: s\nBuild-Depends: debhelper-compat (= 13), check <!nocheck>, strace [linux-any], odd [hurd-any] | even,\n\
     Build-Depends-Indep: docbook\n\nPackage: s\nArchitecture: any\nRecommends: bash-completion, ${misc:Recommends}, x (>= ${v})\n\n\
     Package: s-data\nArchitecture: all\n# a comment\n\nPackage: s-arm\nArchitecture: arm64 armhf\n\n\
     Package: s-linux\nArchitecture: linux-any\nRecommends: less | more\n\nPackage: s-udeb\nPackage-Type: udeb\nArchitecture: any\n",
    "Source: s\nBuild-Depends:\n debhelper-compat (= 13), # why\n libfoo-dev,\n\n\nPackage: s\nArchitecture: all\n\
     Description: says\n .\n hello\n",
];

fn agree(trees: &[(usize, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let lay_out = |(place, (source, control)): (usize, &(usize, String))| {
        let tree = folder.path().join(place.to_string());
        fs::create_dir_all(tree.join("debian/tests")).unwrap();
        fs::write(tree.join("debian/control"), SOURCES[*source]).unwrap();
        fs::write(tree.join("debian/tests/control"), control).unwrap();
        tree
    };
    let folders: Vec<_> = trees.iter().enumerate().map(lay_out).collect();
    let theirs = testdesc::theirs(&folders);
    assert_eq!(theirs.len(), trees.len());
    for ((source, control), theirs) in trees.iter().zip(theirs) {
        assert_eq!(testdesc::ours(SOURCES[*source], control), theirs, "{control}");
    }
}

#[test]
fn files_of_all_kinds_are_read_alike() {
    let controls = [
        "",
        "# nothing\n\n   \n",
        "Tests: a\n",
        "\n \n\t\nTests:a,b ,c\n\n\n\n\nTests: d\n",
        "tests: a\nDEPENDS:\nrestrictions:needs-root,needs-sudo\n",
        "Tests: a\nTests: b\nDepends: curl\n",
        "Tests: a\n b\n\tc # d\n#e\n f\nDepends: @\n",
        "Test-Command: echo  a\n   b \\\n\tc   d\nDepends:\n",
        "Test-Command:\n   multi\n   line\nDepends:\n\nTest-Command: second\nDepends:\n",
        "Test-Command: x\r\nDepends:\r\n\r\nTests: y\r\nDepends:\r\n",
        "Tests: a b/c d\nDepends:\nTests-Directory: t\n\nTests: e\nDepends:\nTests-Directory: .\n\nTests: f\nDepends:\nTests-Directory: t/\n\nTests: g\nDepends:\nTests-Directory:\n",
        "Tests: a\nDepends: @, @builddeps@, @recommends@, curl [linux-any] | wget, nothing [arm64],\n",
        "Tests: a\nDepends: s | s-data, s | curl, s-arm [arm64] | s, s-arm [arm64], s-udeb\n",
        "Tests: a\nDepends: s (>= 1) | s-data (<< 2:1~rc-1), python3:any, s-data:amd64\n",
        "Tests: a\nDepends: foo bar\n",
        "Tests: a\nDepends: foo <!nocheck>\n",
        "Tests: a\nDepends: ${misc:Depends}\n",
        "Tests: a\nDepends: @ | foo\n",
        "Tests: a\nDepends: foo (>= 1_0)\n",
        "Tests: a\nRestrictions: needs-recommends\n\nTests: b\nDepends: curl\nRestrictions: needs-recommends needs-sudo\n",
        "Tests: a\nRestrictions: hint-testsuite-triggers\nDepends: x, y\n",
        "Tests: a\nRestrictions: skip-foreign-architecture\n\nTests: b\nRestrictions: needs-internet\n\nTests: c\nRestrictions: needs-reboot\n",
        "Tests: a\nRestrictions: isolation-container, isolation-machine, breaks-testbed, build-needed, rw-build-tree, flaky\n",
        "Tests: a\nFeatures: no-build-needed, foo=bar\nClasses: desktop, x\n",
        "Test-Command: a\nFeatures: test-name=named, x\n\nTest-Command: b\n\nTest-Command: c\nFeatures: test-name=d/e\n",
        "Test-Command: a\nFeatures: test-name\n",
        "Test-Command: a\nFeatures: test-name=a test-name=b\n",
        "Tests: a\nFeatures: test-name=a\n",
        "Tests: a\nTest-Command: b\n",
        "Depends: a\n",
        "Tests: ,\n",
        "Tests:\n",
        "Tests: a\nX-Foo-BAR: 1\n",
        "Tests: a\nArchitecture: amd64\n\nTests: b\nArchitecture: any\n\nTests: c\nArchitecture: arm64 i386\n\nTests: d\nArchitecture: !amd64\n",
        "Tests: a\nArchitecture: all\n\nTests: b\nArchitecture: linux-any\n\nTests: c\nArchitecture: !arm64, amd64\n\nTests: d\nArchitecture: any-i386\n",
        "garbage\n\nTests: a\n",
        "garbage\nTests: a\nmore garbage\nDepends: curl\n",
        " indented: first\nTests: a\n indented\n",
        "Tests : a\nDepends\t:\n\nTe sts: b\n: c\n",
        "Tests: ünïcode\u{a0}x\u{2003}y\nDepends:\n",
    ];
    let trees: Vec<_> = controls
        .iter()
        .flat_map(|control| (0..SOURCES.len()).map(move |source| (source, (*control).to_owned())))
        .collect();
    agree(&trees);
}

fn some(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let separator = prop::sample::select(&[", ", " ", ",\n ", "\n  ", ","][..]);
    let words = prop::collection::vec(prop::sample::select(words), 0..=most);
    (words, separator).prop_map(|(words, separator)| words.join(separator))
}

/// A field with its line feed, or nothing.
fn field() -> impl Strategy<Value = String> {
    let entries = &[
        "@",
        "@builddeps@",
        "@recommends@",
        "s",
        "s | s-data",
        "s-arm [arm64] | s",
        "s-arm [arm64]",
        "curl (>= 1) | wget",
        "nothing [arm64 !i386]",
        "python3:any",
        "s-linux (= 1.2-3)",
        "foo bar",
        "sudo",
        "",
    ][..];
    let depends = prop::collection::vec(prop::sample::select(entries), 0..4)
        .prop_map(|entries| format!("Depends: {}\n", entries.join(", ")));
    let known = &[
        "allow-stderr",
        "needs-root",
        "needs-sudo",
        "flaky",
        "superficial",
        "build-needed",
        "needs-recommends",
        "isolation-machine",
        "skippable",
    ][..];
    let odd = prop::sample::select(
        &[
            "",
            "",
            "made-up",
            "hint-testsuite-triggers",
            "needs-internet",
            "needs-reboot",
            "skip-foreign-architecture",
        ][..],
    );
    let restrictions = (some(known, 3), odd).prop_map(|(known, odd)| format!("Restrictions: {known} {odd}\n"));
    let features = some(&["test-name=named", "test-name=x/y", "test-name", "foo", "foo=bar"], 2)
        .prop_map(|words| format!("Features: {words}\n"));
    let architectures = some(&["any", "amd64", "linux-any", "arm64", "!amd64", "!arm64", "all"], 2)
        .prop_map(|words| format!("Architecture: {words}\n"));
    let other = prop::sample::select(
        &[
            "Classes: a b\n",
            "Tests-Directory: t\n",
            "X-ODD: 1\n",
            "# a comment\n",
            "   # another\n",
            "garbage\n",
            " , # continued\n",
            "classes:\n",
            "",
            "",
        ][..],
    )
    .prop_map(str::to_owned);
    prop_oneof![3 => depends, 3 => restrictions, 1 => features, 1 => architectures, 3 => other]
}

fn stanza() -> impl Strategy<Value = String> {
    let names = some(&["a", "b", "smoke", "sub/x", "c.py", "-d"], 3).prop_map(|names| format!("Tests: {names}\n"));
    let command =
        "[a-z'\"$&;|ü ]{1,12}(\\\\?\n[ \t]{1,3}[a-z ]{1,6})?".prop_map(|text| format!("Test-Command: {text}\n"));
    let head = prop_oneof![5 => names, 3 => command, 1 => Just(String::new())];
    (head, prop::collection::vec(field(), 0..4), any::<bool>()).prop_map(|(head, fields, last)| match last {
        true => fields.concat() + &head,
        false => head + &fields.concat(),
    })
}

fn control() -> impl Strategy<Value = String> {
    let blank = prop::sample::select(&["\n", "\n\n", " \n", "\n# between\n", "\t\n\n"][..]);
    prop::collection::vec((stanza(), blank), 1..4)
        .prop_map(|stanzas| stanzas.into_iter().map(|(stanza, blank)| stanza + blank).collect())
}

/// Their reader starts a process for most dependencies, so it reads no more than a batch.
#[test]
fn made_up_files_are_read_alike() {
    let mut runner = TestRunner::default();
    let batch = prop::collection::vec((0..SOURCES.len(), control()), 80);
    let trees = batch.new_tree(&mut runner).unwrap().current();
    agree(&trees);
}
