//! Builds a source package: dependencies by the testbed's own apt, then, sealed from the archive, `dpkg-buildpackage` as an
//! unprivileged user. What it made is kept, and published in the ticket's repository for the builds that need it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use preflight_archive::{ArchiveError, Publication, TicketRepository};
use preflight_core::{Artifact, ArtifactRecord, Ending, Sha256, Ticket};
use preflight_debian::{BinaryPackage, Keyring, PackageName, Sha256Digest, SignaturePolicy, SourcePackage};
use preflight_guest::{Exec, ExitStatus};
use preflight_report::findings;
use preflight_vm_images::Variant;

use super::artifacts::ClaimError;
use super::results::{self, Part};
use super::tree::{self, TREE, WORK};
use super::{apt, artifacts, built_tree, package_sources, stage};
use crate::executor::{JobContext, LayerSpec, Prepare, Ran, Scene, StepFailure, Testbed, describe, repository};
use crate::services::JobReport;

/// The largest file that a build may leave.
const LARGEST_ARTIFACT: u64 = 8 << 30;
/// The most files that a build may leave; the largest sources of the archive make some hundreds.
const MOST_ARTIFACTS: usize = 2000;
/// How a ticket's repository is laid out: another layout is another layer.
const LAYOUT: &str = "a pool by digest";
pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let ticket = &context.order.ticket;
    let image = context.base(Variant::Build)?;
    let repository = repository(&context.order.folder);
    publish_given(context, &repository)?;
    let earlier = !ticket.artifacts.is_empty();
    let session = context.session(&image, earlier.then_some(repository.as_path()))?;
    let user = image.user();
    let staged = context.staged()?;
    let dsc = source_package(&staged)?;
    context.lock_head(&image, Some(&dsc))?;

    context.phase("starting a testbed", None);
    let layer = LayerSpec {
        title: format!("build dependencies of {}", dsc.dsc.source.as_str()),
        contents: dependencies(context, &dsc),
    };
    let preparation = Dependencies {
        context,
        dsc: &dsc.dsc_path,
    };
    let telling = package_sources::Telling::of(context, &image);
    let before = telling.as_ref().map(package_sources::Telling::layer);
    let prepared = context.prepared(&image, before, layer, session, &preparation).await?;
    let testbed = prepared.testbed;
    context.phase("unpacking the source", None);
    let below = prepared
        .layer
        .map_or_else(|| image.name(), |layer| layer.id().to_string());
    // Without layers nothing tells a replay's testbed from another one.
    let below = context
        .replay_word()
        .map_or(below.clone(), |word| format!("{below}, {word}"));
    tree::make(context, &testbed, &dsc, &below).await?;
    testbed.session.seal();
    context.lock(&testbed.session);

    context.phase("building", None);
    let built = build(context, &testbed, TREE, user, &["--build=binary"]).await;
    if let Err(failure @ StepFailure::Package { .. }) = built {
        let scene = Scene {
            cwd: Some(TREE.to_owned()),
            user: Some(user.to_owned()),
            env: environment(context),
        };
        context.keep_failed(testbed, scene).await;
        return Err(failure);
    }
    built?;

    context.phase("keeping what was built", Some(0.95));
    keep_artifacts(context, &testbed).await?;
    built_tree::keep(context, &testbed).await?;
    // It goes while its packages are published.
    testbed.release(context);
    publish(context, &repository)?;
    for pool in &context.order.pool {
        publish(context, pool)?;
    }
    Ok(Ending::pass())
}

pub(super) fn source_package(staged: &Path) -> Result<SourcePackage, StepFailure> {
    let broken = |error: &dyn std::fmt::Display| StepFailure::Testbed(format!("the staged source: {error}"));
    let dsc = stage::dsc(&staged.join(stage::PACKAGE)).map_err(|error| broken(&error))?;
    SourcePackage::open(&dsc, &Keyring::default(), SignaturePolicy::Ignore).map_err(|error| broken(&error))
}

/// All that decides what is installed for a build.
fn dependencies(context: &JobContext, package: &SourcePackage) -> Vec<String> {
    let mut parts = vec!["build dependencies".to_owned()];
    parts.extend(package.dsc.build_relations.iter().cloned());
    parts.extend(packages(&context.order.ticket));
    parts
}

