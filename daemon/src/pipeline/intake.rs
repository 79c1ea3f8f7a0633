//! Intake: judges what is submitted and stages a copy of it, so that a ticket never depends on files that its owner
//! goes on editing. Either everything is in order, or nothing is kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use preflight_core::{Series, Signature};
use preflight_debian::{
    Buildable, Error as DebianError, Keyring, OrderError, PackageName, SignaturePolicy, SignatureState, SourceFolder,
    SourcePackage, SourceUpload, build_order,
};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method;
use preflight_store::TicketsFolder;
use preflight_vm_images::Catalogue;

use super::{rerun_intake, stage};
use crate::services::{Examined, ExaminedSource, Intake, StagedRerun, Staging};

/// Where intake finds what it judges by.
#[derive(Debug, Clone)]
pub struct SourceIntake {
    /// Where sources are staged.
    pub tickets: TicketsFolder,
    /// The series that there are.
    pub catalogue: Catalogue,
    /// The series for sources that do not say theirs.
    pub default_series: Option<String>,
    /// How signatures are treated where the request does not say.
    pub signatures: method::SignaturePolicy,
    /// OpenPGP certificates of those whose signature counts.
    pub keyrings: Vec<PathBuf>,
}

#[async_trait]
impl Intake for SourceIntake {
    async fn examine(&self, request: &method::TicketCreate, _owner: &str) -> Result<Examined, RpcError> {
        let (intake, request) = (self.clone(), request.clone());
        // Digests of large tarballs take seconds.
        tokio::task::spawn_blocking(move || intake.judge(&request))
            .await
            .unwrap_or_else(|error| {
                Err(RpcError::new(
                    ErrorCode::Internal,
                    format!("looking at the sources failed: {error}"),
                ))
            })
    }

    async fn stage_rerun(&self, with: &Path) -> Result<StagedRerun, RpcError> {
        let (tickets, with) = (self.tickets.clone(), with.to_owned());
        tokio::task::spawn_blocking(move || rerun_intake::stage(&tickets, &with))
            .await
            .unwrap_or_else(|error| {
                let message = format!("copying the tests failed: {error}");
                Err(RpcError::new(ErrorCode::Internal, message))
            })
    }
}

/// One source as it was submitted.
struct Submitted {
    what: Submission,
    origin: PathBuf,
    signature: Signature,
    /// Where it is meant for, in the words of its changelog.
    distribution: Option<String>,
}

enum Submission {
    Folder(Box<SourceFolder>),
    Package(Box<SourcePackage>),
}

impl Submitted {
    fn name(&self) -> &str {
        match &self.what {
            Submission::Folder(folder) => folder.changelog.newest.source.as_str(),
            Submission::Package(package) => package.dsc.source.as_str(),
        }
    }

    fn version(&self) -> &str {
        match &self.what {
            Submission::Folder(folder) => folder.changelog.newest.version.as_str(),
            Submission::Package(package) => package.dsc.version.as_str(),
        }
    }

    fn buildable(&self) -> Buildable {
        match &self.what {
            Submission::Folder(folder) => folder.control.buildable(),
            Submission::Package(package) => Buildable {
                source: package.dsc.source.clone(),
                produces: package.dsc.binaries.iter().cloned().collect(),
                build_depends: package.dsc.build_depends.clone(),
            },
        }
    }
}

