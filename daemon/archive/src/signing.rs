//! The installation's signing key: made once, kept in a file that only the owner reads, used to sign the release
//! files of ticket repositories. It never leaves this machine.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use sequoia_openpgp as openpgp;

use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::parse::Parse as _;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto as _;
use openpgp::serialize::stream::{Armorer, Message, Signer};
use openpgp::types::{HashAlgorithm, KeyFlags, SignatureType};
use openpgp::{Cert, armor};

use crate::error::ArchiveError;

const FILE: &str = "ticket-repository.key";
const USER_ID: &str = "Preflight ticket repository";

/// The Ed25519 key that signs ticket repositories.
#[derive(Debug, Clone)]
pub struct SigningKey {
    cert: Cert,
}

impl SigningKey {
    /// The key in `folder`, made if there is none. The file gets mode 0600; one that others can read is refused.
    pub fn load_or_create(folder: &Path) -> Result<Self, ArchiveError> {
        let path = folder.join(FILE);
        match Self::load(&path) {
            Err(ArchiveError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => return other,
        }
        fs::create_dir_all(folder).map_err(ArchiveError::io(folder))?;
        let bytes = Self::generate()?.as_tsk().to_vec().map_err(openpgp_error)?;
        let aside = folder.join(format!(".{FILE}.{}", std::process::id()));
        let write = || {
            let _ = fs::remove_file(&aside);
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            // A link, not a rename: the first of two processes wins, and both load what it made.
            match fs::hard_link(&aside, &path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
                _ => fs::remove_file(&aside),
            }
        };
        write().map_err(ArchiveError::io(&path))?;
        Self::load(&path)
    }

    fn load(path: &Path) -> Result<Self, ArchiveError> {
        let mode = fs::metadata(path).map_err(ArchiveError::io(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            let error = std::io::Error::other("the signing key can be read by others: set its mode to 0600");
            return Err(ArchiveError::Io {
                path: path.to_owned(),
                error,
            });
        }
        let bytes = fs::read(path).map_err(ArchiveError::io(path))?;
        Ok(Self {
            cert: Cert::from_bytes(&bytes).map_err(openpgp_error)?,
        })
    }

    fn generate() -> Result<Cert, ArchiveError> {
        // A guest whose clock lags must not take the key for one of the future.
        let yesterday = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
        let (cert, _) = CertBuilder::new()
            .add_userid(USER_ID)
            .set_cipher_suite(CipherSuite::Cv25519)
            .set_creation_time(yesterday)
            .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
            .set_validity_period(None)
            .generate()
            .map_err(openpgp_error)?;
        Ok(cert)
    }

    /// The public key, armored: for `Signed-By` in the guest, in a file whose name ends in `.asc`.
    pub fn public_armored(&self) -> Result<Vec<u8>, ArchiveError> {
        self.cert.armored().to_vec().map_err(openpgp_error)
    }

    /// The key's fingerprint, upper-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.cert.fingerprint().to_string()
    }

    /// `text` signed inline, as `InRelease` has it.
    pub fn sign_inline(&self, text: &str, at: SystemTime) -> Result<Vec<u8>, ArchiveError> {
        let mut signed = Vec::new();
        let write = |sink: &mut Vec<u8>| {
            let template = SignatureBuilder::new(SignatureType::Text);
            let mut signer = Signer::with_template(Message::new(sink), self.keypair()?, template)?
                .hash_algo(HashAlgorithm::SHA512)?
                .creation_time(at)
                .cleartext()
                .build()?;
            signer.write_all(text.as_bytes())?;
            signer.finalize()
        };
        write(&mut signed).map_err(openpgp_error)?;
        Ok(signed)
    }

    /// An armored detached signature of `text`, as `Release.gpg` has it.
    pub fn sign_detached(&self, text: &str, at: SystemTime) -> Result<Vec<u8>, ArchiveError> {
        let mut signature = Vec::new();
        let write = |sink: &mut Vec<u8>| {
            let message = Armorer::new(Message::new(sink)).kind(armor::Kind::Signature).build()?;
            let mut signer = Signer::new(message, self.keypair()?)?
                .hash_algo(HashAlgorithm::SHA512)?
                .creation_time(at)
                .detached()
                .build()?;
            signer.write_all(text.as_bytes())?;
            signer.finalize()
        };
        write(&mut signature).map_err(openpgp_error)?;
        Ok(signature)
    }

    fn keypair(&self) -> openpgp::Result<openpgp::crypto::KeyPair> {
        let policy = StandardPolicy::new();
        let valid = self.cert.with_policy(&policy, None)?;
        let key = valid
            .keys()
            .secret()
            .for_signing()
            .next()
            .ok_or_else(|| std::io::Error::other("the signing key's file holds no secret key"))?;
        key.key().clone().into_keypair()
    }
}

fn openpgp_error(error: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::OpenPgp(error.to_string())
}
