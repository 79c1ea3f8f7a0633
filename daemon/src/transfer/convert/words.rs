//! Words of the bundle for the daemon's own, and back.

use preflight_bundle as bundle;
use preflight_core as core;

/// Both directions of one table. A value that has no word is found by the compiler.
macro_rules! words {
    ($($to:ident, $from:ident: $name:ident { $($word:ident),* })*) => {$(
        pub(super) fn $to(word: core::$name) -> bundle::$name {
            match word { $(core::$name::$word => bundle::$name::$word),* }
        }

        pub(super) fn $from(word: bundle::$name) -> core::$name {
            match word { $(bundle::$name::$word => core::$name::$word),* }
        }
    )*};
}

words! {
    to_outcome, from_outcome: Outcome { Pass, Fail, Skipped, NoTests, BadPackage, TestbedBroken, Cancelled }
    to_test_status, from_test_status: TestStatus { Pass, Fail, Skip, Flaky }
    to_keep_failed, from_keep_failed: KeepFailed { Never, Newest, Always }
    to_internet, from_internet: InternetPolicy { Skip, Try, Run }
    to_baseline, from_baseline: BaselinePolicy { Never, Failed, All }
    to_purpose, from_purpose: Purpose { Asked, Repeat, Baseline }
    to_priority, from_priority: Priority { Interactive, Normal, Background }
}

pub(super) fn to_image_kind(kind: core::ImageKind) -> bundle::ImageKind {
    match kind {
        core::ImageKind::Base => bundle::ImageKind::Base,
        core::ImageKind::BaseBuild => bundle::ImageKind::BaseBuild,
        core::ImageKind::Ticket => bundle::ImageKind::Ticket,
    }
}

/// The kinds of jobs that a ticket with sources has.
const KINDS: [core::JobKind; 6] = [
    core::JobKind::Snapshot,
    core::JobKind::BaseImage,
    core::JobKind::Source,
    core::JobKind::Build,
    core::JobKind::Image,
    core::JobKind::Test,
];

pub(super) fn to_kind(kind: core::JobKind) -> bundle::JobKind {
    bundle::JobKind(kind.key().to_owned())
}

pub(super) fn from_kind(kind: &bundle::JobKind) -> Option<core::JobKind> {
    KINDS.into_iter().find(|known| known.key() == kind.0)
}

/// None for what has not ended.
pub(super) fn to_status(status: core::TicketStatus) -> Option<bundle::Status> {
    match status {
        core::TicketStatus::Complete => Some(bundle::Status::Complete),
        core::TicketStatus::Failed => Some(bundle::Status::Failed),
        core::TicketStatus::Cancelled => Some(bundle::Status::Cancelled),
        core::TicketStatus::Waiting | core::TicketStatus::Queued | core::TicketStatus::Running => None,
    }
}

pub(super) fn from_status(status: bundle::Status) -> core::TicketStatus {
    match status {
        bundle::Status::Complete => core::TicketStatus::Complete,
        bundle::Status::Failed => core::TicketStatus::Failed,
        bundle::Status::Cancelled => core::TicketStatus::Cancelled,
    }
}

/// None for what has not ended.
pub(super) fn to_state(state: core::JobState) -> Option<bundle::JobState> {
    match state {
        core::JobState::Passed => Some(bundle::JobState::Passed),
        core::JobState::Failed => Some(bundle::JobState::Failed),
        core::JobState::Cancelled => Some(bundle::JobState::Cancelled),
        core::JobState::Skipped => Some(bundle::JobState::Skipped),
        core::JobState::Queued | core::JobState::Running => None,
    }
}

pub(super) fn from_state(state: bundle::JobState) -> core::JobState {
    match state {
        bundle::JobState::Passed => core::JobState::Passed,
        bundle::JobState::Failed => core::JobState::Failed,
        bundle::JobState::Cancelled => core::JobState::Cancelled,
        bundle::JobState::Skipped => core::JobState::Skipped,
    }
}
