//! What subunit's words mean for a ticket, in both versions: a status, tags and files become a test's result.

use preflight_core::TestStatus;

use crate::case::{Attachment, Case};

/// How a test ended, in subunit's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    UnexpectedSuccess,
    Skip,
    Fail,
    ExpectedFailure,
    /// It began, and nothing tells how it ended.
    Lost,
}

impl Status {
    /// Of version 2's number; none for what is no end.
    pub(crate) fn of_number(number: u16) -> Option<Self> {
        match number {
            3 => Some(Self::Success),
            4 => Some(Self::UnexpectedSuccess),
            5 => Some(Self::Skip),
            6 => Some(Self::Fail),
            7 => Some(Self::ExpectedFailure),
            _ => None,
        }
    }

    /// Of version 1's word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "success" | "successful" => Some(Self::Success),
            "uxsuccess" => Some(Self::UnexpectedSuccess),
            "skip" => Some(Self::Skip),
            "failure" | "error" => Some(Self::Fail),
            "xfail" => Some(Self::ExpectedFailure),
            _ => None,
        }
    }
}

/// A test's end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Status,
    pub(crate) is_superficial: bool,
    pub(crate) is_flaky: bool,
    pub(crate) attachments: Vec<Attachment>,
}

impl Ended {
    pub(crate) fn case(self, name: &str) -> Case {
        let why = self.reason();
        let (status, reason) = match self.status {
            Status::Success if self.is_superficial => (TestStatus::Pass, Some("superficial")),
            Status::Success => (TestStatus::Pass, None),
            Status::UnexpectedSuccess => (TestStatus::Fail, Some("unexpected success")),
            Status::Skip => (TestStatus::Skip, why.as_deref()),
            Status::Fail => (TestStatus::Fail, why.as_deref()),
            Status::ExpectedFailure if self.is_flaky => (TestStatus::Flaky, why.as_deref()),
            Status::ExpectedFailure => (TestStatus::Pass, Some("expected failure")),
            Status::Lost => (TestStatus::Fail, Some("nothing tells how it ended")),
        };
        let case = Case::new(name, status, reason);
        Case {
            attachments: self.attachments,
            ..case
        }
    }

    /// What an attachment says: `reason` where it begins, a traceback where it ends.
    fn reason(&self) -> Option<String> {
        let named = |name: &str| self.attachments.iter().find(|file| file.name == name);
        let text = |file: &Attachment| String::from_utf8_lossy(&file.content).into_owned();
        if let Some(reason) = named("reason") {
            return Some(text(reason));
        }
        let traceback = text(named("traceback").or_else(|| named("message"))?);
        let last = traceback.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.map(ToOwned::to_owned)
    }
}
