//! A `PREFLIGHT_HOME` with its configuration, its daemon, and what the daemon leaves there. Whatever becomes of the test,
//! a sentry takes its daemon and keeper down once the test's process has let go of it.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use preflight_protocol::archive::Lock;
use preflight_protocol::endpoint::Folders;
use preflight_protocol::health::DaemonStatus;
use preflight_protocol::ids::TicketId;
use preflight_protocol::ticket::{Ticket, TicketSummary};
use serde_json::Value;

use crate::finished::Finished;
use crate::running::Running;
use crate::wait::wait_until;
use crate::{machines, programs, progress, schema};

/// How long a daemon may take to stop: it ends machines first.
const STOP: Duration = Duration::from_secs(60);
/// Waits for the end of the pipe that the test holds; then nothing of this home is to run on.
const SENTRY: &str = r#"
read -r _
"$1/preflight" daemon stop
[ ! -e "$2/run/preflightd.lock" ] || flock "$2/run/preflightd.lock" true
[ ! -e "$2/run/keeper" ] || "$1/preflight-keeper" stop --home "$2/run/keeper"
[ -z "$3" ] || rm -rf -- "$2"
"#;

/// A home.
#[derive(Debug)]
pub struct Home {
    /// Its folders.
    pub folders: Folders,
    root: PathBuf,
    sentry: Child,
}

