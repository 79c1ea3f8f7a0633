//! OpenPGP certificates as text: who is in a key file, by fingerprint, and a keyring written out again as armored text
//! without anything secret in it. Judges no signatures.

use std::fmt;
use std::str::FromStr;

use sequoia_openpgp as openpgp;

use openpgp::armor;
use openpgp::cert::Cert;
use openpgp::cert::raw::RawCertParser;
use openpgp::parse::Parse as _;
use openpgp::serialize::Serialize as _;

use crate::signature::Keyring;

/// The fingerprint of an OpenPGP key: 40 (version 4) or 64 (version 6) hexadecimal digits, upper case. Blanks, a `0x`
/// before it and lower case are accepted when parsing; key ids, which can be forged, are not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

/// The text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no OpenPGP fingerprint: 40 or 64 hexadecimal digits are wanted, as gpg --show-keys prints them")]
pub struct FingerprintError(String);

impl Fingerprint {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let digits = digits
            .strip_prefix("0x")
            .or_else(|| digits.strip_prefix("0X"))
            .unwrap_or(&digits);
        if matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(digits.to_ascii_uppercase()))
        } else {
            Err(FingerprintError(text.chars().take(100).collect()))
        }
    }
}

/// A key file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The content is no sequence of OpenPGP certificates.
    #[error("no OpenPGP public key can be read: {0}; a GnuPG keybox must be exported with gpg --export --armor")]
    Unreadable(String),
    /// There is no certificate in it.
    #[error("there is no OpenPGP public key in it; export one with gpg --export --armor FINGERPRINT")]
    Empty,
    /// The certificate that is wanted is not among them.
    #[error("it has no key with the fingerprint {wanted}, only {}", listed(.found))]
    Missing {
        /// What was wanted.
        wanted: Fingerprint,
        /// What there is.
        found: Vec<Fingerprint>,
    },
}

fn listed(fingerprints: &[Fingerprint]) -> String {
    let shown: Vec<&str> = fingerprints.iter().take(10).map(Fingerprint::as_str).collect();
    shown.join(", ")
}

impl Keyring {
    /// All certificates of a key file's content, binary or armored; at least one.
    pub fn parse(content: &[u8]) -> Result<Self, CertificateError> {
        let unreadable = |error: openpgp::anyhow::Error| CertificateError::Unreadable(error.to_string());
        if content.iter().all(u8::is_ascii_whitespace) {
            return Err(CertificateError::Empty);
        }
        let mut certs = Vec::new();
        for cert in RawCertParser::from_bytes(content).map_err(unreadable)? {
            certs.push(cert.map_err(unreadable)?.into_owned());
        }
        if certs.is_empty() {
            return Err(CertificateError::Empty);
        }
        Ok(Self { certs })
    }

    /// The fingerprints of its certificates, in their order.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let primary = |cert: &openpgp::cert::raw::RawCert<'_>| Fingerprint(cert.fingerprint().to_hex());
        self.certs.iter().map(primary).collect()
    }

    /// The certificates that have these keys, as primary key or as subkey (apt's meaning of `Signed-By`).
    ///
    /// # Errors
    /// One of `wanted` is not there.
    pub fn with_fingerprints(&self, wanted: &[Fingerprint]) -> Result<Self, CertificateError> {
        let has = |cert: &openpgp::cert::raw::RawCert<'_>, wanted: &Fingerprint| {
            cert.keys().any(|key| key.fingerprint().to_hex() == wanted.0)
        };
        if let Some(missing) = wanted
            .iter()
            .find(|wanted| !self.certs.iter().any(|cert| has(cert, wanted)))
        {
            return Err(CertificateError::Missing {
                wanted: missing.clone(),
                found: self.fingerprints(),
            });
        }
        let chosen = self
            .certs
            .iter()
            .filter(|cert| wanted.iter().any(|wanted| has(cert, wanted)));
        Ok(Self {
            certs: chosen.cloned().collect(),
        })
    }

    /// All certificates as one armored text, as a file in apt's `keyrings/` whose name ends in `.asc` has it. Secret keys
    /// stay behind.
    pub fn to_armored(&self) -> Result<String, CertificateError> {
        let write = || -> openpgp::Result<Vec<u8>> {
            let mut writer = armor::Writer::new(Vec::new(), armor::Kind::PublicKey)?;
            for cert in &self.certs {
                Cert::try_from(cert.clone())?.serialize(&mut writer)?;
            }
            Ok(writer.finalize()?)
        };
        let bytes = write().map_err(|error| CertificateError::Unreadable(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| CertificateError::Unreadable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use openpgp::cert::CertBuilder;
    use openpgp::serialize::SerializeInto as _;
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn fingerprints_are_whole() {
        let whole = "0123456789ABCDEF0123456789ABCDEF01234567";
        for text in [
            whole.to_owned(),
            whole.to_lowercase(),
            format!("0x{whole}"),
            "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567".to_owned(),
        ] {
            assert_eq!(text.parse::<Fingerprint>().unwrap().as_str(), whole);
        }
        for bad in [
            "",
            "89ABCDEF",
            "0123456789ABCDEF",
            &whole[1..],
            &whole.replace('A', "G"),
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secret_keys_stay_behind_and_subkeys_count() {
        let make = |name: &str| {
            CertBuilder::new()
                .add_userid(name)
                .add_signing_subkey()
                .generate()
                .unwrap()
                .0
        };
        let (one, two) = (make("one"), make("two"));
        let secret = [
            one.as_tsk().armored().to_vec().unwrap(),
            two.as_tsk().armored().to_vec().unwrap(),
        ]
        .concat();
        assert!(secret.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----"));
        let keyring = Keyring::parse(&secret).unwrap();
        let fingerprint = |cert: &Cert| cert.fingerprint().to_hex().parse::<Fingerprint>().unwrap();
        assert_eq!(keyring.fingerprints(), [fingerprint(&one), fingerprint(&two)]);
        let armored = keyring.to_armored().unwrap();
        assert!(armored.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
        let public: Vec<Cert> = openpgp::cert::CertParser::from_bytes(&armored)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(public.len() == 2 && public.iter().all(|cert| !cert.is_tsk()));

        let subkey = two.keys().subkeys().next().unwrap().key().fingerprint().to_hex();
        let chosen = keyring.with_fingerprints(&[subkey.parse().unwrap()]).unwrap();
        assert_eq!(chosen.fingerprints(), [fingerprint(&two)]);
        let missing = chosen
            .with_fingerprints(&[fingerprint(&two), fingerprint(&one)])
            .unwrap_err();
        let told = missing.to_string();
        assert!(
            told.contains(&format!("{}, only {}", fingerprint(&one), fingerprint(&two))),
            "{told}"
        );
        assert_eq!(Keyring::parse(b" \n").unwrap_err(), CertificateError::Empty);
        assert!(matches!(
            Keyring::parse(b"no key"),
            Err(CertificateError::Unreadable(_))
        ));
    }
}
