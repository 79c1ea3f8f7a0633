//! Images as clients ask for them: base images and tickets' images in one list, written out and compared on request.

mod export;
mod rebuilt;

use std::sync::Arc;

use async_trait::async_trait;
use preflight_archive::ArchiveStateId;
use preflight_bundle::BaseFacts;
use preflight_core::{ImageId, ImageRecord, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::{ImageDifference, ImageFiles};
use preflight_vm_images::{BaseImage, StoreError, Variant};

use crate::executor::{BootImage, StepFailure, Workshop, manifest_of};
use crate::manifest::difference;
use crate::pipeline::base_image;
use crate::services::{Export, Images};

/// The images of the workshop.
pub struct WorkshopImages(Arc<Workshop>);

impl WorkshopImages {
    /// The images of this workshop.
    #[must_use]
    pub fn new(workshop: Arc<Workshop>) -> Self {
        Self(workshop)
    }

    fn named(&self, id: &ImageId) -> Result<BootImage, RpcError> {
        self.0.image_named(id.as_str()).ok_or_else(|| not_found(id))
    }
}

#[async_trait]
impl Images for WorkshopImages {
    async fn list(&self) -> Result<Vec<ImageRecord>, RpcError> {
        let mut all: Vec<ImageRecord> = self
            .0
            .images
            .list()
            .map_err(|error| host(&error))?
            .iter()
            .map(base_image::record)
            .collect();
        all.extend(
            self.0
                .ticket_images
                .list()
                .map_err(|error| host(&error))?
                .iter()
                .map(|image| image.record()),
        );
        Ok(all)
    }

    async fn get(&self, id: &ImageId, export: &Export) -> Result<ImageFiles, RpcError> {
        export::write(&self.0, &self.named(id)?, export).await
    }

    async fn diff(&self, from: &ImageId, to: &ImageId) -> Result<ImageDifference, RpcError> {
        let (from, to) = (self.named(from)?, self.named(to)?);
        // One after the other: each asks a testbed where it is not known yet.
        let before = manifest_of(&self.0, &from).await.map_err(|error| host(&error))?;
        let after = manifest_of(&self.0, &to).await.map_err(|error| host(&error))?;
        let wire = |image: &BootImage| preflight_protocol::ids::ImageId(image.name());
        let (from, to) = (wire(&from), wire(&to));
        tokio::task::spawn_blocking(move || difference(from, &before, to, &after))
            .await
            .map_err(|error| host(&error))
    }

    async fn remove(&self, id: &ImageId) -> Result<(), RpcError> {
        let Ok(base) = self.0.images.get(id.as_str()) else {
            return self.0.ticket_images.remove(id.as_str()).map_err(|_| not_found(id));
        };
        let users = self.0.ticket_images.uses(id.as_str()).map_err(|error| host(&error))?;
        self.0
            .images
            .remove(base.id(), &users)
            .await
            .map_err(|error| match error {
                StoreError::InUse { .. } => RpcError::new(ErrorCode::Conflict, error.to_string())
                    .with_hint("remove the images that are made of it first: `preflight image remove`"),
                other => host(&other),
            })
    }

    async fn facts(&self, id: &ImageId) -> Result<Option<BaseFacts>, RpcError> {
        let Ok(base) = self.0.images.get(id.as_str()) else {
            return Ok(None);
        };
        let metadata = &base.metadata;
        let state = crate::executor::remembered_state(base.folder(), &self.0.images);
        Ok(Some(BaseFacts {
            recipe: metadata.recipe.to_string(),
            architecture: metadata.architecture.to_string(),
            digest: metadata.digest.to_string().parse().map_err(|error| host(&error))?,
            sources_list: metadata.sources_list.clone(),
            state: state.map(ArchiveStateId::digest),
        }))
    }

    async fn missing(&self, series: &Series) -> Result<bool, RpcError> {
        let unknown = |error: StepFailure| {
            RpcError::new(ErrorCode::InvalidParams, error.to_string()).with_hint("choose one with --series")
        };
        let recipe = self.0.recipe(series).map_err(unknown)?.name();
        for variant in Variant::ALL {
            let newest: Option<BaseImage> = self.0.images.newest(&recipe, variant).map_err(|error| host(&error))?;
            if newest.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn host(error: &dyn std::fmt::Display) -> RpcError {
    RpcError::new(ErrorCode::Host, error.to_string())
}

fn not_found(id: &ImageId) -> RpcError {
    RpcError::new(ErrorCode::NotFound, format!("there is no image {id}")).with_hint("`preflight image list` lists them")
}
