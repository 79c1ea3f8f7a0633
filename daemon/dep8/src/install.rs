//! Installing a test's dependencies by the testbed's own apt, and telling apart what went wrong: packages that could
//! not be fetched are the testbed's fault, dependencies that cannot be satisfied or configured the package's.

use crate::{
    machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine},
    plan::PlannedTest,
    script::ROOT_PATH,
};

/// autopkgtest's words for what apt could not solve.
const UNSATISFIABLE: &str = "Test dependencies are unsatisfiable. A common reason is that your testbed is out of date \
    with respect to the archive, and you need to use a current testbed or run apt-get update or use -U.";

/// How an installation failed.
#[derive(Debug)]
pub(crate) enum InstallError {
    /// The package asks for what cannot be had.
    BadPackage(String),
    /// Packages could not be fetched, or the machine failed.
    Testbed(String),
}

impl From<MachineError> for InstallError {
    fn from(error: MachineError) -> Self {
        Self::Testbed(error.to_string())
    }
}

/// apt's status file descriptor goes to stderr, all that people read to stdout.
///
/// Debconf may not ask anything: to have its questions ready before, as a hook would, takes longer than dpkg takes to install
/// a small package, and changes nothing. The list of such hooks can be emptied by a file only.
const APT: &str = r#"exec apt-get -c /dev/fd/4 -o APT::Status-Fd=3 "$@" 3>&2 2>&1 4<<'END'
#clear DPkg::Pre-Install-Pkgs;
END
"#;

/// Asks an apt that knows nothing but what is installed, and takes its word where there is nothing to do: it need not read
/// the archive's lists, which takes most of apt's time. An apt that reads them would do nothing either: it adds, replaces or
/// removes something for an entry that nothing installed satisfies, and looks for something better for no other (what it
/// recommends is not asked for). What it says otherwise is nobody's matter, and it has changed nothing.
const SATISFIED: &str = r#"
line='
'
said=$(apt-get "$@" --simulate --no-remove -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= 2>&1) && case "$line$said" in
    *"${line}Inst "* | *"${line}Conf "* | *"${line}Remv "*) ;;
    *)
        printf '%s\n' "$said"
        exit
        ;;
esac
"#;

fn apt(arguments: &[&str], script: &str) -> Exec<'static> {
    let options = [
        "--assume-yes",
        "-o",
        "APT::Install-Recommends=false",
        "-o",
        "Dpkg::Options::=--force-confnew",
        "-o",
        "Debug::pkgProblemResolver=true",
    ];
    let argv = ["sh", "-c", script, "sh"]
        .into_iter()
        .chain(arguments.iter().copied())
        .chain(options);
    root(argv.map(str::to_owned).collect())
}

/// A command as root, with the environment that installing needs.
pub(crate) fn root(argv: Vec<String>) -> Exec<'static> {
    let env = [
        ("PATH", ROOT_PATH),
        ("LANG", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("APT_LISTBUGS_FRONTEND", "none"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
    ];
    Exec {
        argv,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        user: "root",
        cwd: "/",
    }
}

/// Installs what the test asks for. `on_output` gets apt's output, stdout only.
pub(crate) async fn dependencies(
    machine: &dyn TestMachine,
    test: &PlannedTest,
    on_output: OnOutput<'_>,
) -> Result<(), InstallError> {
    if test.dependencies.is_empty() {
        return Ok(());
    }
    run_apt(
        machine,
        &apt(&["satisfy", &test.dependencies.to_string()], &[SATISFIED, APT].concat()),
        on_output,
    )
    .await?;
    let missing = only_provided(machine, test).await?;
    if !missing.is_empty() {
        let arguments: Vec<&str> = ["install"].into_iter().chain(missing.iter().copied()).collect();
        run_apt(machine, &apt(&arguments, APT), on_output).await?;
    }
    Ok(())
}

/// Packages of the source that are not installed although apt is satisfied: another package provides their names.
async fn only_provided<'t>(machine: &dyn TestMachine, test: &'t PlannedTest) -> Result<Vec<&'t str>, InstallError> {
    if test.own_packages.is_empty() {
        return Ok(Vec::new());
    }
    let ask = ["dpkg-query", "--show", "--showformat", "${Package}\\t${Status}\\n"];
    let names = test.own_packages.iter().flatten().map(String::as_str);
    let command = root(ask.into_iter().chain(names).map(str::to_owned).collect());
    // Two short words a package; a testbed that answers with more is lying.
    let bound = 400 * (1 + test.own_packages.iter().flatten().count());
    let mut answer = Vec::new();
    machine
        .exec(&command, &mut |stream, bytes| {
            if stream == Stream::Stdout && answer.len() < bound {
                answer.extend_from_slice(bytes);
            }
        })
        .await?;
    let answer = String::from_utf8_lossy(&answer);
    let installed: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, s)| *s == "install ok installed")
        .map(|(name, _)| name)
        .collect();
    Ok(test
        .own_packages
        .iter()
        .filter(|group| !group.iter().any(|package| installed.contains(&package.as_str())))
        .filter_map(|group| group.first().map(String::as_str))
        .collect())
}

