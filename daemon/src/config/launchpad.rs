//! Where Launchpad is: what `ppa:` names are resolved by.

use serde::{Deserialize, Serialize};
use url::Url;

/// Where Launchpad is; its public addresses where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LaunchpadConfig {
    /// The web service, with its version.
    pub api: String,
    /// Where public PPAs are published, without `/OWNER/NAME/DISTRIBUTION`.
    pub content: String,
    /// Where private PPAs are published.
    pub private_content: String,
    /// Where a key is fetched that the web service does not give; `{fingerprint}` stands for its fingerprint.
    pub key_server: String,
}

impl Default for LaunchpadConfig {
    fn default() -> Self {
        let preflight_archive::LaunchpadConfig {
            api,
            content,
            private_content,
            key_server,
        } = preflight_archive::LaunchpadConfig::default();
        Self {
            api,
            content,
            private_content,
            key_server,
        }
    }
}

impl From<&LaunchpadConfig> for preflight_archive::LaunchpadConfig {
    fn from(config: &LaunchpadConfig) -> Self {
        let LaunchpadConfig {
            api,
            content,
            private_content,
            key_server,
        } = config.clone();
        Self {
            api,
            content,
            private_content,
            key_server,
        }
    }
}

impl LaunchpadConfig {
    /// The key whose value can't be, the value, and what it must be.
    pub(super) fn wrong(&self) -> Option<(&'static str, String, &'static str)> {
        let is_web = |text: &str| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        let urls = [
            ("launchpad.api", &self.api),
            ("launchpad.content", &self.content),
            ("launchpad.private_content", &self.private_content),
            ("launchpad.key_server", &self.key_server),
        ];
        let wrong = urls.into_iter().find(|(_, url)| !is_web(url));
        if let Some((field, value)) = wrong {
            return Some((field, format!("{value:?}"), "a URL with http or https"));
        }
        (!self.key_server.contains("{fingerprint}")).then(|| {
            let value = format!("{:?}", self.key_server);
            ("launchpad.key_server", value, "a URL with {fingerprint} in it")
        })
    }
}
