//! autopkgtest's way out where a test's dependencies cannot be satisfied with the pins of pockets: those of the pocket that was
//! asked for last are given up, so that all that it has may be used, then those of the one before it. Only tests have that;
//! what a package is built with is what was asked for.

use std::path::Path;

use preflight_core::{PackageSources, Pocket};
use preflight_guest::{Exec, FileMode};

use super::files::{self, PREFERENCES};
use super::telling::Telling;
use crate::executor::{StepFailure, Testbed};

/// A ticket's package sources with fewer pins.
pub(in crate::pipeline) struct Relaxed {
    /// The pocket whose pins have been given up at last.
    pub(in crate::pipeline) pocket: Pocket,
    sources: PackageSources,
}

/// What can be given up, in the order in which it is: each has what those before it have.
fn steps(sources: &PackageSources) -> Vec<Relaxed> {
    let mut left = sources.clone();
    let mut steps = Vec::new();
    for at in (0..left.pockets.len()).rev() {
        let Some(used) = left.pockets.get_mut(at).filter(|used| !used.packages.is_empty()) else {
            continue;
        };
        used.packages.clear();
        steps.push(Relaxed {
            pocket: used.pocket,
            sources: left.clone(),
        });
    }
    steps
}

impl Telling<'_> {
    /// What can be given up, in the order in which it is.
    pub(in crate::pipeline) fn relaxed(&self) -> Vec<Relaxed> {
        steps(self.sources)
    }

    /// Gives up pins in a testbed.
    pub(in crate::pipeline) async fn relax(&self, testbed: &Testbed, to: &Relaxed) -> Result<(), StepFailure> {
        let preferences = self.preferences(&to.sources)?;
        let push = testbed
            .guest
            .push_bytes(Path::new(PREFERENCES), preferences.as_bytes(), FileMode::PLAIN, None);
        testbed.attend("telling apt what to prefer", push).await
    }

    /// The pockets whose pins were given up in a testbed, by what its apt was told. It may be a clone of one in which that was
    /// done for another test.
    pub(in crate::pipeline) async fn given_up(&self, testbed: &Testbed) -> Result<Vec<Pocket>, StepFailure> {
        let steps = self.relaxed();
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let read = Exec::new(["cat", PREFERENCES]);
        let found = testbed.must("reading what apt prefers", read).await?;
        for (at, step) in steps.iter().enumerate() {
            if self.preferences(&step.sources)?.as_bytes() == found {
                return Ok(steps[..=at].iter().map(|step| step.pocket).collect());
            }
        }
        Ok(Vec::new())
    }

    fn preferences(&self, sources: &PackageSources) -> Result<String, StepFailure> {
        files::preferences(sources, &self.known()?)
            .map_err(|error| StepFailure::Testbed(format!("the package sources: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use preflight_core::{AptSuite, PocketUse};

    use super::*;

    #[test]
    fn pins_are_given_up_one_pocket_after_the_other_the_last_first() {
        let used = |pocket, packages: &[&str]| PocketUse {
            pocket,
            suite: AptSuite {
                uri: String::new(),
                suite: String::new(),
                components: vec![],
            },
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        };
        let sources = PackageSources {
            pockets: vec![
                used(Pocket::Backports, &["gcc"]),
                used(Pocket::Updates, &[]),
                used(Pocket::Proposed, &["src:glibc"]),
            ],
            ..PackageSources::default()
        };
        let found: Vec<(Pocket, Vec<bool>)> = steps(&sources)
            .iter()
            .map(|step| {
                let pinned = step.sources.pockets.iter().map(|used| !used.packages.is_empty());
                (step.pocket, pinned.collect())
            })
            .collect();
        assert_eq!(
            found,
            [
                (Pocket::Proposed, vec![true, false, false]),
                (Pocket::Backports, vec![false, false, false])
            ]
        );
        assert!(steps(&PackageSources::default()).is_empty());
    }
}
