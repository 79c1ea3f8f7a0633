//! The Preflight that is measured: one home below the bench's folder, its daemon, and how it is brought to the state from
//! which a measure begins.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use preflight_protocol::ids::TicketId;
use preflight_tests::home::Home;
use preflight_tests::progress;
use preflight_tests::wait::wait_until;

use crate::error::BenchError;
use crate::live::{self, Ended, Live, Stream};
use crate::process;

/// For a check of a package under emulation.
pub(crate) const CHECK: Duration = Duration::from_secs(90 * 60);
/// For a command in a testbed.
pub(crate) const SHORT: Duration = Duration::from_secs(300);
/// For making base images.
const IMAGES: Duration = Duration::from_secs(30 * 60);

/// What is fetched is fetched, whatever this host's apt has.
const FETCHED: &str = "\n[archive]\napt_archives = false\nproxy = false\n";

/// Whether clones are made ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pool {
    /// As many as the daemon thinks right.
    Ahead,
    /// None.
    None,
}

/// A home that is measured.
#[derive(Debug)]
pub(crate) struct Bed {
    /// The home.
    pub(crate) home: Home,
    /// The series that testbeds have: this host's own.
    pub(crate) series: String,
    /// The bench's folder.
    pub(crate) folder: PathBuf,
    accelerator: OnceLock<String>,
}

