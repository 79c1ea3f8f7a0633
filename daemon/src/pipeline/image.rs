//! Rebuilds the image: an overlay of the base image in which the ticket's packages are installed from its repository.
//! The result is an image of its own that every test starts from.

use async_trait::async_trait;
use preflight_core::{ArtifactRecord, Ending};
use preflight_debian::BinaryPackage;
use preflight_report::findings;
use preflight_vm_images::Variant;

use super::{apt, build, image_disk, package_sources, results};
use crate::executor::{JobContext, LayerSpec, NewImage, Prepare, StepFailure, Testbed, repository};
use crate::services::JobReport;

/// Changes with what [`Installation`] does to a testbed.
const GENERATION: &str = "ticket's image, generation 2";

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let image = context.base(Variant::Test)?;
    context.lock_head(&image, None)?;
    let repository = repository(&context.order.folder);
    build::publish_given(context, &repository)?;
    let contents = contents(context);
    let id = format!(
        "ticket-{}",
        image_disk::short_digest(&contents, image.base.id().as_str())
    );
    if let Ok(there) = workshop.ticket_images.get(&id) {
        // Whose ticket it was made for does not matter: it is named by what is in it.
        context.lock_also(there.lock.clone());
        context.log.say(&format!("preflight: {id} is there already"));
        context.report(JobReport::Image(there.record()));
        return Ok(Ending::pass());
    }
    context.phase("starting a testbed", None);
    let session = context.session(&image, Some(&repository))?;
    let layer = LayerSpec {
        title: format!("image {id}"),
        contents: [vec![GENERATION.to_owned()], contents].concat(),
    };
    let telling = package_sources::Telling::of(context, &image);
    let before = telling.as_ref().map(package_sources::Telling::layer);
    let prepared = context
        .prepared(&image, before, layer, session, &Installation(context))
        .await?;
    let lock = context.fetched();
    let new = NewImage {
        id: &id,
        series: ticket.series.as_str(),
        base: image.base.id().as_str(),
        template: None,
        lock: &lock,
        rebuilt: None,
        repositories: context.order.folder.repositories(),
    };
    let published = image_disk::publish(context, prepared, new).await?;
    context.report(JobReport::Image(published.record()));
    Ok(Ending::pass())
}

/// The ticket's packages in a testbed.
struct Installation<'a>(&'a JobContext);

#[async_trait]
impl Prepare for Installation<'_> {
    type Error = StepFailure;

    async fn prepare(&self, testbed: &Testbed) -> Result<(), StepFailure> {
        self.0.phase("installing the ticket's packages", None);
        apt::add_ticket_repository(self.0, testbed).await?;
        install(self.0, testbed, &self.0.order.ticket.artifacts).await?;
        image_disk::clean(testbed).await
    }
}

/// Installs the packages among these, and adds and removes what the ticket's owner wants added and removed, all at once.
pub(super) async fn install(
    context: &JobContext,
    testbed: &Testbed,
    built: &[ArtifactRecord],
) -> Result<(), StepFailure> {
    let options = &context.order.ticket.options;
    let mut arguments = vec!["install".to_owned(), "--allow-downgrades".to_owned()];
    let packages = built.iter().filter(|record| record.artifact.name.ends_with(".deb"));
    for artifact in packages {
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

/// What its owner wants added to the image and removed from it.
pub(super) fn additions(context: &JobContext) -> Vec<String> {
    let options = &context.order.ticket.options;
    let added = options.add_packages.iter().map(|name| format!("+{name}"));
    let removed = options.remove_packages.iter().map(|name| format!("-{name}"));
    added.chain(removed).collect()
}

/// All that an image is made of beside its base image: packages, what was added and removed.
fn contents(context: &JobContext) -> Vec<String> {
    let ticket = &context.order.ticket;
    let mut parts: Vec<String> = build::packages(ticket);
    parts.extend(package_sources::words(&ticket.options.sources));
    parts.extend(additions(context));
    // A replay that took an image which is there would prove nothing of it.
    parts.extend(context.replay_word());
    parts
}
