//! When something goes: when room is asked for, after a job, at start.

use preflight_core as core;
use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::method::DiskFree;
use preflightd::disk::NoRoom;
use preflightd::dispatcher::View;

use crate::support::within;
use crate::world::{PIECE, World, piece, to, write};

#[tokio::test(flavor = "multi_thread")]
async fn room_is_made_by_least_use_and_refused_where_there_is_none() {
    let world = World::new();
    let running = world.start(20 * PIECE).await;
    let newest = world.image("images", "base", core::ImageKind::Base, None, 1);
    let template = world.template("base", None, &newest);
    let used = running.usage().await.used;
    let left = 20 * PIECE - used;
    let room = within(running.budget.make_room(left - PIECE / 2)).await.unwrap();
    assert_eq!(running.usage().await.promised, room.bytes());
    // Promised is as good as written; and what is held does not go.
    let refused = within(running.budget.make_room(PIECE)).await.unwrap_err();
    assert!(matches!(refused, NoRoom::Budget { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("1.0 MB more do not fit into the disk budget of 20.9 MB"),
        "{refused}"
    );
    let folder = template.folder().to_owned();
    world.templates.seal(&template).unwrap();
    drop(template);
    assert!(folder.exists());
    let second = within(running.budget.make_room(PIECE)).await.unwrap();
    assert!(!folder.exists(), "the template had to go");
    drop((room, second));
    let too_much = within(running.budget.make_room(30 * PIECE)).await.unwrap_err();
    assert!(matches!(too_much, NoRoom::Budget { .. }), "{too_much}");
    assert!(newest.exists());
    let nowhere = world.folders.cache.join("nowhere");
    let nowhere = within(running.budget.make_room_at(&nowhere, 1)).await;
    assert!(matches!(nowhere, Err(NoRoom::Unknown(_))));
    // No disk is that large; nothing goes for what cannot be.
    let disk = world.start_again(running, u64::MAX).await;
    let full = within(disk.budget.make_room(1 << 60)).await.unwrap_err();
    assert!(matches!(full, NoRoom::Disk { .. }), "{full}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_job_and_at_start_everything_is_brought_under_the_budget() {
    let world = World::new();
    let mut running = world.start(8 * PIECE).await;
    running.client.subscribe(None).await;
    // It is answered after the look at the start, which would find what comes now.
    running.usage().await;
    let stray = world.archive.store().put(&piece(b'u')).unwrap();
    for part in 0..7 {
        write(&world.folders.cache.join(format!("libvirt/{part}")));
    }
    assert!(
        running.usage().await.used > 8 * PIECE,
        "too much is there, and nobody has looked"
    );
    assert!(stray.path.exists());
    running.check(&world, "hello").await;
    assert!(running.usage().await.used <= 8 * PIECE);
    assert!(!stray.path.exists());

    // What a daemon that died has set aside is deleted, and what is gone is no longer named.
    let stray = world.archive.store().put(&piece(b'u')).unwrap();
    write(&world.folders.cache.join("removing/x/item/root.img"));
    let named = |view: &View<'_>| view.state.images().count();
    assert_eq!(running.daemon.handle.read(named).await.unwrap(), 1);
    let again = world.start_again(running, 8 * PIECE).await;
    assert!(again.usage().await.used <= 8 * PIECE);
    assert!(!stray.path.exists() && !world.folders.cache.join("removing/x").exists());
    assert_eq!(again.daemon.handle.read(named).await.unwrap(), 0);

    let both = DiskFree { all: true, ..to(1) };
    match within(again.client.connection.request(&both)).await {
        Err(ClientError::Rpc(error)) => {
            assert_eq!(error.code, ErrorCode::InvalidParams);
        }
        other => panic!("{other:?}"),
    }
}
