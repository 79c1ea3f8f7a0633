//! Debian source packages on the host: `.dsc`, `_source.changes`, `debian/control`, `debian/changelog`, source
//! folders and the control data of a built `.deb`, parsed and verified without ever running a line of them.
//!
//! All input is untrusted: files are read up to a bound, names that could lead out of their folder are refused, and
//! of a signed file only the signed text is parsed. [`Error`] says what is wrong, where, and what to do about it.
//! This crate knows nothing of tickets, guests or the network.

mod apt_sources;
mod certificate;
mod changelog;
mod changes;
mod control;
mod deb;
mod digest;
mod dsc;
mod error;
mod folder;
mod input;
mod listed;
mod name;
mod order;
mod relation;
mod signature;
mod version;

pub use apt_sources::{AptSource, SignedBy};
pub use certificate::{CertificateError, Fingerprint, FingerprintError};
pub use changelog::{Changelog, ChangelogEntry};
pub use changes::{SourceChanges, SourceUpload};
pub use control::{BinaryStanza, Control};
pub use deb::{BinaryPackage, BuildInfo};
pub use digest::{DigestParseError, Hashing, Sha256Digest};
pub use dsc::{Dsc, SourcePackage};
pub use error::{Error, Place, Problem};
pub use folder::{EntryKind, SourceFolder, SourceFormat, TreeEntry};
pub use input::{MAX_TEXT_BYTES, TextFile};
pub use listed::ListedFile;
pub use name::{Architecture, NameError, PackageName, SourceName};
pub use order::{Buildable, OrderError, build_order};
pub use relation::{Alternative, Dependency, dependencies};
pub use signature::{Keyring, KeyringError, SignaturePolicy, SignatureState, Signer, Verified};
pub use version::{Version, VersionError};
