//! Makes the base images of a series: the pristine one and the one for builds, from the archive by way of the content
//! store, so that the archive as it was then can be served to every testbed of the image.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use preflight_archive::{Network, SessionOptions};
use preflight_core::{Ending, ImageId, ImageKind, ImageRecord, JobKind, Moment, Series};
use preflight_store::LogStream;
use preflight_vm_images::{
    BaseImage, BuildRequest, Recipe, ReleaseDates, SourceSet, Variant, build, read_host_sources,
};

use crate::executor::{JobContext, StepFailure, mirrors, remember_state};
use crate::services::JobReport;

/// Where the host's apt is configured.
const HOST_APT: &str = "/etc/apt";

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let recipe = workshop.recipe(&ticket.series)?.clone();
    let broken = |what: &str, error: &dyn std::fmt::Display| StepFailure::Testbed(format!("{what}: {error}"));

    // A ticket that does nothing else asks for images of the archive as it is now; any other takes what is there.
    let alone = ticket.jobs.iter().all(|job| job.kind == JobKind::BaseImage);
    let mut wanted = Vec::new();
    for variant in Variant::ALL {
        let there = workshop
            .images
            .newest(&recipe.name(), variant)
            .map_err(|error| broken("the images", &error))?;
        if alone || there.is_none() {
            wanted.push(variant);
        }
    }
    if wanted.is_empty() {
        context
            .log
            .say(&format!("preflight: the base images of {} are there", recipe.name()));
        return Ok(Ending::pass());
    }

    let sources = sources(context, &recipe)?;
    context.log.say(&format!(
        "preflight: making {} from {:?}",
        recipe.name(),
        sources.choice
    ));

    let network = if ticket.options.offline {
        Network::Forbidden
    } else {
        workshop.settings.network
    };
    let session = workshop
        .archive
        .session(SessionOptions {
            network,
            mirrors: mirrors(&sources.sources, "", std::slice::from_ref(&sources.keyring)),
            architecture: preflight_vm_images::host_architecture()
                .map(|word| word.to_string())
                .unwrap_or_default(),
            ..SessionOptions::default()
        })
        .map_err(|error| broken("the archive", &error))?;
    // Where the tool chooses its own mirrors nobody here knows which to serve: it fetches by itself, unrecorded.
    let loopback = match sources.sources.is_empty() {
        true => None,
        false => Some(
            session
                .listen_loopback()
                .await
                .map_err(|error| broken("the archive's proxy", &error))?,
        ),
    };
    let proxy = match &loopback {
        Some(loopback) => Some(
            loopback
                .proxy_url()
                .parse()
                .map_err(|error| broken("the archive's proxy", &error))?,
        ),
        None => None,
    };
    let tools = context.order.log.with_extension("tools");
    // The archive's session has judged them where it serves; it may well serve an old state.
    let release_dates = if proxy.is_some() {
        ReleaseDates::Ignored
    } else {
        ReleaseDates::of_host().await
    };
    let request = BuildRequest {
        recipe,
        sources,
        variants: wanted,
        proxy,
        log: Some(tools.clone()),
        release_dates,
    };
    let last = AtomicU64::new(0);
    let progress = |step: preflight_vm_images::Progress| {
        #[expect(clippy::cast_possible_truncation, reason = "a fraction for a progress bar")]
        context.phase(&step.message, Some(step.fraction as f32));
        // The log has each phase once; what goes on within one is for the bar.
        if last.swap(step.phase as u64 + 1, Ordering::Relaxed) != step.phase as u64 + 1 {
            context.log.say(&format!("preflight: {}", step.message));
        }
    };
    let built = build(&workshop.images, &request, &progress, &context.order.cancel).await;
    context.lock(&session);
    take_over(context, &tools);
    let built = built.map_err(|error| match session.refusals().last() {
        // The archive's word says it; the tools' many lines about it are in the log.
        Some(refusal) => broken("no base image", &refusal.reason),
        None => broken("no base image", &error),
    })?;
    if loopback.is_some() {
        let state = session
            .state()
            .await
            .map_err(|error| broken("the archive's state", &error))?;
        for image in &built {
            remember_state(image.folder(), &workshop.images, state)
                .map_err(|error| broken("the archive's state", &error))?;
        }
    }
    for image in &built {
        context.log.say(&format!(
            "preflight: made {} ({} MiB on disk)",
            image.id(),
            image.size_on_disk >> 20
        ));
        context.report(JobReport::Image(record(image)));
    }
    context.phase("probing the host's acceleration", None);
    let host = workshop.hypervisor().await?.host();
    context.log.say(&format!(
        "preflight: guests run on {} ({}, QEMU {})",
        host.accelerator, host.machine_type, host.qemu_version
    ));
    Ok(Ending::pass())
}

/// Where the packages of a recipe come from: the user's configuration, else the host's apt, says it.
pub(super) fn sources(context: &JobContext, recipe: &Recipe) -> Result<SourceSet, StepFailure> {
    let host = read_host_sources(HOST_APT.as_ref());
    let configured = context.workshop.settings.mirrors.get(recipe.name().as_str());
    let configured = configured.cloned().unwrap_or_default();
    let sources = SourceSet::resolve(recipe, &configured, &host)
        .map_err(|error| StepFailure::Testbed(format!("the archive of {}: {error}", recipe.name())))?;
    for suite in &sources.left_out {
        context.report(JobReport::Warning(format!(
            "no mirror is known for {suite}: it is left out"
        )));
    }
    Ok(sources)
}

/// Makes the tools' output part of the job's log.
fn take_over(context: &JobContext, tools: &Path) {
    match std::fs::read(tools) {
        Ok(output) => context.log.output(LogStream::Stdout, &output),
        Err(error) => {
            context
                .log
                .say(&format!("preflight: the tools' output cannot be read: {error}"));
        }
    }
    // What cannot be removed is a small file in the ticket's own folder.
    let _ = std::fs::remove_file(tools);
}

/// A base image as the dispatcher keeps it.
pub(crate) fn record(image: &BaseImage) -> ImageRecord {
    ImageRecord {
        id: ImageId(image.id().to_string()),
        series: Series(image.metadata.recipe.to_string()),
        kind: match image.metadata.variant {
            Variant::Test => ImageKind::Base,
            Variant::Build => ImageKind::BaseBuild,
        },
        parent: None,
        size: image.size_on_disk,
        created_at: Moment(image.metadata.created_at.as_microsecond()),
        path: image.disk(),
    }
}
