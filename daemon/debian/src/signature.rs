//! OpenPGP signatures by sequoia: keyrings from files, inline-signed texts (`.dsc`, `.changes`, `InRelease`) and
//! detached signatures (`Release.gpg`). What is returned as content is what was signed and nothing around it.
//! It judges signatures, never who may sign what.

use std::io::Read;
use std::path::{Path, PathBuf};

use sequoia_openpgp as openpgp;

use openpgp::cert::amalgamation::ValidAmalgamation as _;
use openpgp::cert::raw::{RawCert, RawCertParser};
use openpgp::parse::Parse;
use openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError, VerificationHelper,
    VerifierBuilder,
};
use openpgp::policy::StandardPolicy;
use openpgp::{Cert, KeyHandle};

use crate::error::{Error, Place, Problem};
use crate::input::TextFile;

/// What to do about the signature of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignaturePolicy {
    /// Signatures are not looked at.
    Ignore,
    /// Signatures are checked and the result told; nothing is refused for it.
    #[default]
    Warn,
    /// Only a good signature by a key of the keyrings is accepted.
    Require,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key's user ids as they stand in the keyring, the primary one first. Shown, never parsed.
    pub names: Vec<String>,
    /// The certificate's fingerprint, upper-case hexadecimal.
    pub fingerprint: String,
}

/// What the check of a signature gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureState {
    /// There is no signature.
    Unsigned,
    /// There is one; by policy it was not checked.
    NotChecked,
    /// At least one good signature, and none that contradicts the text.
    Good {
        /// By whom.
        signers: Vec<Signer>,
    },
    /// Only signatures of keys that no keyring has.
    UnknownKey {
        /// Key ids or fingerprints, hexadecimal.
        key_ids: Vec<String>,
    },
    /// The text is not what was signed, or the key may not sign (expired, revoked, too weak).
    Bad {
        /// What the check said.
        reason: String,
    },
}

/// A text and what is known of its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The signed text, or the whole text where there is no signature.
    pub content: Vec<u8>,
    /// The result.
    pub state: SignatureState,
}

/// A keyring can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file can't be read.
    #[error("keyring {}: {error}", .path.display())]
    Unreadable {
        /// The keyring.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The file is no sequence of OpenPGP certificates.
    #[error("keyring {}: {reason}; a GnuPG keybox must be exported with gpg --export", .path.display())]
    NotAKeyring {
        /// The keyring.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
}

/// Certificates that signatures are checked against; cheap to make even from the keyring of all Debian developers,
/// since a certificate is parsed only once somebody's signature names it.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    pub(crate) certs: Vec<RawCert<'static>>,
}

impl Keyring {
    /// All certificates of these files, binary or armored.
    pub fn load<P: AsRef<Path>>(files: &[P]) -> Result<Self, KeyringError> {
        let mut certs = Vec::new();
        for file in files {
            let path = file.as_ref();
            let bytes = std::fs::read(path).map_err(|error| KeyringError::Unreadable {
                path: path.to_owned(),
                error,
            })?;
            let bad = |reason: String| KeyringError::NotAKeyring {
                path: path.to_owned(),
                reason,
            };
            for cert in RawCertParser::from_bytes(&bytes).map_err(|error| bad(error.to_string()))? {
                certs.push(cert.map_err(|error| bad(error.to_string()))?.into_owned());
            }
        }
        Ok(Self { certs })
    }

