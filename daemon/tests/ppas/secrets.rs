//! The token of a private PPA is in one file and on the wire to its own server, and nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::method::{PpaAdd, PpaRemove};
use preflight_protocol::package_sources::AskedPpa;
use preflight_protocol::ppa::Token;

use crate::world::{World, ask, list, refresh, refused, remove};

const TOKEN: &str = "s3cr3tT0ken";

/// The repository wants this user's token.
async fn private() -> (World, PpaAdd) {
    let world = World::new().await;
    let basic = BASE64.encode(format!("jane:{TOKEN}"));
    world.server.tell(|told| told.password = Some(format!("Basic {basic}")));
    let request = PpaAdd {
        token: Some(Token(format!("jane:{TOKEN}"))),
        ..world.request("test/it")
    };
    (world, request)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_kept_in_one_file_and_known_again_after_the_daemons_death() {
    let (world, request) = private().await;
    let (daemon, client) = world.start().await;
    let added = ask(&client, &request).await;
    assert!(added[0].private);
    assert!(!format!("{request:?}").contains(TOKEN));
    let kept = world.holding(TOKEN);
    assert_eq!(kept, [Path::new("secrets/ppa-test_it")]);
    let file = world.house.folders().state.join(&kept[0]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // What a dead daemon had kept of another one.
    std::fs::write(file.with_file_name("ppa-other"), format!("jane:{TOKEN}")).unwrap();

    drop((client, daemon));
    let (_daemon, client) = world.start().await;
    assert_eq!(refresh(&client, "test/it").await.refused, None);
    assert_eq!(world.holding(TOKEN), kept);
    assert!(world.holding(&BASE64.encode(format!("jane:{TOKEN}"))).is_empty());
    remove(&client, "test/it").await;
    assert!(world.holding(TOKEN).is_empty());
    // It is sent no more either.
    let asked = world.server.asked().len();
    let without = PpaAdd { token: None, ..request };
    let error = refused(&client, &without).await;
    assert!(error.hint().unwrap().contains("--token-file"), "{error}");
    assert!(world.server.asked()[asked..].iter().all(|(_, sent)| sent.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_changes_nothing_and_is_not_repeated() {
    let (world, request) = private().await;
    let (_daemon, client) = world.start().await;
    ask(&client, &request).await;
    for wrong in ["jane:otherT0ken", "otherT0ken", "jane:other T0ken", ""] {
        let with = PpaAdd {
            name: Some("second".into()),
            token: Some(Token(wrong.into())),
            ..request.clone()
        };
        let error = refused(&client, &with).await;
        assert_eq!(error.code, ErrorCode::InvalidParams);
        assert!(!format!("{error:?}").contains("T0ken"), "{error:?}");
    }
    assert!(world.holding("otherT0ken").is_empty());
    assert_eq!(list(&client).await.len(), 1);
    // The one that is there still has its own.
    assert_eq!(refresh(&client, "test/it").await.refused, None);
    // One beside it that needs no token, as some repositories give a suite to all, takes nothing away from it.
    let mut password = None;
    world.server.tell(|told| password = told.password.take());
    let without = PpaAdd {
        name: Some("open".into()),
        token: None,
        ..request.clone()
    };
    ask(&client, &without).await;
    world.server.tell(|told| told.password = password);
    assert_eq!(refresh(&client, "test/it").await.refused, None);
    // Two of one repository share what is sent there, until the last has gone.
    let second = PpaAdd {
        name: Some("second".into()),
        ..request
    };
    ask(&client, &second).await;
    remove(&client, "test/it").await;
    assert_eq!(refresh(&client, "second").await.refused, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_one_stays_until_its_tickets_are_done() {
    let (world, request) = private().await;
    let (daemon, mut client) = world.start().await;
    let file = format!("machine {}/ login jane password {TOKEN}\n", world.server.url);
    let request = PpaAdd {
        token: Some(Token(file)),
        ..request
    };
    ask(&client, &request).await;
    let asked = AskedPpa {
        name: "test/it".into(),
        ..AskedPpa::default()
    };
    client.subscribe(None).await;
    let (id, _) = world.ticket(&daemon, &client, &asked).await.unwrap();
    let request = PpaRemove { name: "test/it".into() };
    let error = refused(&client, &request).await;
    assert_eq!(error.code, ErrorCode::Conflict);
    assert!(error.hint().unwrap().contains("ticket cancel"), "{error}");
    world.house.executor.gates.open("go");
    client.until_ended(id).await;
    ask(&client, &request).await;
}