impl SourceIntake {
    fn judge(&self, request: &method::TicketCreate) -> Result<Examined, RpcError> {
        if request.sources.is_empty() {
            return Err(refusal("no source is given").with_hint("name a folder, a .dsc or a _source.changes"));
        }
        for name in request.add_packages.iter().chain(&request.remove_packages) {
            name.parse::<PackageName>()
                .map_err(|error| refusal(format!("{name:?} is no package's name: {error}")))?;
        }
        let policy = policy(request.signatures.unwrap_or(self.signatures));
        let keyring = if policy == SignaturePolicy::Ignore {
            Keyring::default()
        } else {
            Keyring::load(&self.keyrings).map_err(|error| refusal(error.to_string()))?
        };
        let mut warnings = Vec::new();
        let mut submitted = Vec::new();
        for path in &request.sources {
            submitted.push(open(path, &keyring, policy)?);
        }
        for source in &submitted {
            if let Signature::Unverified { reason } = &source.signature {
                warnings.push(format!(
                    "the signature of {} is not verified: {reason}",
                    source.origin.display()
                ));
            }
        }

        let series = self.series(request.series.as_deref(), &submitted, &mut warnings)?;
        let buildables: Vec<Buildable> = submitted.iter().map(Submitted::buildable).collect();
        let order = build_order(&buildables).map_err(|error| {
            let hint = match &error {
                OrderError::Cycle { .. } => "check them in separate tickets, or break the cycle with a build profile",
                OrderError::Twice { .. } => "name each source once",
            };
            refusal(error.to_string()).with_hint(hint)
        })?;

        let staging = Staging::create(&self.tickets).map_err(|error| cannot_stage(self.tickets.root(), &error))?;
        let mut sources = Vec::new();
        for (place, &index) in order.iter().enumerate() {
            let source = &submitted[index];
            let staged = PathBuf::from("sources").join(format!("{}-{}", place + 1, source.name()));
            match &source.what {
                Submission::Folder(folder) => stage::folder(folder, &staging.path().join(&staged))?,
                Submission::Package(package) => stage::package(package, &staging.path().join(&staged))?,
            }
            sources.push(ExaminedSource {
                name: source.name().to_owned(),
                version: source.version().to_owned(),
                origin: source.origin.clone(),
                signature: source.signature.clone(),
                staged,
                needs_source_package: matches!(source.what, Submission::Folder(_)),
                build_after: (0..place)
                    .filter(|&earlier| depends(&buildables[index], &buildables[order[earlier]]))
                    .collect(),
            });
        }
        Ok(Examined {
            sources,
            series,
            warnings,
            staging,
        })
    }

    /// The recipe's name: as asked for, else as the sources say, else as configured, else the host's own.
    fn series(
        &self,
        asked: Option<&str>,
        submitted: &[Submitted],
        warnings: &mut Vec<String>,
    ) -> Result<Series, RpcError> {
        let known = |name: &str| match self.catalogue.find(name) {
            Ok(recipe) => Ok(Series(recipe.name().to_string())),
            Err(error) => Err(refusal(error.to_string()).with_hint("choose one with --series")),
        };
        if let Some(name) = asked {
            return known(name);
        }
        let meant: BTreeSet<&str> = submitted
            .iter()
            .filter_map(|source| source.distribution.as_deref())
            .collect();
        let mut meant = meant.into_iter();
        match (meant.next(), meant.next(), &self.default_series) {
            (Some(one), Some(other), _) => Err(refusal(format!("the sources are meant for {one} and for {other}"))
                .with_hint("choose one series with --series")),
            (Some(one), None, default) => match (known(release_of(one)), default) {
                (Ok(series), _) => Ok(series),
                (Err(_), Some(default)) => {
                    warnings.push(format!(
                        "no recipe is known for {one}: checking on {default}, as configured"
                    ));
                    known(default)
                }
                (Err(error), None) => Err(error),
            },
            (None, _, Some(default)) => known(default),
            (None, _, None) => {
                let host = host_series()
                    .filter(|name| self.catalogue.find(name).is_ok())
                    .ok_or_else(|| {
                        refusal("nothing says which series to check on")
                            .with_hint("choose one with --series, or set `series` in the configuration")
                    })?;
                warnings.push(format!(
                    "nothing says which series to check on: taking this host's, {host}"
                ));
                known(&host)
            }
        }
    }
}

/// `bookworm-security` and its like are pockets of a release.
fn release_of(distribution: &str) -> &str {
    // Longer ones first: `-proposed-updates` ends in `-updates`.
    const POCKETS: [&str; 6] = [
        "-proposed-updates",
        "-backports-sloppy",
        "-backports",
        "-security",
        "-updates",
        "-proposed",
    ];
    POCKETS
        .iter()
        .find_map(|pocket| distribution.strip_suffix(pocket))
        .unwrap_or(distribution)
}

