//! Launchpad's web service, played by a server that gives answers in the documented shape. They were written after the
//! API's description (https://api.launchpad.net/1.0.html) and public copies of answers; the service itself was not asked.

use preflight_archive::LaunchpadConfig;
use serde_json::json;

use crate::ppa::server::Server;

/// The one archive that it knows: `ppa:jane/tools`.
pub(crate) const ENTRY: &str = "/1.0/~jane/+archive/ubuntu/tools";

pub(crate) struct StandIn {
    pub(crate) server: Server,
    fingerprint: String,
}

impl StandIn {
    /// It names and gives this key.
    pub(crate) async fn start(fingerprint: &str, armored: &str) -> Self {
        let nothing = tempfile::tempdir().unwrap();
        let stand_in = Self {
            server: Server::start(&nothing.path().join("nothing")).await,
            fingerprint: fingerprint.to_owned(),
        };
        stand_in.archive(json!({}));
        let publication = |series: &str| {
            json!({
                "resource_type_link": "https://api.launchpad.net/1.0/#source_package_publishing_history",
                "source_package_name": "demo", "source_package_version": "1.0-1", "status": "Published", "pocket": "Release",
                "component_name": "main", "archive_link": "https://api.launchpad.net/1.0/~jane/+archive/ubuntu/tools",
                "distro_series_link": format!("https://api.launchpad.net/1.0/ubuntu/{series}"),
                "date_published": "2026-10-02T12:00:00.123456+00:00"
            })
        };
        let page = json!({"start": 0, "total_size": 3, "entries": [publication("noble"), publication("jammy"), publication("noble")]});
        let query = "?ws.op=getPublishedSources&status=Published&order_by_date=true&ws.size=300";
        stand_in.server.give(&format!("{ENTRY}{query}"), 200, page.to_string());
        stand_in.key_data(200, &json!(armored));
        stand_in
    }

    /// Launchpad's addresses: these are here, the others as they are.
    pub(crate) fn config(&self) -> LaunchpadConfig {
        LaunchpadConfig {
            api: format!("{}/1.0", self.server.url),
            key_server: format!("{}/pks/lookup?search=0x{{fingerprint}}", self.server.url),
            ..LaunchpadConfig::default()
        }
    }

    /// Its entry, with some fields changed.
    pub(crate) fn archive(&self, changed: serde_json::Value) {
        let mut entry = json!({
            "self_link": "https://api.launchpad.net/1.0/~jane/+archive/ubuntu/tools",
            "web_link": "https://launchpad.net/~jane/+archive/ubuntu/tools",
            "resource_type_link": "https://api.launchpad.net/1.0/#archive",
            "owner_link": "https://api.launchpad.net/1.0/~jane", "name": "tools", "displayname": "Jane's tools",
            "reference": "~jane/ubuntu/tools", "distribution_link": "https://api.launchpad.net/1.0/ubuntu",
            "private": false, "suppress_subscription_notifications": false, "dependencies_collection_link":
            "https://api.launchpad.net/1.0/~jane/+archive/ubuntu/tools/dependencies", "description": "For all.",
            "signing_key_fingerprint": self.fingerprint, "require_virtualized": true, "build_debug_symbols": false,
            "publish_debug_symbols": false, "permit_obsolete_series_uploads": false, "authorized_size": 2048,
            "status": "Active", "publish": true, "external_dependencies": null, "relative_build_score": 0,
            "http_etag": "\"70d6b91de3d852e1bd3dbb07a6391a3342f00000-0d4e6e732f00000000000000000000000000000f\""
        });
        for (name, value) in changed.as_object().unwrap() {
            entry[name] = value.clone();
        }
        self.server.give(ENTRY, 200, entry.to_string());
    }

    /// What it answers when it is asked for the key.
    pub(crate) fn key_data(&self, status: u16, data: &serde_json::Value) {
        self.server
            .give(&format!("{ENTRY}?ws.op=getSigningKeyData"), status, data.to_string());
    }
}
