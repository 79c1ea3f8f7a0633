//! Makes a source package of a submitted folder, in a testbed: even packing a source may run what the source says, and
//! nothing of it ever runs on the host.

use preflight_core::Ending;
use preflight_guest::{Exec, TreeLimits};
use preflight_report::findings;
use preflight_vm_images::Variant;

use super::tree::{WORK, make_work_folder};
use super::{results, stage};
use crate::executor::{JobContext, Ran, StepFailure};

/// More than any source package of the archive has.
const LARGEST_PACKAGE: TreeLimits = TreeLimits {
    max_bytes: 16 << 30,
    max_entries: 1000,
};

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let workshop = &context.workshop;
    let subticket = context.subticket()?;
    let staged = context.staged()?;
    let image = context.base(Variant::Build)?;
    context.lock_head(&image, None)?;
    let session = context.session(&image, None)?;
    // Packing a source needs no package.
    session.seal();
    context.phase("starting a testbed", None);
    let testbed = context.testbed(&image, session).await?;
    let user = image.user();

    context.phase("packing the source", None);
    let tree = format!("{WORK}/{}", subticket.source);
    make_work_folder(&testbed, user).await?;
    for (from, to) in [(stage::TREE, tree.as_str()), (stage::ORIG, WORK)] {
        let push = testbed.guest.push_tree(staged.join(from), to, Some(user));
        testbed.attend("copying the folder", push).await?;
    }
    // As the user's own tools would, but without the clean target: what is in the folder is what is meant.
    let pack = Exec::new(["dpkg-source", "--build", "."])
        .user(user)
        .cwd(&tree)
        .env("LC_ALL", "C.UTF-8");
    let ran = testbed.run(pack, workshop.limit(|limits| limits.copy)).await?;
    if !ran.is_success() {
        let ending = if ran == Ran::TimedOut {
            findings::Ending::TimedOut
        } else {
            findings::Ending::Failed
        };
        return Err(StepFailure::Package {
            reason: "dpkg-source cannot pack the folder".to_owned(),
            first_error: results::first_error(context, findings::JobKind::Build, ending, results::WHOLE),
        });
    }
    // The tree and the tarballs that came in are not part of what comes out, but the tarballs are listed by it.
    let gather = "mkdir package && mv *.dsc *.tar.* package/ && { mv *.diff.gz package/ 2>/dev/null || true; }";
    testbed
        .must(
            "gathering the source package",
            Exec::new(["sh", "-ec", gather]).user(user).cwd(WORK),
        )
        .await?;
    let package = staged.join(stage::PACKAGE);
    if package.exists() {
        std::fs::remove_dir_all(&package).map_err(|error| StepFailure::Testbed(error.to_string()))?;
    }
    let pull = testbed
        .guest
        .pull_tree(format!("{WORK}/package"), &package, LARGEST_PACKAGE);
    testbed.attend("copying the source package", pull).await?;
    stage::verify(&package, &subticket.source, &subticket.version)
        .map_err(|error| StepFailure::package(format!("what dpkg-source made is not as expected: {error}")))?;
    Ok(Ending::pass())
}
