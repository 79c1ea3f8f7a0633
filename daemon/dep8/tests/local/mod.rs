//! A testbed that is this machine: commands run as processes of the test's own, under the user that runs the tests.

use std::{path::Path, process::Stdio, sync::Mutex};

use async_trait::async_trait;
use preflight_dep8::machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine};
use tokio::{io::AsyncReadExt, process::Command};

/// Runs commands here. apt would change this machine: tests have no dependencies, or an apt of their own by `env`.
#[derive(Default)]
pub(crate) struct LocalMachine {
    /// Set for every command.
    env: Vec<(String, String)>,
    groups: Mutex<Vec<u32>>,
}

impl LocalMachine {
    pub(crate) fn with_env(env: &[(&str, &str)]) -> Self {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self { env, ..Self::default() }
    }
}

fn lost(error: std::io::Error) -> MachineError {
    MachineError::Lost(error.to_string())
}

#[async_trait]
impl TestMachine for LocalMachine {
    async fn exec(&self, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<ExitStatus, MachineError> {
        let mut child = Command::new(&command.argv[0])
            .args(&command.argv[1..])
            .envs(command.env.iter().chain(&self.env).map(|(name, value)| (name, value)))
            .current_dir(command.cwd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(lost)?;
        self.groups.lock().unwrap().extend(child.id());
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (mut out, mut err) = ([0; 4096], [0; 4096]);
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                read = stdout.read(&mut out), if out_open => match read.map_err(lost)? {
                    0 => out_open = false,
                    length => on_output(Stream::Stdout, &out[..length]),
                },
                read = stderr.read(&mut err), if err_open => match read.map_err(lost)? {
                    0 => err_open = false,
                    length => on_output(Stream::Stderr, &err[..length]),
                },
            }
        }
        let status = child.wait().await.map_err(lost)?;
        Ok(match status.code() {
            Some(code) => ExitStatus::Code(code),
            None => ExitStatus::Signal(std::os::unix::process::ExitStatusExt::signal(&status).unwrap()),
        })
    }

    async fn kill_all(&self) -> Result<(), MachineError> {
        let groups = std::mem::take(&mut *self.groups.lock().unwrap());
        for group in groups {
            // A group that is gone already is as good as killed.
            let kill = format!("kill -KILL -{group} 2>/dev/null || true");
            Command::new("sh").args(["-c", &kill]).status().await.map_err(lost)?;
        }
        Ok(())
    }

    async fn pull_tree(&self, from: &str, to: &Path) -> Result<(), MachineError> {
        let copied = Command::new("cp")
            .arg("-rT")
            .arg(from)
            .arg(to)
            .status()
            .await
            .map_err(lost)?;
        if copied.success() {
            Ok(())
        } else {
            Err(MachineError::Refused(format!("no {from}")))
        }
    }
}
