//! A testbed that is this machine: commands run as processes of the test's own, under the user that runs the tests.

use std::{path::Path, process::Stdio, sync::Mutex, time::Duration};

use async_trait::async_trait;
use preflight_dep8::{
    machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine},
    outcome::{TestResult, Trouble},
    prepare::{Preparation, prepare},
    reboot::{Places, Reboot},
    run::{RunEvent, TestRun, not_prepared, run},
};
use tokio::{io::AsyncReadExt, process::Command};

/// Prepares a machine for one test alone and runs it there. `on_apt` gets what apt says.
pub(crate) async fn run_test(
    machine: &dyn TestMachine,
    test: &TestRun<'_>,
    on_apt: &mut (dyn FnMut(&[u8]) + Send),
    on_event: &mut (dyn FnMut(RunEvent<'_>) + Send),
) -> Result<TestResult, Trouble> {
    let preparation = Preparation {
        test: test.test,
        normal_user: test.normal_user,
        scratch: test.scratch,
        short: test.timeouts.short,
        install: test.timeouts.install,
    };
    match prepare(machine, &preparation, on_apt).await {
        Ok(()) => run(machine, test, on_event).await,
        Err(why) => not_prepared(test.test, why, on_event),
    }
}

/// Runs commands here. apt would change this machine: tests have no dependencies, or an apt of their own by `env`.
#[derive(Default)]
pub(crate) struct LocalMachine {
    /// Set for every command.
    env: Vec<(String, String)>,
    groups: Mutex<Vec<u32>>,
    /// Where it is told that it is to "start again": all its processes end, and what is in these folders goes.
    pub(crate) places: Option<Places>,
}

impl LocalMachine {
    pub(crate) fn with_env(env: &[(&str, &str)]) -> Self {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self {
            env,
            groups: Mutex::default(),
            places: None,
        }
    }
}

/// After a command's end, so long without output is the end of its output.
const QUIET: Duration = Duration::from_millis(100);

/// Nothing that a test leaves behind outlives its machine.
impl Drop for LocalMachine {
    fn drop(&mut self) {
        for group in self.groups.get_mut().unwrap().drain(..) {
            let kill = format!("kill -KILL -{group} 2>/dev/null");
            let _ = std::process::Command::new("sh").args(["-c", &kill]).status();
        }
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
            .env_remove("HOME")
            .env_remove("USER")
            .envs(command.env.iter().chain(&self.env).map(|(name, value)| (name, value)))
            .current_dir(command.cwd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(lost)?;
        let id = child.id().unwrap();
        self.groups.lock().unwrap().push(id);
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (mut out, mut err) = ([0; 4096], [0; 4096]);
        let (mut out_open, mut err_open, mut ended) = (true, true, None);
        while out_open || err_open || ended.is_none() {
            tokio::select! {
                biased;
                read = stdout.read(&mut out), if out_open => match read.map_err(lost)? {
                    0 => out_open = false,
                    length => on_output(Stream::Stdout, &out[..length]),
                },
                read = stderr.read(&mut err), if err_open => match read.map_err(lost)? {
                    0 => err_open = false,
                    length => on_output(Stream::Stderr, &err[..length]),
                },
                status = child.wait(), if ended.is_none() => ended = Some(status.map_err(lost)?),
                // What was written is read by now: somebody who was left behind holds the outputs.
                () = tokio::time::sleep(QUIET), if ended.is_some() => break,
            }
        }
        if !(out_open || err_open) {
            // Nobody of the group is known to be left, and its number may become another's.
            self.groups.lock().unwrap().retain(|group| *group != id);
        }
        let status = ended.unwrap();
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

    fn reboot_places(&self) -> Option<&Places> {
        self.places.as_ref()
    }

    async fn reboot(&self, how: Reboot) -> Result<(), MachineError> {
        let places = self.places.as_ref().unwrap();
        if let Reboot::Awaited(limit) = how {
            // A test brings this machine down by a word into a pipe.
            let going = Command::new("cat").arg(format!("{}/power", places.kept)).output();
            let gone = tokio::time::timeout(limit, going).await;
            gone.map_err(|_| MachineError::Lost("it has not gone down".to_owned()))?
                .map_err(lost)?;
        }
        self.kill_all().await?;
        for folder in [&places.marks, &places.commands] {
            std::fs::remove_dir_all(folder).map_err(lost)?;
            std::fs::create_dir(folder).map_err(lost)?;
        }
        Ok(())
    }
}
