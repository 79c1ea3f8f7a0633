//! Two answers held against each other, and what is known of their differences. Pure.

use std::collections::BTreeMap;

use crate::answer::{Answer, Runner};
use crate::known::Known;

/// What two runners disagree about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A test's result, or whether there is such a test.
    Test(String),
    /// The exit code.
    ExitCode,
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// With whom.
    pub(crate) against: Runner,
    /// What about.
    pub(crate) subject: Subject,
    /// What Preflight says; empty where it knows no such test.
    pub(crate) ours: String,
    /// What the other says; empty where it knows no such test.
    pub(crate) theirs: String,
    /// Why that is known to be so; none where it is not.
    pub(crate) why: Option<String>,
}

/// All disagreements between Preflight's answer and another one about a package, tests by name, the exit code last.
pub(crate) fn differences(
    package: &str,
    ours: &Answer,
    against: Runner,
    theirs: &Answer,
    known: &[Known],
) -> Vec<Difference> {
    let (own, other) = (by_test(ours), by_test(theirs));
    let tests: std::collections::BTreeSet<&str> = own.keys().chain(other.keys()).copied().collect();
    let mut differences = Vec::new();
    for test in tests {
        let said = |all: &BTreeMap<&str, Vec<&str>>| all.get(test).map_or_else(String::new, |says| says.join("; "));
        let (ours, theirs) = (said(&own), said(&other));
        if ours != theirs {
            let fits = known
                .iter()
                .find(|known| known.fits(package, test, against, &ours, &theirs));
            differences.push(Difference {
                against,
                subject: Subject::Test(test.to_owned()),
                ours,
                theirs,
                why: fits.map(|known| known.why.clone()),
            });
        }
    }
    if ours.exit_code != theirs.exit_code {
        // It is made of the tests' results: where those differ for known reasons, so may it.
        let follows = !differences.is_empty() && differences.iter().all(|difference| difference.why.is_some());
        differences.push(Difference {
            against,
            subject: Subject::ExitCode,
            ours: ours.exit_code.to_string(),
            theirs: theirs.exit_code.to_string(),
            why: follows.then(|| "it follows from the tests' results".to_owned()),
        });
    }
    differences
}

/// What was said of each test; of several of the same name, in sorted order.
fn by_test(answer: &Answer) -> BTreeMap<&str, Vec<&str>> {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in &answer.lines {
        tests.entry(&line.test).or_default().push(&line.says);
    }
    for says in tests.values_mut() {
        says.sort_unstable();
    }
    tests
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::answer::read_summary;
    use crate::known;

    fn answer(exit_code: i32, summary: &str) -> Answer {
        Answer {
            version: "1".to_owned(),
            at: String::new(),
            seconds: 1,
            with: String::new(),
            exit_code,
            lines: read_summary(summary).unwrap(),
        }
    }

    const CAPABILITY: &str = r#"
        [[known]]
        against = "unshare"
        theirs = 'SKIP Test restriction .* requires testbed capability .*'
        why = "a chroot is no machine"
    "#;

    #[test]
    fn the_same_in_another_order_is_the_same() {
        let ours = answer(4, "a PASS\nb FAIL badpkg\n");
        let theirs = answer(4, "b FAIL badpkg\na PASS\n");
        assert_eq!(differences("p", &ours, Runner::Server, &theirs, &[]), []);
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let table = [
            ("another status", (0, "a PASS\n"), (4, "a FAIL badpkg\n"), 2),
            ("another reason", (4, "a FAIL timed out\n"), (4, "a FAIL badpkg\n"), 1),
            ("another test", (0, "a PASS\n"), (0, "b PASS\n"), 2),
            ("one more", (0, "a PASS\nb PASS\n"), (0, "a PASS\n"), 1),
            ("the same name once more", (0, "a PASS\na PASS\n"), (0, "a PASS\n"), 1),
            ("superficial", (8, "a PASS (superficial)\n"), (0, "a PASS\n"), 2),
            ("the exit code alone", (2, "a PASS\n"), (0, "a PASS\n"), 1),
        ];
        for (what, ours, theirs, count) in table {
            let (ours, theirs) = (answer(ours.0, ours.1), answer(theirs.0, theirs.1));
            let found = differences("p", &ours, Runner::Server, &theirs, &[]);
            assert_eq!(found.len(), count, "{what}: {found:?}");
            assert!(
                found.iter().all(|difference| difference.why.is_none()),
                "{what}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_known_is_explained_and_nothing_else() {
        let known = known::parse(CAPABILITY).unwrap();
        let skip = "a SKIP Test restriction \"isolation-machine\" requires testbed capability \"isolation-machine\"\n";
        let (ours, theirs) = (answer(0, "a PASS\n"), answer(2, skip));
        let found = differences("p", &ours, Runner::Unshare, &theirs, &known);
        assert!(found.iter().all(|difference| difference.why.is_some()), "{found:?}");
        assert_eq!(found.last().unwrap().subject, Subject::ExitCode);
        // Not with our own server, which has a machine.
        let found = differences("p", &ours, Runner::Server, &theirs, &known);
        assert!(found.iter().all(|difference| difference.why.is_none()), "{found:?}");
        // Nor does it explain an exit code that something unknown is part of.
        let theirs = answer(6, &format!("{skip}b FAIL badpkg\n"));
        let found = differences("p", &ours, Runner::Unshare, &theirs, &known);
        let explained: Vec<bool> = found.iter().map(|difference| difference.why.is_some()).collect();
        assert_eq!(explained, [true, false, false]);
    }
}
