//! The shell text that runs in the testbed. It sets the environment that autopkgtest 5.28 promises to tests, and ends
//! what a test leaves running with its outputs open. Pure: from a plan's values to a string.

use std::fmt::Write as _;

use crate::plan::Executes;

/// `PATH` before the testbed's profile has its say.
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
/// The same for root.
pub(crate) const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `"$@"` with its outputs in pipes of its own, and then kills whatever still holds one of them: a daemon that
/// a test leaves behind must not keep the test from ending. `cat` may end only when nobody can write any more.
const WRAPPER: &str = r#"
tmp=$(mktemp -d)
mkfifo "$tmp/out" "$tmp/err"
cat <"$tmp/out" & out=$!
cat <"$tmp/err" >&2 & err=$!
status=0
( exec >>"$tmp/out" 2>>"$tmp/err"; exec "$@" ) || status=$?
for pid in $(cd /proc && find [0-9]*/fd \( -lname "$tmp/out" -o -lname "$tmp/err" \) 2>/dev/null | cut -d/ -f1 | sort -u); do
    case $pid in
        $out|$err) ;;
        *) kill -CONT "$pid" 2>/dev/null; kill -KILL "$pid" 2>/dev/null ;;
    esac
done
wait "$out" "$err"
rm -rf "$tmp"
exit "$status"
"#;

/// Values for a test's script.
pub(crate) struct TestScript<'a> {
    pub(crate) executes: &'a Executes,
    pub(crate) tree: &'a str,
    pub(crate) artifacts: &'a str,
    pub(crate) tmp: &'a str,
    pub(crate) parallel: u32,
    pub(crate) as_root: bool,
    /// Told to tests that run as root.
    pub(crate) normal_user: Option<&'a str>,
}

impl TestScript<'_> {
    /// For `bash -c`.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "set -e; umask 022; export USER=\"$(id -nu)\"; export LOGNAME=\"$USER\" SHELL=/bin/bash PATH={path}; \
             HOME=\"$(getent passwd \"$USER\" | cut -d: -f6)\"; export HOME=\"${{HOME:-/}}\"; \
             . /etc/profile >/dev/null 2>&1 || true; . ~/.profile >/dev/null 2>&1 || true; set -e; \
             mkdir -p -m 1777 -- {artifacts}; export AUTOPKGTEST_ARTIFACTS={artifacts} ADT_ARTIFACTS={artifacts}; \
             mkdir -p -m 755 -- {tmp}; export AUTOPKGTEST_TMP={tmp} ADTTMP={tmp}; \
             export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 DEB_BUILD_OPTIONS=parallel={parallel}; \
             unset LANGUAGE LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS \
             LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION LC_ALL; cd {tree}; ",
            path = if self.as_root { ROOT_PATH } else { USER_PATH },
            artifacts = quoted(self.artifacts),
            tmp = quoted(self.tmp),
            parallel = self.parallel,
            tree = quoted(self.tree),
        );
        if let (true, Some(user)) = (self.as_root, self.normal_user) {
            let user = quoted(user);
            let _ = write!(text, "export AUTOPKGTEST_NORMAL_USER={user} ADT_NORMAL_USER={user}; ");
        }
        let _ = write!(text, "exec sh -c {} sh ", quoted(WRAPPER));
        let _ = match self.executes {
            Executes::File(path) => write!(text, "{}", quoted(&format!("{}/{path}", self.tree))),
            Executes::Command(command) => write!(text, "bash -ec {}", quoted(command)),
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
}
