//! Links over the socket: criteria from files, repositories on the disk, moves that survive a restart.

use std::path::Path;

use preflight_core as core;
use preflight_core::JobKind;
use preflight_protocol::client::ClientError;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{Sha256, TicketId};
use preflight_protocol::method::*;
use preflight_protocol::promotion::Promoted;

use crate::steps::{failing, test};
use crate::support::{Client, House, within};

/// The tests of `hello` pass, those of others fail.
fn house() -> House {
    House::new(|kind, source| match (kind, source) {
        (JobKind::Test, Some("hello")) => vec![test("hello", "upstream", core::TestStatus::Pass)],
        (JobKind::Test, Some(source)) => vec![
            test(source, "upstream", core::TestStatus::Fail),
            failing(core::Outcome::Fail, "x.log", "E: x"),
        ],
        _ => vec![],
    })
}

/// What the build steps would have published.
fn publish(house: &House, ticket: TicketId, digit: &str) -> Sha256 {
    let digest = digit.repeat(64);
    let repository = house.folders().state.join(format!("tickets/{ticket}/repository"));
    let generation = format!("generation-{digest}");
    std::fs::create_dir_all(repository.join(&generation)).unwrap();
    std::fs::write(repository.join(&generation).join("Release"), "").unwrap();
    std::os::unix::fs::symlink(generation, repository.join("current")).unwrap();
    Sha256(digest)
}

async fn checked(house: &House, client: &mut Client, source: &str, digit: &str) -> (TicketId, Sha256) {
    let id = client
        .create(vec![house.source(&format!("{source}.dsc"), false)])
        .await
        .id;
    client.until_ended(id).await;
    (id, publish(house, id, digit))
}

async fn ask<M: Method>(client: &Client, request: &M) -> M::Answer {
    within(client.connection.request(request)).await.unwrap()
}

