//! From a testbed in which something was installed to an image of its own: an overlay of the base image alone, whatever
//! templates it came from. What was installed, and what the image is called, is the caller's matter.

use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use preflight_guest::Exec;
use preflight_testbed::overlay::rebase;
use preflight_testbed::template::Template;
use preflight_testbed::{Disk, DiskFormat};

use crate::executor::{Draft, JobContext, NewImage, Prepared, StepFailure, Testbed, TicketImage};

/// Who boots the image is another machine: it gets an identity and a seed of its own. apt's caches stay, for whoever uses apt
/// in it.
pub(super) async fn clean(testbed: &Testbed) -> Result<(), StepFailure> {
    let clean = "rm -f /var/cache/apt/archives/*.deb /var/lib/systemd/random-seed; : >/etc/machine-id; \
                 if [ -e /var/lib/dbus/machine-id ]; then ln -sf /etc/machine-id /var/lib/dbus/machine-id; fi";
    let clean = Exec::new(["sh", "-ec", clean]);
    testbed.must("cleaning the image", clean).await.map(drop)
}

/// Makes an image of a testbed, and publishes it. Where somebody else has just published the same, that one is taken.
pub(super) async fn publish(
    context: &JobContext,
    prepared: Prepared,
    image: NewImage<'_>,
) -> Result<TicketImage, StepFailure> {
    let workshop = &context.workshop;
    let broken = |error: std::io::Error| StepFailure::Testbed(format!("the image {}: {error}", image.id));
    let base = workshop
        .images
        .get(image.base)
        .map_err(|error| StepFailure::Testbed(error.to_string()))?;
    let _turn = workshop.ticket_images.turn(image.id).await;
    if let Ok(there) = workshop.ticket_images.get(image.id) {
        prepared.testbed.release(context);
        context.clear().await;
        return Ok(there);
    }
    context.phase("closing the image", Some(0.9));
    let draft = workshop.ticket_images.begin(image.id).map_err(broken)?;
    let disk = close(context, prepared.testbed, prepared.layer.as_deref(), &draft).await?;
    // An image of its own: the template that it came from may go.
    rebase(&disk, &base.disk(), DiskFormat::Raw)
        .await
        .map_err(|error| StepFailure::Testbed(format!("the image {}: {error}", image.id)))?;
    context.clear().await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let id = image.id;
    let image = NewImage {
        template: prepared.layer.map(|layer| layer.id().clone()),
        ..image
    };
    let published = workshop
        .ticket_images
        .publish(image, i64::try_from(now).unwrap_or(i64::MAX))
        .map_err(|error| StepFailure::Testbed(format!("the image {id}: {error}")))?;
    context.log.say(&format!(
        "preflight: made {} ({} MiB on {})",
        published.id,
        published.size >> 20,
        published.base
    ));
    Ok(published)
}

/// The image's disk, in its place, when no machine writes to it any more.
async fn close(
    context: &JobContext,
    testbed: Testbed,
    layer: Option<&Template>,
    draft: &Draft,
) -> Result<Disk, StepFailure> {
    let broken = |error: std::io::Error| StepFailure::Testbed(format!("the image: {error}"));
    let path = draft.disk();
    let Some(layer) = layer else {
        let disk = testbed.disk().clone();
        testbed.power_off(context.workshop.limit(|limits| limits.boot)).await?;
        std::fs::rename(&disk.path, &path)
            .or_else(|_| std::fs::copy(&disk.path, &path).map(drop))
            .map_err(broken)?;
        return Ok(Disk { path, ..disk });
    };
    // What all tests start from is the image, to the byte: no machine has to be powered off, which would take longer than
    // all else here. It was frozen at rest, with all that was written on its disk; who boots the disk finds a journal to
    // replay, and nothing in it. That the testbed is here proves that it can be cloned.
    testbed.release(context);
    let (from, to) = (layer.disk(), path.clone());
    tokio::fs::copy(from, &to).await.map_err(broken)?;
    tokio::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600))
        .await
        .map_err(broken)?;
    Ok(Disk {
        path,
        format: DiskFormat::Qcow2,
        backing: layer.chain(),
    })
}

/// Names an image by what it is made of.
pub(super) fn short_digest(contents: &[String], base: &str) -> String {
    let text = format!("{}\non {base}", contents.join("\n"));
    let digest = preflight_core::Sha256(*preflight_debian::Sha256Digest::of(text.as_bytes()).as_bytes());
    digest.to_string().chars().take(12).collect()
}
