//! A link's criteria as a TOML file says them:
//!
//! ```toml
//! requires = [
//!     { job = "build", series = ["debian-bookworm", "debian-sid"] },
//!     { job = "test", source = "hello", outcome = ["pass", "skipped"] },
//!     { link = "consistent" },
//! ]
//! exempt = [{ source = "hello", test = "upstream", reason = "bug 12345", until = 2027-01-31 }]
//! ```
//!
//! `job` is `source`, `build`, `image` or `test`; `series` is the ticket's own where it is missing, `source` all (`*`),
//! `need` `every` (or `one`), and `outcome` `pass`; `good` stands for `pass`, `skipped` and `no_tests`. In an exemption
//! `test` is all (`*`) where it is missing, and `until` is the last day, in UTC, on which it holds. Unknown keys are
//! refused with their place.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use preflight_core::promotion::{Criteria, Exemption, HowMany, JobRequirement, LinkName, Requirement, Which};
use preflight_core::{JobKind, Moment, Outcome, Series};
use serde::Deserialize;
use serde::de::{Deserializer, IntoDeserializer, SeqAccess, Visitor};
use toml::Spanned;
use toml::value::Datetime;

use super::error::CriteriaError;
use crate::config::Place;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    requires: Vec<Spanned<RequirementTable>>,
    #[serde(default)]
    exempt: Vec<ExemptionTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementTable {
    job: Option<JobWord>,
    series: Option<OneOrMore<String>>,
    source: Option<Spanned<String>>,
    need: Option<NeedWord>,
    outcome: Option<OneOrMore<OutcomeWord>>,
    link: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExemptionTable {
    source: String,
    test: Option<String>,
    reason: Spanned<String>,
    until: Option<Spanned<Datetime>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JobWord {
    Source,
    Build,
    Image,
    Test,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NeedWord {
    Every,
    One,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    Pass,
    Skipped,
    NoTests,
    Fail,
    Good,
}

/// A value, or a list of such.
struct OneOrMore<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list of words")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(vec![T::deserialize(word.into_deserializer())?])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(one) = list.next_element()? {
                    found.push(one);
                }
                Ok(found)
            }
        }

        deserializer.deserialize_any(Either(PhantomData)).map(Self)
    }
}