impl Home {
    /// An empty home that goes with the test.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn temporary() -> Self {
        // Not TMPDIR: the sockets' paths must be short, and root's QEMU has to pass.
        let root = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap().keep();
        Self::guarded(&root, true, None)
    }

    /// A home that stays. `lock` is held until the home is at rest again.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn lasting(root: &Path, lock: File) -> Self {
        Self::guarded(root, false, Some(lock))
    }

    fn guarded(root: &Path, temporary: bool, lock: Option<File>) -> Self {
        std::fs::create_dir_all(root).unwrap();
        std::fs::set_permissions(root, PermissionsExt::from_mode(0o755)).unwrap();
        let sentry = Command::new("sh")
            .args(["-c", SENTRY, "sentry"])
            .args([programs::folder(), root])
            .arg(if temporary { "temporary" } else { "" })
            .env("PREFLIGHT_HOME", root)
            // A Ctrl-C is for the test; the sentry outlives it.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(lock.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            folders: Folders::below(root),
            root: root.to_owned(),
            sentry,
        }
    }

    /// The home's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes the configuration.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn configure(&self, toml: &str) {
        std::fs::create_dir_all(&self.folders.config).unwrap();
        std::fs::write(self.folders.config_file(), toml).unwrap();
    }

    /// `preflight` with these arguments, not yet run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::program("preflight"));
        command.args(arguments);
        self.furnish(&mut command);
        command
    }

    fn furnish(&self, command: &mut Command) {
        command
            .env("PREFLIGHT_HOME", &self.root)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("PREFLIGHT_DAEMON")
            .current_dir("/");
    }

    /// Starts `preflight`; what it says on standard error is told under `name`.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(&self, name: &str, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments), Some(name))
    }

    /// Runs `preflight` to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Running::start(self.command(arguments), None).wait()
    }

    /// What `preflight` prints, which fits a schema.
    ///
    /// # Panics
    /// It fails, or prints something else.
    #[must_use]
    pub fn json(&self, schema: &str, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments).with_code(0);
        schema::assert_fits(schema, &finished.json());
        finished
    }

    /// A ticket.
    ///
    /// # Panics
    /// There is none of that number.
    #[must_use]
    pub fn ticket(&self, id: TicketId) -> Ticket {
        let id = id.to_string();
        self.json("ticket-show.answer", &["ticket", "show", &id, "--json"])
            .parse()
    }

    /// All tickets, newest first.
    ///
    /// # Panics
    /// The daemon does not say.
    #[must_use]
    pub fn tickets(&self) -> Vec<TicketSummary> {
        self.json("ticket-list.answer", &["ticket", "list", "--json"]).parse()
    }

    /// A ticket's locks.
    ///
    /// # Panics
    /// There is no such ticket.
    #[must_use]
    pub fn locks(&self, id: TicketId) -> Vec<Lock> {
        self.json("lock-show.answer", &["lock", &id.to_string(), "--json"])
            .parse()
    }

    /// What the daemon says of itself; none where none runs. It is not started for this.
    ///
    /// # Panics
    /// The command fails.
    #[must_use]
    pub fn status(&self) -> Option<DaemonStatus> {
        let finished = self.run(&["daemon", "status", "--json"]);
        assert!(matches!(finished.code, Some(0 | 3)), "{finished}");
        let value: Value = finished.json();
        schema::assert_fits("cli-daemon-status", &value);
        serde_json::from_value(value["status"].clone()).unwrap()
    }

    /// The daemon's process, where one runs.
    ///
    /// # Panics
    /// As [`Self::status`].
    #[must_use]
    pub fn daemon(&self) -> Option<Pid> {
        Some(Pid::from_raw(self.status()?.pid.try_into().unwrap()))
    }

    /// Kills the daemon where it stands.
    ///
    /// # Panics
    /// None runs, or it does not die.
    pub fn kill_daemon(&self) -> Pid {
        let pid = self.daemon().unwrap();
        kill(pid, Signal::SIGKILL).unwrap();
        wait_until("the daemon's death", STOP, || !is_alive(pid));
        pid
    }

    /// Stops the daemon, where one runs, and waits until its process is gone.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop_daemon(&self) {
        let pid = self.daemon();
        let _ = self.run(&["daemon", "stop"]).with_code(0);
        if let Some(pid) = pid {
            wait_until("the daemon's end", STOP, || !is_alive(pid));
        }
    }

    /// Starts the daemon where no fetch can succeed: in a network of its own, which has nothing but a loopback interface, or,
    /// where the system does not let this user make one, with a proxy that nobody serves.
    ///
    /// # Panics
    /// It runs already, or does not start, or sees a network.
    pub fn start_daemon_without_network(&self) {
        assert!(self.daemon().is_none(), "a daemon runs already");
        let mut apart = vec!["--net", "--"];
        if !nix::unistd::geteuid().is_root() {
            apart.splice(0..0, ["--user", "--map-current-user"]);
        }
        let preflight = programs::program("preflight");
        let may = Command::new("unshare").args(&apart).arg("true").output().unwrap();
        let mut command = if may.status.success() {
            let mut command = Command::new("unshare");
            command.args(&apart).arg(preflight);
            command
        } else {
            progress::say("no network namespace for this user: the daemon gets a proxy that nobody serves");
            let mut command = Command::new(preflight);
            // The port of the discard service, which nobody has run for decades.
            command.envs(["http_proxy", "https_proxy", "all_proxy"].map(|name| (name, "http://127.0.0.1:9")));
            command
        };
        command.args(["daemon", "start"]);
        self.furnish(&mut command);
        let _ = Running::start(command, None).wait().with_code(0);
        let pid = self.daemon().unwrap();
        if may.status.success() {
            let interfaces = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
            let names: Vec<&str> = interfaces
                .lines()
                .filter_map(|line| Some(line.split_once(':')?.0.trim()))
                .collect();
            assert_eq!(names, ["lo"], "the daemon sees a network");
        }
    }

    /// This installation's name, as its machines bear it.
    ///
    /// # Panics
    /// No daemon has run here yet.
    #[must_use]
    pub fn installation(&self) -> String {
        let text = std::fs::read_to_string(self.folders.state.join("installation")).unwrap();
        text.trim().to_owned()
    }

    /// The processes of this installation's machines.
    ///
    /// # Panics
    /// No daemon has run here yet.
    #[must_use]
    pub fn machines(&self) -> Vec<Pid> {
        machines::processes(&self.installation())
    }

    /// What is left of machines: processes, libvirt's domains (where the daemon runs and has used libvirt), folders, disks.
    ///
    /// # Panics
    /// libvirt does not answer.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<String> = self.machines().iter().map(|pid| format!("process {pid}")).collect();
        let uri = self.status().map(|status| status.hypervisor).unwrap_or_default();
        if !uri.is_empty() {
            let domains = machines::domains(&uri, &self.installation());
            left.extend(domains.into_iter().map(|name| format!("domain {name}")));
        }
        for folder in [self.folders.runtime.join("vm"), self.folders.cache.join("overlays")] {
            let names = machines::names_in(&folder);
            left.extend(names.into_iter().map(|name| format!("{}/{name}", folder.display())));
        }
        left
    }

    /// The daemon's log and the ends of the tickets' logs, for a test that has failed.
    #[must_use]
    pub fn story(&self) -> String {
        const LINES: usize = 40;
        let mut files = vec![
            self.folders.daemon_log(),
            self.folders.runtime.join("keeper/keeper.log"),
        ];
        let tickets = self.folders.state.join("tickets");
        for ticket in machines::names_in(&tickets) {
            let logs = tickets.join(ticket).join("logs");
            let mut names = machines::names_in(&logs);
            names.retain(|name| name.ends_with(".log"));
            names.sort();
            files.extend(names.into_iter().map(|name| logs.join(name)));
        }
        let mut story = String::new();
        for file in files {
            let Ok(bytes) = std::fs::read(&file) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let end = &lines[lines.len().saturating_sub(LINES)..];
            story += &format!("--- the end of {}\n{}\n", file.display(), end.join("\n"));
        }
        story
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.story());
        }
        // The sentry's cue.
        drop(self.sentry.stdin.take());
        let _ = self.sentry.wait();
    }
}

/// Whether a process is there; one that has died and waits for its parent is not.
#[must_use]
pub fn is_alive(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().chars().next()? != 'Z'))
        .unwrap_or(false)
}
