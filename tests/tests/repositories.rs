//! A ticket's repository changes a hundred times while the host's apt reads it two hundred times, eight at a time, half of
//! them as testbeds do and half through `preflight repo serve`. Each reader must have seen one state. No guest is needed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use preflight_archive::{
    Archive, ArchiveConfig, HttpTimeouts, Publication, RepositoryLabels, SessionOptions, SigningKey, TicketMount,
    TicketRepository, ValidUntil,
};
use preflight_tests::fixture::{self, tool};
use preflight_tests::home::Home;
use preflight_tests::machines::names_in;
use pretty_assertions::assert_eq;
use serde_json::Value;

const SWAPS: usize = 100;
const READS: usize = 200;
const AT_ONCE: usize = 8;
/// States that packages are built for; each swap takes the next one.
const STATES: usize = 5;
/// How many digits of a generation's digest are typed.
const DIGITS: usize = 12;

/// A package of a state: `lasting` has one version in all of them, `rising` has another one in each.
fn deb(folder: &Path, name: &str, version: &str, state: usize) -> PathBuf {
    let tree = folder.join(format!("{name}-{state}"));
    std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nState: {state}\nDescription: a test\n"
    );
    std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let file = folder.join(format!("{state}/{name}_{version}_all.deb"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    tool(
        Command::new("dpkg-deb")
            .args(["-Znone", "--root-owner-group", "--build"])
            .arg(tree)
            .arg(&file),
    );
    file
}

/// A ticket's repository, published to as builds do.
struct Publisher {
    repository: TicketRepository,
    key: SigningKey,
    /// The packages of each state.
    states: Vec<[PathBuf; 2]>,
    start: SystemTime,
    /// How often it was published.
    swaps: Mutex<usize>,
}

impl Publisher {
    fn new(home: &Home, folder: &Path) -> Self {
        let states = (0..STATES).map(|state| {
            let rising = deb(folder, "rising", &format!("{state}"), state);
            [deb(folder, "lasting", "1", state), rising]
        });
        Self {
            repository: TicketRepository::at(home.folders.state.join("tickets/1/repository")),
            key: SigningKey::load_or_create(&home.folders.state.join("keys")).unwrap(),
            states: states.collect(),
            start: SystemTime::now() - Duration::from_secs(3600),
            swaps: Mutex::default(),
        }
    }

    fn swap(&self) {
        let mut swaps = self.swaps.lock().unwrap();
        let labels = RepositoryLabels {
            origin: "Preflight".to_owned(),
            label: "ticket".to_owned(),
        };
        let published = self.repository.writer().unwrap().publish(&Publication {
            debs: &self.states[*swaps % STATES],
            labels: &labels,
            key: &self.key,
            at: self.start + Duration::from_secs(*swaps as u64),
            by: "job 1",
        });
        assert!(published.unwrap().is_new);
        *swaps += 1;
    }
}

/// `preflight repo serve`, killed where the test gives up.
struct Server(Child);

impl Server {
    fn start(home: &Home, temporary: &Path) -> (Self, String) {
        let mut command = home.command(&["repo", "serve", "1", "--json"]);
        command
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let server = Self(child);
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        // Nobody serves whose output nobody reads.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        (server, first["url"].as_str().unwrap().to_owned())
    }

    fn interrupt(mut self) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The host's apt in a root of its own, in which nothing but this source is known.
struct Apt(tempfile::TempDir);

impl Apt {
    fn new(source: &str, proxy: Option<&str>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |part: &str| root.path().join(part).display().to_string();
        for part in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/preferences.d",
            "work",
        ] {
            std::fs::create_dir_all(root.path().join(part)).unwrap();
        }
        std::fs::write(at("etc/sources.list"), source).unwrap();
        std::fs::write(at("status"), "").unwrap();
        // No caches: their making is what takes apt's time.
        let mut text = format!(
            "Dir \"{}\";\nDir::State \"{}\";\nDir::State::status \"{}\";\nDir::Cache \"{}\";\nDir::Cache::pkgcache \"\";\n\
             Dir::Cache::srcpkgcache \"\";\nDir::Etc \"{}\";\nDir::Etc::sourceparts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"/dev/null\";\nAPT::Sandbox::User \"root\";\nAPT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\nAcquire::Languages \"none\";\nAcquire::Retries \"0\";\n",
            at(""),
            at("state"),
            at("status"),
            at("cache"),
            at("etc"),
        );
        if let Some(proxy) = proxy {
            text += &preflight_archive::apt_configuration(proxy);
        }
        std::fs::write(at("apt.conf"), text).unwrap();
        Self(root)
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("APT_CONFIG", self.0.path().join("apt.conf"))
            .env("LC_ALL", "C");
        command
            .env_remove("http_proxy")
            .env_remove("no_proxy")
            .current_dir(self.work());
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        assert!(
            status.success() && !text.contains("W:"),
            "apt-get {arguments:?}: {status}\n{text}"
        );
    }

    fn work(&self) -> PathBuf {
        self.0.path().join("work")
    }
}

/// Both packages must be of one state.
fn assert_consistent(apt: &Apt, publisher: &Publisher) {
    let names = names_in(&apt.work());
    let state = names
        .iter()
        .find_map(|name| name.strip_prefix("rising_")?.split('_').next()?.parse().ok());
    let state: usize = state.unwrap_or_else(|| panic!("no package: {names:?}"));
    let read = |file: &Path| std::fs::read(file).unwrap();
    let lasting = read(&apt.work().join("lasting_1_all.deb"));
    assert!(
        lasting == read(&publisher.states[state][0]),
        "a mixture: rising is of state {state}, lasting is not"
    );
}

#[test]
fn two_hundred_readers_each_see_one_state_of_a_hundred() {
    let home = Home::temporary();
    let source = fixture::folder("untested");
    let create = [
        "ticket",
        "create",
        "--source",
        source.to_str().unwrap(),
        "--series",
        "debian-bookworm",
        "--wait",
    ];
    let _ = home.run(&create).with_code(0);
    let _ = home.run(&["repo", "show", "1"]).with_code(20);
    let scratch = tempfile::tempdir().unwrap();
    let publisher = Publisher::new(&home, scratch.path());
    publisher.swap();
    let key = scratch.path().join("key.asc");
    std::fs::write(&key, publisher.key.public_armored().unwrap()).unwrap();
    let (server, url) = Server::start(&home, scratch.path());

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let archive = Archive::open(ArchiveConfig {
        folder: scratch.path().join("archive"),
        keyrings: vec![],
        http: HttpTimeouts::default(),
        valid_until: ValidUntil::Enforce,
    });
    let archive = archive.unwrap();
    let testbed = || {
        let session = archive.session(SessionOptions {
            repositories: vec![TicketMount {
                path: "packages".to_owned(),
                folder: publisher.repository.folder().to_owned(),
                generation: None,
            }],
            ..SessionOptions::default()
        });
        runtime.block_on(session.unwrap().listen_loopback()).unwrap()
    };
    let read = |number: usize| {
        let signed = format!("deb [signed-by={}]", key.display());
        let in_testbed = number.is_multiple_of(2).then(testbed);
        let apt = match &in_testbed {
            Some(loopback) => Apt::new(
                &format!("{signed} http://ticket.preflight.invalid/packages ./\n"),
                Some(&loopback.proxy_url()),
            ),
            None => Apt::new(&format!("{signed} {url} ./\n"), None),
        };
        apt.run(&["update"]);
        // Between what a reader has been told and what it fetches; for the others at any time.
        if (number / 2).is_multiple_of(2) {
            publisher.swap();
        }
        apt.run(&["download", "lasting", "rising"]);
        assert_consistent(&apt, &publisher);
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= READS {
                        break;
                    }
                    read(number);
                }
            });
        }
    });
    assert_eq!(*publisher.swaps.lock().unwrap(), SWAPS + 1);

    server.interrupt();
    let left = names_in(scratch.path());
    assert!(!left.iter().any(|name| name.starts_with("preflight-repo-")), "{left:?}");
    the_verbs_tell_of_every_state(&home, scratch.path());
}

