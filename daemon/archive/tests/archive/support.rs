//! A mirror for tests: a signed repository in a folder, served on 127.0.0.1 by a server that can be told to fail; and
//! a private root for the host's own apt, the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use preflight_archive::{
    Archive, ArchiveConfig, ArchiveError, HttpTimeouts, Mirror, Network, Places, SessionOptions, SigningKey, ValidUntil,
};
use preflight_debian::Sha256Digest;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The archive as guests know it; the real one is on a port that changes from run to run.
pub(crate) const GUEST_URL: &str = "http://mirror.example/debian";

/// What the server was told to do, and what it was asked.
#[derive(Default)]
pub(crate) struct Behaviour {
    /// Paths whose next answer is cut after so many bytes.
    pub(crate) cut: BTreeMap<String, usize>,
    /// Paths that are answered with this status.
    pub(crate) status: BTreeMap<String, u16>,
    /// Paths whose content is replaced.
    pub(crate) replaced: BTreeMap<String, Vec<u8>>,
    /// Do not understand Range.
    pub(crate) no_ranges: bool,
    /// Paths that wait for the notification.
    pub(crate) held: BTreeSet<String>,
    /// Every request: path and Range.
    pub(crate) asked: Vec<(String, Option<String>)>,
}

pub(crate) struct TestMirror {
    pub(crate) folder: TempDir,
    pub(crate) key: SigningKey,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
    pub(crate) release_held: Arc<tokio::sync::Notify>,
    pub(crate) url: String,
    task: AbortHandle,
}

impl Drop for TestMirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestMirror {
    /// A repository of suite `stable` with the package `demo` (and its dependency `demo-data`), served.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let root = folder.path().join("debian");
        let pool = root.join("pool/main/d/demo");
        fs::create_dir_all(&pool).unwrap();
        deb(&pool, "demo", "1.0+b1-1", "Depends: demo-data\n", 200_000);
        deb(&pool, "demo-data", "1.0-1", "", 1000);
        write_suite(&root, &key, SystemTime::now(), None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/debian", listener.local_addr().unwrap());
        let behaviour = Arc::new(Mutex::new(Behaviour::default()));
        let release_held = Arc::new(tokio::sync::Notify::new());
        let (told, held, served) = (
            Arc::clone(&behaviour),
            Arc::clone(&release_held),
            folder.path().to_owned(),
        );
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (told, held, served) = (Arc::clone(&told), Arc::clone(&held), served.clone());
                tokio::spawn(async move { answer(stream, &told, &held, &served).await });
            }
        });
        Self {
            folder,
            key,
            behaviour,
            release_held,
            url,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("debian")
    }

    pub(crate) fn tell(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    /// Requests so far for paths that end so.
    pub(crate) fn asked(&self, suffix: &str) -> Vec<Option<String>> {
        let behaviour = self.behaviour.lock().unwrap();
        behaviour
            .asked
            .iter()
            .filter(|(path, _)| path.ends_with(suffix))
            .map(|(_, range)| range.clone())
            .collect()
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        let path = self.folder.path().join("keyring.asc");
        fs::write(&path, self.key.public_armored().unwrap()).unwrap();
        path
    }

    /// An archive in a folder of its own whose keyring is this mirror's.
    pub(crate) fn archive(&self) -> Archive {
        self.archive_in(&self.folder.path().join("store"))
    }

    pub(crate) fn archive_in(&self, folder: &Path) -> Archive {
        self.archive_with(folder, vec![self.keyring()], ValidUntil::Enforce)
    }

    pub(crate) fn archive_with(&self, folder: &Path, keyrings: Vec<PathBuf>, valid_until: ValidUntil) -> Archive {
        Archive::open(Self::configuration(folder, keyrings, valid_until)).unwrap()
    }

    /// One that finds content in other places, too.
    pub(crate) fn archive_beside(&self, folder: &Path, places: Places) -> Result<Archive, ArchiveError> {
        let configuration = Self::configuration(folder, vec![self.keyring()], ValidUntil::Enforce);
        Archive::open_beside(configuration, places)
    }

    fn configuration(folder: &Path, keyrings: Vec<PathBuf>, valid_until: ValidUntil) -> ArchiveConfig {
        let http = HttpTimeouts {
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(10),
            retries: 2,
            backoff: Duration::from_millis(1),
            parallel: 4,
        };
        ArchiveConfig {
            folder: folder.to_owned(),
            keyrings,
            http,
            valid_until,
        }
    }

    pub(crate) fn options(&self, network: Network) -> SessionOptions {
        let mirror = Mirror {
            upstream: Some(self.url.clone()),
            ..Mirror::new(GUEST_URL)
        };
        SessionOptions {
            network,
            mirrors: vec![mirror],
            ..SessionOptions::default()
        }
    }
}

