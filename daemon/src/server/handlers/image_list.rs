//! `image/list`: all images, with who uses them.

use preflight_core::ImageName;
use preflight_protocol::error::RpcError;
use preflight_protocol::image::ImageInfo;
use preflight_protocol::method::ImageList;

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, _: ImageList) -> Result<Vec<ImageInfo>, RpcError> {
    let images = context.services.images.list().await?;
    let mut names = Vec::new();
    for image in &images {
        names.push(context.services.rebuilt_images.about(&image.id).await?.names);
    }
    let list = context.dispatcher.read(move |view| {
        let with_names = |(image, names): (&_, Vec<ImageName>)| ImageInfo {
            names: names.iter().map(ToString::to_string).collect(),
            ..convert::image(image, view.state)
        };
        images.iter().zip(names).map(with_names).collect()
    });
    Ok(list.await?)
}
