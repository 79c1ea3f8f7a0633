//! `image/diff`: how two images differ.

use preflight_core::ImageId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::{ImageChoice, ImageDifference};
use preflight_protocol::method::ImageDiff;

use super::{Context, of_ticket};

pub(super) async fn handle(context: &Context, request: ImageDiff) -> Result<ImageDifference, RpcError> {
    let from = chosen(context, request.from).await?;
    let to = chosen(context, request.to).await?;
    context.services.images.diff(&from, &to).await
}

/// The image that is meant; whether there is one of that name is not looked at.
pub(super) async fn chosen(context: &Context, choice: ImageChoice) -> Result<ImageId, RpcError> {
    match choice {
        ImageChoice::Image(id) => Ok(ImageId(id.0)),
        ImageChoice::Ticket(ticket) => {
            let image = of_ticket(context, ticket, |ticket, _| ticket.image.clone()).await?;
            image.ok_or_else(|| {
                RpcError::new(ErrorCode::Conflict, format!("ticket {ticket} has no image"))
                    .with_hint("it has one once its image job has passed")
            })
        }
    }
}