/// What a ticket has built so far, by name and digest: what its repository holds.
pub(super) fn packages(ticket: &Ticket) -> Vec<String> {
    let debs = ticket
        .artifacts
        .iter()
        .filter(|record| record.artifact.name.ends_with(".deb"));
    let mut parts: Vec<String> = debs
        .map(|record| format!("{} {}", record.artifact.name, record.artifact.sha256))
        .collect();
    parts.sort();
    // Layers hold apt's lists of the repository, and those say where in it a package is.
    parts.extend((!parts.is_empty()).then(|| LAYOUT.to_owned()));
    parts
}

/// What a `.dsc` build-depends on, in a testbed.
struct Dependencies<'a> {
    context: &'a JobContext,
    dsc: &'a Path,
}

#[async_trait]
impl Prepare for Dependencies<'_> {
    type Error = StepFailure;

    async fn prepare(&self, testbed: &Testbed) -> Result<(), StepFailure> {
        if !self.context.order.ticket.artifacts.is_empty() {
            apt::add_ticket_repository(self.context, testbed).await?;
        }
        let name = self.dsc.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let there = format!("/run/{name}");
        let push = testbed.guest.push_file(self.dsc, &there, None);
        testbed.attend("copying the .dsc", push).await?;
        install_build_dependencies(self.context, testbed, &there).await
    }
}

/// Installs what the source build-depends on, by the testbed's own apt.
pub(super) async fn install_build_dependencies(
    context: &JobContext,
    testbed: &Testbed,
    tree: &str,
) -> Result<(), StepFailure> {
    context.phase("installing build dependencies", None);
    let part = part(context);
    let ran = testbed
        .run(
            apt::apt_get(["build-dep", tree]),
            context.workshop.limit(|limits| limits.install),
        )
        .await?;
    context.lock(&testbed.session);
    if ran.is_success() {
        return Ok(());
    }
    Err(match apt::blame(testbed, "installing build dependencies", ran) {
        StepFailure::Package { reason, .. } => StepFailure::Package {
            reason,
            first_error: results::first_error(context, findings::JobKind::Build, ending_of(ran), part),
        },
        testbed => testbed,
    })
}

/// Runs `dpkg-buildpackage`.
pub(super) async fn build(
    context: &JobContext,
    testbed: &Testbed,
    tree: &str,
    user: &str,
    what: &[&str],
) -> Result<(), StepFailure> {
    let command: Vec<&str> = ["dpkg-buildpackage", "--unsigned-source", "--unsigned-changes"]
        .iter()
        .chain(what)
        .copied()
        .collect();
    context
        .log
        .say(&format!("preflight: {user} runs {} in {tree}", command.join(" ")));
    let part = part(context);
    let mut exec = Exec::new(command).user(user).cwd(tree).kill_leftovers();
    for (name, value) in environment(context) {
        exec = exec.env(name, value);
    }
    let ran = testbed.run(exec, context.build_limit()).await?;
    testbed.settle().await;
    let reason = match ran {
        Ran::Ended(ExitStatus::Code(0)) => return Ok(()),
        Ran::Ended(status) => format!("dpkg-buildpackage: {}", describe(status)),
        Ran::TimedOut => format!("the build took longer than {} s", context.build_limit().as_secs()),
    };
    let first_error = match testbed.network_attempt(part.line) {
        Some(attempt) => Some(context.first_error(attempt.line, attempt.text.clone())),
        None => results::first_error(context, findings::JobKind::Build, ending_of(ran), part),
    };
    Err(StepFailure::Package { reason, first_error })
}