async fn refused<M: Method>(client: &Client, request: &M) -> RpcError {
    match within(client.connection.request(request)).await {
        Err(ClientError::Rpc(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("{} is not refused", M::NAME),
    }
}

fn promote(link: &str, ticket: Option<TicketId>) -> Promote {
    Promote {
        link: link.into(),
        ticket,
        by: Some("jane".into()),
        why: Some("it is good".into()),
        ..Promote::default()
    }
}

fn roll_back(link: &str) -> RollBack {
    RollBack {
        link: link.into(),
        ..RollBack::default()
    }
}

fn write_criteria(config: &Path, link: &str, text: &str) {
    let folder = config.join("promotions");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{link}.toml")), text).unwrap();
}

fn ticket_of(promoted: &Promoted) -> Option<TicketId> {
    promoted.to.as_ref().map(|to| to.ticket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_moves_when_nothing_is_missing_and_stays_over_a_restart() {
    let house = house();
    let daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    assert_eq!(
        refused(&client, &promote("tested", None)).await.code,
        ErrorCode::NotFound
    );
    let (good, first) = checked(&house, &mut client, "hello", "a").await;
    let (bad, second) = checked(&house, &mut client, "world", "b").await;

    let missing = ask(&client, &promote("tested", None)).await;
    assert_eq!(
        (missing.ticket, missing.moved),
        (Some(bad), false),
        "the newest that has ended"
    );
    let [one] = &missing.missing[..] else {
        panic!("{missing:?}")
    };
    assert!(one.wanted.contains("test of world"), "{one:?}");
    assert!(one.found.contains("has fail (upstream)"), "{one:?}");
    assert!(missing.hint.is_some());

    let dry = Promote {
        dry_run: true,
        ..promote("tested", Some(good))
    };
    let dry = ask(&client, &dry).await;
    assert!(!dry.moved && dry.missing.is_empty() && ticket_of(&dry) == Some(good));
    let moved = ask(&client, &promote("tested", Some(good))).await;
    assert!(moved.moved);
    assert_eq!(moved.to.unwrap().generation, first);
    let envelope = client
        .until("the move", |kind| matches!(kind, EventKind::LinkMoved(_)))
        .await;
    let EventKind::LinkMoved(step) = envelope.kind else {
        unreachable!()
    };
    assert_eq!(
        (step.link.as_str(), step.by.as_str(), step.why.as_deref()),
        ("tested", "jane", Some("it is good"))
    );
    assert!(
        !ask(&client, &promote("tested", Some(good))).await.moved,
        "it is there already"
    );

    // A file takes the place of what is built in, and is read anew each time.
    let config = house.folders().config;
    write_criteria(
        &config,
        "tested",
        "requires = [{ job = \"test\" }]\nexempt = [{ source = \"world\", reason = \"bug 1\" }]",
    );
    let moved = ask(&client, &promote("tested", None)).await;
    assert_eq!((moved.moved, ticket_of(&moved)), (true, Some(bad)));
    write_criteria(&config, "tested", "requires = []\nexcept = []");
    let broken = refused(&client, &promote("tested", None)).await;
    assert!(
        broken.message.contains("tested.toml:2:1") && broken.message.contains("exempt"),
        "{broken}"
    );
    assert!(broken.hint().is_some());
    std::fs::remove_file(config.join("promotions/tested.toml")).unwrap();

    let kept = refused(&client, &TicketRemove { ticket: bad }).await;
    assert_eq!(kept.code, ErrorCode::Conflict);
    assert!(kept.message.contains("the link tested points at ticket 2"), "{kept}");

    let unknown = refused(&client, &promote("own", Some(good))).await;
    assert_eq!(unknown.code, ErrorCode::NotFound);
    assert!(unknown.hint().unwrap().contains("promotions/own.toml"), "{unknown:?}");
    assert_eq!(
        refused(&client, &promote("../x", Some(good))).await.code,
        ErrorCode::InvalidParams
    );
    assert_eq!(
        refused(&client, &promote("tested", Some(TicketId(9)))).await.code,
        ErrorCode::NotFound
    );

    drop((client, daemon));
    let _daemon = house.start().await;
    let client = house.client().await;
    let links = ask(&client, &PromotionList::default()).await;
    let places: Vec<_> = links
        .iter()
        .map(|link| (link.name.as_str(), link.moves.len()))
        .collect();
    assert_eq!(places, [("consistent", 0), ("current", 0), ("tested", 2)]);
    let tested = links.last().unwrap();
    assert_eq!(tested.points_at.as_ref().unwrap().generation, second);
    assert_eq!(tested.moves[0].from, tested.moves[1].to, "the newest first");
    assert_eq!(tested.fault, None);

    let standings = ask(&client, &PromotionCheck { ticket: bad }).await;
    let seen: Vec<_> = standings
        .iter()
        .map(|link| (link.link.as_str(), link.points_here, link.missing.len()))
        .collect();
    assert_eq!(
        seen,
        [("consistent", false, 0), ("current", false, 0), ("tested", true, 1)]
    );

    let dry = RollBack {
        dry_run: true,
        ..roll_back("tested")
    };
    assert_eq!(ticket_of(&ask(&client, &dry).await), Some(good));
    let back = ask(&client, &roll_back("tested")).await;
    assert_eq!((back.moved, ticket_of(&back)), (true, Some(good)));
    ask(&client, &TicketRemove { ticket: bad }).await;
    let nothing = ask(&client, &roll_back("tested")).await;
    assert_eq!((nothing.moved, nothing.to), (true, None));
    for request in [roll_back("tested"), dry] {
        assert_eq!(refused(&client, &request).await.code, ErrorCode::Conflict);
    }
    assert_eq!(refused(&client, &roll_back("own")).await.code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_goes_nowhere_where_there_is_no_repository() {
    let house = house();
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let (first, _) = checked(&house, &mut client, "hello", "a").await;
    let (second, _) = checked(&house, &mut client, "hello", "b").await;
    for ticket in [first, second] {
        assert!(ask(&client, &promote("current", Some(ticket))).await.moved);
    }
    let repository = house.folders().state.join(format!("tickets/{first}/repository"));
    std::fs::remove_dir_all(repository).unwrap();
    let refusal = refused(&client, &roll_back("current")).await;
    assert!(refusal.message.contains("has been freed"), "{refusal}");
    let promoted = ask(&client, &promote("current", Some(first))).await;
    assert_eq!((promoted.moved, promoted.to), (false, None));
    assert_eq!(promoted.missing[0].wanted, "a repository");
}
