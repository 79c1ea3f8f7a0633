//! `image/rebuild`: an image with packages and package sources that its base has not; from the cache, or by a ticket whose job
//! makes it.

use preflight_core::{ImageRebuild as Rebuild, NewTicket, Options, Preparation};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::image::ImageRebuilding;
use preflight_protocol::method::ImageRebuild;

use super::ticket_create::user_name;
use super::{Context, image_show, mounted_repositories, package_sources};
use crate::convert;
use crate::pipeline::rebuild;
use crate::staging::Staging;

pub(super) async fn handle(context: &Context, request: ImageRebuild) -> Result<ImageRebuilding, RpcError> {
    let images = &context.services.rebuilt_images;
    let name = images.name(&request.name).await?;
    let base = images.base(&request.base).await?;
    let added = package_sources::resolve(context, &base.series, &request.package_sources).await?;
    let refused = |refused: rebuild::Refused| {
        RpcError::new(ErrorCode::InvalidParams, refused.to_string())
            .with_hint("name packages with --package and --remove, PPAs with --ppa")
    };
    if added.is_plain() && request.add_packages.is_empty() && request.remove_packages.is_empty() {
        return Err(refused(rebuild::Refused::Nothing));
    }
    rebuild::asked(vec![], &request.add_packages, &request.remove_packages).map_err(refused)?;
    let options = Options {
        add_packages: request.add_packages,
        remove_packages: request.remove_packages,
        sources: rebuild::gained(base.sources, added),
        rebuild: Some(Rebuild {
            base: base.image,
            name: name.clone(),
        }),
        offline: request.offline,
        ..Options::default()
    };
    let missing = context.services.images.missing(&base.series).await?;
    if !missing && let Some(there) = images.find(&base.series, &options).await? {
        let details = image_show::details(context, there).await?;
        return Ok(ImageRebuilding::Here(Box::new(details)));
    }
    let new = NewTicket {
        title: format!("image {name}"),
        description: String::new(),
        bug: None,
        owner: user_name(),
        series: base.series,
        options,
        subtickets: vec![],
        preparation: missing.then_some(Preparation::BaseImage),
        wait: false,
        warnings: vec![],
    };
    let staging = match new.options.sources.repositories.is_empty() {
        true => None,
        false => Some(staging(context)?),
    };
    if let Some(staging) = &staging {
        mounted_repositories::give(context, &new.options.sources, staging, base.repositories).await?;
    }
    let ticket = context.dispatcher.create(new, staging).await?;
    Ok(ImageRebuilding::Ticket(convert::ticket_id(ticket)))
}

fn staging(context: &Context) -> Result<Staging, RpcError> {
    let made = Staging::create(&context.tickets);
    made.map_err(|error| RpcError::new(ErrorCode::Internal, format!("nothing can be staged: {error}")))
}
