//! A ticket's package sources, told to a testbed's apt: the snapshot's suites in the place of the image's own. Done once and
//! shared, as a layer, by all testbeds of the same sources.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use preflight_core::{AptSuite, PackageSources};
use preflight_guest::{Exec, FileMode};
use preflight_report::findings;

use super::{apt, build, results};
use crate::executor::{Before, BootImage, JobContext, LayerSpec, Prepare, StepFailure, Testbed};

/// Changes with what [`Telling`] does to a testbed.
const GENERATION: &str = "package sources, generation 1";
/// Where an image has its sources: all of them, as lines (sources.list(5)).
const SOURCES: &str = "/etc/apt/sources.list";
/// The keys that the snapshot was judged by; apt goes by the suffix.
const KEYRING: &str = "/etc/apt/keyrings/preflight-archive";

/// What a testbed's apt is told.
pub(super) struct Telling<'a> {
    context: &'a JobContext,
    sources: &'a PackageSources,
    /// The keys that the archive is judged by, on the host.
    keyring: PathBuf,
}

impl<'a> Telling<'a> {
    /// What testbeds of an image are to be told; nothing where the ticket wants the archive as the image has it.
    pub(super) fn of(context: &'a JobContext, image: &BootImage) -> Option<Self> {
        let sources = &context.order.ticket.options.sources;
        (!sources.is_plain()).then(|| Self {
            context,
            sources,
            keyring: context.workshop.keyring(&image.base).unwrap_or_default(),
        })
    }

    /// As a layer.
    pub(super) fn layer(&self) -> Before<'_> {
        Before {
            layer: LayerSpec {
                title: "package sources".to_owned(),
                contents: [vec![GENERATION.to_owned()], words(self.sources)].concat(),
            },
            preparation: self,
        }
    }

    /// What is to be where in a testbed.
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>, StepFailure> {
        let keys = std::fs::read(&self.keyring).map_err(|error| {
            StepFailure::Testbed(format!("the archive's keyring {}: {error}", self.keyring.display()))
        })?;
        let is_text = keys.starts_with(b"-----BEGIN");
        let keyring = format!("{KEYRING}.{}", if is_text { "asc" } else { "gpg" });
        let suites = self.sources.snapshot.iter().flat_map(|snapshot| &snapshot.suites);
        let lines: String = suites.map(|suite| line(suite, Some(&keyring))).collect();
        Ok(vec![(keyring, keys), (SOURCES.to_owned(), lines.into_bytes())])
    }
}

/// All that decides what a testbed's apt knows: two tickets with the same words see the same archive.
pub(super) fn words(sources: &PackageSources) -> Vec<String> {
    let snapshot = sources.snapshot.iter();
    let mut words: Vec<String> = snapshot.clone().map(|one| format!("snapshot {}", one.state)).collect();
    words.extend(snapshot.flat_map(|one| &one.suites).map(|suite| line(suite, None)));
    words
}

/// A line of sources.list(5).
fn line(suite: &AptSuite, signed_by: Option<&str>) -> String {
    let options = signed_by.map_or_else(String::new, |key| format!("[signed-by={key}] "));
    let AptSuite { uri, suite, components } = suite;
    format!("deb {options}{uri} {suite} {}\n", components.join(" "))
}

#[async_trait]
impl Prepare for Telling<'_> {
    type Error = StepFailure;

    async fn prepare(&self, testbed: &Testbed) -> Result<(), StepFailure> {
        let context = self.context;
        context.phase("reading the archive's indices", None);
        for (path, content) in self.files()? {
            let push = testbed
                .guest
                .push_bytes(Path::new(&path), &content, FileMode::PLAIN, None);
            testbed.attend("telling apt where packages come from", push).await?;
        }
        // apt would ask for what is newer than what the image has, and a snapshot may be older.
        let forget = Exec::new(["sh", "-ec", "rm -rf /var/lib/apt/lists/*"]);
        testbed.must("forgetting the image's indices", forget).await?;
        let part = build::part(context);
        let limit = context.workshop.limit(|limits| limits.install);
        let ran = testbed.run(apt::apt_get(["update", "--error-on=any"]), limit).await?;
        if ran.is_success() {
            return Ok(());
        }
        Err(match apt::blame(testbed, "reading the archive's indices", ran) {
            StepFailure::Package { reason, .. } => StepFailure::Package {
                reason,
                first_error: results::first_error(context, findings::JobKind::Image, build::ending_of(ran), part),
            },
            testbed => testbed,
        })
    }
}

#[cfg(test)]
mod tests {
    use preflight_core::{PinnedSnapshot, Sha256};

    use super::*;

    #[test]
    fn lines_are_apts() {
        let suite = AptSuite {
            uri: "http://mirror.example/debian".into(),
            suite: "bookworm".into(),
            components: vec!["main".into(), "contrib".into()],
        };
        let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
        assert_eq!(
            line(&suite, Some(key)),
            format!("deb [signed-by={key}] http://mirror.example/debian bookworm main contrib\n")
        );
        assert_eq!(
            line(&suite, None),
            "deb http://mirror.example/debian bookworm main contrib\n"
        );
    }

    #[test]
    fn another_snapshot_is_another_layer() {
        let sources = |state| PackageSources {
            snapshot: Some(PinnedSnapshot {
                name: String::new(),
                state: Sha256([state; 32]),
                suites: vec![],
            }),
            ..PackageSources::default()
        };
        assert_ne!(words(&sources(1)), words(&sources(2)));
        assert!(words(&PackageSources::default()).is_empty());
    }
}