/// The environment of a build.
fn environment(context: &JobContext) -> Vec<(String, String)> {
    let parallel = format!("parallel={}", context.workshop.settings.cpus);
    [
        // As sbuild has it: a build that writes there would not build on the archive's machines.
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C.UTF-8"),
        ("DEB_BUILD_OPTIONS", &parallel),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The log from here on.
pub(super) fn part(context: &JobContext) -> Part {
    Part {
        offset: context.log.size(),
        line: context.log.line(),
    }
}

pub(super) fn ending_of(ran: Ran) -> findings::Ending<'static> {
    match ran {
        Ran::Ended(_) => findings::Ending::Failed,
        Ran::TimedOut => findings::Ending::TimedOut,
    }
}

/// Copies what the build left into the ticket's artifacts.
async fn keep_artifacts(context: &JobContext, testbed: &Testbed) -> Result<(), StepFailure> {
    let list = Exec::new(["find", WORK, "-maxdepth", "1", "-type", "f", "-printf", "%f\\0"]);
    let listed = testbed.must("listing what was built", list).await?;
    let mut names: Vec<String> = listed
        .split(|&byte| byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| is_artifact(name))
        .map(str::to_owned)
        .collect();
    names.sort();
    if names.len() > MOST_ARTIFACTS {
        return Err(StepFailure::package(format!(
            "the build left more than {MOST_ARTIFACTS} files"
        )));
    }
    if !names.iter().any(|name| name.ends_with(".deb")) {
        return Err(StepFailure::package("the build made no package"));
    }
    let folder = context.order.folder.artifacts();
    let described = |job| artifacts::source_of(&context.order.ticket, job);
    artifacts::claim(&folder, context.order.job, &names, described).map_err(|error| match error {
        ClaimError::Taken { .. } => StepFailure::package(error.to_string()),
        ClaimError::Io { .. } => StepFailure::Testbed(error.to_string()),
    })?;
    for name in names {
        let path = folder.join(&name);
        let pull = testbed
            .guest
            .pull_file(format!("{WORK}/{name}"), &path, LARGEST_ARTIFACT);
        testbed.attend(&format!("copying {name}"), pull).await?;
        if name.ends_with(".deb") {
            BinaryPackage::open(&path)
                .map_err(|error| StepFailure::package(format!("{name} is no package: {error}")))?;
        }
        let (sha256, size) = Sha256Digest::of_file(&path).map_err(|error| StepFailure::Testbed(error.to_string()))?;
        let artifact = Artifact {
            name,
            sha256: Sha256(*sha256.as_bytes()),
            size,
            path,
        };
        context.report(JobReport::Artifact(artifact));
    }
    Ok(())
}

/// Names that dpkg gives: `package_version_architecture.deb` and its like, and nothing that could leave the folder.
fn is_artifact(name: &str) -> bool {
    const ENDS: [&str; 5] = [".deb", ".ddeb", ".udeb", ".buildinfo", ".changes"];
    let package = name.split('_').next().unwrap_or_default();
    ENDS.iter().any(|end| name.ends_with(end))
        && package.parse::<PackageName>().is_ok()
        && name.len() <= 255
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.~_:".contains(&byte))
}

/// Publishes the packages that a lone job of a replay is given in the place of what jobs before it would have made.
pub(super) fn publish_given(context: &JobContext, repository: &Path) -> Result<(), StepFailure> {
    let ticket = &context.order.ticket;
    let is_given = |record: &ArtifactRecord| ticket.job(record.job).is_none();
    match ticket.artifacts.iter().any(is_given) {
        true => publish(context, repository),
        false => Ok(()),
    }
}

/// Publishes all packages of the ticket so far in a repository.
fn publish(context: &JobContext, repository: &Path) -> Result<(), StepFailure> {
    let cannot = |error: &dyn std::fmt::Display| {
        StepFailure::Testbed(format!("the ticket's repository {}: {error}", repository.display()))
    };
    let repository = TicketRepository::at(repository);
    // Another source's build may publish at the same time: who comes second finds the packages of both.
    let writer = repository.writer().map_err(|error| cannot(&error))?;
    let folder = context.order.folder.artifacts();
    let mut debs: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(|error| cannot(&error))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    debs.sort();
    let published = writer.publish(&Publication {
        debs: &debs,
        labels: &apt::labels(),
        key: &context.workshop.key,
        at: SystemTime::now(),
        by: &format!("job {}", context.order.job),
    });
    match published {
        Ok(_) => Ok(()),
        // What no repository could hold, no archive would take.
        Err(error @ (ArchiveError::SameName { .. } | ArchiveError::Package(_))) => {
            Err(StepFailure::package(error.to_string()))
        }
        Err(error) => Err(cannot(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_dpkg_gives_are_artifacts() {
        for name in [
            "hello_2.10-3_amd64.deb",
            "g++-12_12.2.0-14+deb12u1_amd64.deb",
            "a1_1:2~x_all.udeb",
            "x1_1_amd64.buildinfo",
        ] {
            assert!(is_artifact(name), "{name}");
        }
        for name in [
            "",
            "hello.tar.gz",
            "../x_1_all.deb",
            "a b_1_all.deb",
            ".x_1_all.deb",
            "x1_1\n_all.deb",
            "_1_all.deb",
            "hello",
        ] {
            assert!(!is_artifact(name), "{name}");
        }
    }
}
