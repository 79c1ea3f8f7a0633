//! The agent's process and what the tests here do with it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use preflight_guest::{ChannelSockets, Exec, Guest, TunnelConnection};
use preflight_guest_agent::{Options, PortSource, serve};
use tokio::sync::mpsc;

/// Tells a start of this program that it is the agent, and where.
const AGENT_FOLDER: &str = "PREFLIGHT_TEST_AGENT_FOLDER";
/// Longer than anything takes, under emulation too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test of its own: the agent's process.
#[test]
fn agent_process() {
    let Some(folder) = std::env::var_os(AGENT_FOLDER).map(PathBuf::from) else {
        return;
    };
    let socket = |name: &str| PortSource::Socket(folder.join(name));
    let error = serve(Options::over_sockets(
        socket("control"),
        socket("bulk"),
        folder.join("root"),
    ))
    .unwrap_err();
    panic!("{error}");
}

pub(crate) struct Agent {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) process: Child,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "harness::agent_process", "--nocapture"])
            .env(AGENT_FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, process }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn attach(&self) -> (Guest, mpsc::Receiver<TunnelConnection>) {
        let sockets = ChannelSockets {
            control: self.path("control"),
            bulk: self.path("bulk"),
        };
        Guest::attach(sockets, Instant::now() + PATIENCE).await.unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn sh(script: &str) -> Exec {
    Exec::new(["sh", "-c", script])
}

pub(crate) async fn guest() -> (Agent, Guest) {
    let agent = Agent::start();
    let (guest, _) = agent.attach().await;
    (agent, guest)
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

pub(crate) fn is_alive(pid: &str) -> bool {
    // A zombie is dead: nobody may have waited for it yet.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.starts_with(" Z") && !rest.starts_with(" X"))
}
