//! Rebuilds the image: an overlay of the base image in which the ticket's packages are installed from its repository.
//! The result is an image of its own that every test starts from.

use std::time::{SystemTime, UNIX_EPOCH};

use preflight_core::{Ending, Sha256};
use preflight_debian::BinaryPackage;
use preflight_guest::Exec;
use preflight_report::findings;
use preflight_vm_images::Variant;

use super::{apt, build, results};
use crate::executor::{JobContext, StepFailure, Testbed, repository};
use crate::services::JobReport;

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let image = workshop.base(&ticket.series, Variant::Test)?;
    let session = context.session(&image, Some(&repository(&context.order.folder)))?;
    let id = format!(
        "ticket-{}-{}",
        ticket.id,
        short_digest(context, image.base.id().as_str())
    );
    let broken = |error: std::io::Error| StepFailure::Testbed(format!("the ticket's image: {error}"));
    let draft = workshop.ticket_images.begin(&id).map_err(broken)?;

    context.phase("starting a testbed", None);
    let testbed = context.testbed_on(&image, session, Some(draft.disk())).await?;
    context.phase("installing the ticket's packages", None);
    apt::add_ticket_repository(context, &testbed, ticket.id).await?;
    install(context, &testbed).await?;
    context.lock(&testbed.session);

    context.phase("closing the image", Some(0.9));
    // Who boots this image is another machine: it gets an identity and a seed of its own.
    let clean = "apt-get clean; : >/etc/machine-id; rm -f /var/lib/systemd/random-seed /var/lib/dbus/machine-id; sync";
    testbed
        .must("cleaning the image", Exec::new(["sh", "-ec", clean]))
        .await?;
    testbed.power_off(workshop.limit(|limits| limits.boot)).await?;
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
    let ran = testbed
        .run(apt::apt_get(arguments.iter().map(String::as_str)), limit)
        .await?;
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

/// Names an image by what it is made of: base image, packages, what was added and removed.
fn short_digest(context: &JobContext, base: &str) -> String {
    let ticket = &context.order.ticket;
    let mut parts: Vec<String> = ticket
        .artifacts
        .iter()
        .filter(|record| record.artifact.name.ends_with(".deb"))
        .map(|record| format!("{} {}", record.artifact.name, record.artifact.sha256))
        .collect();
    parts.sort();
    parts.push(format!("on {base}"));
    parts.extend(ticket.options.add_packages.iter().map(|name| format!("+{name}")));
    parts.extend(ticket.options.remove_packages.iter().map(|name| format!("-{name}")));
    let digest = Sha256(*preflight_debian::Sha256Digest::of(parts.join("\n").as_bytes()).as_bytes());
    digest.to_string().chars().take(12).collect()
}
