//! An apt repository as its publisher makes it: apt-ftparchive writes the indices and the release file, gpg signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use preflight_archive::{Archive, ArchiveConfig, HttpTimeouts, Ppa, PpaUri, PublicKeys, ValidUntil};
use tempfile::TempDir;

use crate::support::{self, run};

/// A keyring of its own, with its agent.
pub(crate) struct Gpg {
    home: TempDir,
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .output();
    }
}

impl Gpg {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.home.path());
        command.args([
            "--batch",
            "--yes",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        command
    }

    /// Makes a key and tells its fingerprint; `options` come before the command.
    pub(crate) fn key(&self, name: &str, options: &[&str]) -> String {
        let user = format!("{name} <{name}@example.org>");
        let made = run(self.command().args(options).args(["--status-fd", "1"]).args([
            "--quick-generate-key",
            &user,
            "ed25519",
            "sign",
            "never",
        ]));
        let status = String::from_utf8(made.stdout).unwrap();
        let line = status.lines().find(|line| line.contains("KEY_CREATED")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    pub(crate) fn export(&self, fingerprints: &[&str], armored: bool) -> Vec<u8> {
        let mut command = self.command();
        if armored {
            command.arg("--armor");
        }
        run(command.arg("--export").args(fingerprints)).stdout
    }

    /// `Release` of a folder into `InRelease`.
    pub(crate) fn sign(&self, folder: &Path, key: &str, options: &[&str]) {
        let output = folder.join("InRelease");
        let mut command = self.command();
        command
            .args(options)
            .arg("--local-user")
            .arg(key)
            .arg("--output")
            .arg(output);
        run(command.arg("--clear-sign").arg(folder.join("Release")));
    }
}

/// A repository in a folder, with a key.
pub(crate) struct Repository {
    pub(crate) folder: TempDir,
    pub(crate) gpg: Gpg,
    pub(crate) key: String,
}

impl Repository {
    /// With the package `demo` in `pool/main`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gpg = Gpg::new();
        let key = gpg.key("ppa", &["--faked-system-time", "20200101T000000"]);
        let pool = folder.path().join("pool/main");
        fs::create_dir_all(&pool).unwrap();
        support::deb(&pool, "demo", "1.0-1", "", 5000);
        Self { folder, gpg, key }
    }

    pub(crate) fn add(&self, name: &str, version: &str, fields: &str) -> PathBuf {
        support::deb(&self.folder.path().join("pool/main"), name, version, fields, 100)
    }

    pub(crate) fn suite(&self, suite: &str) -> PathBuf {
        self.folder.path().join("dists").join(suite)
    }

    /// Writes a suite's indices and its unsigned `Release`. `options` are apt-ftparchive's (`Suite=…`).
    pub(crate) fn index(&self, suite: &str, options: &[&str]) -> PathBuf {
        let folder = self.suite(suite);
        let _ = fs::remove_dir_all(&folder);
        let binary = folder.join("main/binary-amd64");
        fs::create_dir_all(&binary).unwrap();
        let packages = run(Command::new("apt-ftparchive")
            .args(["packages", "pool"])
            .current_dir(self.folder.path()))
        .stdout;
        fs::write(binary.join("Packages"), packages).unwrap();
        run(Command::new("xz").args(["--keep", "Packages"]).current_dir(&binary));
        self.release(
            &folder,
            &[
                &[&format!("Suite={suite}"), "Components=main", "Architectures=amd64"],
                options,
            ]
            .concat(),
        );
        folder
    }

    /// Writes the `Release` of a folder with indices.
    pub(crate) fn release(&self, folder: &Path, options: &[&str]) {
        let mut command = Command::new("apt-ftparchive");
        for option in options {
            command.arg("-o").arg(format!("APT::FTPArchive::Release::{option}"));
        }
        let _ = fs::remove_file(folder.join("Release"));
        let text = run(command.args(["release", "."]).current_dir(folder)).stdout;
        fs::write(folder.join("Release"), text).unwrap();
    }

    /// Writes and signs a suite as it should be.
    pub(crate) fn publish(&self, suite: &str, options: &[&str]) {
        let folder = self.index(suite, options);
        self.gpg.sign(&folder, &self.key, &[]);
    }

    pub(crate) fn keys(&self) -> PublicKeys {
        PublicKeys::parse(&self.gpg.export(&[&self.key], false), &[]).unwrap()
    }

    /// A file that apt takes for `signed-by`.
    pub(crate) fn key_file(&self) -> PathBuf {
        let path = self.folder.path().join("key.asc");
        fs::write(&path, self.keys().armored()).unwrap();
        path
    }

    /// The repository at `url` as a PPA.
    pub(crate) fn ppa(&self, url: &str, suite: &str) -> Ppa {
        Ppa {
            name: "test/ppa".parse().unwrap(),
            uri: url.parse::<PpaUri>().unwrap(),
            suite: suite.parse().unwrap(),
            components: if suite.ends_with('/') {
                vec![]
            } else {
                vec!["main".to_owned()]
            },
            architectures: vec![],
            keys: self.keys(),
            priority: None,
            packages: vec![],
            private: false,
        }
    }
}

/// An archive that knows no keys of its own and gives up soon.
pub(crate) fn archive(folder: &Path) -> Archive {
    Archive::open(ArchiveConfig {
        folder: folder.to_owned(),
        keyrings: Vec::new(),
        http: patience(),
        valid_until: ValidUntil::Enforce,
    })
    .unwrap()
}

pub(crate) fn patience() -> HttpTimeouts {
    HttpTimeouts {
        retries: 1,
        backoff: std::time::Duration::from_millis(1),
        ..HttpTimeouts::default()
    }
}
