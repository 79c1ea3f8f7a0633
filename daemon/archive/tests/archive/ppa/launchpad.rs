//! Launchpad's web service, played by a server that gives answers in the documented shape. They were written after the
//! API's description (https://api.launchpad.net/1.0.html) and public copies of answers; the service itself was not asked.

use preflight_archive::{
    Credentials, LaunchpadClient, LaunchpadConfig, LaunchpadError, LaunchpadName, NewPpa, PpaSpec, SigningKey,
    SpecOptions,
};
use pretty_assertions::assert_eq;
use serde_json::json;
use tempfile::TempDir;

use crate::ppa::repository::patience;
use crate::ppa::server::Server;

const ENTRY: &str = "/1.0/~jane/+archive/ubuntu/tools";

struct Launchpad {
    server: Server,
    client: LaunchpadClient,
    key: SigningKey,
    folder: TempDir,
}

impl Launchpad {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let server = Server::start(&folder.path().join("nothing")).await;
        let config = LaunchpadConfig {
            api: format!("{}/1.0", server.url),
            key_server: format!("{}/pks/lookup?search=0x{{fingerprint}}", server.url),
            ..LaunchpadConfig::default()
        };
        let client = LaunchpadClient::new(config, patience()).unwrap();
        let launchpad = Self {
            server,
            client,
            key,
            folder,
        };
        launchpad.archive(json!({}));
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
        launchpad.server.give(&format!("{ENTRY}{query}"), 200, page.to_string());
        launchpad.key_data(200, &json!(launchpad.armored()));
        launchpad
    }

    /// The archive's entry, with some fields changed.
    fn archive(&self, changed: serde_json::Value) {
        let mut entry = json!({
            "self_link": "https://api.launchpad.net/1.0/~jane/+archive/ubuntu/tools",
            "web_link": "https://launchpad.net/~jane/+archive/ubuntu/tools",
            "resource_type_link": "https://api.launchpad.net/1.0/#archive",
            "owner_link": "https://api.launchpad.net/1.0/~jane", "name": "tools", "displayname": "Jane's tools",
            "reference": "~jane/ubuntu/tools", "distribution_link": "https://api.launchpad.net/1.0/ubuntu",
            "private": false, "suppress_subscription_notifications": false, "dependencies_collection_link":
            "https://api.launchpad.net/1.0/~jane/+archive/ubuntu/tools/dependencies", "description": "For all.",
            "signing_key_fingerprint": self.key.fingerprint(), "require_virtualized": true, "build_debug_symbols": false,
            "publish_debug_symbols": false, "permit_obsolete_series_uploads": false, "authorized_size": 2048,
            "status": "Active", "publish": true, "external_dependencies": null, "relative_build_score": 0,
            "http_etag": "\"70d6b91de3d852e1bd3dbb07a6391a3342f00000-0d4e6e732f00000000000000000000000000000f\""
        });
        for (name, value) in changed.as_object().unwrap() {
            entry[name] = value.clone();
        }
        self.server.give(ENTRY, 200, entry.to_string());
    }

    fn key_data(&self, status: u16, data: &serde_json::Value) {
        self.server
            .give(&format!("{ENTRY}?ws.op=getSigningKeyData"), status, data.to_string());
    }

    fn armored(&self) -> String {
        String::from_utf8(self.key.public_armored().unwrap()).unwrap()
    }

    async fn complete(&self, options: &SpecOptions) -> Result<NewPpa, LaunchpadError> {
        match PpaSpec::parse(&["ppa:jane/tools".to_owned()], options).unwrap() {
            PpaSpec::Launchpad(spec) => self.client.complete(&spec).await,
            PpaSpec::Repositories(found) => panic!("{found:?}"),
        }
    }
}

fn token() -> SpecOptions {
    SpecOptions {
        credentials: Some(Credentials::new("jane", "hush").unwrap()),
        ..SpecOptions::default()
    }
}

