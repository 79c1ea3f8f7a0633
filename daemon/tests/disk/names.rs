//! An image that its owner has named stays; who names it otherwise gives the room free.

use std::os::unix::fs::symlink;

use preflight_core::ImageKind;
use preflight_protocol::disk::DiskKind::TicketImage;

use crate::world::{PLENTY, World, stays, to};

#[tokio::test(flavor = "multi_thread")]
async fn a_named_image_stays() {
    let world = World::new();
    world.image("images", "base", ImageKind::Base, None, 1);
    let image = |id| world.image("ticket-images", id, ImageKind::Ticket, Some("base"), 2);
    let (old, mine) = (image("image-old"), image("image-mine"));
    let names = world.folders.cache.join("ticket-images/.names");
    std::fs::create_dir(&names).unwrap();
    symlink("../image-mine", names.join("mine")).unwrap();
    // One that a death has left points at nothing, and what is no name names nothing.
    symlink("../image-gone", names.join("gone")).unwrap();
    symlink("../image-old", names.join(".half")).unwrap();
    let running = world.start(PLENTY).await;

    let usage = running.usage().await;
    let why = stays(&usage, TicketImage, "image-mine").unwrap();
    assert!(why.contains("preflight image remove mine"), "{why}");
    assert_eq!(stays(&usage, TicketImage, "image-old"), None);
    running.free(to(0)).await;
    assert!(!old.exists() && mine.exists());

    symlink("../image-other", names.join("aside")).unwrap();
    std::fs::rename(names.join("aside"), names.join("mine")).unwrap();
    running.free(to(0)).await;
    assert!(!mine.exists());
    drop(running.daemon);
}
