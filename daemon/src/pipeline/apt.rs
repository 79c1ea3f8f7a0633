//! apt in a testbed: the ticket's repository, build dependencies, and whose fault it is when apt fails.

use std::path::Path;

use preflight_archive::{RefusalKind, RepositoryLabels, TICKET_HOST, ticket_preferences, ticket_source};
use preflight_guest::{Exec, FileMode};

use crate::executor::{JobContext, REPOSITORY, Ran, StepFailure, Testbed};

const SOURCES: &str = "/etc/apt/sources.list.d/preflight-ticket.list";
const KEY: &str = "/etc/apt/keyrings/preflight-ticket.asc";
const PREFERENCES: &str = "/etc/apt/preferences.d/preflight-ticket";
const LISTS: &str = "/var/lib/apt/lists";

/// What a ticket's repository says of itself. The same in all tickets: a layer that one has made serves the next.
pub(super) fn labels() -> RepositoryLabels {
    RepositoryLabels {
        origin: "Preflight".to_owned(),
        label: "ticket".to_owned(),
    }
}

/// Debconf may not ask anything: to have its questions ready before (which takes it longer than dpkg takes to install a small
/// package) changes nothing. The list of such hooks can be emptied by a file only.
const QUIETLY: &str = "echo '#clear DPkg::Pre-Install-Pkgs;' >/run/preflight-apt.conf; \
                       set -- -c /run/preflight-apt.conf \"$@\"; ";

/// `apt-get` as root, without questions and without a terminal.
pub(super) fn apt_get<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Exec {
    command(&format!("{QUIETLY}exec apt-get \"$@\""), arguments)
}

/// `apt-get install` of packages that are all in the ticket's repository.
///
/// An apt that knows nothing but that repository and what is installed is asked first: the archive's lists are what takes
/// most of apt's time. Where it can do as it is told and has nothing to remove, an apt that reads them all would do the same:
/// it prefers the ticket's repository to all others, replaces nothing that fits, and adds something of the archive's only
/// where neither what is installed nor what it was told to install satisfies a dependency. (It even puts in what was built
/// where apt sees no difference to what is installed.) Else the other is asked, and only what that one says is heard: the
/// trial has changed nothing.
pub(super) fn install_from_ticket<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Exec {
    let alone = format!(
        "--reinstall --no-remove -o Dir::Etc::SourceList={SOURCES} -o Dir::Etc::SourceParts=/dev/null \
         -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
    );
    let script = format!(
        "{QUIETLY}apt-get \"$@\" {alone} --simulate >/dev/null 2>&1 && exec apt-get \"$@\" {alone}; \
         exec apt-get \"$@\""
    );
    command(&script, arguments)
}

fn command<'a>(script: &str, arguments: impl IntoIterator<Item = &'a str>) -> Exec {
    let shell = ["sh", "-c", script, "apt-get"];
    let fixed = ["-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"];
    let words = shell.into_iter().chain(fixed).map(str::to_owned);
    Exec::new(words.chain(arguments.into_iter().map(str::to_owned)))
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
}

/// Makes the ticket's repository known to the testbed's apt, above every other: a package of the archive with the same
/// version must not win over what was just built. Its lists are put where `apt-get update` would put them, which takes apt
/// seconds: the signature that it would look at is our own. From then on every apt in the testbed knows what the ticket has,
/// the tests' own too.
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
    for index in ["Packages", "InRelease"] {
        let host_and_path = format!("{TICKET_HOST}/{REPOSITORY}/./{index}");
        let cannot = |error: &dyn std::fmt::Display| {
            StepFailure::Testbed(format!("the ticket's repository cannot be read: {error}"))
        };
        let found = testbed.session.get(&format!("http://{host_and_path}")).await;
        let found = found.map_err(|refusal| cannot(&refusal.reason))?;
        let bytes = tokio::fs::read(&found.path).await.map_err(|error| cannot(&error))?;
        let push = testbed.guest.push_bytes(
            // apt's name for the list of a URL.
            Path::new(LISTS).join(host_and_path.replace('/', "_")),
            &bytes,
            FileMode::PLAIN,
            None,
        );
        testbed.attend("adding the ticket's repository", push).await?;
    }
    Ok(())
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
                | RefusalKind::Gone
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
