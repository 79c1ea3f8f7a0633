//! PPAs as clients are told of them.

use preflight_core::Series;
use preflight_core::ppa::{PpaRecord, PpaRefusal, PpaState};
use preflight_protocol as wire;
use preflight_protocol::error::{ErrorCode, RpcError};

use super::{digest, moment};

pub(crate) fn ppa(record: &PpaRecord) -> wire::ppa::Ppa {
    let definition = record.definition.clone();
    wire::ppa::Ppa {
        name: definition.name.to_string(),
        uri: definition.uri,
        suite: definition.suite,
        components: definition.components,
        architectures: definition.architectures,
        fingerprints: definition.fingerprints,
        priority: definition.priority,
        packages: definition.packages,
        private: definition.private,
        added_at: moment(record.added_at),
        states: record
            .states
            .iter()
            .map(|(series, state)| ppa_state(series, state))
            .collect(),
    }
}

pub(crate) fn ppa_state(series: &Series, state: &PpaState) -> wire::ppa::PpaState {
    wire::ppa::PpaState {
        series: wire::ids::Series(series.to_string()),
        state: digest(state.state),
        suite: state.suite.clone(),
        date: state.date.map(moment),
        origin: state.labels.origin.clone(),
        packages: state.packages,
        refreshed_at: moment(state.refreshed_at),
    }
}

/// The list's refusal as clients are told of it.
pub(crate) fn ppa_refusal(refusal: &PpaRefusal) -> RpcError {
    let code = match refusal {
        PpaRefusal::NoPpa(_) => ErrorCode::NotFound,
        PpaRefusal::TooMany(_) => ErrorCode::InvalidParams,
        PpaRefusal::Exists(_) | PpaRefusal::RolledBack { .. } | PpaRefusal::InUse { .. } => ErrorCode::Conflict,
    };
    let error = RpcError::new(code, refusal.to_string());
    match refusal {
        PpaRefusal::NoPpa(_) => error.with_hint("`preflight ppa list` shows those that there are"),
        PpaRefusal::Exists(name) => error.with_hint(format!(
            "`preflight ppa refresh {name}` takes it anew; --name gives another one a name of its own"
        )),
        PpaRefusal::TooMany(_) => error.with_hint("`preflight ppa remove NAME` makes room"),
        PpaRefusal::RolledBack { .. } => {
            error.with_hint("a stale mirror, or somebody withholds updates: try again later, or use another mirror")
        }
        PpaRefusal::InUse { ticket, .. } => {
            error.with_hint(format!("wait for it, or `preflight ticket cancel {ticket}` ends it"))
        }
    }
}
