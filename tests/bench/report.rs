//! What was found, as a table for people and as JSON for programs.

use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use crate::finding::{Finding, Findings, Key, Measured};
use crate::host::Host;
use crate::lines::{Goal, LINES, Line, Unit};
use crate::options::Measure;

/// The version of the JSON's format.
const FORMAT: u32 = 1;

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    /// What it ran on.
    pub(crate) host: Host,
    /// What was measured.
    pub(crate) findings: Findings,
    /// Which measures were chosen.
    pub(crate) chosen: Vec<Measure>,
    /// Which of them failed, and why.
    pub(crate) failures: Vec<(Measure, String)>,
}

impl Report {
    /// The table, in Markdown, with what has to be said of its numbers below it.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["", "what", "Preflight", "peer", "peer ÷ Preflight", "goal"]);
        let mut notes = Vec::new();
        for line in LINES.iter().filter(|line| self.is_shown(line)) {
            let ours = self.cell(line.ours, line.by, line.unit, &mut notes);
            let peer = line
                .peer
                .map_or_else(String::new, |(key, by)| self.cell(key, by, line.unit, &mut notes));
            let goals: Vec<String> = line.goals.iter().map(|goal| self.judged(line, *goal)).collect();
            let ratio = self.ratio(line).map_or_else(String::new, |(ratio, bound)| {
                format!("{}{}×", if bound { "≥ " } else { "" }, digits(ratio))
            });
            table.add_row([
                line.point.to_string(),
                line.what.to_owned(),
                ours,
                peer,
                ratio,
                goals.join(", "),
            ]);
        }
        let mut text = format!("{}\n\n{table}\n", self.host);
        if !notes.is_empty() {
            text.push('\n');
        }
        for (number, note) in notes.iter().enumerate() {
            text += &format!("[{}] {note}\n", number + 1);
        }
        text
    }

    /// All numbers.
    pub(crate) fn json(&self) -> Value {
        let findings: Map<String, Value> = self
            .findings
            .iter()
            .filter_map(|(key, finding)| Some((name(key)?, finding_json(finding))))
            .collect();
        let lines: Vec<Value> = LINES
            .iter()
            .filter(|line| self.is_shown(line))
            .map(|line| {
                json!({
                    "point": line.point,
                    "what": line.what,
                    "ours": name(line.ours),
                    "peer": line.peer.and_then(|(key, _)| name(key)),
                    "ratio": self.ratio(line).map(|(ratio, _)| ratio),
                    "goals_met": line.goals.iter().map(|goal| self.is_met(line, *goal)).collect::<Vec<_>>(),
                })
            })
            .collect();
        let failures: Vec<Value> = self
            .failures
            .iter()
            .map(|(measure, why)| json!({ "measure": format!("{measure:?}"), "why": why }))
            .collect();
        json!({
            "format": FORMAT,
            "host": self.host,
            "findings": findings,
            "lines": lines,
            "failures": failures,
        })
    }

    fn is_shown(&self, line: &Line) -> bool {
        self.chosen.contains(&line.by) || line.peer.is_some_and(|(_, by)| self.chosen.contains(&by))
    }

    fn cell(&self, key: Key, by: Measure, unit: Unit, notes: &mut Vec<String>) -> String {
        let Some(finding) = self.findings.get(key) else {
            let failure = self.failures.iter().find(|(measure, _)| *measure == by);
            return match failure {
                Some((_, why)) => format!("– {}", reference(notes, why)),
                None => "–".to_owned(),
            };
        };
        let mut text = match &finding.measured {
            Measured::Sample(sample) => {
                let (lower, upper) = sample.quartiles();
                let median = quantity(sample.median(), unit);
                match sample.count() {
                    1 => median,
                    count => format!("{median} ({}–{}, n={count})", plain(lower, unit), plain(upper, unit)),
                }
            }
            Measured::AtLeast(number) => format!("≥ {}", quantity(*number, unit)),
        };
        if let Some(note) = &finding.note {
            text += &format!(" {}", reference(notes, note));
        }
        text
    }

    /// How many times the peer's number is ours, and whether it is more than that; of a rate, how many times ours is the
    /// peer's.
    fn ratio(&self, line: &Line) -> Option<(f64, bool)> {
        let ours = &self.findings.get(line.ours)?.measured;
        let peer = &self.findings.get(line.peer?.0)?.measured;
        let bound = matches!(peer, Measured::AtLeast(_));
        let (more, less) = match line.unit {
            Unit::MegabytesPerSecond => (ours, peer),
            Unit::Seconds | Unit::Bytes | Unit::Count | Unit::PerMinute => (peer, ours),
        };
        (less.number() > 0.0).then(|| (more.number() / less.number(), bound))
    }

    fn is_met(&self, line: &Line, goal: Goal) -> Option<bool> {
        match goal {
            Goal::AtMost(most) => match &self.findings.get(line.ours)?.measured {
                Measured::Sample(sample) => Some(sample.median() <= most),
                Measured::AtLeast(_) => Some(false),
            },
            Goal::TimesLessThanPeer(times) => self.ratio(line).map(|(ratio, _)| ratio >= times),
        }
    }

    fn judged(&self, line: &Line, goal: Goal) -> String {
        let goal_text = match goal {
            Goal::AtMost(most) => format!("≤ {}", quantity(most, line.unit)),
            Goal::TimesLessThanPeer(times) => format!("≥ {}×", digits(times)),
        };
        match self.is_met(line, goal) {
            Some(true) => format!("{goal_text} ✓"),
            Some(false) => format!("{goal_text} ✗"),
            None => goal_text,
        }
    }
}

