//! What must be there before a test can run, and can be shared by all tests that ask for the same: their dependencies,
//! and the folder that their own files go to. Says what "the same" is, and knows nothing of the tests themselves nor of
//! how a prepared machine is kept.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    install::{self, InstallError},
    machine::{ExitStatus, MachineError, Stream, TestMachine},
    plan::PlannedTest,
    reboot,
    restriction::Restriction,
    script::quoted,
};

/// Why a machine could not be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPrepared {
    /// The package asks for what cannot be had; autopkgtest's words.
    #[error("{0}")]
    BadPackage(String),
    /// The testbed cannot be made fit for the test; autopkgtest's words.
    #[error("{0}")]
    Unsupported(String),
    /// Packages could not be fetched, or the machine failed.
    #[error("{0}")]
    Testbed(String),
}

impl From<InstallError> for NotPrepared {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::BadPackage(why) => Self::BadPackage(why),
            InstallError::Testbed(why) => Self::Testbed(why),
        }
    }
}

/// What is prepared, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Preparation<'a> {
    /// A test that asks for it; any other with the same [`prepare_key`] would do.
    pub test: &'a PlannedTest,
    /// The ordinary user in the testbed, who is given what `needs-sudo` promises.
    pub normal_user: Option<&'a str>,
    /// A directory in the testbed for the tests' own files, absolute; made if it is missing.
    pub scratch: &'a str,
    /// For a command that should take no time at all, scaled to this host.
    pub short: Duration,
    /// For installing dependencies, scaled to this host.
    pub install: Duration,
}

/// Everything by which [`prepare`], and the tree that a test needs, can differ from one test to another of the same source
/// on the same image. Equal keys: one machine, prepared once, is as good for both.
///
/// White space, repeated entries, conditions that do not concern the architecture and old spellings of relations make no
/// difference. The order of entries does: apt takes them one after another, and what it chooses for `a | b`, or for a
/// package of which several provide the name, depends on what it has chosen before.
#[must_use]
pub fn prepare_key(test: &PlannedTest) -> String {
    let mut entries: Vec<String> = Vec::new();
    for entry in test.dependencies.entries() {
        let alternatives: Vec<String> = entry.iter().map(ToString::to_string).collect();
        push_new(&mut entries, alternatives.join(" | "));
    }
    let mut own: Vec<String> = Vec::new();
    for group in &test.own_packages {
        push_new(&mut own, group.join(" | "));
    }
    let tree = if test.needs_build() { "built" } else { "unpacked" };
    let sudo = if test.is(Restriction::NeedsSudo) {
        "sudo: enabled\n"
    } else {
        ""
    };
    format!(
        "tree: {tree}\nsatisfy: {}\nown: {}\n{sudo}",
        entries.join(", "),
        own.join(", ")
    )
}

fn push_new(list: &mut Vec<String>, entry: String) {
    if !list.contains(&entry) {
        list.push(entry);
    }
}

