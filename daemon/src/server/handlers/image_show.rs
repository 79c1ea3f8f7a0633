//! `image/show`: one image in full.

use preflight_core::ImageId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::ImageDetails;
use preflight_protocol::method::ImageShow;

use super::Context;
use super::image_diff::chosen;
use crate::convert;

pub(super) async fn handle(context: &Context, request: ImageShow) -> Result<ImageDetails, RpcError> {
    let meant = chosen(context, request.image).await?;
    let id = context.services.rebuilt_images.own_name(&meant).await?;
    details(context, id).await
}

/// All that is told of an image, by its own name.
pub(super) async fn details(context: &Context, id: ImageId) -> Result<ImageDetails, RpcError> {
    let all = context.services.images.list().await?;
    let record = all.into_iter().find(|image| image.id == id);
    let record = record.ok_or_else(|| RpcError::new(ErrorCode::NotFound, format!("there is no image {id}")))?;
    let about = context.services.rebuilt_images.about(&id).await?;
    let base = record.parent.as_ref().map(convert::image_id);
    let info = context
        .dispatcher
        .read(move |view| convert::image(&record, view.state))
        .await?;
    Ok(ImageDetails {
        info: preflight_protocol::image::ImageInfo {
            names: about.names.iter().map(ToString::to_string).collect(),
            ..info
        },
        base,
        rebuilt: about.rebuilt,
    })
}
