//! What must be true of a ticket before a link may point at its repository. Plain data: who reads it from a file and who
//! evaluates it are others.

use super::link::LinkName;
use crate::ids::{Moment, Series};
use crate::job::JobKind;
use crate::result::Outcome;

/// What a link wants. Without any requirement it takes every ticket that has a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria {
    /// All of them must be met.
    pub requires: Vec<Requirement>,
    /// Tests whose results do not count.
    pub exempt: Vec<Exemption>,
}

/// One thing that must be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// Jobs must have ended well.
    Jobs(JobRequirement),
    /// The same state of the repository must have been promoted to that link before, and not rolled back.
    Link(LinkName),
}

/// Jobs that must have ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequirement {
    /// What they do.
    pub job: JobKind,
    /// On which series; none named means that of the ticket. For a series that is not the ticket's own, the newest
    /// ticket of the same sources in the same versions speaks.
    pub series: Vec<Series>,
    /// Of which sources; without a meaning for jobs that are done for the whole ticket, such as the image.
    pub source: Which,
    /// Whether all of them must have ended so, or one.
    pub how_many: HowMany,
    /// The outcomes that are good enough.
    pub outcomes: Vec<Outcome>,
}

/// One, or all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Which {
    /// All; `*` in files.
    #[default]
    Any,
    /// The one of this name.
    Named(String),
}

impl Which {
    /// Whether it means this one.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(named) => named == name,
        }
    }
}

/// How many of several jobs must have ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HowMany {
    /// Every one.
    #[default]
    Every,
    /// One at least.
    One,
}

/// A test whose result does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// Of which source.
    pub source: Which,
    /// Which of its tests.
    pub test: Which,
    /// Why, for whoever reads the file.
    pub reason: String,
    /// The moment from which on its result counts again; never where there is none.
    pub until: Option<Moment>,
}

impl Exemption {
    /// Whether it still counts.
    #[must_use]
    pub fn is_valid(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it is about this test.
    #[must_use]
    pub fn is_about(&self, source: &str, test: &str) -> bool {
        self.source.is(source) && self.test.is(test)
    }
}

const GOOD: [Outcome; 3] = [Outcome::Pass, Outcome::Skipped, Outcome::NoTests];

impl Criteria {
    /// The links that need no file.
    pub const BUILT_IN: [&'static str; 3] = ["current", "consistent", "tested"];

    /// The criteria of a link that has no file: `current` wants that something was built, `consistent` that all was,
    /// `tested` that all was built and installed, and no test failed.
    #[must_use]
    pub fn built_in(link: &LinkName) -> Option<Self> {
        let jobs = |job, how_many, outcomes: &[Outcome]| {
            Requirement::Jobs(JobRequirement {
                job,
                series: vec![],
                source: Which::Any,
                how_many,
                outcomes: outcomes.to_vec(),
            })
        };
        let built = |how_many| jobs(JobKind::Build, how_many, &[Outcome::Pass]);
        let requires = match link.as_str() {
            "current" => vec![built(HowMany::One)],
            "consistent" => vec![built(HowMany::Every)],
            "tested" => vec![
                built(HowMany::Every),
                jobs(JobKind::Image, HowMany::Every, &[Outcome::Pass]),
                jobs(JobKind::Test, HowMany::Every, &GOOD),
            ],
            _ => return None,
        };
        Some(Self {
            requires,
            exempt: vec![],
        })
    }
}
