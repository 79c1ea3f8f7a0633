//! A ticket's package sources, as clients see them.

use preflight_core as core;
use preflight_protocol::package_sources::{UsedPocket, UsedPpa, UsedRepository};

use super::{digest, ticket_id};

pub(super) fn pocket(used: &core::PocketUse) -> UsedPocket {
    UsedPocket {
        pocket: used.pocket.to_string(),
        suite: used.suite.suite.clone(),
        packages: used.packages.clone(),
    }
}

pub(super) fn ppa(used: &core::PpaUse) -> UsedPpa {
    UsedPpa {
        name: used.name.clone(),
        uri: used.upstream.clone(),
        suite: used.suite.suite.clone(),
        state: digest(used.state),
        priority: used.priority,
        packages: used.packages.clone(),
    }
}

pub(super) fn repository(used: &core::RepositoryUse) -> UsedRepository {
    UsedRepository {
        ticket: ticket_id(used.ticket),
        generation: digest(used.generation),
        link: used.link.as_ref().map(ToString::to_string),
    }
}
