//! The table of what was compared, as Markdown: every package of the list, whether it was run or not, every difference with
//! its reason, and every result. Writes nothing itself.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::answer::{Answer, Runner};
use crate::compare::{self, Difference, Subject};
use crate::known::Known;
use crate::list::{Origin, Package};

/// A package with what was said of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// The package.
    pub(crate) package: Package,
    /// The answers, in the order of [`Runner::ALL`].
    pub(crate) answers: [Option<Answer>; 3],
}

impl Row {
    /// What a runner has said.
    pub(crate) fn answer(&self, runner: Runner) -> Option<&Answer> {
        let position = Runner::ALL.iter().position(|known| *known == runner)?;
        self.answers[position].as_ref()
    }

    /// Where Preflight and others disagree; of sources of the same version alone.
    pub(crate) fn differences(&self, known: &[Known]) -> Vec<Difference> {
        let Some(ours) = self.answer(Runner::Ours) else {
            return Vec::new();
        };
        let others = [Runner::Server, Runner::Unshare];
        let others = others
            .into_iter()
            .filter_map(|runner| Some((runner, self.answer(runner)?)));
        others
            .filter(|(_, answer)| answer.version == ours.version)
            .flat_map(|(runner, answer)| compare::differences(&self.package.name, ours, runner, answer, known))
            .collect()
    }

    fn cell(&self, runner: Runner, differences: &[Difference]) -> String {
        let Some(answer) = self.answer(runner) else {
            return if runner == Runner::Unshare && self.package.machine.is_some() {
                "needs a machine"
            } else {
                "not run"
            }
            .to_owned();
        };
        let counts = counts(answer);
        if runner == Runner::Ours {
            return counts;
        }
        let Some(ours) = self.answer(Runner::Ours) else {
            return counts;
        };
        if ours.version != answer.version {
            return format!("{counts} (of {})", answer.version);
        }
        let own: Vec<&Difference> = differences
            .iter()
            .filter(|difference| difference.against == runner)
            .collect();
        let unexplained = own.iter().filter(|difference| difference.why.is_none()).count();
        match (own.len(), unexplained) {
            (0, _) => "the same".to_owned(),
            (_, 0) => format!("{counts}; differs as explained"),
            _ => format!("{counts}; **differs**"),
        }
    }
}

/// The exit code, and how many tests have which status.
fn counts(answer: &Answer) -> String {
    let mut text = format!("exit {}", answer.exit_code);
    for status in ["PASS", "FLAKY", "FAIL", "SKIP"] {
        let count = answer.lines.iter().filter(|line| line.says.starts_with(status)).count();
        if count > 0 {
            let _ = write!(text, ", {count} {status}");
        }
    }
    text
}