impl Bed {
    /// An empty home in the bench's folder, which no other bench uses meanwhile.
    pub(crate) fn make(folder: &Path) -> Result<Self, BenchError> {
        let io = |path: &Path| BenchError::io(path.display().to_string());
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let lock = folder.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(io(&lock))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| BenchError::Unexpected(format!("another bench runs in {}", folder.display())))?;
        let shared = lock.try_clone().map_err(io(folder))?;
        // The home's sentry holds the copy, and with it the lock, until the home is at rest.
        std::mem::forget(lock);
        let bed = Self {
            home: Home::lasting(&folder.join("home"), shared),
            series: series()?,
            folder: folder.to_owned(),
            accelerator: OnceLock::new(),
        };
        // Another bench may have been killed here, or its home kept.
        bed.empty()?;
        bed.configure(Pool::Ahead);
        Ok(bed)
    }

    /// Throws everything away that the home holds.
    pub(crate) fn empty(&self) -> Result<(), BenchError> {
        self.home.stop_daemon();
        let folders = &self.home.folders;
        for folder in [&folders.cache, &folders.state, &folders.runtime] {
            remove(folder)?;
        }
        Ok(())
    }

    /// Throws away templates, layers and tickets' images: what was fetched and the base images stay.
    pub(crate) fn cool(&self) -> Result<(), BenchError> {
        self.home.stop_daemon();
        for name in ["templates", "ticket-images"] {
            remove(&self.home.folders.cache.join(name))?;
        }
        Ok(())
    }

    /// Makes the base images where they are missing; answers with how long that took.
    pub(crate) fn images(&self) -> Result<Duration, BenchError> {
        progress::say("base images");
        let command = self.home.command(&["image", "build", &self.series]);
        let built = self.home.run(&["image", "list", "--json"]).with_code(0).json();
        if built.as_array().is_some_and(|images| !images.is_empty()) {
            return Ok(Duration::ZERO);
        }
        Ok(live::run(command, IMAGES)?.took)
    }

    /// Lets the daemon begin anew, with or without a pool.
    pub(crate) fn restart(&self, pool: Pool) -> Result<(), BenchError> {
        self.home.stop_daemon();
        self.configure(pool);
        live::run(self.home.command(&["daemon", "start"]), SHORT).map(|_| ())
    }

    fn configure(&self, pool: Pool) {
        let none = match pool {
            Pool::Ahead => "",
            Pool::None => "\n[testbed]\npool = 0\n",
        };
        self.home
            .configure(&format!("[ticket]\nseries = \"{}\"\n{none}{FETCHED}", self.series));
    }

    /// A command in a fresh testbed, with an input of its own where it is to be told something.
    pub(crate) fn shell(&self, words: &[&str], input: bool) -> Result<Live, BenchError> {
        let mut arguments = vec!["shell", &self.series, "--"];
        arguments.extend(words);
        Live::start(self.home.command(&arguments), input)
    }

    /// From the moment at which a testbed was asked for, by starting the command line, to the first output of a command.
    pub(crate) fn claim(&self) -> Result<Duration, BenchError> {
        let ended = self.shell(&["echo", "here"], false)?.finish(SHORT, |_| {})?;
        ended.with_code(&[0])?.first_output()
    }

    /// Checks a source package, which has to come to results; its ticket, and how long it took.
    pub(crate) fn check(&self, source: &Path) -> Result<(TicketId, Duration), BenchError> {
        let path = source.display().to_string();
        let command = self.home.command(&["check", "--json", "--series", &self.series, &path]);
        let ended: Ended = Live::start(command, false)?.finish(CHECK, |line| {
            if line.stream == Stream::Err {
                progress::say(&line.text);
            }
        })?;
        // 2: a test was skipped; 8: none but superficial ones.
        let ended = ended.with_code(&[0, 2, 8])?;
        let report: serde_json::Value = serde_json::from_str(&ended.text())
            .map_err(|error| BenchError::Unexpected(format!("`{}` printed no JSON: {error}", ended.command)))?;
        let id = report["ticket"].as_u64();
        let id = id.ok_or_else(|| BenchError::Unexpected(format!("{report} names no ticket")))?;
        Ok((TicketId(id), ended.took))
    }

    /// Waits until the pool holds clones, and its machines are at rest: a held clone does nothing.
    pub(crate) fn await_pool(&self) {
        const LOOKS: u32 = 10;
        let (mut before, mut same) = (Vec::new(), 0);
        wait_until("a pool at rest", SHORT, || {
            let mut now: Vec<_> = self.home.machines().into_iter().collect();
            now.sort();
            let now: Vec<_> = now.into_iter().map(|pid| (pid, process::processor_time(pid))).collect();
            same = if now.is_empty() || now != before { 0 } else { same + 1 };
            before = now;
            same >= LOOKS
        });
    }

    /// Lets Preflight find out whether KVM works and how fast the host is, which it does once.
    pub(crate) fn probe(&self) {
        progress::say("the probe");
        // Its code says how the host was found; what is wanted is what the daemon remembers of it.
        let _ = self.home.run(&["doctor"]);
    }

    /// `kvm` or `tcg`, as Preflight's probe has found, which needs a base image.
    pub(crate) fn accelerator(&self) -> Result<&str, BenchError> {
        if let Some(known) = self.accelerator.get() {
            return Ok(known);
        }
        self.images()?;
        self.probe();
        let status = self.home.status();
        let accelerator = status.map_or_else(|| "unknown".to_owned(), |status| status.accelerator);
        Ok(self.accelerator.get_or_init(|| accelerator))
    }

    /// Ends the daemon; the home goes too, unless it is to be kept.
    pub(crate) fn end(self, keep: bool) -> Result<(), BenchError> {
        self.home.stop_daemon();
        let root = self.home.root().to_owned();
        drop(self.home);
        if keep { Ok(()) } else { remove(&root) }
    }
}

/// The host's own series, as recipes name it.
fn series() -> Result<String, BenchError> {
    let path = "/etc/os-release";
    let text = std::fs::read_to_string(path).map_err(BenchError::io(path))?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
            .ok_or_else(|| BenchError::Unexpected(format!("{path} has no {name}")))
    };
    Ok(format!("{}-{}", value("ID")?, value("VERSION_CODENAME")?))
}

/// Removes a folder with all that it holds, where there is one.
fn remove(folder: &Path) -> Result<(), BenchError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(BenchError::io(folder.display().to_string())(error)),
        _ => Ok(()),
    }
}
