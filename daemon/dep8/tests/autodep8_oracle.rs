//! Packages of every kind for which autodep8 writes tests: what it writes, autopkgtest and we read alike, and none of it is
//! unknown to us.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod testdesc;

use std::{fs, path::Path, process::Command};

use pretty_assertions::assert_eq;

/// A package: its kind, what it is called, the files that autodep8 looks at, and the tests that come of it.
struct Package {
    kind: &'static str,
    source: &'static str,
    files: &'static [(&'static str, &'static str)],
    tests: &'static [&'static str],
}

const DESCRIPTION: &str = "Package: thing\nVersion: 1\nSuggests: testthat, knitr (>= 1.2)\n";

const PACKAGES: &[Package] = &[
    Package {
        kind: "perl",
        source: "libthing-perl",
        files: &[("Makefile.PL", ""), ("t/thing.t", "")],
        tests: &["autodep8-perl-build-deps", "autodep8-perl", "autodep8-perl-recommends"],
    },
    Package {
        kind: "python",
        source: "python-thing",
        files: &[],
        tests: &["autodep8-python3"],
    },
    Package {
        kind: "pybuild",
        source: "python-thing",
        files: &[],
        tests: &["pybuild-autopkgtest"],
    },
    Package {
        kind: "ruby",
        source: "ruby-thing",
        files: &[("debian/ruby-tests.rake", "")],
        tests: &["gem2deb-test-runner"],
    },
    Package {
        kind: "go",
        source: "golang-thing",
        files: &[],
        tests: &["dh-golang-autopkgtest"],
    },
    Package {
        kind: "r",
        source: "r-cran-thing",
        files: &[("DESCRIPTION", DESCRIPTION)],
        tests: &["pkg-r-autopkgtest"],
    },
    Package {
        kind: "nodejs",
        source: "node-thing",
        files: &[("package.json", "{}")],
        tests: &["pkg-js-autopkgtest-require", "pkg-js-autopkgtest"],
    },
    Package {
        kind: "dkms",
        source: "thing-dkms",
        files: &[],
        tests: &["dkms-autopkgtest"],
    },
    Package {
        kind: "elpa",
        source: "elpa-thing",
        files: &[("debian/compat", "13\n")],
        tests: &["dh-elpa-test-autopkgtest"],
    },
    Package {
        kind: "octave",
        source: "octave-thing",
        files: &[("DESCRIPTION", DESCRIPTION), ("inst/x.m", "")],
        tests: &["command1"],
    },
];

fn control(package: &Package) -> String {
    format!(
        "Source: {0}\nBuild-Depends: debhelper-compat (= 13), rake <!nocheck>, dh-elpa | x, thing-dev [linux-any]\n\
         Build-Depends-Indep: docbook\nTestsuite: autopkgtest-pkg-{1}\n\nPackage: {2}\nArchitecture: all\n\
         Recommends: less, ${{misc:Recommends}}\n",
        package.source,
        package.kind,
        package.source.replace("python-", "python3-")
    )
}

/// What autodep8 writes.
fn generated(tree: &Path) -> String {
    let ran = Command::new("autodep8")
        .current_dir(tree)
        .output()
        .expect("autodep8 is installed (package autodep8)");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn what_is_generated_is_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut trees = Vec::new();
    for has_own in [false, true] {
        for package in PACKAGES {
            let tree = folder.path().join(format!("{}-{has_own}", package.kind));
            fs::create_dir_all(tree.join("debian/tests")).unwrap();
            fs::create_dir_all(tree.join("t")).unwrap();
            fs::create_dir_all(tree.join("inst")).unwrap();
            fs::write(tree.join("debian/control"), control(package)).unwrap();
            for (name, content) in package.files {
                fs::write(tree.join(name), content).unwrap();
            }
            if has_own {
                fs::write(
                    tree.join("debian/tests/control"),
                    "Tests: own\nRestrictions: needs-root",
                )
                .unwrap();
            }
            trees.push((package, has_own, tree));
        }
    }
    let folders: Vec<_> = trees.iter().map(|(_, _, tree)| tree.clone()).collect();
    for ((package, has_own, tree), theirs) in trees.into_iter().zip(testdesc::theirs(&folders)) {
        let text = generated(&tree);
        let ours = testdesc::ours(&control(package), &text);
        assert_eq!(ours, theirs, "{}: {text}", package.kind);
        assert!(ours.skips.is_empty(), "{:?}", ours.skips);
        let names = ours.tests.iter().map(|test| test[0].as_str());
        let expected = has_own
            .then_some("own")
            .into_iter()
            .chain(package.tests.iter().copied());
        assert_eq!(names.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{text}");
    }
}
