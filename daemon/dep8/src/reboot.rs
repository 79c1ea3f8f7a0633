//! A test that wants its machine to start again, as autopkgtest 5.28 has it: the two commands that it may call, the mark by
//! which it is run once more, and what is carried over. A machine that starts again may empty /tmp; what a test has there
//! (`AUTOPKGTEST_TMP`, its artifacts, the commands) is kept aside meanwhile. The source tree is not in /tmp.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    install,
    machine::{ExitStatus, MachineError, Stream, TestMachine, Timeouts},
    script::quoted,
    verdict::Head,
};

/// Where in a testbed tests say that they want it to start again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// For marks: a folder that does not outlive a boot, and that only root can write to.
    pub marks: String,
    /// For the commands, and for the number of the process that runs the test.
    pub commands: String,
    /// For the first command's other name.
    pub alias: Option<String>,
    /// For what is kept over a boot.
    pub kept: String,
}

impl Places {
    /// Where autopkgtest has them.
    #[must_use]
    pub fn of_a_guest() -> Self {
        Self {
            marks: "/run".to_owned(),
            commands: "/tmp".to_owned(),
            alias: Some("/sbin".to_owned()),
            kept: "/var/cache".to_owned(),
        }
    }

    /// Where a test's script leaves its process id.
    pub(crate) fn process(&self) -> String {
        format!("{}/autopkgtest_script_pid", self.commands)
    }

    fn mark(&self) -> String {
        format!("{}/autopkgtest-reboot-mark", self.marks)
    }

    fn prepare_mark(&self) -> String {
        format!("{}/autopkgtest-reboot-prepare-mark", self.marks)
    }

    fn aside(&self) -> String {
        format!("{}/autopkgtest-kept", self.kept)
    }
}

/// Who brings the machine down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// It is to be asked to.
    Asked,
    /// The test does, and has so long for it.
    Awaited(Duration),
}

/// What a test has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What it wants to be told when it runs again; may be empty, which is as good as nothing.
    pub(crate) mark: String,
    /// Whether the test goes on until it brings down the machine itself.
    pub(crate) is_prepared_only: bool,
}

/// A longer mark is cut: it becomes an environment variable.
const LONGEST_MARK: usize = 4096;

/// Puts the commands where tests look for them; `scratch` is there already.
pub(crate) async fn install_commands(
    machine: &dyn TestMachine,
    places: &Places,
    scratch: &str,
    limit: Duration,
) -> Result<(), MachineError> {
    run(
        machine,
        "installing autopkgtest-reboot",
        &commands(places, scratch),
        limit,
    )
    .await
}

fn commands(places: &Places, scratch: &str) -> String {
    let file = |name: &str| quoted(&format!("{scratch}/{name}"));
    let (now, prepare) = (file(NOW), file(PREPARE));
    let link = |folder: &str, name: &str, to: &str| format!("ln -fns {to} {}; ", quoted(&format!("{folder}/{name}")));
    let mut text = format!(
        "printf %s {} >{now}; printf %s {} >{prepare}; chmod 755 {now} {prepare}; ",
        quoted(&now_text(places)),
        quoted(&prepare_text(places)),
    );
    text.push_str(&link(&places.commands, NOW, &now));
    text.push_str(&link(&places.commands, PREPARE, &prepare));
    if let Some(alias) = &places.alias {
        text.push_str(&link(alias, NOW, &now));
    }
    text
}

const NOW: &str = "autopkgtest-reboot";
const PREPARE: &str = "autopkgtest-reboot-prepare";

/// Kills the test: its ancestor that is a child of the process that runs it. That one then ends as the test has.
fn now_text(places: &Places) -> String {
    format!(
        r#"#!/bin/sh
# Has the machine start again; the test is run once more then, with MARK in AUTOPKGTEST_REBOOT_MARK.
set -e
[ -n "$1" ] || {{ echo "Usage: $0 MARK" >&2; exit 1; }}
echo "$1" >{mark}
read -r runner <{process}
process=$$
while [ "$process" -gt 1 ]; do
    while read -r key parent; do
        [ "$key" != PPid: ] || break
    done <"/proc/$process/status"
    [ "$parent" != "$runner" ] || break
    process=$parent
done
[ "$process" -gt 1 ] || {{ echo "$0: not called by a test" >&2; exit 1; }}
kill -KILL "$process"
"#,
        mark = quoted(&places.mark()),
        process = quoted(&places.process()),
    )
}