pub(crate) fn guest(path: &str) -> String {
    format!("{GUEST_URL}/{path}")
}

pub(crate) fn by_hash(root: &Path, index: &str) -> String {
    let (folder, _) = index.rsplit_once('/').unwrap();
    let digest = Sha256Digest::of_file(&root.join("dists/stable").join(index)).unwrap().0;
    format!("dists/stable/{folder}/by-hash/SHA256/{digest}")
}

/// Builds a `.deb` with dpkg-deb.
pub(crate) fn deb(folder: &Path, name: &str, version: &str, fields: &str, size: usize) -> PathBuf {
    let tree = tempfile::tempdir().unwrap();
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\n{fields}Description: a test\n long text\n .\n more\n"
    );
    fs::create_dir_all(tree.path().join("DEBIAN")).unwrap();
    fs::write(tree.path().join("DEBIAN/control"), control).unwrap();
    // Not to be compressed away, and the same each time.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(size)
    .collect();
    fs::write(tree.path().join("noise"), noise).unwrap();
    let path = folder.join(format!("{name}_{version}_all.deb"));
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(tree.path())
        .arg(&path));
    path
}

/// (Re)writes `dists/stable` from the pool.
pub(crate) fn write_suite(root: &Path, key: &SigningKey, date: SystemTime, valid_until: Option<SystemTime>) {
    let suite = root.join("dists/stable");
    let binary = suite.join("main/binary-amd64");
    fs::create_dir_all(binary.join("by-hash/SHA256")).unwrap();
    let packages = run(Command::new("dpkg-scanpackages")
        .args(["--multiversion", "pool"])
        .current_dir(root))
    .stdout;
    fs::write(binary.join("Packages"), &packages).unwrap();
    run(Command::new("xz")
        .args(["--keep", "--force", "Packages"])
        .current_dir(&binary));
    let format = |at: SystemTime| {
        jiff::Timestamp::try_from(at)
            .unwrap()
            .strftime("%a, %d %b %Y %H:%M:%S UTC")
            .to_string()
    };
    let mut release = format!(
        "Origin: Test\nSuite: stable\nCodename: stable\nDate: {}\n",
        format(date)
    );
    if let Some(until) = valid_until {
        writeln!(release, "Valid-Until: {}", format(until)).unwrap();
    }
    release.push_str("Architectures: amd64\nComponents: main\nAcquire-By-Hash: yes\nSHA256:\n");
    for name in ["Packages", "Packages.xz"] {
        let (digest, size) = Sha256Digest::of_file(&binary.join(name)).unwrap();
        fs::copy(binary.join(name), binary.join(format!("by-hash/SHA256/{digest}"))).unwrap();
        writeln!(release, " {digest} {size} main/binary-amd64/{name}").unwrap();
    }
    fs::write(suite.join("InRelease"), key.sign_inline(&release, date).unwrap()).unwrap();
    fs::write(suite.join("Release"), &release).unwrap();
    fs::write(suite.join("Release.gpg"), key.sign_detached(&release, date).unwrap()).unwrap();
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

async fn answer(stream: TcpStream, told: &Mutex<Behaviour>, held: &tokio::sync::Notify, served: &Path) {
    let mut stream = BufReader::new(stream);
    let (mut path, mut range) = (String::new(), None);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest
                .split(' ')
                .next()
                .unwrap()
                .trim_start_matches('/')
                .replace("%2B", "+");
        } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
    }
    let (status, body, cut, no_ranges, hold) = {
        let mut told = told.lock().unwrap();
        told.asked.push((path.clone(), range.clone()));
        let key = |map: &BTreeSet<String>| map.iter().any(|suffix| path.ends_with(suffix));
        let find = |keys: Vec<String>| keys.into_iter().find(|suffix| path.ends_with(suffix));
        let cut = find(told.cut.keys().cloned().collect()).and_then(|suffix| told.cut.remove(&suffix));
        let status = find(told.status.keys().cloned().collect()).map(|suffix| told.status[&suffix]);
        let replaced = find(told.replaced.keys().cloned().collect()).map(|suffix| told.replaced[&suffix].clone());
        let hold = key(&told.held);
        (
            status,
            replaced.or_else(|| fs::read(served.join(&path)).ok()),
            cut,
            told.no_ranges,
            hold,
        )
    };
    if hold {
        held.notified().await;
    }
    let start = range
        .filter(|_| !no_ranges)
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (head, body) = match (status, body, start) {
        (Some(status), ..) => (format!("HTTP/1.1 {status} Told\r\n"), Vec::new()),
        (None, None, _) => ("HTTP/1.1 404 Not Found\r\n".to_owned(), Vec::new()),
        (None, Some(body), Some(start)) => (
            format!(
                "HTTP/1.1 206 Partial\r\nContent-Range: bytes {start}-{}/{}\r\n",
                body.len() - 1,
                body.len()
            ),
            body[start..].to_vec(),
        ),
        (None, Some(body), None) => ("HTTP/1.1 200 OK\r\n".to_owned(), body),
    };
    let head = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let sent = &body[..cut.unwrap_or(body.len()).min(body.len())];
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(sent).await;
    let _ = stream.flush().await;
    let _ = stream.into_inner().shutdown().await;
}

