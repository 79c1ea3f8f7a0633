//! `image/get`: write a ticket's image, or any other, as files of its own.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::{ImageChoice, ImageFiles};
use preflight_protocol::method::ImageGet;

use super::Context;
use super::image_diff::chosen;
use crate::services::Export;

pub(super) async fn handle(context: &Context, request: ImageGet) -> Result<ImageFiles, RpcError> {
    let invalid = |message: &str| RpcError::new(ErrorCode::InvalidParams, message);
    if !request.output.is_absolute() {
        return Err(invalid(&format!(
            "the output {:?} is not an absolute path",
            request.output
        )));
    }
    let choice = match (request.ticket, request.image) {
        (Some(ticket), None) => ImageChoice::Ticket(ticket),
        (None, Some(image)) => ImageChoice::Image(image),
        _ => return Err(invalid("either a ticket or an image must be named")),
    };
    let id = chosen(context, choice).await?;
    let export = Export {
        output: request.output,
        format: request.format,
        uefi: request.uefi,
    };
    context.services.images.get(&id, &export).await
}