fn the_verbs_tell_of_every_state(home: &Home, scratch: &Path) {
    let json = |schema: &str, arguments: &[&str]| home.json(schema, &[arguments, &["--json"]].concat()).json();
    let listed = json("repository-list.answer", &["repo", "list"]);
    let generations = listed[0]["generations"].as_array().unwrap();
    assert_eq!(generations.len(), SWAPS + 1);
    assert_eq!(
        generations
            .iter()
            .filter(|generation| generation["current"] == true)
            .count(),
        1
    );
    let state = |place: usize| {
        let digest = generations[place]["generation"].as_str().unwrap();
        format!("1@{}", &digest[..DIGITS])
    };
    let shown = json("repository-show.answer", &["repo", "show", &state(4)]);
    assert_eq!(
        (&shown["current"], shown["contents"].as_array().unwrap().len()),
        (&Value::from(false), 2)
    );
    // The newest one is of the first state, the one before it of the last.
    let changes = json("repository-diff.answer", &["repo", "diff", &state(1), "1"]);
    let mut kinds: Vec<&str> = changes["changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["change"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["downgraded", "rebuilt"]);
    let same = home.run(&["repo", "diff", &state(5), "1"]).with_code(0);
    assert!(same.stdout.contains("hold the same 2 files"), "{same}");

    let tree = scratch.join("tree");
    let exported = json(
        "repository-export.answer",
        &["repo", "export", &state(1), tree.to_str().unwrap()],
    );
    let (uri, key) = (exported["uri"].as_str().unwrap(), exported["key"].as_str().unwrap());
    let apt = Apt::new(&format!("deb [signed-by={key}] {uri} ./\n"), None);
    apt.run(&["update"]);
    apt.run(&["download", "rising"]);
    assert_eq!(names_in(&apt.work()), ["rising_4_all.deb"]);
    let refused = home
        .run(&["repo", "export", "1", scratch.to_str().unwrap()])
        .with_code(20);
    assert!(
        refused.stderr.contains("neither empty nor an earlier export"),
        "{refused}"
    );
}
