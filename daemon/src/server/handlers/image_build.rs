//! `image/build`: a ticket whose one job makes a series' base images.

use preflight_core::{NewTicket, Options, Preparation, Series};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::{ImageBuild, ImageBuilding};

use super::Context;
use super::ticket_create::user_name;
use crate::convert;

pub(super) async fn handle(context: &Context, request: ImageBuild) -> Result<ImageBuilding, RpcError> {
    let series = Series(request.series.0);
    // Whether they are missing does not matter: they are made anew. An unknown series is refused here.
    context.services.images.missing(&series).await?;
    let new = NewTicket {
        title: format!("base images of {series}"),
        description: String::new(),
        bug: None,
        owner: user_name(),
        series,
        options: Options::default(),
        subtickets: vec![],
        preparation: Some(Preparation::BaseImage),
        wait: false,
        warnings: vec![],
    };
    let ticket = context.dispatcher.create(new, None).await?;
    Ok(ImageBuilding {
        ticket: convert::ticket_id(ticket),
    })
}
