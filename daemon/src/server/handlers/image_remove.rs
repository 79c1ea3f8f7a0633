//! `image/remove`: remove an image that no open ticket uses and that no other image is an overlay of.

use preflight_core::{Command, ImageId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::{Empty, ImageRemove};

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, request: ImageRemove) -> Result<Empty, RpcError> {
    let id = context.services.rebuilt_images.own_name(&ImageId(request.id.0)).await?;
    let images = context.services.images.list().await?;
    let image = images.into_iter().find(|image| image.id == id);
    let image = image.ok_or_else(|| RpcError::new(ErrorCode::NotFound, format!("there is no image {id}")))?;
    let may = context
        .dispatcher
        .read(move |view| view.state.may_remove(&image))
        .await?;
    may.map_err(|refusal| convert::refusal(&refusal))?;
    context.services.images.remove(&id).await?;
    context.dispatcher.command(Command::ForgetImage { id }).await?;
    Ok(Empty {})
}
