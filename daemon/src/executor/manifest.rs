//! What an image holds: asked once of a testbed of it, which is gone afterwards. What is asked, and what becomes of the
//! answer, is the manifest room's matter.

use std::path::Path;
use std::sync::Arc;

use preflight_archive::SessionOptions;
use preflight_guest::{Exec, GuestError, OutputStream};
use preflight_testbed::Priority;

use super::failure::StepFailure;
use super::place::ClearOnDrop;
use super::remains::Leases;
use super::testbed::{Ran, Testbed, TestbedSpec, describe};
use super::workshop::{BootImage, Workshop};
use crate::manifest::{self, Bounded, Manifest};

/// So much of what a guest complains of is told, in bytes.
const COMPLAINT: usize = 1000;

/// What an image holds: as it is kept beside it, or as a testbed of it says now, which takes some tens of seconds. Nothing is
/// left of a testbed whose asker is gone.
///
/// # Errors
/// No testbed can be had, or its guest does not say.
pub(crate) async fn manifest_of(workshop: &Arc<Workshop>, image: &BootImage) -> Result<Manifest, StepFailure> {
    let folder = image.disk.parent().unwrap_or(Path::new("/")).to_owned();
    let holds = [image.base.folder(), folder.as_path()].map(|folder| workshop.folders.budget.hold(folder));
    for hold in &holds {
        if let Err(error) = hold {
            return Err(StepFailure::Testbed(format!("the image {}: {error}", image.name())));
        }
    }
    let place = folder.clone();
    let kept = tokio::task::spawn_blocking(move || manifest::kept(&place));
    if let Ok(Some(manifest)) = kept.await {
        return Ok(manifest);
    }
    workshop.until_swept().await;
    let (log, _scratch) = workshop.scratch_log("manifest-")?;
    // It fetches nothing, and is asked for nothing.
    let session = workshop.archive.session(SessionOptions::default());
    let session = session.map_err(|error| StepFailure::Testbed(error.to_string()))?;
    let leases = Leases::default();
    let _clearing = ClearOnDrop::of(workshop, &leases);
    let spec = TestbedSpec {
        image,
        session,
        label: "manifest",
        priority: Priority::Interactive,
        pulse: None,
        findings: None,
    };
    let testbed = Testbed::lease(workshop, spec, &log, &leases).await?;
    let answer = ask(&testbed, manifest::survey()).await?;
    let read = tokio::task::spawn_blocking(move || manifest::keep(&folder, &answer));
    let unusable = |error: &dyn std::fmt::Display| {
        StepFailure::Testbed(format!("what the guest says of its files cannot be used: {error}"))
    };
    let manifest = read.await.map_err(|error| unusable(&error))?;
    manifest.map_err(|error| unusable(&error))
}

/// The packages that a testbed has now, which takes it a moment; nothing is said of its files.
///
/// # Errors
/// Its guest does not say.
pub(crate) async fn packages_of(testbed: &Testbed) -> Result<Manifest, StepFailure> {
    let answer = ask(testbed, manifest::packages()).await?;
    manifest::read_packages(&answer)
        .map_err(|error| StepFailure::Testbed(format!("what the guest says of its packages cannot be used: {error}")))
}

async fn ask(testbed: &Testbed, question: Exec) -> Result<Vec<u8>, StepFailure> {
    let asking = async {
        let mut running = testbed.guest.exec(question).await?;
        let (mut answer, mut complaint, mut bounded) = (Vec::new(), Vec::new(), Bounded::default());
        while let Some(output) = running.output().await? {
            match output.stream {
                OutputStream::Stdout => {
                    let taken = bounded.take(&output.bytes);
                    taken.map_err(|error| GuestError::Unacceptable(error.to_string()))?;
                    answer.extend_from_slice(&output.bytes);
                }
                OutputStream::Stderr => {
                    let room = COMPLAINT - complaint.len();
                    complaint.extend_from_slice(&output.bytes[..output.bytes.len().min(room)]);
                }
            }
        }
        let status = running.wait().await?;
        if Ran::Ended(status).is_success() {
            return Ok(answer);
        }
        let complaint = String::from_utf8_lossy(&complaint).into_owned();
        Err(GuestError::Unacceptable(format!("{}: {complaint}", describe(status))))
    };
    testbed.attend("listing what the image holds", asking).await
}
