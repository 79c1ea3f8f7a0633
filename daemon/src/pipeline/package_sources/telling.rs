//! Tells a testbed's apt of a ticket's package sources, and brings the testbed up to what they have: once, as a layer that all
//! testbeds of the same sources start from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use preflight_archive::{ArchiveError, ArchiveStateId};
use preflight_core::{PackageSources, Sha256};
use preflight_guest::{Exec, FileMode};
use preflight_report::findings;

use super::files::{self, ADDED_SOURCES, Known};
use super::words::words;
use crate::executor::{Before, BootImage, JobContext, LayerSpec, Prepare, StepFailure, Testbed};
use crate::mounted::MountedRepositories;
use crate::pipeline::{apt, build, results};

/// Changes with what [`Telling`] does to a testbed.
const GENERATION: &str = "package sources, generation 3";

/// What a testbed's apt is told.
pub(in crate::pipeline) struct Telling<'a> {
    context: &'a JobContext,
    pub(super) sources: &'a PackageSources,
    /// The keys that the archive is judged by, on the host.
    keyring: PathBuf,
}

impl<'a> Telling<'a> {
    /// What testbeds of an image are to be told; nothing where the ticket wants the archive as the image has it.
    pub(in crate::pipeline) fn of(context: &'a JobContext, image: &BootImage) -> Option<Self> {
        let sources = &context.order.ticket.options.sources;
        (!sources.is_plain()).then(|| Self {
            context,
            sources,
            keyring: context.workshop.keyring(&image.base).unwrap_or_default(),
        })
    }

    /// As a layer.
    pub(in crate::pipeline) fn layer(&self) -> Before<'_> {
        Before {
            layer: LayerSpec {
                title: "package sources".to_owned(),
                contents: [vec![GENERATION.to_owned()], words(self.sources)].concat(),
            },
            preparation: self,
        }
    }

    pub(super) fn known(&self) -> Result<Known, StepFailure> {
        let snapshot = self.sources.snapshot.as_ref();
        let archive_keys = match snapshot {
            None => Vec::new(),
            Some(_) => std::fs::read(&self.keyring).map_err(|error| {
                StepFailure::Testbed(format!("the archive's keyring {}: {error}", self.keyring.display()))
            })?,
        };
        let states = snapshot.map(|one| one.state);
        let states = states
            .into_iter()
            .chain(self.sources.ppas.iter().map(|used| used.state));
        let mut labels = BTreeMap::new();
        for Sha256(state) in states {
            let found = self.context.workshop.archive.suite_labels(ArchiveStateId::new(state));
            labels.extend(found.map_err(|error| StepFailure::Testbed(error.to_string()))?);
        }
        let mounted = MountedRepositories::at(self.context.order.folder.repositories());
        let keys = self.sources.repositories.iter().map(|used| mounted.key(used));
        let repository_keys: Result<_, ArchiveError> = keys.collect();
        Ok(Known {
            archive_keys,
            labels,
            repository_keys: repository_keys.map_err(|error| StepFailure::Testbed(error.to_string()))?,
        })
    }

    /// apt in a testbed, whose failure is told in the words of `what`.
    async fn apt(&self, testbed: &Testbed, what: &str, words: &[&str]) -> Result<(), StepFailure> {
        let context = self.context;
        context.phase(what, None);
        let part = build::part(context);
        let limit = context.workshop.limit(|limits| limits.install);
        let ran = testbed.run(apt::apt_get(words.iter().copied()), limit).await?;
        if ran.is_success() {
            return Ok(());
        }
        Err(match apt::blame(testbed, what, ran) {
            StepFailure::Package { reason, .. } => StepFailure::Package {
                reason,
                first_error: results::first_error(context, findings::JobKind::Image, build::ending_of(ran), part),
            },
            testbed => testbed,
        })
    }
}

#[async_trait]
impl Prepare for Telling<'_> {
    type Error = StepFailure;

    async fn prepare(&self, testbed: &Testbed) -> Result<(), StepFailure> {
        let cannot = |error: files::FilesError| StepFailure::Testbed(format!("the package sources: {error}"));
        for (path, content) in files::files(self.sources, &self.known()?).map_err(cannot)? {
            let push = testbed
                .guest
                .push_bytes(Path::new(&path), &content, FileMode::PLAIN, None);
            testbed.attend("telling apt where packages come from", push).await?;
        }
        let reading = "reading the archive's indices";
        if self.sources.snapshot.is_some() {
            // apt would ask for what is newer than what the image has, and a snapshot may be older.
            let forget = Exec::new(["sh", "-ec", "rm -rf /var/lib/apt/lists/*"]);
            testbed.must("forgetting the image's indices", forget).await?;
            self.apt(testbed, reading, &["update", "--error-on=any"]).await?;
        } else {
            // The archive is as the image knows it.
            let only = format!("Dir::Etc::SourceList={ADDED_SOURCES}");
            let words = [
                "update",
                "--error-on=any",
                "--no-list-cleanup",
                "-o",
                only.as_str(),
                "-o",
                "Dir::Etc::SourceParts=/dev/null",
            ];
            self.apt(testbed, reading, &words).await?;
        }
        let PackageSources {
            snapshot: _,
            pockets,
            ppas,
            repositories,
        } = self.sources;
        if pockets.is_empty() && ppas.is_empty() && repositories.is_empty() {
            return Ok(());
        }
        // What is to come from a pocket or a PPA may be installed already, and nothing else would ever replace it. It is what
        // autopkgtest's `--apt-upgrade` does; conffiles that nobody has changed are replaced without a word. What another ticket
        // has built, or a PPA with a priority above 1000 has, may be older than what is there; nothing else is ever downgraded.
        let upgrade = [
            "dist-upgrade",
            "--allow-downgrades",
            "-o",
            "Dpkg::Options::=--force-confnew",
        ];
        self.apt(testbed, "upgrading to what the package sources have", &upgrade)
            .await
    }
}
