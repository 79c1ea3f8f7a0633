//! PPAs: apt repositories that are added. What the user names is resolved into a definition with keys (`spec`,
//! `launchpad`), and taken into the store as a state (`refresh`); what a guest's apt must be told of it is in `pins`.
//! Secrets are in `credentials` alone. Knows nothing of tickets and of how the list of PPAs is kept.

mod auth_conf;
mod credentials;
mod definition;
mod labels;
mod launchpad;
mod launchpad_name;
mod package_list;
mod pins;
mod refresh;
mod refusal;
mod secret_store;
mod spec;

pub(crate) use credentials::CredentialBook;

pub use auth_conf::GivenCredentials;
pub use credentials::{Credentials, CredentialsError, Secret};
pub use definition::{Ppa, PpaFieldError, PpaName, PpaUri, PublicKeys, SuiteTemplate};
pub use labels::SuiteLabels;
pub use launchpad::{LaunchpadClient, LaunchpadConfig, LaunchpadError, PpaArchive};
pub use launchpad_name::LaunchpadName;
pub use package_list::PpaPackage;
pub use pins::{PinError, PinPriority, PinnedPackage, PocketPins, pocket_preferences, ppa_preferences};
pub use refresh::PpaState;
pub use refusal::{PpaRefusal, PpaRefusalKind};
pub use secret_store::SecretStore;
pub use spec::{LaunchpadSpec, NewPpa, PpaSpec, PpaSpecError, SpecOptions};
