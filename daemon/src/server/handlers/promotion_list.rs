//! `promotion/list`: the links that there are, where they point and where they have been. And what all requests about
//! links share: their names and their criteria.

use std::collections::BTreeSet;

use preflight_core::promotion::{Criteria, LinkName};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::PromotionList;
use preflight_protocol::promotion::LinkInfo;

use super::Context;
use crate::convert;
use crate::promotions::CriteriaError;

pub(super) async fn handle(context: &Context, request: PromotionList) -> Result<Vec<LinkInfo>, RpcError> {
    let named = request.link.as_deref().map(name).transpose()?;
    let mut links: BTreeSet<LinkName> = all(context).await?;
    if let Some(named) = named {
        if !links.contains(&named) {
            return Err(unknown(context, &named));
        }
        links = BTreeSet::from([named]);
    }
    let mut list = Vec::new();
    for link in links {
        let file = context.promotions.file(&link);
        let fault = match read(context, &link) {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!("it has no criteria: {} is missing", file.display())),
            Err(error) => Some(error.to_string()),
        };
        let name = link.to_string();
        let known = context.dispatcher.read(move |view| {
            let link = view.state.link(&link)?;
            Some((link.points_at(), convert::history(link)))
        });
        let (points_at, moves) = known.await?.unwrap_or_default();
        list.push(LinkInfo {
            name,
            points_at: points_at.map(convert::repository_state),
            criteria: file.is_file().then_some(file),
            fault,
            moves,
        });
    }
    Ok(list)
}

/// All links: those with criteria, and those that were ever moved.
pub(super) async fn all(context: &Context) -> Result<BTreeSet<LinkName>, RpcError> {
    let moved = context.dispatcher.read(|view| {
        let links = view.state.links();
        links.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    });
    let mut links = context.promotions.links().map_err(|error| refused(&error))?;
    links.extend(moved.await?);
    Ok(links)
}

pub(super) fn name(text: &str) -> Result<LinkName, RpcError> {
    LinkName::new(text).map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))
}

/// What a link wants.
pub(super) async fn criteria(context: &Context, link: &LinkName) -> Result<Criteria, RpcError> {
    let criteria = read(context, link).map_err(|error| refused(&error))?;
    criteria.ok_or_else(|| unknown(context, link))
}

/// A few lines of a file of the owner's: read where it is asked for, so that what was just edited counts.
pub(super) fn read(context: &Context, link: &LinkName) -> Result<Option<Criteria>, CriteriaError> {
    context.promotions.criteria(link)
}

fn refused(error: &CriteriaError) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, error.to_string()).with_hint(error.hint())
}

fn unknown(context: &Context, link: &LinkName) -> RpcError {
    let file = context.promotions.file(link);
    RpcError::new(ErrorCode::NotFound, format!("there is no link {link}")).with_hint(format!(
        "`preflight promotions` lists those that there are; {} makes one",
        file.display()
    ))
}
