//! A small signed archive on this host's loopback: made by apt-ftparchive and gpg, changed while it is served. For tests of
//! what becomes of packages that change.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::tool;

/// The suite that it has unless others are published.
pub const SUITE: &str = "extra";

/// An archive that is served as long as the process lives.
#[derive(Debug)]
pub struct Repository {
    folder: tempfile::TempDir,
    url: String,
    /// What its release files say of their origin, and whose key signs them.
    owner: &'static str,
}

/// What somebody between a repository and its users may do to a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// Another's key signs it.
    AnotherKey,
    /// Nobody signs it.
    Unsigned,
    /// Its signature's time is over: `Valid-Until` has passed.
    Expired,
    /// It is older than what was there before.
    RolledBack,
    /// The index is not the one that was signed.
    AnotherIndex,
}

impl Tampering {
    /// All of it.
    pub const ALL: [Self; 5] = [
        Self::AnotherKey,
        Self::Unsigned,
        Self::Expired,
        Self::RolledBack,
        Self::AnotherIndex,
    ];
}

impl Repository {
    /// An archive with a key of its own and no packages.
    ///
    /// # Panics
    /// gpg or the network fails.
    #[must_use]
    pub fn start() -> Self {
        Self::of("Extra")
    }

    /// The same, of another owner.
    ///
    /// # Panics
    /// gpg or the network fails.
    #[must_use]
    pub fn of(owner: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        fs::create_dir(&keys).unwrap();
        fs::create_dir_all(folder.path().join("www/pool/main")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let www = folder.path().join("www");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who hangs up early has what it wanted.
                let _ = serve(&www, stream);
            }
        });
        let repository = Self { folder, url, owner };
        repository.make_key(owner);
        repository
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Writes a keyring of another archive's keys and its own.
    ///
    /// # Panics
    /// gpg fails.
    pub fn keyring_with(&self, other: &Path, output: &Path) {
        let own = self.folder.path().join("own.gpg");
        tool(self.gpg().arg("--output").arg(&own).args(["--export", self.owner]));
        // Binary keyrings are certificates, one after the other (RFC 9580).
        let both = [fs::read(other).unwrap(), fs::read(&own).unwrap()].concat();
        fs::write(output, both).unwrap();
    }

    /// Writes its key, as armored text.
    ///
    /// # Panics
    /// gpg fails.
    pub fn key(&self, output: &Path) {
        tool(
            self.gpg()
                .arg("--output")
                .arg(output)
                .args(["--armor", "--export", self.owner]),
        );
    }

    /// Publishes these packages, and no others: name and version. A package has one file, `/usr/share/NAME/version`. Files
    /// of what was published before stay, as on a mirror.
    ///
    /// # Panics
    /// A tool fails.
    pub fn publish(&self, packages: &[(&str, &str)]) {
        self.publish_suite(SUITE, packages);
    }

    /// The same in a suite of its own.
    ///
    /// # Panics
    /// A tool fails.
    pub fn publish_suite(&self, suite: &str, packages: &[(&str, &str)]) {
        let plain = packages.iter().map(|(name, version)| (*name, *version, ""));
        self.publish_depending(suite, &plain.collect::<Vec<_>>());
    }

    /// The same, where packages depend on others: name, version, `Depends`.
    ///
    /// # Panics
    /// A tool fails.
    pub fn publish_depending(&self, suite: &str, packages: &[(&str, &str, &str)]) {
        let www = self.folder.path().join("www");
        let mut text = String::new();
        for (name, version, depends) in packages {
            let folder = format!("pool/main/{name}/{version}");
            fs::create_dir_all(www.join(&folder)).unwrap();
            self.build(name, version, depends, &folder);
            text += &tool(
                Command::new("apt-ftparchive")
                    .args(["packages", &folder])
                    .current_dir(&www),
            );
        }
        let index = self.index(suite);
        fs::create_dir_all(index.parent().unwrap()).unwrap();
        fs::write(index, text).unwrap();
        let release = self.release(suite, &[]);
        self.sign(suite, &release, self.owner);
    }

    /// Does that to the suite. Who publishes it again mends it.
    ///
    /// # Panics
    /// A tool fails.
    pub fn tamper(&self, suite: &str, how: Tampering) {
        match how {
            Tampering::AnotherKey => {
                self.make_key("Mallory");
                self.sign(suite, &self.release(suite, &[]), "Mallory");
            }
            Tampering::Unsigned => fs::write(self.signed(suite), self.release(suite, &[])).unwrap(),
            Tampering::Expired => {
                let release = self.release(suite, &[("ValidTime", "1")]);
                let passed = |line: &str| match line.starts_with("Valid-Until: ") {
                    true => "Valid-Until: Sat, 01 Nov 2025 12:00:00 UTC\n".to_owned(),
                    false => format!("{line}\n"),
                };
                self.sign(suite, &release.lines().map(passed).collect::<String>(), self.owner);
            }
            Tampering::RolledBack => {
                let earlier = |line: &str| match line.starts_with("Date: ") {
                    true => "Date: Sat, 01 Nov 2025 12:00:00 UTC\n".to_owned(),
                    false => format!("{line}\n"),
                };
                let release: String = self.release(suite, &[]).lines().map(earlier).collect();
                self.sign(suite, &release, self.owner);
            }
            Tampering::AnotherIndex => {
                // Released again, so that nobody has the good index of this release already.
                let index = self.index(suite);
                let good = fs::read_to_string(&index).unwrap();
                fs::write(&index, format!("{good}\n")).unwrap();
                self.sign(suite, &self.release(suite, &[]), self.owner);
                fs::write(&index, good.replace("Version: ", "Version: 9")).unwrap();
            }
        }
    }

    fn index(&self, suite: &str) -> PathBuf {
        let www = self.folder.path().join("www");
        www.join(format!("dists/{suite}/main/binary-{}/Packages", architecture()))
    }

    fn signed(&self, suite: &str) -> PathBuf {
        self.folder.path().join("www/dists").join(suite).join("InRelease")
    }

    /// The suite's release file as it would be now.
    fn release(&self, suite: &str, more: &[(&str, &str)]) -> String {
        // apt-ftparchive would list what is there already.
        let _ = fs::remove_file(self.signed(suite));
        let architecture = architecture();
        let usual = [
            ("Origin", self.owner),
            ("Suite", suite),
            ("Codename", suite),
            ("Components", "main"),
            ("Architectures", &architecture),
        ];
        let options = usual
            .iter()
            .chain(more)
            .map(|(name, value)| format!("-oAPT::FTPArchive::Release::{name}={value}"));
        tool(
            Command::new("apt-ftparchive")
                .args(options)
                .args(["release", "."])
                .current_dir(self.folder.path().join("www/dists").join(suite)),
        )
    }

    fn sign(&self, suite: &str, release: &str, key: &str) {
        let unsigned = self.folder.path().join("Release");
        fs::write(&unsigned, release).unwrap();
        let mut sign = self.gpg();
        sign.args(["--local-user", key, "--output"])
            .arg(self.signed(suite))
            .arg("--clearsign")
            .arg(&unsigned);
        tool(&mut sign);
    }

    fn make_key(&self, owner: &str) {
        tool(self.gpg().args(["--quick-generate-key", owner, "ed25519", "sign", "0"]));
    }

    fn build(&self, name: &str, version: &str, depends: &str, folder: &str) {
        let tree = self.folder.path().join("tree");
        let _ = fs::remove_dir_all(&tree);
        let data = tree.join("usr/share").join(name);
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::write(data.join("version"), format!("{version}\n")).unwrap();
        let owner = self.owner;
        let depends = match depends {
            "" => String::new(),
            depends => format!("Depends: {depends}\n"),
        };
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: {owner} <extra@example.org>\n{depends}Description: a package of a test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let file = format!("www/{folder}/{name}_{version}_all.deb");
        tool(
            Command::new("dpkg-deb")
                .args(["--root-owner-group", "--build"])
                .arg(&tree)
                .arg(self.folder.path().join(file)),
        );
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.folder.path().join("keys")).args([
            "--batch",
            "--quiet",
            "--yes",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        gpg
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let keys = self.folder.path().join("keys");
        // gpg starts an agent, which would stay.
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(keys)
            .args(["--kill", "all"])
            .status();
    }
}

fn architecture() -> String {
    tool(Command::new("dpkg").arg("--print-architecture")).trim().to_owned()
}

/// Answers one request, as HTTP/1.0 would.
fn serve(www: &Path, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let file: PathBuf = www.join(path);
    let is_plain = !path.split('/').any(|segment| matches!(segment, "." | ".."));
    match File::open(&file) {
        Ok(mut content) if is_plain && file.is_file() => {
            let length = content.metadata()?.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )?;
            std::io::copy(&mut content, &mut stream)?;
        }
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?,
    }
    stream.flush()
}
