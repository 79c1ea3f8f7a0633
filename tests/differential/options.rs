//! What is compared, and where it is kept.

use std::path::PathBuf;

use clap::Parser;

use crate::answer::Runner;

/// Runs small Debian packages' tests by Preflight and by Debian's autopkgtest, and holds the results against each other. What
/// was answered is kept: a run that was stopped goes on where it was.
#[derive(Debug, Parser)]
#[command(name = "preflight-differential")]
pub(crate) struct Options {
    /// Only these packages of the list
    #[arg(long, value_delimiter = ',', value_name = "PACKAGE")]
    pub(crate) only: Vec<String>,
    /// Only these runners; what the others said before stays
    #[arg(long, value_delimiter = ',', value_name = "RUNNER")]
    pub(crate) runners: Vec<Runner>,
    /// Ask again also where there is an answer
    #[arg(long)]
    pub(crate) again: bool,
    /// Where sources, chroot, answers and logs lie, and the home where none is named
    #[arg(long, value_name = "FOLDER", default_value = "/var/tmp/preflight-differential")]
    pub(crate) folder: PathBuf,
    /// A PREFLIGHT_HOME that is there already, to be used as it is
    #[arg(long, value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,
    /// Where the table is written; it tells of all packages
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
}

impl Options {
    /// Whether this runner is to be asked.
    pub(crate) fn wants(&self, runner: Runner) -> bool {
        self.runners.is_empty() || self.runners.contains(&runner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_are_chosen() {
        let parse = |arguments: &[&str]| Options::try_parse_from(std::iter::once(&"differential").chain(arguments));
        let all = parse(&[]).unwrap();
        assert!(Runner::ALL.iter().all(|runner| all.wants(*runner)));
        let two = parse(&["--runners", "ours,server", "--only", "a,b"]).unwrap();
        assert_eq!(Runner::ALL.map(|runner| two.wants(runner)), [false, true, true]);
        assert_eq!(two.only, ["a", "b"]);
        assert!(parse(&["--runners", "theirs"]).is_err());
    }
}