/// The mark of a note, which is kept once.
fn reference(notes: &mut Vec<String>, note: &str) -> String {
    let place = notes.iter().position(|known| known == note).unwrap_or_else(|| {
        notes.push(note.to_owned());
        notes.len() - 1
    });
    format!("[{}]", place + 1)
}

fn name(key: Key) -> Option<String> {
    serde_json::to_value(key).ok()?.as_str().map(str::to_owned)
}

fn finding_json(finding: &Finding) -> Value {
    let mut value = match &finding.measured {
        Measured::Sample(sample) => {
            let (lower, upper) = sample.quartiles();
            json!({
                "median": sample.median(),
                "lower_quartile": lower,
                "upper_quartile": upper,
                "numbers": sample.numbers(),
            })
        }
        Measured::AtLeast(number) => json!({ "at_least": number }),
    };
    value["note"] = json!(finding.note);
    value
}

fn quantity(number: f64, unit: Unit) -> String {
    let number = plain(number, unit);
    match unit {
        Unit::Seconds => format!("{number} s"),
        Unit::Bytes => format!("{number} MiB"),
        Unit::Count => number,
        Unit::PerMinute => format!("{number}/min"),
        Unit::MegabytesPerSecond => format!("{number} MB/s"),
    }
}

fn plain(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => digits(number / f64::from(1 << 20)),
        Unit::Seconds | Unit::Count | Unit::PerMinute | Unit::MegabytesPerSecond => digits(number),
    }
}

/// As many digits as say something: two after the point of what is small, none of what is large.
fn digits(number: f64) -> String {
    if number == 0.0 || number.abs() >= 99.95 {
        format!("{number:.0}")
    } else if number.abs() >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: Findings) -> Report {
        Report {
            host: Host::default(),
            findings,
            chosen: vec![Measure::Claim, Measure::PeerOpen],
            failures: vec![(Measure::Claim, "no shell".to_owned())],
        }
    }

    #[test]
    fn digits_say_something() {
        for (number, text) in [
            (0.0, "0"),
            (0.1234, "0.12"),
            (9.999, "10.0"),
            (31.26, "31.3"),
            (338.4, "338"),
        ] {
            assert_eq!(digits(number), text);
        }
    }

    #[test]
    fn numbers_are_held_against_the_peers_and_the_goals() {
        let mut findings = Findings::default();
        findings.found(Key::ClaimPool, vec![0.1, 0.12, 0.14], None);
        findings.found(Key::ClaimFresh, vec![2.0], None);
        findings.broke(Key::PeerClaim, 30.0, "it broke".to_owned());
        let report = report(findings);
        let table = report.table();
        let row = |part: &str| table.lines().find(|line| line.contains(part)).unwrap().to_owned();
        let pool = row("from the pool");
        for part in [
            "0.12 s (0.11–0.13, n=3)",
            "≥ 30.0 s [1]",
            "≥ 250×",
            "≤ 0.15 s ✓, ≥ 30.0× ✓",
        ] {
            assert!(pool.contains(part), "{part} is not in {pool}");
        }
        assert!(row("without a pool").contains("≤ 1.00 s ✗, ≥ 30.0× ✗"), "{table}");
        assert!(row("the first claim").contains("– [2]"), "{table}");
        assert!(table.contains("[1] it broke\n[2] no shell\n"), "{table}");
        let json = report.json();
        assert_eq!(json["findings"]["claim-pool"]["median"], 0.12);
        assert_eq!(json["findings"]["peer-claim"]["at_least"], 30.0);
        assert_eq!(json["lines"][1]["goals_met"], json!([false, false]));
    }

    #[test]
    fn what_was_not_chosen_is_not_shown() {
        let table = report(Findings::default()).table();
        assert!(!table.contains("hello"), "{table}");
    }
}
