//! A small signed archive on this host's loopback: made by apt-ftparchive and gpg, changed while it is served. For tests of
//! what becomes of packages that change.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::tool;

/// Its one suite.
pub const SUITE: &str = "extra";
/// Whose key signs it.
const OWNER: &str = "Extra <extra@example.org>";

/// An archive that is served as long as the process lives.
#[derive(Debug)]
pub struct Repository {
    folder: tempfile::TempDir,
    url: String,
}

impl Repository {
    /// An archive with a key of its own and no packages.
    ///
    /// # Panics
    /// gpg or the network fails.
    #[must_use]
    pub fn start() -> Self {
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
        let repository = Self { folder, url };
        tool(
            repository
                .gpg()
                .args(["--quick-generate-key", OWNER, "ed25519", "sign", "0"]),
        );
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
        tool(self.gpg().arg("--output").arg(&own).args(["--export", OWNER]));
        // Binary keyrings are certificates, one after the other (RFC 9580).
        let both = [fs::read(other).unwrap(), fs::read(&own).unwrap()].concat();
        fs::write(output, both).unwrap();
    }

    /// Publishes these packages, and no others: name and version. A package has one file, `/usr/share/NAME/version`. Files
    /// of what was published before stay, as on a mirror.
    ///
    /// # Panics
    /// A tool fails.
    pub fn publish(&self, packages: &[(&str, &str)]) {
        let www = self.folder.path().join("www");
        let mut text = String::new();
        for (name, version) in packages {
            let folder = format!("pool/main/{name}/{version}");
            fs::create_dir_all(www.join(&folder)).unwrap();
            self.build(name, version, &folder);
            text += &tool(
                Command::new("apt-ftparchive")
                    .args(["packages", &folder])
                    .current_dir(&www),
            );
        }
        let binary = www.join(format!("dists/{SUITE}/main/binary-{}", architecture()));
        fs::create_dir_all(&binary).unwrap();
        fs::write(binary.join("Packages"), text).unwrap();
        let suite = www.join("dists").join(SUITE);
        let option = |name: &str, value: &str| format!("-oAPT::FTPArchive::Release::{name}={value}");
        let mut release = Command::new("apt-ftparchive");
        release
            .arg(option("Suite", SUITE))
            .arg(option("Codename", SUITE))
            .arg(option("Components", "main"))
            .arg(option("Architectures", &architecture()))
            .args(["release", "."])
            .current_dir(&suite);
        // apt-ftparchive would list what is there already.
        let _ = fs::remove_file(suite.join("InRelease"));
        let text = tool(&mut release);
        let unsigned = self.folder.path().join("Release");
        fs::write(&unsigned, text).unwrap();
        let mut sign = self.gpg();
        sign.arg("--output")
            .arg(suite.join("InRelease"))
            .arg("--clearsign")
            .arg(&unsigned);
        tool(&mut sign);
    }

    fn build(&self, name: &str, version: &str, folder: &str) {
        let tree = self.folder.path().join("tree");
        let _ = fs::remove_dir_all(&tree);
        let data = tree.join("usr/share").join(name);
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::write(data.join("version"), format!("{version}\n")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: {OWNER}\nDescription: a package of a test\n"
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