/// Kills what runs the test, so that its end is seen, and lets the test go on once everything is kept aside.
fn prepare_text(places: &Places) -> String {
    format!(
        r#"#!/bin/sh
# Says that the test is about to have the machine start again by itself; it is run once more then, with MARK in
# AUTOPKGTEST_REBOOT_MARK.
set -e
[ -n "$1" ] || {{ echo "Usage: $0 MARK" >&2; exit 1; }}
echo "$1" >{mark}
read -r runner <{process}
kill -KILL "$runner"
while [ -e {mark} ]; do
    sleep 0.5
done
"#,
        mark = quoted(&places.prepare_mark()),
        process = quoted(&places.process()),
    )
}

/// Whether a test that was killed has asked for another boot.
pub(crate) async fn wish(
    machine: &dyn TestMachine,
    places: &Places,
    limit: Duration,
) -> Result<Option<Wish>, MachineError> {
    let script = format!(
        "if [ -e {now} ]; then echo now; cat {now}; elif [ -e {prepare} ]; then echo prepared; cat {prepare}; fi",
        now = quoted(&places.mark()),
        prepare = quoted(&places.prepare_mark()),
    );
    let command = install::root(vec!["sh".to_owned(), "-c".to_owned(), script]);
    let mut said = Vec::new();
    let mut on_output = |stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            let room = LONGEST_MARK.saturating_sub(said.len());
            said.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    };
    match timeout(limit, machine.exec(&command, &mut on_output)).await {
        Ok(asked) => asked?,
        Err(_) => {
            return Err(MachineError::Lost(
                "timed out on looking for a reboot's mark (kind: short)".to_owned(),
            ));
        }
    };
    let said = String::from_utf8_lossy(&said);
    let Some((word, mark)) = said.split_once('\n') else {
        return Ok(None);
    };
    Ok(Some(Wish {
        mark: mark.trim().replace('\0', ""),
        is_prepared_only: word == "prepared",
    }))
}

/// Has the machine start again, with all that the test had.
pub(crate) async fn follow(
    machine: &dyn TestMachine,
    places: &Places,
    scratch: &str,
    timeouts: &Timeouts,
    how: Reboot,
) -> Result<(), MachineError> {
    let (there, aside) = (quoted(scratch), quoted(&places.aside()));
    let keep = format!(
        "rm -rf {aside}; cp -a {there} {aside}; rm -f {}",
        quoted(&places.prepare_mark())
    );
    run(machine, "keeping the test's files over a reboot", &keep, timeouts.copy).await?;
    machine.reboot(how).await?;
    let restore = format!("rm -rf {there}; mv {aside} {there}; {}", commands(places, scratch));
    run(
        machine,
        "restoring the test's files after a reboot",
        &restore,
        timeouts.copy,
    )
    .await
}

/// Runs a short script as root; that it fails is the machine's fault.
async fn run(machine: &dyn TestMachine, what: &str, script: &str, limit: Duration) -> Result<(), MachineError> {
    let command = install::root(vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]);
    let mut said = Head::default();
    let mut on_output = |_, bytes: &[u8]| said.feed(bytes);
    let lost = |why: String| Err(MachineError::Lost(format!("{what}: {why}")));
    match timeout(limit, machine.exec(&command, &mut on_output)).await {
        Ok(Ok(ExitStatus::Code(0))) => Ok(()),
        Ok(Ok(status)) => lost(format!("exit status {} ({})", status.shell_code(), said.first_line())),
        Ok(Err(error)) => Err(error),
        Err(_) => lost(format!("it took longer than {} s", limit.as_secs())),
    }
}

/// Whether a test may have ended because it has called one of the commands.
pub(crate) fn may_be_wished(status: ExitStatus) -> bool {
    const KILLED: i32 = 128 + 9;
    status.shell_code() == KILLED
}
