//! Takes a snapshot of a series' archive: all suites of its recipe and its pockets, from the mirrors that base images are made
//! from. Pockets are taken though nobody asks for one yet: a ticket that does is pinned to what is here.

use std::sync::Arc;
use std::time::SystemTime;

use preflight_archive::{SnapshotProgress, SnapshotProgressCallback, SnapshotRequest, SuiteSpec};
use preflight_core::Ending;

use super::base_image;
use crate::executor::{JobContext, StepFailure, mirrors};

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let recipe = workshop.recipe(&ticket.series)?.clone();
    let sources = base_image::sources(context, &recipe)?;
    if sources.sources.is_empty() {
        return Err(StepFailure::Testbed(format!(
            "no mirror is known for {}: set `archive.mirrors.{}` in the configuration",
            recipe.name(),
            recipe.name()
        )));
    }
    let mut suites = Vec::new();
    let usual = sources.sources.iter().map(|source| (source.clone(), false));
    let pockets = sources.pockets(&recipe).into_iter().map(|source| (source, true));
    for (source, optional) in usual.chain(pockets) {
        let mirror = mirrors(
            std::slice::from_ref(&source),
            "",
            std::slice::from_ref(&sources.keyring),
        );
        let Some(mirror) = mirror.into_iter().next() else {
            continue;
        };
        suites.extend(source.suites.iter().map(|suite| SuiteSpec {
            mirror: mirror.clone(),
            optional,
            suite: suite.to_string(),
            components: source.components.iter().map(ToString::to_string).collect(),
        }));
    }
    let request = SnapshotRequest {
        series: recipe.name().to_string(),
        architecture: preflight_vm_images::host_architecture()
            .map(|word| word.to_string())
            .map_err(|error| StepFailure::Testbed(error.to_string()))?,
        suites,
        at: SystemTime::now(),
    };
    context.phase("reading release files", None);
    let tell = context.teller();
    let progress: SnapshotProgressCallback = Arc::new(move |so_far: SnapshotProgress| {
        let phase = format!("fetching indices ({} of {})", so_far.files, so_far.of_files);
        #[expect(clippy::cast_precision_loss, reason = "a fraction for a progress bar")]
        let fraction = so_far.total.map(|total| so_far.bytes as f32 / total.max(1) as f32);
        tell(phase, fraction);
    });
    let taken = workshop.archive.take_snapshot(request, Some(progress)).await;
    let taken = taken.map_err(|error| StepFailure::Testbed(error.to_string()))?;
    let snapshot = &taken.snapshot;
    for folder in &taken.absent {
        context.log.say(&format!(
            "preflight: warning: the mirror has no {folder}: the snapshot is without that pocket"
        ));
    }
    let words = match taken.is_new {
        true => format!("preflight: took {} ({} MiB)", snapshot.name, snapshot.size() >> 20),
        false => format!("preflight: nothing has changed since {}", snapshot.name),
    };
    context.log.say(&words);
    Ok(Ending::pass())
}
