//! apt in a testbed: the ticket's repository, build dependencies, and whose fault it is when apt fails.

use std::path::Path;

use preflight_archive::{RefusalKind, RepositoryLabels, ticket_preferences, ticket_source};
use preflight_guest::{Exec, FileMode};

use crate::executor::{JobContext, REPOSITORY, Ran, StepFailure, Testbed};

const SOURCES: &str = "/etc/apt/sources.list.d/preflight-ticket.list";
const KEY: &str = "/etc/apt/keyrings/preflight-ticket.asc";
const PREFERENCES: &str = "/etc/apt/preferences.d/preflight-ticket";

/// What a ticket's repository says of itself. The same in all tickets: a layer that one has made serves the next.
pub(super) fn labels() -> RepositoryLabels {
    RepositoryLabels {
        origin: "Preflight".to_owned(),
        label: "ticket".to_owned(),
    }
}

/// `apt-get` as root, without questions and without a terminal.
pub(super) fn apt_get<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Exec {
    let fixed = ["apt-get", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"];
    Exec::new(fixed.into_iter().chain(arguments))
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
}

/// Makes the ticket's repository known to the testbed's apt, above every other: a package of the archive with the same
/// version must not win over what was just built.
pub(super) async fn add_ticket_repository(context: &JobContext, testbed: &Testbed) -> Result<(), StepFailure> {
    let key = context
        .workshop
        .key
        .public_armored()
        .map_err(|error| StepFailure::Testbed(error.to_string()))?;
    let sources = ticket_source(REPOSITORY, KEY);
    let preferences = ticket_preferences(&labels());
    for (path, content) in [
        (KEY, &key[..]),
        (SOURCES, sources.as_bytes()),
        (PREFERENCES, preferences.as_bytes()),
    ] {
        let push = testbed
            .guest
            .push_bytes(Path::new(path), content, FileMode::PLAIN, None);
        testbed.attend("adding the ticket's repository", push).await?;
    }
    // Only this one: the others' lists are in the image, as they were when it was made.
    let source_list = format!("Dir::Etc::SourceList={SOURCES}");
    let update = apt_get([
        "update",
        "-o",
        &source_list,
        "-o",
        "Dir::Etc::SourceParts=/dev/null",
        "-o",
        "APT::Get::List-Cleanup=0",
    ]);
    let ran = testbed
        .run(update, context.workshop.limit(|limits| limits.install))
        .await?;
    if ran.is_success() {
        Ok(())
    } else {
        Err(StepFailure::Testbed("the ticket's repository cannot be read".into()))
    }
}

/// Whose fault it is that apt failed: without the archive it can do nothing, and with it the package asks for what there
/// is not.
pub(super) fn blame(testbed: &Testbed, what: &str, ran: Ran) -> StepFailure {
    if ran == Ran::TimedOut {
        return StepFailure::Testbed(format!("{what} took too long"));
    }
    let refusals = testbed.session.refusals();
    let archive = refusals.iter().rev().find(|refusal| {
        matches!(
            refusal.kind,
            RefusalKind::Unverified
                | RefusalKind::Upstream
                | RefusalKind::NetworkForbidden
                | RefusalKind::Unreachable
                | RefusalKind::Internal
        )
    });
    match archive {
        Some(refusal) if refusal.reason.contains(&refusal.url) => {
            StepFailure::Testbed(format!("{what} failed: {}", refusal.reason))
        }
        Some(refusal) => StepFailure::Testbed(format!("{what} failed: {} ({})", refusal.reason, refusal.url)),
        None => StepFailure::package(format!("{what} failed")),
    }
}