/// The recipe of the host's own release, if there is one.
pub(crate) fn host_series() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    Some(format!("{}-{}", value("ID")?, value("VERSION_CODENAME")?))
}

fn open(path: &Path, keyring: &Keyring, policy: SignaturePolicy) -> Result<Submitted, RpcError> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| refusal(format!("{}: {error}", path.display())).with_hint("check the path"))?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let (what, signature, distribution) = match extension {
        _ if metadata.is_dir() => {
            let folder = SourceFolder::open(path).map_err(refused)?;
            if policy == SignaturePolicy::Require {
                return Err(
                    refusal(format!("{} is a folder, and a folder has no signature", path.display()))
                        .with_hint("make a signed source package of it (debuild -S), or use another signature policy"),
                );
            }
            let distribution = folder.changelog.distribution().map(str::to_owned);
            (Submission::Folder(Box::new(folder)), Signature::None, distribution)
        }
        Some("dsc") => {
            let package = SourcePackage::open(path, keyring, policy).map_err(refused)?;
            let signature = signature(&package.signature);
            (Submission::Package(Box::new(package)), signature, None)
        }
        Some("changes") => {
            let upload = SourceUpload::open(path, keyring, policy).map_err(refused)?;
            let distribution = Some(upload.changes.distribution.clone()).filter(|name| name != "UNRELEASED");
            (
                Submission::Package(Box::new(upload.package)),
                signature(&upload.signature),
                distribution,
            )
        }
        _ => {
            return Err(refusal(format!(
                "{} is neither a folder, nor a .dsc, nor a _source.changes",
                path.display()
            ))
            .with_hint("name the package's folder, or what dpkg-buildpackage -S has made of it"));
        }
    };
    Ok(Submitted {
        what,
        origin: path.to_owned(),
        signature,
        distribution,
    })
}

fn depends(needs: &Buildable, made: &Buildable) -> bool {
    let mut alternatives = needs
        .build_depends
        .iter()
        .flat_map(|dependency| &dependency.alternatives);
    alternatives.any(|alternative| made.produces.contains(&alternative.name))
}

fn policy(policy: method::SignaturePolicy) -> SignaturePolicy {
    match policy {
        method::SignaturePolicy::Ignore => SignaturePolicy::Ignore,
        method::SignaturePolicy::Warn => SignaturePolicy::Warn,
        method::SignaturePolicy::Require => SignaturePolicy::Require,
    }
}

fn signature(state: &SignatureState) -> Signature {
    match state {
        SignatureState::Unsigned | SignatureState::NotChecked => Signature::None,
        SignatureState::Good { signers } => match signers.first() {
            Some(signer) => Signature::Good {
                signer: signer
                    .names
                    .first()
                    .cloned()
                    .unwrap_or_else(|| signer.fingerprint.clone()),
                fingerprint: signer.fingerprint.clone(),
            },
            None => Signature::Unverified {
                reason: "no signer is named".to_owned(),
            },
        },
        SignatureState::UnknownKey { key_ids } => Signature::Unverified {
            reason: format!("no keyring holds the key {}", key_ids.join(", ")),
        },
        SignatureState::Bad { reason } => Signature::Unverified { reason: reason.clone() },
    }
}

pub(super) fn refusal(message: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, message)
}

pub(super) fn refused(error: DebianError) -> RpcError {
    let answer = refusal(error.to_string());
    match error.hint() {
        Some(hint) => answer.with_hint(hint),
        None => answer,
    }
}

pub(super) fn cannot_stage(folder: &Path, error: &std::io::Error) -> RpcError {
    RpcError::new(
        ErrorCode::Host,
        format!("the sources cannot be copied to {}: {error}", folder.display()),
    )
    .with_hint("is there room on the disk?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pocket_belongs_to_its_release() {
        for (distribution, release) in [
            ("bookworm", "bookworm"),
            ("unstable", "unstable"),
            ("bookworm-security", "bookworm"),
            ("bookworm-proposed-updates", "bookworm"),
            ("noble-proposed", "noble"),
            ("bookworm-backports-sloppy", "bookworm"),
        ] {
            assert_eq!(release_of(distribution), release);
        }
    }
}
