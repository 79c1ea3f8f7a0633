//! Asks a testbed's apt what it would fetch. Nothing is installed, and nothing is fetched into the testbed.

use std::path::Path;

use preflight_core::Outcome;
use preflight_debian::PackageName;
use preflight_guest::{Exec, FileMode};
use preflight_protocol::prefetch::Missing;
use preflight_store::LogStream;

use super::super::{apt, package_sources};
use super::answers::{self, NamedFile};
use super::questions::Question;
use crate::executor::{BootImage, JobContext, StepFailure, Testbed};

/// What apt has answered so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What it would fetch.
    pub(super) files: Vec<NamedFile>,
    /// What it cannot do.
    pub(super) missing: Vec<Missing>,
}

/// Leases a testbed whose apt knows what a ticket's testbeds of this image know.
pub(super) async fn testbed(context: &JobContext, image: &BootImage) -> Result<Testbed, StepFailure> {
    context.phase("starting a testbed", None);
    let session = context.session(image, None)?;
    let testbed = match package_sources::Telling::of(context, image) {
        Some(telling) => {
            let layer = telling.layer().layer;
            context.prepared(image, None, layer, session, &telling).await?.testbed
        }
        None => context.testbed(image, session).await?,
    };
    // To say what it would fetch, apt fetches nothing.
    testbed.session.seal();
    Ok(testbed)
}

/// Asks all questions.
pub(super) async fn ask(
    context: &JobContext,
    testbed: &Testbed,
    questions: Vec<Question>,
    answers: &mut Answers,
) -> Result<(), StepFailure> {
    let mut open: Vec<Question> = questions;
    open.reverse();
    while let Some(question) = open.pop() {
        context.phase(&format!("asking apt for {}", question.about), None);
        for (path, content) in &question.files {
            let push = testbed
                .guest
                .push_bytes(Path::new(path), content, FileMode::PLAIN, None);
            testbed.attend("copying a control file", push).await?;
        }
        let words = ["--print-uris"]
            .into_iter()
            .chain(question.words.iter().map(String::as_str));
        let asking = testbed.guest.output(apt::apt_get(words));
        let said = testbed.attend("asking apt", asking).await?;
        if said.is_success() && !said.is_cut {
            let files = answers::files(&said.stdout);
            context
                .log
                .say(&format!("preflight: {}: {} packages", question.about, files.len()));
            answers.files.extend(files);
            continue;
        }
        let why = match said.is_cut {
            true => "apt names more packages than are read".to_owned(),
            false => answers::complaint(&said.stdout, &said.stderr),
        };
        context.log.output(LogStream::Stdout, &said.stdout);
        context.log.output(LogStream::Stderr, &said.stderr);
        context
            .log
            .say(&format!("preflight: {}: {}: {why}", question.about, Outcome::Fail));
        if question.otherwise.is_empty() {
            answers.missing.push(Missing {
                what: question.about,
                reason: why,
            });
        }
        open.extend(question.otherwise.into_iter().rev());
    }
    Ok(())
}

/// Those of the packages that the testbed's apt could install.
pub(super) async fn known(testbed: &Testbed, packages: &[PackageName]) -> Result<Vec<String>, StepFailure> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let command = ["apt-cache", "policy"].into_iter();
    let command = command.chain(packages.iter().map(PackageName::as_str));
    let asking = testbed.guest.output(Exec::new(command).env("LC_ALL", "C.UTF-8"));
    let said = testbed.attend("asking apt what it knows", asking).await?;
    Ok(answers::candidates(&said.stdout))
}