async fn run_apt(machine: &dyn TestMachine, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<(), InstallError> {
    let mut progress = Progress::default();
    let status = machine
        .exec(command, &mut |stream, bytes| match stream {
            Stream::Stdout => {
                progress.output.feed(bytes);
                on_output(stream, bytes);
            }
            Stream::Stderr => progress.status.feed(bytes),
        })
        .await?;
    match (status, progress.fetching_failed()) {
        (ExitStatus::Code(0), _) => Ok(()),
        (_, true) => Err(InstallError::Testbed("apt failed to download packages".to_owned())),
        (_, false) => Err(InstallError::BadPackage(UNSATISFIABLE.to_owned())),
    }
}

/// What of apt's output tells a failed download from the rest.
struct Progress {
    status: Lines,
    output: Lines,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            status: Lines::looking_for(&["dlstatus:", "pmstatus:"]),
            output: Lines::looking_for(&["E: Failed to fetch ", "E: Unable to fetch some archives"]),
        }
    }
}

impl Progress {
    /// As autopkgtest judges, by the status lines; and by apt's words, because a download that fails at once has no
    /// status line.
    fn fetching_failed(&self) -> bool {
        let (downloading, installing) = (self.status.seen[0], self.status.seen[1]);
        !installing && (downloading || self.output.seen.iter().any(|&seen| seen))
    }
}

/// Looks for lines that begin with one of a few words, keeping no more than a line's beginning.
struct Lines {
    words: &'static [&'static str],
    seen: Vec<bool>,
    beginning: Vec<u8>,
}

impl Lines {
    fn looking_for(words: &'static [&'static str]) -> Self {
        Self {
            words,
            seen: vec![false; words.len()],
            beginning: Vec::new(),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' {
                self.beginning.clear();
            } else if self.beginning.len() < 64 {
                self.beginning.push(byte);
                for (word, seen) in self.words.iter().zip(&mut self.seen) {
                    *seen |= self.beginning == word.as_bytes();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_download_is_no_fault_of_the_package() {
        for (status, output, expected) in [
            (
                "",
                "E: Unable to correct problems, you have held broken packages.\n",
                false,
            ),
            (
                "",
                "Err:1 http://mirror.example x\nE: Failed to fetch http://mirror.example/a.deb  403\n",
                true,
            ),
            ("dlstatus:1:0:Retrieving file 1 of 2\n", "", true),
            (
                "dlstatus:1:0:Retrieving\npmstatus:dpkg-exec:0:Running dpkg\n",
                "E: Sub-process failed\n",
                false,
            ),
            ("", "note: E: Failed to fetch is what apt says\n", false),
        ] {
            let mut progress = Progress::default();
            status
                .as_bytes()
                .chunks(3)
                .for_each(|piece| progress.status.feed(piece));
            output
                .as_bytes()
                .chunks(5)
                .for_each(|piece| progress.output.feed(piece));
            assert_eq!(progress.fetching_failed(), expected, "{status} {output}");
        }
    }
}