    /// Whether there is no certificate at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certs.is_empty()
    }

    /// The certificates of both.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self {
            certs: self.certs.iter().chain(&other.certs).cloned().collect(),
        }
    }

    /// Checks an inline-signed text. A text without a signature comes back whole as [`SignatureState::Unsigned`]; one
    /// that looks signed but can't be taken apart is [`SignatureState::Bad`] with empty content.
    #[must_use]
    pub fn verify_inline(&self, text: &[u8]) -> Verified {
        if !looks_signed(text) {
            return Verified {
                content: text.to_vec(),
                state: SignatureState::Unsigned,
            };
        }
        let policy = StandardPolicy::new();
        let mut content = Vec::new();
        let result = VerifierBuilder::from_bytes(text)
            .and_then(|builder| builder.with_policy(&policy, None, Judge::new(self)))
            .and_then(|mut verifier| {
                verifier.read_to_end(&mut content)?;
                Ok(verifier.into_helper().state)
            });
        match result {
            Ok(state) => Verified { content, state },
            Err(error) => Verified {
                content: Vec::new(),
                state: SignatureState::Bad {
                    reason: error.to_string(),
                },
            },
        }
    }

    /// Checks a detached signature, armored or binary.
    #[must_use]
    pub fn verify_detached(&self, content: &[u8], signature: &[u8]) -> SignatureState {
        let policy = StandardPolicy::new();
        let result = DetachedVerifierBuilder::from_bytes(signature)
            .and_then(|builder| builder.with_policy(&policy, None, Judge::new(self)))
            .and_then(|mut verifier| {
                verifier.verify_bytes(content)?;
                Ok(verifier.into_helper().state)
            });
        result.unwrap_or_else(|error| SignatureState::Bad {
            reason: error.to_string(),
        })
    }

    /// The signed text of `file` as far as `policy` accepts it.
    pub fn open(&self, file: &TextFile, policy: SignaturePolicy) -> Result<Verified, Error> {
        let mut verified = self.verify_inline(&file.bytes);
        let refuse = |problem| Err(Error::new(Place::file(&file.path), problem));
        match (&verified.state, policy) {
            (SignatureState::Good { .. }, SignaturePolicy::Require | SignaturePolicy::Warn) => {}
            (SignatureState::Unsigned, SignaturePolicy::Require) => return refuse(Problem::Unsigned),
            (SignatureState::UnknownKey { key_ids }, SignaturePolicy::Require) => {
                return refuse(Problem::UnknownSigner {
                    key_ids: key_ids.clone(),
                });
            }
            (SignatureState::Bad { reason }, SignaturePolicy::Require) => {
                return refuse(Problem::BadSignature { reason: reason.clone() });
            }
            // Nothing to parse came out of it, so no policy can help.
            (SignatureState::Bad { reason }, _) if verified.content.is_empty() => {
                return refuse(Problem::BadSignature { reason: reason.clone() });
            }
            (SignatureState::Unsigned, _) | (_, SignaturePolicy::Warn) => {}
            (_, SignaturePolicy::Ignore) => verified.state = SignatureState::NotChecked,
            (SignatureState::NotChecked, SignaturePolicy::Require) => return refuse(Problem::Unsigned),
        }
        Ok(verified)
    }

    fn find(&self, ids: &[KeyHandle]) -> Vec<Cert> {
        self.certs
            .iter()
            .filter(|cert| cert.keys().any(|key| ids.iter().any(|id| id.aliases(key.key_handle()))))
            .filter_map(|cert| Cert::try_from(cert.clone()).ok())
            .collect()
    }
}

fn looks_signed(text: &[u8]) -> bool {
    let armor = b"-----BEGIN PGP";
    text.starts_with(armor)
        || text
            .windows(armor.len() + 1)
            .any(|window| window[0] == b'\n' && &window[1..] == armor)
}

/// Never refuses, so that the signed text comes out whatever the result: [`Keyring::open`] applies the policy.
struct Judge<'a> {
    keyring: &'a Keyring,
    state: SignatureState,
}

impl<'a> Judge<'a> {
    fn new(keyring: &'a Keyring) -> Self {
        Self {
            keyring,
            state: SignatureState::Unsigned,
        }
    }
}

impl VerificationHelper for Judge<'_> {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.keyring.find(ids))
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        let mut signers = Vec::new();
        let mut unknown = Vec::new();
        let mut unusable = None;
        let mut bad = None;
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else {
                continue;
            };
            for result in results {
                match result {
                    Ok(good) => signers.push(signer(&good)),
                    Err(VerificationError::MissingKey { sig }) => {
                        unknown.extend(sig.get_issuers().first().map(ToString::to_string));
                    }
                    Err(error @ VerificationError::BadSignature { .. }) => bad = Some(error.to_string()),
                    Err(error) => unusable = Some(error.to_string()),
                }
            }
        }
        // A release file is signed by several keys, old and new, and one usable key is enough; but a known key's
        // signature that contradicts the text means that the text was changed.
        self.state = match (bad, signers.is_empty(), unusable) {
            (Some(reason), _, _) | (None, true, Some(reason)) => SignatureState::Bad { reason },
            (None, false, _) => SignatureState::Good { signers },
            (None, true, None) if unknown.is_empty() => SignatureState::Unsigned,
            (None, true, None) => SignatureState::UnknownKey { key_ids: unknown },
        };
        Ok(())
    }
}

fn signer(good: &GoodChecksum<'_>) -> Signer {
    let cert = good.ka.valid_cert();
    let primary = cert.primary_userid().ok().map(|user| user.userid().to_string());
    let others = cert.userids().map(|user| user.userid().to_string());
    let mut names: Vec<String> = primary.clone().into_iter().collect();
    names.extend(others.filter(|name| Some(name) != primary.as_ref()));
    Signer {
        names,
        fingerprint: cert.fingerprint().to_string(),
    }
}
