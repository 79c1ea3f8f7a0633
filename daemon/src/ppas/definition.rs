//! PPAs in the archive's words and in the state's. What the state has was checked before it came there.

use std::time::{SystemTime, UNIX_EPOCH};

use preflight_archive::{PinPriority, PinnedPackage, Ppa, PublicKeys, SuiteLabels};
use preflight_core::ppa::{PpaDefinition, PpaLabels, PpaRecord, PpaState};
use preflight_core::{AptSuite, Moment, PpaUse, Sha256};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedPpa;

/// As the state has it.
pub(super) fn definition(ppa: &Ppa) -> Result<PpaDefinition, RpcError> {
    Ok(PpaDefinition {
        name: ppa.name.as_str().parse().map_err(|error| damaged(&error))?,
        uri: ppa.uri.as_str().to_owned(),
        suite: ppa.suite.as_str().to_owned(),
        components: ppa.components.clone(),
        architectures: ppa.architectures.clone(),
        keys: ppa.keys.armored().to_owned(),
        fingerprints: ppa.keys.fingerprints().iter().map(ToString::to_string).collect(),
        priority: ppa.priority.map(PinPriority::get),
        packages: ppa.packages.iter().map(ToString::to_string).collect(),
        private: ppa.private,
    })
}

/// As the archive has it.
pub(super) fn ppa(definition: &PpaDefinition) -> Result<Ppa, RpcError> {
    let PpaDefinition {
        components,
        architectures,
        ..
    } = definition.clone();
    Ok(Ppa {
        name: definition.name.as_str().parse().map_err(|error| damaged(&error))?,
        uri: definition.uri.parse().map_err(|error| damaged(&error))?,
        suite: definition.suite.parse().map_err(|error| damaged(&error))?,
        components,
        architectures,
        keys: PublicKeys::parse(definition.keys.as_bytes(), &[]).map_err(|error| damaged(&error))?,
        priority: definition
            .priority
            .map(PinPriority::try_from)
            .transpose()
            .map_err(|error| damaged(&error))?,
        packages: pinned(&definition.packages).map_err(|error| damaged(&error))?,
        private: definition.private,
    })
}

pub(super) fn pinned(packages: &[String]) -> Result<Vec<PinnedPackage>, preflight_archive::PinError> {
    packages.iter().map(|package| package.parse()).collect()
}

/// A state that was taken at this moment.
pub(super) fn state(taken: preflight_archive::PpaState, now: Moment) -> PpaState {
    let SuiteLabels {
        origin,
        label,
        suite,
        codename,
    } = taken.labels;
    PpaState {
        state: Sha256(*taken.state.digest().as_bytes()),
        suite: taken.suite,
        date: taken.date.and_then(moment),
        labels: PpaLabels {
            origin,
            label,
            suite,
            codename,
        },
        packages: taken.packages.len() as u64,
        refreshed_at: now,
    }
}

fn moment(at: SystemTime) -> Option<Moment> {
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Moment)
}

/// As a ticket uses it.
pub(super) fn used(record: &PpaRecord, state: &PpaState, asked: &AskedPpa) -> Result<PpaUse, RpcError> {
    let wrong = |error: preflight_archive::PinError| RpcError::new(ErrorCode::InvalidParams, error.to_string());
    let PpaDefinition {
        components,
        keys,
        priority,
        mut packages,
        ..
    } = record.definition.clone();
    for package in pinned(&asked.packages).map_err(wrong)? {
        let package = package.to_string();
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let asked_priority = asked.priority.map(PinPriority::try_from).transpose().map_err(wrong)?;
    let uri = ppa(&record.definition)?.uri;
    Ok(PpaUse {
        name: record.name().to_string(),
        suite: AptSuite {
            uri: uri.guest_url().to_string(),
            suite: state.suite.clone(),
            components,
        },
        upstream: uri.as_str().to_owned(),
        keys,
        state: state.state,
        priority: asked_priority.map(PinPriority::get).or(priority),
        packages,
    })
}

fn damaged(error: &dyn std::fmt::Display) -> RpcError {
    RpcError::new(ErrorCode::Internal, format!("a PPA's definition is damaged: {error}"))
}
