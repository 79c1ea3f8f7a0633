//! `ticket/remove`: remove an ended ticket with all that belongs to it.

use preflight_core::{Command, ImageId, TicketId};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::{Empty, TicketRemove};

use super::{Context, of_ticket};

pub(super) async fn handle(context: &Context, request: TicketRemove) -> Result<Empty, RpcError> {
    let image = of_ticket(context, request.ticket, |ticket, _| ticket.image.clone()).await?;
    let ticket = TicketId(request.ticket.0);
    context.dispatcher.command(Command::Remove { ticket }).await?;
    if let Some(image) = image {
        // The ticket is gone whatever becomes of its image; what is left of that is freed when the disk is tidied.
        if let Err(error) = remove_image(context, image.clone()).await {
            tracing::warn!(%ticket, %image, %error, "a removed ticket's image cannot be removed");
        }
    }
    Ok(Empty {})
}

async fn remove_image(context: &Context, id: ImageId) -> Result<(), RpcError> {
    let wanted = id.clone();
    let is_free = context.dispatcher.read(move |view| {
        let image = view.state.image(&wanted);
        image.is_some_and(|image| view.state.users(image).is_empty() && view.state.may_remove(image).is_ok())
    });
    // Who has given it a name wants it whatever becomes of the ticket that made it.
    if !is_free.await? || !context.services.rebuilt_images.about(&id).await?.names.is_empty() {
        return Ok(());
    }
    context.services.images.remove(&id).await?;
    context.dispatcher.command(Command::ForgetImage { id }).await
}