/// Reads a file's text; `path` is for errors.
pub(super) fn parse(path: &Path, text: &str) -> Result<Criteria, CriteriaError> {
    let file = File { path, text };
    let document: Document = toml::from_str(text).map_err(|error| CriteriaError::Malformed {
        place: file.place(error.span()),
        message: error.message().to_owned(),
    })?;
    Ok(Criteria {
        requires: document
            .requires
            .into_iter()
            .map(|table| file.requirement(table))
            .collect::<Result<_, _>>()?,
        exempt: document
            .exempt
            .into_iter()
            .map(|table| file.exemption(table))
            .collect::<Result<_, _>>()?,
    })
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, span: Option<Range<usize>>) -> Place {
        Place {
            file: self.path.to_owned(),
            line: span.map(|span| crate::config::line_of(self.text, span.start)),
        }
    }

    fn wrong(&self, span: Range<usize>, field: &'static str, message: impl Into<String>) -> CriteriaError {
        CriteriaError::Field {
            place: self.place(Some(span)),
            field,
            message: message.into(),
        }
    }

    fn requirement(&self, table: Spanned<RequirementTable>) -> Result<Requirement, CriteriaError> {
        let span = table.span();
        let table = table.into_inner();
        let job = match (table.job, table.link) {
            (Some(job), None) => job,
            (None, Some(link)) => {
                let beside = [
                    ("series", table.series.is_some()),
                    ("source", table.source.is_some()),
                    ("need", table.need.is_some()),
                    ("outcome", table.outcome.is_some()),
                ];
                if let Some((field, _)) = beside.into_iter().find(|(_, there)| *there) {
                    return Err(self.wrong(span, field, "is of jobs, and stands beside `link`"));
                }
                let name = LinkName::new(link.get_ref());
                return name
                    .map(Requirement::Link)
                    .map_err(|error| self.wrong(link.span(), "link", format!("is wrong: {error}")));
            }
            (Some(_), Some(link)) => return Err(self.wrong(link.span(), "link", "stands beside `job`: part them")),
            (None, None) => return Err(self.wrong(span, "job", "is missing, and so is `link`")),
        };
        if let (JobWord::Image, Some(source)) = (job, &table.source) {
            return Err(self.wrong(
                source.span(),
                "source",
                "means nothing for the image, which is of all sources",
            ));
        }
        let outcomes = table.outcome.map_or_else(|| vec![OutcomeWord::Pass], |words| words.0);
        if outcomes.is_empty() {
            return Err(self.wrong(span, "outcome", "is an empty list, which nothing can meet"));
        }
        Ok(Requirement::Jobs(JobRequirement {
            job: match job {
                JobWord::Source => JobKind::Source,
                JobWord::Build => JobKind::Build,
                JobWord::Image => JobKind::Image,
                JobWord::Test => JobKind::Test,
            },
            series: table
                .series
                .map_or_else(Vec::new, |series| series.0)
                .into_iter()
                .map(Series)
                .collect(),
            source: table.source.map_or(Which::Any, |source| which(source.into_inner())),
            how_many: match table.need {
                Some(NeedWord::One) => HowMany::One,
                Some(NeedWord::Every) | None => HowMany::Every,
            },
            outcomes: outcomes.into_iter().flat_map(meant).copied().collect(),
        }))
    }

    fn exemption(&self, table: ExemptionTable) -> Result<Exemption, CriteriaError> {
        if table.reason.get_ref().trim().is_empty() {
            let span = table.reason.span();
            return Err(self.wrong(span, "reason", "is empty: say why, or name the bug"));
        }
        Ok(Exemption {
            source: which(table.source),
            test: table.test.map_or(Which::Any, which),
            reason: table.reason.into_inner(),
            until: table.until.map(|until| self.end_of(&until)).transpose()?,
        })
    }

    /// The moment at which a day is over.
    fn end_of(&self, day: &Spanned<Datetime>) -> Result<Moment, CriteriaError> {
        let wrong = || self.wrong(day.span(), "until", "must be a day, such as 2027-01-31");
        let Datetime {
            date: Some(date),
            time: None,
            offset: None,
        } = day.get_ref()
        else {
            return Err(wrong());
        };
        // What TOML takes for a day is within these numbers' range.
        let number = |number: u8| i8::try_from(number).unwrap_or(i8::MAX);
        let year = i16::try_from(date.year).unwrap_or(i16::MAX);
        let day = Date::new(year, number(date.month), number(date.day)).map_err(|_| wrong())?;
        let end = day.checked_add(1.day()).and_then(|next| next.to_zoned(TimeZone::UTC));
        let end = end.map_err(|_| wrong())?;
        Ok(Moment(end.timestamp().as_microsecond()))
    }
}

fn which(name: String) -> Which {
    if name == "*" { Which::Any } else { Which::Named(name) }
}

