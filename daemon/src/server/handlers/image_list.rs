//! `image/list`: all images, with who uses them.

use preflight_protocol::error::RpcError;
use preflight_protocol::image::ImageInfo;
use preflight_protocol::method::ImageList;

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, _: ImageList) -> Result<Vec<ImageInfo>, RpcError> {
    let images = context.services.images.list().await?;
    let list = context
        .dispatcher
        .read(move |view| images.iter().map(|image| convert::image(image, view.state)).collect());
    Ok(list.await?)
}