/// The whole document.
pub(crate) fn document(rows: &[Row], known: &[Known]) -> String {
    let answers = || rows.iter().flat_map(|row| row.answers.iter().flatten());
    let newest = answers().map(|answer| answer.at.as_str()).max().unwrap_or("never");
    let with: BTreeSet<&str> = answers().map(|answer| answer.with.as_str()).collect();
    let with = with.into_iter().collect::<Vec<_>>().join("; ");
    let compared = |runner: Runner| {
        let both = |row: &&Row| row.answer(Runner::Ours).is_some() && row.answer(runner).is_some();
        rows.iter().filter(both).count()
    };
    let mut text = format!(
        "# Preflight's results beside those of Debian's autopkgtest\n\n\
         Written by `make differential` (see `main.rs` beside this file), last at {newest} UTC, with {with}.\n\
         Compared were {} of {} packages with autopkgtest over our server (`server`: the same testbeds), {} with autopkgtest \
         over its own unshare server (`unshare`: a chroot of the same packages): set of tests, status, reason, exit code.\n\n",
        compared(Runner::Server),
        rows.len(),
        compared(Runner::Unshare),
    );
    text += "| package | version | what for | ours | server | unshare |\n|---|---|---|---|---|---|\n";
    for row in rows {
        let differences = row.differences(known);
        let version = row
            .answers
            .iter()
            .flatten()
            .map(|answer| answer.version.as_str())
            .next();
        let fixture = if row.package.origin == Origin::Fixture {
            " (a fixture)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "| {}{fixture} | {} | {} | {} | {} | {} |",
            row.package.name,
            version.unwrap_or(""),
            row.package.covers.join(", "),
            row.cell(Runner::Ours, &differences),
            row.cell(Runner::Server, &differences),
            row.cell(Runner::Unshare, &differences),
        );
    }
    text += "\n## Differences\n\n";
    let mut any = false;
    for row in rows {
        for difference in row.differences(known) {
            any = true;
            let _ = writeln!(text, "- {}", tell(&row.package.name, &difference));
        }
    }
    if !any {
        text += "None.\n";
    }
    text += "\n## Results\n\nAs Preflight says them; as the others do where it was not run.\n\n";
    for row in rows {
        let first = [Runner::Ours, Runner::Server, Runner::Unshare]
            .into_iter()
            .find_map(|runner| Some((runner, row.answer(runner)?)));
        let Some((runner, answer)) = first else { continue };
        let _ = writeln!(
            text,
            "{} {} ({runner}, {} UTC):\n\n```",
            row.package.name, answer.version, answer.at
        );
        for line in &answer.lines {
            let _ = writeln!(text, "{:<20} {}", line.test, line.says);
        }
        text += "```\n\n";
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A difference in a line.
pub(crate) fn tell(package: &str, difference: &Difference) -> String {
    let said = |text: &str| {
        if text.is_empty() {
            "nothing".to_owned()
        } else {
            format!("`{text}`")
        }
    };
    let subject = match &difference.subject {
        Subject::Test(test) => format!("test `{test}`"),
        Subject::ExitCode => "exit code".to_owned(),
    };
    format!(
        "{package}, {subject}: ours {}, {} {}: {}",
        said(&difference.ours),
        difference.against,
        said(&difference.theirs),
        difference.why.as_deref().unwrap_or("**not explained**")
    )
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::answer::read_summary;
    use crate::known;

    fn answer(exit_code: i32, summary: &str) -> Option<Answer> {
        Some(Answer {
            version: "1.0-1".to_owned(),
            at: "2026-11-20 19:00".to_owned(),
            seconds: 1,
            with: "autopkgtest 5.28".to_owned(),
            exit_code,
            lines: read_summary(summary).unwrap(),
        })
    }

    fn package(name: &str, machine: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            origin: Origin::Debian,
            covers: vec!["Tests".to_owned(), "flaky".to_owned()],
            machine: machine.map(str::to_owned),
        }
    }

    #[test]
    fn it_tells_of_every_package_difference_and_result() {
        let skip = "t SKIP Test restriction \"isolation-machine\" requires testbed capability \"isolation-machine\"\n";
        let rows = [
            Row {
                package: package("alike", None),
                answers: [answer(0, "a PASS\n"), answer(0, "a PASS\n"), answer(0, "a PASS\n")],
            },
            Row {
                package: package("machine", Some("it reboots")),
                answers: [None, answer(0, "t PASS\n"), answer(4, "t FAIL timed out\n")],
            },
            Row {
                package: package("isolated", None),
                answers: [answer(8, skip), answer(0, "t PASS\n"), None],
            },
            Row {
                package: package("later", None),
                answers: [None, None, None],
            },
        ];
        let text = "[[known]]\nagainst = \"unshare\"\ntheirs = 'SKIP .* requires testbed capability .*'\nwhy = \"no machine\"\n";
        let document = document(&rows, &known::parse(text).unwrap());
        let table: Vec<&str> = document.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(
            table,
            [
                "| alike | 1.0-1 | Tests, flaky | exit 0, 1 PASS | the same | the same |",
                "| machine | 1.0-1 | Tests, flaky | exit 0, 1 PASS | exit 4, 1 FAIL; **differs** | needs a machine |",
                "| isolated | 1.0-1 | Tests, flaky | exit 0, 1 PASS | not run | exit 8, 1 SKIP; differs as explained |",
                "| later |  | Tests, flaky | not run | not run | not run |",
            ]
        );
        let differences: Vec<&str> = document.lines().filter(|line| line.starts_with("- ")).collect();
        assert_eq!(
            differences,
            [
                "- machine, test `t`: ours `PASS`, server `FAIL timed out`: **not explained**",
                "- machine, exit code: ours `0`, server `4`: **not explained**",
                "- isolated, test `t`: ours `PASS`, unshare `SKIP Test restriction \"isolation-machine\" requires testbed capability \"isolation-machine\"`: no machine",
                "- isolated, exit code: ours `0`, unshare `8`: it follows from the tests' results",
            ]
        );
        assert!(document.contains("Compared were 2 of 4 packages"), "{document}");
        assert!(document.contains("t                    PASS\n"), "{document}");
    }
}
