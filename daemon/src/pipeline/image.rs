//! Rebuilds the image: an overlay of the base image in which the ticket's packages are installed from its repository.
//! The result is an image of its own that every test starts from.

use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use preflight_core::{Ending, Sha256};
use preflight_debian::BinaryPackage;
use preflight_guest::Exec;
use preflight_report::findings;
use preflight_testbed::overlay::rebase;
use preflight_testbed::template::Template;
use preflight_testbed::{Disk, DiskFormat};
use preflight_vm_images::Variant;

use super::{apt, build, package_sources, results};
use crate::executor::{Draft, JobContext, LayerSpec, Prepare, StepFailure, Testbed, repository};
use crate::services::JobReport;

/// Changes with what [`Installation`] does to a testbed.
const GENERATION: &str = "ticket's image, generation 2";

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let image = workshop.base(&ticket.series, Variant::Test)?;
    let contents = contents(context);
    let id = format!("ticket-{}", short_digest(&contents, image.base.id().as_str()));
    if let Ok(there) = workshop.ticket_images.get(&id) {
        // Whose ticket it was made for does not matter: it is named by what is in it.
        context.lock_also(there.lock.clone());
        context.log.say(&format!("preflight: {id} is there already"));
        context.report(JobReport::Image(there.record()));
        return Ok(Ending::pass());
    }
    let broken = |error: std::io::Error| StepFailure::Testbed(format!("the ticket's image: {error}"));

    context.phase("starting a testbed", None);
    let session = context.session(&image, Some(&repository(&context.order.folder)))?;
    let layer = LayerSpec {
        title: format!("image {id}"),
        contents: [vec![GENERATION.to_owned()], contents].concat(),
    };
    let telling = package_sources::Telling::of(context, &image);
    let before = telling.as_ref().map(package_sources::Telling::layer);
    let prepared = context
        .prepared(&image, before, layer, session, &Installation(context))
        .await?;
    let testbed = prepared.testbed;
    let lock = context.fetched();

    context.phase("closing the image", Some(0.9));
    let draft = workshop.ticket_images.begin(&id).map_err(broken)?;
    let disk = close(context, testbed, prepared.layer.as_deref(), &draft).await?;
    // An image of its own: the template that it came from may go.
    rebase(&disk, &image.disk, image.format)
        .await
        .map_err(|error| StepFailure::Testbed(format!("the ticket's image: {error}")))?;
    context.clear().await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let published = workshop
        .ticket_images
        .publish(
            &id,
            ticket.series.as_str(),
            image.base.id().as_str(),
            i64::try_from(now).unwrap_or(i64::MAX),
            prepared.layer.map(|layer| layer.id().clone()),
            &lock,
        )
        .map_err(broken)?;
    context.log.say(&format!(
        "preflight: made {id} ({} MiB on {})",
        published.size >> 20,
        image.base.id()
    ));
    context.report(JobReport::Image(published.record()));
    Ok(Ending::pass())
}

/// The image's disk, in its place, when no machine writes to it any more.
async fn close(
    context: &JobContext,
    testbed: Testbed,
    layer: Option<&Template>,
    draft: &Draft,
) -> Result<Disk, StepFailure> {
    let broken = |error: std::io::Error| StepFailure::Testbed(format!("the ticket's image: {error}"));
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

/// The ticket's packages in a testbed.
struct Installation<'a>(&'a JobContext);

#[async_trait]
impl Prepare for Installation<'_> {
    type Error = StepFailure;

    async fn prepare(&self, testbed: &Testbed) -> Result<(), StepFailure> {
        self.0.phase("installing the ticket's packages", None);
        apt::add_ticket_repository(self.0, testbed).await?;
        install(self.0, testbed).await?;
        // Who boots this image is another machine: it gets an identity and a seed of its own. apt's caches stay, for the
        // tests' apt.
        let clean = "rm -f /var/cache/apt/archives/*.deb /var/lib/systemd/random-seed; : >/etc/machine-id; \
                     if [ -e /var/lib/dbus/machine-id ]; then ln -sf /etc/machine-id /var/lib/dbus/machine-id; fi";
        let clean = Exec::new(["sh", "-ec", clean]);
        testbed.must("cleaning the image", clean).await.map(drop)
    }
}

async fn install(context: &JobContext, testbed: &Testbed) -> Result<(), StepFailure> {
    let options = &context.order.ticket.options;
    let mut arguments = vec!["install".to_owned(), "--allow-downgrades".to_owned()];
    for artifact in context
        .order
        .ticket
        .artifacts
        .iter()
        .filter(|record| record.artifact.name.ends_with(".deb"))
    {
        let package = BinaryPackage::open(&artifact.artifact.path)
            .map_err(|error| StepFailure::Testbed(format!("{}: {error}", artifact.artifact.name)))?;
        // Debugging symbols are kept, but nobody's test needs them installed.
        let is_symbols = package.name.as_str().ends_with("-dbgsym");
        if !is_symbols && !options.remove_packages.iter().any(|name| name == package.name.as_str()) {
            arguments.push(format!("{}={}", package.name.as_str(), package.version.as_str()));
        }
    }
    arguments.extend(options.add_packages.iter().cloned());
    // `name-` is apt's way to remove in the same breath.
    arguments.extend(options.remove_packages.iter().map(|name| format!("{name}-")));
    let part = build::part(context);
    let limit = context.workshop.limit(|limits| limits.install);
    let words = arguments.iter().map(String::as_str);
    // What is to be added comes from the archive, and what is to be removed may take more with it.
    let command = if options.add_packages.is_empty() && options.remove_packages.is_empty() {
        apt::install_from_ticket(words)
    } else {
        apt::apt_get(words)
    };
    let ran = testbed.run(command, limit).await?;
    if ran.is_success() {
        return Ok(());
    }
    Err(match apt::blame(testbed, "installing the ticket's packages", ran) {
        StepFailure::Package { reason, .. } => StepFailure::Package {
            reason,
            first_error: results::first_error(context, findings::JobKind::Image, build::ending_of(ran), part),
        },
        testbed => testbed,
    })
}

/// All that an image is made of beside its base image: packages, what was added and removed.
fn contents(context: &JobContext) -> Vec<String> {
    let ticket = &context.order.ticket;
    let mut parts: Vec<String> = build::packages(ticket);
    parts.extend(package_sources::words(&ticket.options.sources));
    parts.extend(ticket.options.add_packages.iter().map(|name| format!("+{name}")));
    parts.extend(ticket.options.remove_packages.iter().map(|name| format!("-{name}")));
    parts
}

/// Names an image by what it is made of.
fn short_digest(contents: &[String], base: &str) -> String {
    let text = format!("{}\non {base}", contents.join("\n"));
    let digest = Sha256(*preflight_debian::Sha256Digest::of(text.as_bytes()).as_bytes());
    digest.to_string().chars().take(12).collect()
}
