//! Leaves the agent and its systemd unit in the new root's /run: nothing of it is ever part of an image.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::InitError;

/// Before sysinit, so that a guest answers early; without default dependencies, so that it is not stopped before the rest;
/// `Delegate`, so that systemd leaves alone the cgroups in which commands run.
const UNIT: &str = "\
[Unit]
Description=Preflight guest agent
DefaultDependencies=no
Before=sysinit.target
IgnoreOnIsolate=yes
StartLimitIntervalSec=0

[Service]
ExecStart=/run/preflight/agent
Restart=always
RestartSec=100ms
KillMode=process
Delegate=yes
OOMScoreAdjust=-1000
TasksMax=infinity
StandardInput=null
StandardOutput=null
StandardError=null
";

/// Copies this program and writes its unit below `root`/run.
pub(super) fn leave_agent(root: &Path) -> Result<(), InitError> {
    let folder = root.join("run/preflight");
    let units = root.join("run/systemd/system");
    let wants = units.join("sysinit.target.wants");
    for folder in [&folder, &wants] {
        fs::create_dir_all(folder).map_err(InitError::io(format!("making {}", folder.display())))?;
    }
    let agent = folder.join("agent");
    fs::copy("/proc/self/exe", &agent).map_err(InitError::io("copying the agent"))?;
    fs::set_permissions(&agent, Permissions::from_mode(0o755)).map_err(InitError::io("the agent's mode"))?;
    fs::write(units.join("preflight-agent.service"), UNIT).map_err(InitError::io("writing the agent's unit"))?;
    symlink("../preflight-agent.service", wants.join("preflight-agent.service"))
        .map_err(InitError::io("enabling the agent's unit"))
}
