//! A ticket's package sources, as clients see them.

use preflight_core as core;
use preflight_protocol::package_sources::{UsedPocket, UsedPpa};

use super::digest;

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
