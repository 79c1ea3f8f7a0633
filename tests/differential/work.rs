//! The runs of one call, one after the other: which are still to be done, what is asked of the archive for them, and how far
//! it is. One that fails is told of at the end; it will be tried again by the next call.

use std::fmt;
use std::time::Duration;

use preflight_tests::progress;

use crate::answer::Runner;
use crate::bed::{Bed, RELEASE};
use crate::error::DifferentialError;
use crate::list::Package;
use crate::options::Options;
use crate::runners;
use crate::shelf::Shelf;
use crate::source::Source;

/// A package for a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    package: String,
    runner: Runner,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.package, self.runner)
    }
}

/// What could not be done, and why.
pub(crate) type Failures = Vec<(Work, DifferentialError)>;

/// Asks all chosen runners about all these packages, where they have not answered before.
pub(crate) fn through(
    bed: &Bed,
    shelf: &Shelf,
    options: &Options,
    packages: &[Package],
) -> Result<Failures, DifferentialError> {
    let mut failures = Failures::new();
    let mut runners_here = Vec::new();
    for runner in Runner::ALL.into_iter().filter(|runner| options.wants(*runner)) {
        match runners::missing(runner) {
            None => runners_here.push(runner),
            Some(program) => progress::say(&format!(
                "{runner}: {program} is missing, going on without: run .ci/setup"
            )),
        }
    }
    let mut left = outstanding(shelf, packages, &runners_here, options.again);
    progress::say(&format!("{} runs to do, of {} packages", left.len(), packages.len()));
    for package in packages {
        let own: Vec<Runner> = left
            .iter()
            .filter(|work| work.package == package.name)
            .map(|work| work.runner)
            .collect();
        if own.is_empty() {
            continue;
        }
        let source = Source::of(package, &bed.folder, RELEASE, options.again);
        for runner in own {
            let work = Work {
                package: package.name.clone(),
                runner,
            };
            let done = match &source {
                Ok(source) => {
                    progress::say(&format!(
                        "{work}: {} runs left, {}",
                        left.len(),
                        estimate(shelf, packages, &left)
                    ));
                    runners::ask(bed, runner, &package.name, source).and_then(|answer| {
                        progress::say(&format!("{work}: exit {} after {} s", answer.exit_code, answer.seconds));
                        shelf.put(&package.name, runner, &answer)
                    })
                }
                Err(DifferentialError::NoSource { package, log }) => Err(DifferentialError::NoSource {
                    package: package.clone(),
                    log: log.clone(),
                }),
                Err(error) => Err(DifferentialError::malformed("its source", error)),
            };
            left.retain(|other| *other != work);
            if let Err(error) = done {
                progress::say(&format!("{work}: {error}"));
                failures.push((work, error));
            }
        }
    }
    Ok(failures)
}

/// What is still to be done; with `again`, all.
fn outstanding(shelf: &Shelf, packages: &[Package], runners: &[Runner], again: bool) -> Vec<Work> {
    let mut work = Vec::new();
    for package in packages {
        for runner in runners {
            let needless = *runner == Runner::Unshare && package.machine.is_some();
            if !needless && (again || shelf.get(&package.name, *runner).is_none()) {
                work.push(Work {
                    package: package.name.clone(),
                    runner: *runner,
                });
            }
        }
    }
    work
}

/// How long it may take: a run as long as that runner's others did on the average.
fn estimate(shelf: &Shelf, packages: &[Package], left: &[Work]) -> String {
    let mut sum = Duration::ZERO;
    for runner in Runner::ALL {
        let known: Vec<u64> = packages
            .iter()
            .filter_map(|package| Some(shelf.get(&package.name, runner)?.seconds))
            .collect();
        let count = left.iter().filter(|work| work.runner == runner).count() as u64;
        if known.is_empty() && count > 0 {
            return "nobody knows how long".to_owned();
        }
        sum += Duration::from_secs(known.iter().sum::<u64>() * count / known.len().max(1) as u64);
    }
    format!("about {} min", sum.as_secs().div_ceil(60))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::answer::Answer;
    use crate::list::Origin;

    fn package(name: &str, machine: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            origin: Origin::Debian,
            covers: Vec::new(),
            machine: machine.map(str::to_owned),
        }
    }

    fn answer(seconds: u64) -> Answer {
        Answer {
            version: "1".to_owned(),
            at: String::new(),
            seconds,
            with: String::new(),
            exit_code: 0,
            lines: Vec::new(),
        }
    }

    #[test]
    fn what_was_answered_is_not_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::below(folder.path());
        let packages = [package("a", None), package("b", Some("it reboots"))];
        let names = |runners: &[Runner], again| -> Vec<String> {
            outstanding(&shelf, &packages, runners, again)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            names(&Runner::ALL, false),
            ["a, unshare", "a, ours", "a, server", "b, ours", "b, server"]
        );
        shelf.put("a", Runner::Ours, &answer(90)).unwrap();
        assert_eq!(
            names(&Runner::ALL, false),
            ["a, unshare", "a, server", "b, ours", "b, server"]
        );
        assert_eq!(names(&[Runner::Ours], true), ["a, ours", "b, ours"]);
    }

    #[test]
    fn an_estimate_goes_by_what_others_took() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::below(folder.path());
        let packages = [package("a", None), package("b", None), package("c", None)];
        let left = outstanding(&shelf, &packages, &[Runner::Ours], false);
        assert_eq!(estimate(&shelf, &packages, &left), "nobody knows how long");
        shelf.put("a", Runner::Ours, &answer(90)).unwrap();
        let left = outstanding(&shelf, &packages, &[Runner::Ours], false);
        assert_eq!(estimate(&shelf, &packages, &left), "about 3 min");
    }
}