#[tokio::test]
async fn a_name_becomes_a_ppa_with_a_checked_key() {
    let launchpad = Launchpad::start().await;
    let name: LaunchpadName = "jane/tools".parse().unwrap();
    let archive = launchpad.client.resolve(&name).await.unwrap();
    assert_eq!(archive.display_name, "Jane's tools");
    assert_eq!(
        archive.uri.as_str(),
        "https://ppa.launchpadcontent.net/jane/tools/ubuntu"
    );
    assert_eq!(archive.series, ["jammy", "noble"]);
    let new = launchpad.complete(&token()).await.unwrap();
    assert_eq!(new.ppa.name.as_str(), "jane/tools");
    assert_eq!(
        (new.ppa.suite.as_str(), new.ppa.components.as_slice()),
        ("{series}", &["main".to_owned()][..])
    );
    assert_eq!(new.ppa.keys.fingerprints()[0].as_str(), launchpad.key.fingerprint());
    // A public one is not told a secret, and nobody is who asks Launchpad.
    assert_eq!((new.ppa.private, new.credentials), (false, None));
    assert!(launchpad.server.asked().iter().all(|(_, sent)| sent.is_none()));

    // Where Launchpad has no key data, the key server is asked; what it gives is checked as well.
    let lookup = format!("/pks/lookup?search=0x{}", launchpad.key.fingerprint());
    launchpad.server.give(&lookup, 200, launchpad.armored());
    for (status, data) in [(200, json!(null)), (400, json!("No such operation: getSigningKeyData"))] {
        launchpad.key_data(status, &data);
        let again = launchpad.complete(&SpecOptions::default()).await.unwrap();
        assert_eq!(again.ppa.keys, new.ppa.keys);
    }
    let other = SigningKey::load_or_create(&launchpad.folder.path().join("other")).unwrap();
    launchpad.server.give(&lookup, 200, other.public_armored().unwrap());
    let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::WrongKey { .. }), "{error}");
    assert!(error.to_string().contains(&launchpad.key.fingerprint()), "{error}");
    launchpad.server.give(&lookup, 404, "");
    let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("the key server has no such key"), "{error}");
}

#[tokio::test]
async fn private_ppas_want_a_token_and_hidden_ones_their_key_as_well() {
    let launchpad = Launchpad::start().await;
    launchpad.archive(json!({"private": true}));
    let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::NoToken { .. }), "{error}");
    let new = launchpad.complete(&token()).await.unwrap();
    assert_eq!(
        new.ppa.uri.as_str(),
        "https://private-ppa.launchpadcontent.net/jane/tools/ubuntu"
    );
    assert!(new.ppa.private && new.credentials == token().credentials);

    launchpad.server.give(ENTRY, 401, "Unauthorized");
    let error = launchpad.complete(&token()).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::Private { .. }), "{error}");
    let key = launchpad.folder.path().join("key.asc");
    std::fs::write(&key, launchpad.armored()).unwrap();
    let before = launchpad.server.asked().len();
    let with_key = SpecOptions {
        key: Some(key),
        ..token()
    };
    assert_eq!(launchpad.complete(&with_key).await.unwrap(), new);
    assert_eq!(launchpad.server.asked().len(), before);
}

#[tokio::test]
async fn what_launchpad_says_is_not_taken_for_granted() {
    let launchpad = Launchpad::start().await;
    for (changed, wanted) in [
        (json!({"status": "Deleted"}), "ppa:jane/tools has been deleted"),
        (json!({"signing_key_fingerprint": null}), "no signing key yet"),
        (json!({"signing_key_fingerprint": "ABCD"}), "is no OpenPGP fingerprint"),
        (json!({"name": "other"}), "describes another archive"),
        (json!({"name": 7}), "answered something else than expected"),
    ] {
        launchpad.archive(changed);
        let told = launchpad
            .complete(&SpecOptions::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(told.contains(wanted), "{told}");
    }
    for (status, wanted) in [
        (404, "has no ppa:jane/tools"),
        (503, "try again later"),
        (200, "something else"),
    ] {
        launchpad.server.give(ENTRY, status, "<html>");
        let told = launchpad
            .complete(&SpecOptions::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(told.contains(wanted), "{told}");
    }
    // Series are only shown: a PPA is added although they can't be told.
    launchpad.archive(json!({"displayname": "two\nlines\u{1b}[31m"}));
    launchpad
        .server
        .tell(|told| told.answers.retain(|path, _| !path.contains("getPublishedSources")));
    let archive = launchpad.client.resolve(&"jane/tools".parse().unwrap()).await.unwrap();
    assert_eq!(
        (archive.display_name.as_str(), archive.series.len()),
        ("twolines[31m", 0)
    );
}
