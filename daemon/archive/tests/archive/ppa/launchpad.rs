//! A PPA's name becomes a repository with a checked key by what Launchpad says; none of it is taken for granted.

use preflight_archive::{
    Credentials, LaunchpadClient, LaunchpadError, LaunchpadName, NewPpa, PpaSpec, SigningKey, SpecOptions,
};
use pretty_assertions::assert_eq;
use serde_json::json;
use tempfile::TempDir;

use crate::ppa::repository::patience;
use crate::ppa::stand_in::{ENTRY, StandIn};

struct Launchpad {
    stand_in: StandIn,
    client: LaunchpadClient,
    key: SigningKey,
    folder: TempDir,
}

impl Launchpad {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let armored = String::from_utf8(key.public_armored().unwrap()).unwrap();
        let stand_in = StandIn::start(&key.fingerprint(), &armored).await;
        let client = LaunchpadClient::new(stand_in.config(), patience()).unwrap();
        Self {
            stand_in,
            client,
            key,
            folder,
        }
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
        credentials: Some(Credentials::new("jane", "hush").unwrap().into()),
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
    assert!(launchpad.stand_in.server.asked().iter().all(|(_, sent)| sent.is_none()));

    // Where Launchpad has no key data, the key server is asked; what it gives is checked as well.
    let lookup = format!("/pks/lookup?search=0x{}", launchpad.key.fingerprint());
    launchpad.stand_in.server.give(&lookup, 200, launchpad.armored());
    for (status, data) in [(200, json!(null)), (400, json!("No such operation: getSigningKeyData"))] {
        launchpad.stand_in.key_data(status, &data);
        let again = launchpad.complete(&SpecOptions::default()).await.unwrap();
        assert_eq!(again.ppa.keys, new.ppa.keys);
    }
    let other = SigningKey::load_or_create(&launchpad.folder.path().join("other")).unwrap();
    launchpad
        .stand_in
        .server
        .give(&lookup, 200, other.public_armored().unwrap());
    let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::WrongKey { .. }), "{error}");
    assert!(error.to_string().contains(&launchpad.key.fingerprint()), "{error}");
    launchpad.stand_in.server.give(&lookup, 404, "");
    let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("the key server has no such key"), "{error}");
}

#[tokio::test]
async fn private_ppas_want_a_token_and_hidden_ones_their_key_as_well() {
    let launchpad = Launchpad::start().await;
    launchpad.stand_in.archive(json!({"private": true}));
    let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::NoToken { .. }), "{error}");
    let new = launchpad.complete(&token()).await.unwrap();
    assert_eq!(
        new.ppa.uri.as_str(),
        "https://private-ppa.launchpadcontent.net/jane/tools/ubuntu"
    );
    assert!(new.ppa.private && new.credentials == Credentials::new("jane", "hush").ok());
    let of = |machine: &str| SpecOptions {
        credentials: Some(format!("machine {machine} login jane password hush").parse().unwrap()),
        ..SpecOptions::default()
    };
    let file = of("private-ppa.launchpadcontent.net/jane/tools");
    assert_eq!(launchpad.complete(&file).await.unwrap(), new);
    let error = launchpad.complete(&of("elsewhere.example")).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::NoToken { .. }), "{error}");

    launchpad.stand_in.server.give(ENTRY, 401, "Unauthorized");
    let error = launchpad.complete(&token()).await.unwrap_err();
    assert!(matches!(error, LaunchpadError::Private { .. }), "{error}");
    let key = launchpad.folder.path().join("key.asc");
    std::fs::write(&key, launchpad.armored()).unwrap();
    let before = launchpad.stand_in.server.asked().len();
    let with_key = SpecOptions {
        key: Some(key),
        ..token()
    };
    assert_eq!(launchpad.complete(&with_key).await.unwrap(), new);
    assert_eq!(launchpad.stand_in.server.asked().len(), before);
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
        launchpad.stand_in.archive(changed);
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
        launchpad.stand_in.server.give(ENTRY, status, "<html>");
        let error = launchpad.complete(&SpecOptions::default()).await.unwrap_err();
        let told = format!("{error}; {}", error.hint().unwrap_or_default());
        assert!(told.contains(wanted), "{told}");
    }
    // Series are only shown: a PPA is added although they can't be told.
    launchpad
        .stand_in
        .archive(json!({"displayname": "two\nlines\u{1b}[31m"}));
    launchpad
        .stand_in
        .server
        .tell(|told| told.answers.retain(|path, _| !path.contains("getPublishedSources")));
    let archive = launchpad.client.resolve(&"jane/tools".parse().unwrap()).await.unwrap();
    assert_eq!(
        (archive.display_name.as_str(), archive.series.len()),
        ("twolines[31m", 0)
    );
}
