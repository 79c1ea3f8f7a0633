//! How enums and numbers stand in the database. Words that are there already are never changed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_core::{
    BaselinePolicy, ExitCode, ImageKind, InternetPolicy, JobKind, JobState, KeepFailed, Outcome, Priority, Purpose,
    TestStatus, TicketStatus, WorkflowStep,
};

use crate::error::StoreError;

/// An enum and its words in the database.
pub(crate) trait Word: Copy + PartialEq + 'static {
    const WHAT: &'static str;
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, word)| word)
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        let found = Self::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(value, _)| *value).ok_or_else(|| nonsense(Self::WHAT, word))
    }
}

pub(crate) fn nonsense(what: &'static str, found: impl ToString) -> StoreError {
    StoreError::Nonsense {
        what,
        found: found.to_string(),
    }
}

macro_rules! words {
    ($($kind:ident, $what:literal: $($value:ident $word:literal),*;)*) => {$(
        impl Word for $kind {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(Self, &'static str)] = &[$((Self::$value, $word)),*];
        }

        // A value that has no word is found by the compiler.
        const _: fn($kind) = |value| match value { $($kind::$value => (),)* };
    )*};
}

words! {
    JobKind, "a job's kind":
        Snapshot "snapshot", BaseImage "base_image", Prefetch "prefetch", Source "source", Build "build", Image "image",
        Test "test";
    JobState, "a job's state":
        Queued "queued", Running "running", Passed "passed", Failed "failed", Cancelled "cancelled", Skipped "skipped";
    Outcome, "an outcome":
        Pass "pass", Fail "fail", Skipped "skipped", NoTests "no_tests", BadPackage "bad_package",
        TestbedBroken "testbed_broken", Cancelled "cancelled";
    TestStatus, "a test's status":
        Pass "PASS", Fail "FAIL", Skip "SKIP", Flaky "FLAKY";
    TicketStatus, "a ticket's status":
        Waiting "waiting", Queued "queued", Running "running", Complete "complete", Failed "failed",
        Cancelled "cancelled";
    KeepFailed, "which failed testbeds are kept":
        Never "never", Newest "newest", Always "always";
    Purpose, "what a test is run once more for":
        Asked "asked", Repeat "repeat", Baseline "baseline";
    Priority, "a priority":
        Interactive "interactive", Normal "normal", Background "background";
    InternetPolicy, "what becomes of tests that want the internet":
        Skip "skip", Try "try", Run "run";
    BaselinePolicy, "which tests have a baseline":
        Never "never", Failed "failed", All "all";
    ImageKind, "an image's kind":
        Base "base", BaseBuild "base_build", Ticket "ticket";
    WorkflowStep, "a workflow step":
        Queued "100", PackageBuilding "200", ImageBuilding "300", ImageTesting "400", PackagePublishing "500",
        Failed "999", Complete "1000";
}

pub(crate) fn exit_code(code: i64) -> Result<ExitCode, StoreError> {
    let known = u8::try_from(code).ok().and_then(|code| ExitCode::try_from(code).ok());
    known.ok_or_else(|| nonsense("an exit code", code))
}

/// SQLite's integers have a sign; nothing that is counted here gets so far.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(crate) fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) fn duration(microseconds: i64) -> Duration {
    Duration::from_micros(unsigned(microseconds))
}

pub(crate) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(crate) fn path(bytes: Vec<u8>) -> PathBuf {
    OsStr::from_bytes(&bytes).into()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn round_trip<W: Word + Debug>() {
        for (value, word) in W::WORDS {
            assert_eq!(value.word(), *word);
            assert_eq!(W::read(word).unwrap(), *value);
        }
        assert!(matches!(W::read("?"), Err(StoreError::Nonsense { .. })));
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        round_trip::<JobKind>();
        round_trip::<JobState>();
        round_trip::<Outcome>();
        round_trip::<TestStatus>();
        round_trip::<TicketStatus>();
        round_trip::<KeepFailed>();
        round_trip::<Priority>();
        round_trip::<InternetPolicy>();
        round_trip::<ImageKind>();
        round_trip::<WorkflowStep>();
    }
}
