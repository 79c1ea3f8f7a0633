//! `image/get`: write a ticket's image, or any other, as files of its own.

use preflight_core::ImageId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::ImageFiles;
use preflight_protocol::method::ImageGet;

use super::{Context, of_ticket};

pub(super) async fn handle(context: &Context, request: ImageGet) -> Result<ImageFiles, RpcError> {
    let invalid = |message: &str| RpcError::new(ErrorCode::InvalidParams, message);
    if !request.output.is_absolute() {
        return Err(invalid(&format!(
            "the output {:?} is not an absolute path",
            request.output
        )));
    }
    let id = match (request.ticket, request.image) {
        (Some(ticket), None) => {
            let image = of_ticket(context, ticket, |ticket, _| ticket.image.clone()).await?;
            image.ok_or_else(|| {
                RpcError::new(ErrorCode::Conflict, format!("ticket {ticket} has no image"))
                    .with_hint("it has one once its image job has passed")
            })?
        }
        (None, Some(image)) => ImageId(image.0),
        _ => return Err(invalid("either a ticket or an image must be named")),
    };
    context.services.images.get(&id, &request.output).await
}
