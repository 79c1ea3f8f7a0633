//! Images as clients ask for them: base images and tickets' images in one list, written out on request.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use preflight_core::{ImageId, ImageRecord, Series};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::ImageFiles;
use preflight_testbed::overlay::flatten;
use preflight_testbed::{Disk, DiskFormat};
use preflight_vm_images::{BaseImage, StoreError, Variant};

use crate::executor::{StepFailure, Workshop};
use crate::pipeline::base_image;
use crate::services::Images;

/// The images of the workshop.
pub struct WorkshopImages(Arc<Workshop>);

impl WorkshopImages {
    /// The images of this workshop.
    #[must_use]
    pub fn new(workshop: Arc<Workshop>) -> Self {
        Self(workshop)
    }

    fn is_base(&self, id: &ImageId) -> bool {
        self.0.images.get(id.as_str()).is_ok()
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

    async fn get(&self, id: &ImageId, output: &Path) -> Result<ImageFiles, RpcError> {
        let folder = output.parent().filter(|folder| folder.is_dir()).ok_or_else(|| {
            RpcError::new(
                ErrorCode::InvalidParams,
                format!("{} is in no folder that exists", output.display()),
            )
        })?;
        let (base, disk) = if self.is_base(id) {
            let base = self.0.images.get(id.as_str()).map_err(|error| host(&error))?;
            let disk = Disk {
                path: base.disk(),
                format: DiskFormat::Raw,
                backing: vec![],
            };
            (base, disk)
        } else {
            let image = self.0.ticket_images.get(id.as_str()).map_err(|_| not_found(id))?;
            let base = self.0.images.get(&image.base).map_err(|error| host(&error))?;
            let backing = vec![(base.disk(), DiskFormat::Raw)];
            (
                base,
                Disk {
                    path: image.disk,
                    format: DiskFormat::Qcow2,
                    backing,
                },
            )
        };
        let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Written aside, so that a half image never has the name that was asked for.
        let aside = folder.join(format!(".{name}.part"));
        flatten(&disk, &aside).await.map_err(|error| host(&error))?;
        std::fs::rename(&aside, output).map_err(|error| host(&error))?;
        let (kernel, initrd) = (
            folder.join(format!("{name}.vmlinuz")),
            folder.join(format!("{name}.initrd")),
        );
        copy(&base.kernel(), &kernel)?;
        copy(&self.0.initrd(&base).map_err(|error| host(&error))?, &initrd)?;
        Ok(ImageFiles {
            disk: output.to_owned(),
            kernel,
            initrd,
            command_line: Workshop::command_line(&base, false),
        })
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

fn copy(from: &Path, to: &Path) -> Result<(), RpcError> {
    // What is there may be read-only, and is replaced.
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(host(&error)),
        _ => {}
    }
    std::fs::copy(from, to).map(drop).map_err(|error| host(&error))
}

fn host(error: &dyn std::fmt::Display) -> RpcError {
    RpcError::new(ErrorCode::Host, error.to_string())
}

fn not_found(id: &ImageId) -> RpcError {
    RpcError::new(ErrorCode::NotFound, format!("there is no image {id}")).with_hint("`preflight image list` lists them")
}