/// The host's apt in a root of its own.
pub(crate) struct Apt {
    pub(crate) folder: TempDir,
}

impl Apt {
    pub(crate) fn new(proxy: Option<&str>, source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for part in ["state/lists/partial", "cache/archives/partial", "etc", "work"] {
            fs::create_dir_all(root.join(part)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        fs::write(root.join("etc/sources.list"), source).unwrap();
        let at = |part: &str| root.join(part).display().to_string();
        let mut config = format!(
            "Dir \"{0}\";\nDir::State \"{1}\";\nDir::State::status \"{2}\";\nDir::Cache \"{3}\";\nDir::Etc \"{4}\";\n\
             Dir::Etc::sourcelist \"{4}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n\
             APT::Sandbox::User \"root\";\nAPT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\nAcquire::Languages \"none\";\nAcquire::Retries \"0\";\n",
            at(""),
            at("state"),
            at("status"),
            at("cache"),
            at("etc")
        );
        if let Some(proxy) = proxy {
            config.push_str(&preflight_archive::apt_configuration(proxy));
        }
        fs::write(root.join("apt.conf"), config).unwrap();
        Self { folder }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("apt-get");
        command
            .args(args)
            .env("APT_CONFIG", self.folder.path().join("apt.conf"))
            .env("LC_ALL", "C");
        command
            .env_remove("http_proxy")
            .env_remove("no_proxy")
            .current_dir(self.folder.path().join("work"));
        command
    }

    /// Runs apt on a thread of its own, since the server runs on this one.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    pub(crate) async fn succeed(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "apt-get {args:?}: {}\n{text}", output.status);
        text
    }
}
