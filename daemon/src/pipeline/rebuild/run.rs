//! The job: starts from the image that has most of what is wanted, does the rest, and says what the result has that its base
//! image has not.

use preflight_core::Ending;
use preflight_protocol::image::PackageChange;

use crate::executor::{JobContext, LayerSpec, NewImage, Rebuilt, StepFailure, TicketImage, packages_of};
use crate::manifest::since;
use crate::pipeline::{image_disk, package_sources};
use crate::services::JobReport;

use super::installation::{Installation, words};
use super::request::{Request, Start};

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let options = &ticket.options;
    let Some(rebuild) = &options.rebuild else {
        return Err(StepFailure::Testbed("the ticket does not say which image".to_owned()));
    };
    let request = Request::of(workshop, &ticket.series, rebuild, options)?;
    let start = request.start(workshop)?;
    if let Some(overlay) = &start.overlay {
        context.lock_also(overlay.lock.clone());
    }
    let image = match &start.overlay {
        Some(overlay) if start.rest.is_empty() => {
            context.log.say(&format!("preflight: {} is there already", overlay.id));
            overlay.clone()
        }
        _ => make(context, &request, start).await?,
    };
    let named = workshop.ticket_images.name(&rebuild.name, &image.id);
    named.map_err(|error| StepFailure::Testbed(format!("the name {}: {error}", rebuild.name)))?;
    context
        .log
        .say(&format!("preflight: {} is {} now", rebuild.name, image.id));
    context.report(JobReport::Image(image.record()));
    Ok(Ending::pass())
}

async fn make(context: &JobContext, request: &Request, start: Start) -> Result<TicketImage, StepFailure> {
    let ticket = &context.order.ticket;
    let Start { image, done, rest, .. } = start;
    // What an image was made of stays in it: all that is left is the last step.
    let [step] = &rest[..] else {
        return Err(StepFailure::Testbed(
            "the image that is to be the base is gone: something was done to it that is to be done again".to_owned(),
        ));
    };
    context.log.say(&match done.is_empty() {
        true => format!("preflight: starts from {}", image.name()),
        false => format!("preflight: starts from {}, which has {}", image.name(), said(&done)),
    });
    let installation = Installation { context, step };
    let had: &[String] = done.last().map_or(&[], |last| &last.sources);
    let steps: Vec<_> = done.iter().cloned().chain([step.clone()]).collect();
    let contents: Vec<String> = steps
        .iter()
        .flat_map(|step| [step.sources.clone(), words(step), vec![String::new()]].concat())
        .collect();
    let base = request.base.name();
    let id = format!("image-{}", image_disk::short_digest(&contents, &base));

    context.phase("starting a testbed", None);
    context.lock_head(&image, None)?;
    let session = context.session(&image, None)?;
    let telling = package_sources::Telling::of(context, &image).filter(|_| had != step.sources);
    let before = telling.as_ref().map(package_sources::Telling::layer);
    let layer = LayerSpec {
        title: format!("image {id}"),
        contents: installation.contents(),
    };
    let prepared = context.prepared(&image, before, layer, session, &installation).await?;
    let lock = context.fetched();
    context.phase("listing packages", Some(0.8));
    let now = packages_of(&prepared.testbed).await?;
    let pristine = request.base.base.packages();
    let pristine = pristine.map_err(|error| StepFailure::Testbed(error.to_string()))?;
    let packages = since(pristine, &now);
    for change in &packages {
        context.log.say(&line(change));
    }
    let new = NewImage {
        id: &id,
        series: ticket.series.as_str(),
        base: &base,
        template: None,
        lock: &lock,
        rebuilt: Some(Rebuilt::new(steps, &ticket.options.sources, packages)),
        repositories: context.order.folder.repositories(),
    };
    image_disk::publish(context, prepared, new).await
}

fn said(steps: &[crate::executor::Step]) -> String {
    let all: Vec<String> = steps.iter().flat_map(words).collect();
    match all.is_empty() {
        true => "its package sources".to_owned(),
        false => all.join(" "),
    }
}

fn line(change: &PackageChange) -> String {
    let PackageChange {
        name,
        architecture,
        before,
        after,
    } = change;
    let text = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "preflight: {name} ({architecture}): {} -> {}",
        text(before),
        text(after)
    )
}
