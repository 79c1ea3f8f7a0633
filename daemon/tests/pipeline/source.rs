//! Source packages that are only described: the files that a host finds, what a guest unpacks of them and what their
//! build leaves. No Debian tool is needed for any of it.

use std::fs;
use std::path::{Path, PathBuf};

use preflight_debian::Sha256Digest;

/// A source package.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// `Build-Depends`; names of other sources of the test must be in the ticket's repository.
    pub(crate) build_depends: &'static str,
    /// `debian/tests/control`.
    pub(crate) tests: Option<&'static str>,
    /// `Testsuite`.
    pub(crate) testsuite: Option<&'static str>,
    /// `Distribution` of the changelog.
    pub(crate) distribution: &'static str,
}

impl Source {
    /// One with a binary package of its own name, and one test.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            version: "1.0",
            build_depends: "debhelper-compat (= 13)",
            tests: Some("Test-Command: smoke\n"),
            testsuite: None,
            distribution: "bookworm",
        }
    }

    pub(crate) fn with_tests(self, control: &'static str) -> Self {
        let tests = Some(control);
        Self { tests, ..self }
    }

    pub(crate) fn control(&self) -> String {
        format!(
            "Source: {0}\nMaintainer: T <t@example.org>\nStandards-Version: 4.6.2\nBuild-Depends: {1}\n{2}\nPackage: {0}\n\
             Architecture: all\nDescription: a test\n long\n",
            self.name,
            self.build_depends,
            self.testsuite
                .map(|suite| format!("Testsuite: {suite}\n"))
                .unwrap_or_default(),
        )
    }

    /// The file name of the package that it builds.
    pub(crate) fn deb_name(&self) -> String {
        format!("{}_{}_all.deb", self.name, self.version)
    }

    /// What `dpkg-buildpackage` leaves beside the tree.
    pub(crate) fn built(&self) -> Vec<(String, Vec<u8>)> {
        let stem = format!("{}_{}_amd64", self.name, self.version);
        vec![
            (self.deb_name(), deb(self.name, self.version)),
            (format!("{stem}.buildinfo"), b"Format: 1.0\n".to_vec()),
            (format!("{stem}.changes"), b"Format: 1.8\n".to_vec()),
        ]
    }

    /// What `dpkg-source --build` leaves beside the tree: a tarball and the `.dsc` that lists it.
    pub(crate) fn package(&self) -> Vec<(String, Vec<u8>)> {
        let tarball = format!("{}_{}.tar.xz", self.name, self.version);
        let content = format!("the tree of {}\n", self.name).into_bytes();
        let dsc = format!(
            "Format: 3.0 (native)\nSource: {0}\nBinary: {0}\nArchitecture: all\nVersion: {1}\n\
             Maintainer: T <t@example.org>\nBuild-Depends: {2}\nChecksums-Sha256:\n {3} {4} {tarball}\nFiles:\n {5} {4} {tarball}\n",
            self.name,
            self.version,
            self.build_depends,
            Sha256Digest::of(&content),
            content.len(),
            "0".repeat(32),
        );
        vec![
            (tarball, content),
            (format!("{}_{}.dsc", self.name, self.version), dsc.into_bytes()),
        ]
    }

    /// Writes the `.dsc` and its tarball; answers where the `.dsc` is.
    pub(crate) fn write_dsc(&self, folder: &Path) -> PathBuf {
        for (name, content) in self.package() {
            fs::write(folder.join(name), content).unwrap();
        }
        folder.join(format!("{}_{}.dsc", self.name, self.version))
    }

    /// Writes the `.dsc`, its tarball and the `.changes` of their upload; answers where that is.
    pub(crate) fn write_changes(&self, folder: &Path) -> PathBuf {
        self.write_dsc(folder);
        let (mut strong, mut weak) = (String::new(), String::new());
        for (name, content) in self.package() {
            strong += &format!(" {} {} {name}\n", Sha256Digest::of(&content), content.len());
            weak += &format!(" {} {} misc optional {name}\n", "0".repeat(32), content.len());
        }
        let changes = format!(
            "Format: 1.8\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nSource: {0}\nArchitecture: source\nVersion: {1}\n\
             Distribution: {2}\nMaintainer: T <t@example.org>\nChanges:\n {0} ({1}) {2}; urgency=medium\n .\n   * Change.\n\
             Checksums-Sha256:\n{strong}Files:\n{weak}",
            self.name, self.version, self.distribution
        );
        let path = folder.join(format!("{}_{}_source.changes", self.name, self.version));
        fs::write(&path, changes).unwrap();
        path
    }

    /// Writes the folder that somebody works in.
    pub(crate) fn write_folder(&self, folder: &Path) -> PathBuf {
        let root = folder.join(self.name);
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("debian/control", &self.control());
        let changelog = format!(
            "{} ({}) {}; urgency=medium\n\n  * Change.\n\n -- T <t@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n",
            self.name, self.version, self.distribution
        );
        write("debian/changelog", &changelog);
        write("debian/rules", "#!/usr/bin/make -f\n%:\n\tfalse\n");
        write("debian/source/format", "3.0 (native)\n");
        if let Some(tests) = self.tests {
            write("debian/tests/control", tests);
        }
        root
    }
}

/// A binary package (deb(5)) with control data and nothing else.
pub(crate) fn deb(name: &str, version: &str) -> Vec<u8> {
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: a test\n"
    );
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(control.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "./control", control.as_bytes())
        .unwrap();
    let control = archive.into_inner().unwrap();
    let mut deb = b"!<arch>\n".to_vec();
    for (member, content) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", &control),
        ("data.tar", &[0; 1024]),
    ] {
        let length = content.len();
        deb.extend(format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{length:<10}`\n", 0, 0, 0, "100644").bytes());
        deb.extend(content);
        deb.extend((length % 2 == 1).then_some(b'\n'));
    }
    deb
}
