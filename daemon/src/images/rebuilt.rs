//! Images that are made for themselves, as clients ask for them: what may be their base, what they may be called, which of them
//! is there already, and what is told of them.

use async_trait::async_trait;
use preflight_core::{ImageId, ImageName, Options, PackageSources, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::{RebuildStep, RebuiltImage};
use preflight_vm_images::Variant;

use super::{WorkshopImages, host};
use crate::executor::{Rebuilt, StepFailure, TicketImage};
use crate::pipeline::rebuild;
use crate::services::{AboutImage, RebuildBase, RebuiltImages};

#[async_trait]
impl RebuiltImages for WorkshopImages {
    async fn base(&self, word: &str) -> Result<RebuildBase, RpcError> {
        let workshop = &self.0;
        if let Some(overlay) = workshop.ticket_image_named(word) {
            return of_overlay(overlay);
        }
        if let Ok(base) = workshop.images.get(word) {
            if base.metadata.variant != Variant::Test {
                let message = format!("{word} is an image for builds");
                let hint = format!("use its series: --base {}", base.metadata.recipe);
                return Err(RpcError::new(ErrorCode::InvalidParams, message).with_hint(hint));
            }
            return Ok(RebuildBase {
                series: Series(base.metadata.recipe.to_string()),
                image: Some(ImageId(word.to_owned())),
                sources: PackageSources::default(),
                repositories: None,
            });
        }
        let series = Series(word.to_owned());
        let unknown = |_| {
            RpcError::new(
                ErrorCode::NotFound,
                format!("there is neither a series nor an image {word}"),
            )
            .with_hint("`preflight image list` lists images")
        };
        let recipe = workshop.recipe(&series).map_err(unknown)?;
        Ok(RebuildBase {
            series: Series(recipe.name().to_string()),
            image: None,
            sources: PackageSources::default(),
            repositories: None,
        })
    }

    async fn name(&self, name: &str) -> Result<ImageName, RpcError> {
        let refused = |why: String| {
            RpcError::new(ErrorCode::InvalidParams, why).with_hint("choose another one, such as mine or bookworm-ci")
        };
        let name = ImageName::new(name).map_err(|error| refused(error.to_string()))?;
        let workshop = &self.0;
        if workshop.catalogue.find(name.as_str()).is_ok() {
            return Err(refused(format!("{name} is a series")));
        }
        // Those who ask for an image by its own name must get it, those that are made later too.
        let is_ours = |beginning: &str| name.as_str().starts_with(beginning);
        if ["image-", "ticket-"].into_iter().any(is_ours) || workshop.images.get(name.as_str()).is_ok() {
            return Err(refused(format!("{name} is a name that Preflight gives")));
        }
        Ok(name)
    }

    async fn find(&self, series: &Series, options: &Options) -> Result<Option<ImageId>, RpcError> {
        let workshop = &self.0;
        let Some(rebuild) = &options.rebuild else {
            return Ok(None);
        };
        let found = rebuild::find(workshop, series, rebuild, options).map_err(refusal)?;
        let Some(found) = found else { return Ok(None) };
        // Who frees disk neither takes it meanwhile, nor when it has a name.
        let Ok(_hold) = workshop.folders.budget.hold(found.folder()) else {
            return Ok(None);
        };
        let named = workshop.ticket_images.name(&rebuild.name, &found.id);
        named.map_err(|error| host(&error))?;
        Ok(Some(ImageId(found.id)))
    }

    async fn own_name(&self, name: &ImageId) -> Result<ImageId, RpcError> {
        Ok(ImageId(self.named(name)?.name()))
    }

    async fn about(&self, image: &ImageId) -> Result<AboutImage, RpcError> {
        let images = &self.0.ticket_images;
        let overlay = images.get(image.as_str()).ok();
        Ok(AboutImage {
            names: images.names().remove(image.as_str()).unwrap_or_default(),
            rebuilt: overlay
                .and_then(|overlay| overlay.rebuilt)
                .map(|rebuilt| wire(&rebuilt)),
        })
    }
}

fn of_overlay(overlay: TicketImage) -> Result<RebuildBase, RpcError> {
    let Some(rebuilt) = &overlay.rebuilt else {
        // Its packages came from a repository that only its ticket has.
        let message = format!("{} is a ticket's image: nothing more is put into it", overlay.id);
        return Err(RpcError::new(ErrorCode::InvalidParams, message)
            .with_hint("check the ticket's sources once more, with --add-package"));
    };
    Ok(RebuildBase {
        sources: rebuilt.sources().map_err(|why| host(&why))?,
        repositories: Some(overlay.repositories()),
        series: Series(overlay.series),
        image: Some(ImageId(overlay.id)),
    })
}

/// Why nothing can be looked for.
fn refusal(failure: StepFailure) -> RpcError {
    match failure {
        StepFailure::Package { reason, .. } => RpcError::new(ErrorCode::InvalidParams, reason),
        other => host(&other),
    }
}

fn wire(rebuilt: &Rebuilt) -> RebuiltImage {
    let step = |step: &crate::executor::Step| RebuildStep {
        add: step.add.iter().cloned().collect(),
        remove: step.remove.iter().cloned().collect(),
    };
    // One that cannot be read is what no release of this daemon has written.
    let sources = rebuilt.sources().unwrap_or_default();
    let snapshot = sources.snapshot.iter().map(|used| format!("snapshot {}", used.name));
    let pockets = sources.pockets.iter().map(|used| format!("pocket {}", used.pocket));
    let ppas = sources.ppas.iter().map(|used| format!("PPA {}", used.name));
    let repositories = sources.repositories.iter().map(ToString::to_string);
    RebuiltImage {
        steps: rebuilt.steps.iter().map(step).collect(),
        sources: snapshot.chain(pockets).chain(ppas).chain(repositories).collect(),
        packages: rebuilt.packages.clone(),
    }
}
