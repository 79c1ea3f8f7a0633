//! The shell text that runs in the testbed. It sets the environment that autopkgtest 5.28 promises to tests, says whether
//! the test is there, and becomes it. Pure: from a plan's values to a string.
//!
//! It starts few processes, since each costs milliseconds under emulation: user and home come from bash itself, and a test
//! is made executable only if it is not. Where autopkgtest's own wrapper hunts for processes that a test leaves behind with
//! its outputs open, the machine does not wait for them ([`crate::machine::TestMachine::exec`]).

use std::fmt::Write as _;

use crate::{plan::Executes, preamble::Word};

/// `PATH` before the testbed's profile has its say.
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
/// The same for root.
pub(crate) const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `/etc/profile` and root's `~/.profile` start processes for, answered by the shell itself: a process that says a
/// number, and one that finds that there is no terminal.
const PROFILE: &str = r#"id() { case $* in -u) echo "$EUID" ;; *) command id "$@" ;; esac; }; mesg() { false; }; \
    . /etc/profile >/dev/null 2>&1 || true; . ~/.profile >/dev/null 2>&1 || true; unset -f id mesg; set -e;"#;

/// Runs `"$@"` as a child, which a program that makes a session of its own must be, and ends as it ends. The shell's word
/// on a child that a signal has killed must not become the test's standard error.
const RUN: &str = r#"exec 3>&2 2>/dev/null; status=0; ( exec "$@" 2>&3 3>&- ) || status=$?; exit "$status""#;

/// Values for a test's script.
pub(crate) struct TestScript<'a> {
    pub(crate) executes: &'a Executes,
    pub(crate) tree: &'a str,
    pub(crate) scratch: &'a str,
    /// Names of folders in `scratch`.
    pub(crate) artifacts: &'a str,
    pub(crate) tmp: &'a str,
    pub(crate) artifacts_mode: &'a str,
    pub(crate) parallel: u32,
    pub(crate) as_root: bool,
    /// Told to tests that run as root.
    pub(crate) normal_user: Option<&'a str>,
    /// More variables, by names that a shell can have; set last.
    pub(crate) env: &'a [(String, String)],
    /// Where the number of the process goes that runs the test, for the commands that have the machine start again.
    pub(crate) process: Option<&'a str>,
    /// What the test asked to be told when the machine has started again.
    pub(crate) reboot_mark: Option<&'a str>,
}

impl TestScript<'_> {
    /// For `bash -c`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let file = match self.executes {
            Executes::File(path) => Some(quoted(&format!("{}/{path}", self.tree))),
            Executes::Command(_) => None,
        };
        if let Some(file) = &file {
            let missing = quoted(Word::Missing.line());
            let _ = write!(text, "[ -e {file} ] || {{ echo {missing}; exit 0; }}; ");
        }
        let _ = write!(
            text,
            // `\u` in a prompt is the user's name, and `~` without HOME the user's home: what `id` and `getent` would say.
            "set -e; umask 022; name='\\u'; export USER=\"${{USER:-${{name@P}}}}\"; HOME=\"${{HOME:-$(echo ~)}}\"; \
             export HOME LOGNAME=\"$USER\" SHELL=/bin/bash PATH={path}; {PROFILE} \
             export AUTOPKGTEST_ARTIFACTS={artifacts} ADT_ARTIFACTS={artifacts}; \
             export AUTOPKGTEST_TMP={tmp} ADTTMP={tmp}; mkdir -p -m {mode} -- {folders}; \
             export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 DEB_BUILD_OPTIONS=parallel={parallel}; \
             unset LANGUAGE LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS \
             LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION LC_ALL; cd {tree}; ",
            path = if self.as_root { ROOT_PATH } else { USER_PATH },
            artifacts = quoted(&format!("{}/{}", self.scratch, self.artifacts)),
            tmp = quoted(&format!("{}/{}", self.scratch, self.tmp)),
            // On the way to the artifacts the other folder is made, with the mode of a parent: 755. One process for two.
            folders = quoted(&format!("{}/{}/../{}", self.scratch, self.tmp, self.artifacts)),
            mode = self.artifacts_mode,
            parallel = self.parallel,
            tree = quoted(self.tree),
        );
        if let (true, Some(user)) = (self.as_root, self.normal_user) {
            let user = quoted(user);
            let _ = write!(text, "export AUTOPKGTEST_NORMAL_USER={user} ADT_NORMAL_USER={user}; ");
        }
        if let Some(mark) = self.reboot_mark {
            let mark = quoted(mark);
            let _ = write!(text, "export AUTOPKGTEST_REBOOT_MARK={mark} ADT_REBOOT_MARK={mark}; ");
        }
        if let Some(process) = self.process {
            // An earlier boot's may be somebody else's. All that follows is this process: it becomes what runs the test.
            let _ = write!(text, "{{ echo \"$$\" >{}; }} 2>/dev/null || true; ", quoted(process));
        }
        for (name, value) in self.env {
            let _ = write!(text, "export {name}={}; ", quoted(value));
        }
        let ready = quoted(Word::Ready.line());
        let _ = match (self.executes, file) {
            (Executes::File(_), Some(file)) => write!(
                text,
                // A script that does not name its interpreter is for sh, which bash would not start for it.
                "[ -x {file} ] || chmod +x {file}; set -- {file}; begin=; IFS= read -rn 2 begin 2>/dev/null <{file} || true; \
                 echo {ready}; [ \"$begin\" = '#!' ] || exec sh -c {run} sh \"$@\"; {RUN}",
                run = quoted(RUN),
            ),
            (Executes::Command(command), _) | (Executes::File(command), None) => {
                write!(text, "echo {ready}; set -- bash -ec {}; {RUN}", quoted(command))
            }
        };
        text
    }
}

/// One word of a shell's.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
        /// Oracle: the shell.
        #[test]
        fn a_quoted_word_is_that_word(word in "[^\0]{0,40}") {
            let script = format!("printf %s {}", quoted(&word));
            let answer = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            proptest::prop_assert_eq!(answer.stdout, word.as_bytes());
        }
    }

    /// Oracle: `id` and `getent`.
    #[test]
    fn bash_knows_user_and_home_by_itself() {
        let ask = |script: &str| {
            let answer = std::process::Command::new("bash")
                .args(["-c", script])
                .env_remove("HOME")
                .output();
            String::from_utf8(answer.unwrap().stdout).unwrap()
        };
        let executes = Executes::Command("echo \"$USER $HOME\"".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let script = TestScript {
            executes: &executes,
            tree: &path(""),
            scratch: &path("scratch"),
            artifacts: "artifacts",
            tmp: "tmp",
            artifacts_mode: "755",
            parallel: 1,
            as_root: true,
            normal_user: None,
            env: &[],
            process: None,
            reboot_mark: None,
        };
        let expected = ask("echo $(id -nu) $(getent passwd $(id -u) | cut -d: -f6)");
        assert_eq!(ask(&script.text()), format!("{}\n{expected}", Word::Ready.line()));
    }
}
