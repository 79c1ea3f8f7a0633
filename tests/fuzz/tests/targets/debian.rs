//! `.dsc`, `.changes`, `debian/control`, `debian/changelog`, versions, relations and apt's sources.

use std::path::Path;

use preflight_debian::{AptSource, Changelog, Control, Dsc, SourceChanges, Version, dependencies};
use preflight_fuzz::fuzz;
use proptest::prelude::*;

use crate::near;

const DSC: &str = "Format: 3.0 (quilt)\nSource: hello\nBinary: hello, hello-doc\nArchitecture: any all\nVersion: 1:2.10-3\n\
    Maintainer: Jane <j@example.org>\nBuild-Depends: debhelper-compat (= 13), gcc [amd64] <!nocheck> | clang\n\
    Package-List:\n hello deb devel optional arch=any\nChecksums-Sha256:\n\
    \x20ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 725946 hello_2.10.orig.tar.gz\n\
    \x20ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 12688 hello_2.10-3.debian.tar.xz\n\
    Files:\n 6cd0ffea3884a4e79330338dcc2987d6 725946 hello_2.10.orig.tar.gz\n";
const CHANGES: &str = "Format: 1.8\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nSource: hello (2.10-3)\nBinary: hello\nArchitecture: source\n\
    Version: 2.10-3.1\nDistribution: unstable\nChanges:\n hello (2.10-3.1) unstable; urgency=medium\n .\n   * x\n\
    Checksums-Sha256:\n ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 1184 hello_2.10-3.1.dsc\n\
    Files:\n 6cd0ffea3884a4e79330338dcc2987d6 1184 devel optional hello_2.10-3.1.dsc\n";
const CONTROL: &str = "Source: hello\nBuild-Depends: a, b (>= 1) [linux-any !armel] <!x>,\n# comment\n c | d\nBuild-Depends-Indep: e\n\n\
    Package: hello\nArchitecture: any\nDepends: ${shlibs:Depends}, f\nProvides: g (= ${binary:Version})\nDescription: h\n .\n i\n";
const CHANGELOG: &str = "hello (1:2.10-3) unstable; urgency=medium, binary-only=yes\n\n  * A change. (Closes: #1)\n\n -- Jane Doe <j@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n\n\
    hello (2.10-2) UNRELEASED; urgency=low\n\n  [ Joe ]\n  * Other.\n\n -- Jane Doe <j@example.org>  Wed, 31 Dec 2025 00:00:00 +0000\n";
const SOURCES: &[&str] = &[
    "deb [arch=amd64,i386 signed-by=/usr/share/keyrings/x.gpg trusted=yes] http://mirror.example/debian sid main contrib\n# c\ndeb-src http://mirror.example/debian sid main\n",
    "Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: sid sid-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x\nEnabled: no\n",
];

/// Holds a parser against texts near one: an error has words, and they are bounded.
fn text<T>(examples: &'static [&'static str], parse: impl Fn(&Path, &str) -> Result<T, preflight_debian::Error>) {
    fuzz(&near::lines(examples, 14), Vec::len, |bytes| {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = parse(Path::new("some/file"), &text) {
            prop_assert!(error.to_string().len() <= 4 * text.len() + 1000);
        }
        Ok(())
    });
}

#[test]
fn fuzz_dsc() {
    text(&[DSC], Dsc::parse);
}

#[test]
fn fuzz_changes() {
    text(&[CHANGES], SourceChanges::parse);
}

#[test]
fn fuzz_debian_control() {
    text(&[CONTROL], Control::parse);
}

#[test]
fn fuzz_changelog() {
    text(&[CHANGELOG], Changelog::parse);
}

#[test]
fn fuzz_apt_sources() {
    text(SOURCES, AptSource::parse);
}

#[test]
fn fuzz_versions() {
    let versions = "([0-9]{0,3}:)?[0-9a-z.+~:-]{0,12}(-[0-9a-z.+~]{0,6})?".prop_map(String::into_bytes);
    fuzz(
        &(near::edited(versions.clone()), near::edited(versions)),
        |(a, b)| a.len() + b.len(),
        |(a, b)| {
            let version = |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<Version>();
            if let (Ok(a), Ok(b)) = (version(&a), version(&b)) {
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
                prop_assert!(a.upstream().len() <= a.as_str().len());
            }
            Ok(())
        },
    );
}

#[test]
fn fuzz_relations() {
    let values = "([a-z$\\{\\}:]{1,9}(:any)?( \\((<<|<=|=|>=|>>|~)? ?[0-9:.~a-z$\\{\\}-]{0,9}\\)?)?( \\[[a-z! -]{0,12}\\]?)?( <[a-z! ]{0,9}>?){0,2}[,|\n ]{1,3}){0,4}";
    fuzz(&near::edited(values.prop_map(String::into_bytes)), Vec::len, |bytes| {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(found) = dependencies(&text) {
            prop_assert!(found.len() <= text.len() + 1);
        }
        Ok(())
    });
}
