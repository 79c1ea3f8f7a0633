//! No images but series': none is there already, and none has another name.

use async_trait::async_trait;
use preflight_core::{ImageId, ImageName, Options, PackageSources, Series};
use preflight_protocol::error::{ErrorCode, RpcError};

use crate::services::{AboutImage, RebuildBase, RebuiltImages};

/// Every request needs a ticket.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRebuiltImages;

#[async_trait]
impl RebuiltImages for NoRebuiltImages {
    async fn base(&self, word: &str) -> Result<RebuildBase, RpcError> {
        if !word.starts_with("debian-") {
            return Err(RpcError::new(ErrorCode::NotFound, format!("there is no {word}")));
        }
        Ok(RebuildBase {
            series: Series(word.to_owned()),
            image: None,
            sources: PackageSources::default(),
            repositories: None,
        })
    }

    async fn name(&self, name: &str) -> Result<ImageName, RpcError> {
        ImageName::new(name).map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))
    }

    async fn find(&self, _series: &Series, _options: &Options) -> Result<Option<ImageId>, RpcError> {
        Ok(None)
    }

    async fn own_name(&self, name: &ImageId) -> Result<ImageId, RpcError> {
        Ok(name.clone())
    }

    async fn about(&self, _image: &ImageId) -> Result<AboutImage, RpcError> {
        Ok(AboutImage::default())
    }
}