/// Installs what the test asks for and makes the scratch directory. The source tree is the caller's business.
/// `on_output` gets what apt says. A test without dependencies costs no run of apt.
///
/// # Errors
/// [`NotPrepared::BadPackage`] is a result of each test that needs this; [`NotPrepared::Testbed`] says nothing of the
/// package.
pub async fn prepare(
    machine: &dyn TestMachine,
    preparation: &Preparation<'_>,
    on_output: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(), NotPrepared> {
    let test = preparation.test;
    let mut on_apt = |_: Stream, bytes: &[u8]| on_output(bytes);
    let installing = install::dependencies(machine, test, &mut on_apt);
    match timeout(preparation.install, installing).await {
        Ok(done) => done?,
        Err(_) => {
            let command = format!("apt-get satisfy {}", test.dependencies);
            return Err(NotPrepared::Testbed(format!(
                "timed out on command \"{command}\" (kind: install)"
            )));
        }
    }
    make_room(machine, preparation.scratch, preparation.short).await?;
    match test.is(Restriction::NeedsSudo) {
        true => enable_sudo(machine, preparation).await,
        false => Ok(()),
    }
}

/// Makes the scratch directory, and the commands by which a test has the machine start again: what does not outlive a boot.
///
/// # Errors
/// [`NotPrepared::Testbed`].
pub async fn make_room(machine: &dyn TestMachine, scratch: &str, limit: Duration) -> Result<(), NotPrepared> {
    let make = format!("mkdir -p -m 1777 -- {}", quoted(scratch));
    short(machine, limit, &make).await.map_err(NotPrepared::Testbed)?;
    let Some(places) = machine.reboot_places() else {
        return Ok(());
    };
    reboot::install_commands(machine, places, scratch, limit)
        .await
        .map_err(|error| NotPrepared::Testbed(error.to_string()))
}

/// `needs-sudo`: the ordinary user is of the group sudo, and that needs no password. As autopkgtest's `enable-sudo`; sudo
/// itself is among the test's dependencies.
async fn enable_sudo(machine: &dyn TestMachine, preparation: &Preparation<'_>) -> Result<(), NotPrepared> {
    let Some(user) = preparation.normal_user else {
        let why = "Cannot enable needs-sudo restriction: no ordinary user available";
        return Err(NotPrepared::Unsupported(why.to_owned()));
    };
    let script = format!(
        "usermod -a -G sudo {}; install -d /etc/sudoers.d; umask 0337; rm -f {SUDOERS}; \
         echo '%sudo ALL=(ALL:ALL) NOPASSWD: ALL' > {SUDOERS}",
        quoted(user)
    );
    let command = install::root(vec!["sh".to_owned(), "-ec".to_owned(), script]);
    match timeout(preparation.short, machine.exec(&command, &mut |_, _| {})).await {
        Ok(Ok(ExitStatus::Code(0))) => Ok(()),
        Ok(Ok(status)) => Err(NotPrepared::Unsupported(format!(
            "Failed to enable needs-sudo restriction: exit status {}",
            status.shell_code()
        ))),
        Ok(Err(error)) => Err(NotPrepared::Testbed(error.to_string())),
        Err(_) => Err(NotPrepared::Testbed(
            "timed out on enabling needs-sudo (kind: short)".to_owned(),
        )),
    }
}

/// Where sudo is told that the group needs no password.
const SUDOERS: &str = "/etc/sudoers.d/autopkgtest-needs-sudo";

/// Runs a short script as root. The error says what went wrong with it, whatever that is.
pub(crate) async fn short(machine: &dyn TestMachine, limit: Duration, script: &str) -> Result<(), String> {
    let command = install::root(vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]);
    let ran = match timeout(limit, machine.exec(&command, &mut |_, _| {})).await {
        Ok(ran) => ran,
        Err(_) => Err(MachineError::Lost(format!(
            "timed out on command \"{script}\" (kind: short)"
        ))),
    };
    match ran {
        Ok(ExitStatus::Code(0)) => Ok(()),
        Ok(other) => Err(format!("\"{script}\" failed with status {}", other.shell_code())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::TestControl,
        plan::{Setting, plan},
        source::SourceControl,
    };

    const SOURCE: &[u8] = b"Source: s\nBuild-Depends: debhelper-compat (= 13)\n\nPackage: s\nArchitecture: any\n\
        Recommends: bash-completion\n\nPackage: s-data\nArchitecture: all\n\nPackage: s-arm\nArchitecture: arm64\n";

    fn key(fields: &str) -> String {
        let control = TestControl::parse(format!("Tests: a\n{fields}").as_bytes()).unwrap();
        let source = SourceControl::parse(SOURCE).unwrap();
        let plan = plan(Some(&control), &source, &Setting::of_a_guest("amd64")).unwrap();
        prepare_key(plan.runs().next().unwrap())
    }

    #[test]
    fn what_apt_cannot_tell_apart_has_one_key() {
        for (one, other) in [
            ("", "Depends: @\n"),
            ("Depends: @\n", "Depends: s, s-data\n"),
            ("Depends: @\n", "Depends:  s ,\n s-data,\n"),
            ("Depends: @\n", "Depends: @, s, s-data, s-arm [arm64]\n"),
            ("Depends: a (>= 1)|b, a (>= 1) | b\n", "Depends: a (>=  1) | b\n"),
            ("Depends: a:native\n", "Depends: a\n"),
            (
                "Depends: a\nRestrictions: needs-root\n",
                "Depends: a\nRestrictions: superficial, flaky\n",
            ),
            (
                "Depends: a\nRestrictions: rw-build-tree\n",
                "Depends: a\nRestrictions: allow-stderr\n",
            ),
        ] {
            assert_eq!(key(one), key(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_may_come_out_differently_has_another_key() {
        for (one, other) in [
            ("Depends: a\n", "Depends:\n"),
            ("Depends: a | b\n", "Depends: b | a\n"),
            ("Depends: a | b\n", "Depends: a, b\n"),
            (
                "Depends: mail-transport-agent, postfix\n",
                "Depends: postfix, mail-transport-agent\n",
            ),
            ("Depends: a (>= 1)\n", "Depends: a (>= 2)\n"),
            ("Depends: a (>= 1)\n", "Depends: a (>> 1)\n"),
            ("Depends: a:any\n", "Depends: a\n"),
            ("Depends: a\n", "Depends: a\nRestrictions: build-needed\n"),
            ("Depends: a\n", "Depends: a\nRestrictions: needs-recommends\n"),
            (
                "Depends: passwd, sudo\n",
                "Depends: passwd, sudo\nRestrictions: needs-sudo\n",
            ),
        ] {
            assert_ne!(key(one), key(other), "{one:?} {other:?}");
        }
    }

    proptest::proptest! {
        /// What one key stands for, another list of entries does not.
        #[test]
        fn a_key_is_its_list(
            one in proptest::collection::vec("[ab]( [|] [ab])?", 0..4),
            other in proptest::collection::vec("[ab]( [|] [ab])?", 0..4),
        ) {
            let unique = |list: &[String]| {
                let mut kept = Vec::new();
                list.iter().for_each(|entry| push_new(&mut kept, entry.clone()));
                kept
            };
            let key_of = |list: &[String]| key(&format!("Depends: {}\n", list.join(", ")));
            proptest::prop_assert_eq!(key_of(&one) == key_of(&other), unique(&one) == unique(&other));
        }
    }
}