fn meant(word: OutcomeWord) -> &'static [Outcome] {
    match word {
        OutcomeWord::Pass => &[Outcome::Pass],
        OutcomeWord::Skipped => &[Outcome::Skipped],
        OutcomeWord::NoTests => &[Outcome::NoTests],
        OutcomeWord::Fail => &[Outcome::Fail],
        OutcomeWord::Good => &[Outcome::Pass, Outcome::Skipped, Outcome::NoTests],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Criteria, String> {
        parse(Path::new("/p/own.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_which_jobs_on_which_series_with_exemptions() {
        let criteria = read(
            r#"
requires = [
    { job = "build", series = ["debian-bookworm", "debian-sid"] },
    { job = "test", series = "debian-bookworm", source = "hello", outcome = ["pass", "skipped"], need = "one" },
    { job = "image", outcome = "good" },
    { link = "consistent" },
]
exempt = [{ source = "hello", test = "upstream", reason = "bug 1", until = 1970-01-01 }, { source = "*", reason = "x" }]
"#,
        )
        .unwrap();
        let jobs = |job, series: &[&str], source, how_many, outcomes: &[Outcome]| {
            Requirement::Jobs(JobRequirement {
                job,
                series: series.iter().map(|series| Series((*series).into())).collect(),
                source,
                how_many,
                outcomes: outcomes.to_vec(),
            })
        };
        let expected = Criteria {
            requires: vec![
                jobs(
                    JobKind::Build,
                    &["debian-bookworm", "debian-sid"],
                    Which::Any,
                    HowMany::Every,
                    &[Outcome::Pass],
                ),
                jobs(
                    JobKind::Test,
                    &["debian-bookworm"],
                    Which::Named("hello".into()),
                    HowMany::One,
                    &[Outcome::Pass, Outcome::Skipped],
                ),
                jobs(
                    JobKind::Image,
                    &[],
                    Which::Any,
                    HowMany::Every,
                    &[Outcome::Pass, Outcome::Skipped, Outcome::NoTests],
                ),
                Requirement::Link(LinkName::new("consistent").unwrap()),
            ],
            exempt: vec![
                Exemption {
                    source: Which::Named("hello".into()),
                    test: Which::Named("upstream".into()),
                    reason: "bug 1".into(),
                    until: Some(Moment(86_400_000_000)),
                },
                Exemption {
                    source: Which::Any,
                    test: Which::Any,
                    reason: "x".into(),
                    until: None,
                },
            ],
        };
        assert_eq!(criteria, expected);
        assert_eq!(read("requires = []").unwrap(), Criteria::default());
        let tables = "[[requires]]\njob = \"build\"\n[[requires]]\nlink = \"current\"\n";
        assert_eq!(read(tables).unwrap().requires.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, parts) in [
            ("", &["requires"][..]),
            ("requires = [\n", &["/p/own.toml:"]),
            ("requires = []\nexcept = []\n", &["/p/own.toml:2:1", "except", "exempt"]),
            (
                "requires = [\n { job = \"test\", serie = \"sid\" }]",
                &["/p/own.toml:2:18", "serie", "series"],
            ),
            (
                "requires = [{ job = \"lint\" }]",
                &["/p/own.toml:1:21", "lint", "build"],
            ),
            (
                "requires = [{ job = \"test\", outcome = \"ok\" }]",
                &["/p/own.toml:1:", "ok", "no_tests"],
            ),
            (
                "requires = [{ job = \"test\", outcome = [\"pass\", 3] }]",
                &["/p/own.toml:1:"],
            ),
            (
                "requires = [{ job = \"test\", outcome = [] }]",
                &["1:13", "`outcome`", "empty"],
            ),
            (
                "requires = [{ series = \"sid\" }]",
                &["/p/own.toml:1:13", "`job`", "`link`"],
            ),
            (
                "requires = [{ job = \"test\", link = \"current\" }]",
                &["1:36", "`link`", "`job`"],
            ),
            (
                "requires = [{ link = \"current\", source = \"x\" }]",
                &["1:13", "`source`", "`link`"],
            ),
            ("requires = [{ link = \"../x\" }]", &["1:22", "`link`", "../x"]),
            (
                "requires = [{ job = \"image\", source = \"x\" }]",
                &["1:39", "`source`"],
            ),
            (
                "requires = []\nexempt = [{ source = \"x\" }]",
                &["/p/own.toml:2:", "reason"],
            ),
            (
                "requires = []\nexempt = [{ source = \"x\", reason = \" \" }]",
                &["2:36", "`reason`", "bug"],
            ),
            (
                "requires = []\nexempt = [{ source = \"x\", reason = \"y\", until = 2027-01-31T00:00:00Z }]",
                &["2:49", "`until`", "2027-01-31"],
            ),
            (
                "requires = []\nexempt = [{ source = \"x\", reason = \"y\", until = \"soon\" }]",
                &["/p/own.toml:2:"],
            ),
        ] {
            let message = read(text).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{text:?}: {message:?} lacks {part:?}");
            }
        }
    }
}
