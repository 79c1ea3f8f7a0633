//! The tree of a source as the ticket's own build has left it, for tests that want a built one. The archive's infrastructure
//! builds it once more, in a testbed of its own that has the build dependencies, and copies it into the tests', which have
//! not; here the build that was needed anyway is that build. It differs in that checks were run, which newer autopkgtests
//! leave out, and in that the tree was built with the packages of the build job's testbed.

use std::io::ErrorKind;
use std::path::Path;

use preflight_debian::Sha256Digest;

use super::{test_plan, tree};
use crate::executor::{JobContext, StepFailure, Testbed};

/// Below a staged source: the packed tree …
const TREE: &str = "built.tar";
/// … and its digest, without which it counts for nothing.
const DIGEST: &str = "built.sha256";
/// All that is kept of a built tree.
pub(crate) const BUILT: [&str; 2] = [TREE, DIGEST];

/// Keeps the tree of a build that has passed, where a test of the source wants it.
pub(super) async fn keep(context: &JobContext, testbed: &Testbed) -> Result<(), StepFailure> {
    let staged = context.staged()?;
    for name in BUILT {
        let file = staged.join(name);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(broken(&file, &error)),
            _ => {}
        }
    }
    let image = testbed.image();
    if !test_plan::wants_build(context, image.architecture())? {
        return Ok(());
    }
    context.phase("keeping the built tree", None);
    let file = staged.join(TREE);
    tree::pack(testbed, &file, image.user()).await?;
    let digesting = {
        let file = file.clone();
        tokio::task::spawn_blocking(move || Sha256Digest::of_file(&file))
    };
    let (digest, size) = match digesting.await {
        Ok(digested) => digested.map_err(|error| StepFailure::Testbed(error.to_string()))?,
        Err(error) => return Err(broken(&file, &error)),
    };
    let named = staged.join(DIGEST);
    std::fs::write(&named, digest.to_string()).map_err(|error| broken(&named, &error))?;
    context
        .log
        .say(&format!("preflight: the built tree is kept for tests: {size} bytes"));
    Ok(())
}

/// Names the built tree of a staged source; none where there is none.
pub(super) fn digest(staged: &Path) -> Result<Option<String>, StepFailure> {
    let file = staged.join(DIGEST);
    match std::fs::read_to_string(&file) {
        Ok(digest) if staged.join(TREE).exists() => Ok(Some(digest)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(broken(&file, &error)),
    }
}

/// Puts it into a testbed, at the place where it was built.
pub(super) async fn place(testbed: &Testbed, staged: &Path, user: &str) -> Result<(), StepFailure> {
    tree::put(testbed, &staged.join(TREE), user).await
}

fn broken(file: &Path, error: &dyn std::fmt::Display) -> StepFailure {
    StepFailure::Testbed(format!("{}: {error}", file.display()))
}
