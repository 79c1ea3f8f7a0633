//! In which order everything goes, what the state says afterwards, and what never goes.

use std::fs;
use std::path::PathBuf;

use preflight_protocol::disk::{DiskKind, Freed};
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::JobState;
use preflight_protocol::method::DiskFree;
use preflight_protocol::ticket::TicketFiles;

use crate::world::{PIECE, PLENTY, World, du, furnish, kinds, named, stays, to, write};

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_in_the_documented_order_and_nothing_else() {
    use DiskKind::*;
    let world = World::new();
    let mut running = world.start(PLENTY).await;
    let files = furnish(&world, &mut running).await;
    let usage = running.usage().await;
    let du: u64 = du(&world.folders);
    assert!(
        du.abs_diff(usage.used) <= 256 * 1024,
        "du says {du}, and we {}",
        usage.used
    );
    assert_eq!(usage.kinds.iter().map(|kind| kind.size).sum::<u64>(), usage.used);
    let evidence = stays(&usage, Ticket, "1").unwrap();
    assert!(evidence.contains("preflight ticket remove 1"), "{evidence}");
    assert_eq!(
        stays(&usage, BaseImage, "base-new").unwrap(),
        "the newest of its series"
    );
    assert!(
        stays(&usage, ArchiveObject, &named().to_string())
            .unwrap()
            .contains("ticket #1")
    );
    assert_eq!(stays(&usage, BaseImage, "base-old"), None);

    // A dry run says what comes, and does nothing.
    let everything = [
        ArchiveObject,
        UnpackedSource,
        Initrd,
        Layer,
        Template,
        TicketImage,
        // Of the ticket that has passed, and of the one that has failed.
        StagedSources,
        StagedSources,
        Artifacts,
        BaseImage,
        KeptTestbed,
        StagedSources,
        Artifacts,
    ];
    let dry = running.free(DiskFree { dry_run: true, ..to(0) }).await;
    let nothing_changed = running.usage().await;
    assert!(nothing_changed.used.abs_diff(usage.used) <= 256 * 1024);
    let names = |freed: &Freed| {
        freed
            .items
            .iter()
            .map(|item| (item.kind, item.name.clone()))
            .collect::<Vec<_>>()
    };
    // The initrd goes after what was booted with it, though its class comes before.
    let mut order = everything.to_vec();
    order.swap(2, 3);
    order.swap(3, 4);
    assert_eq!(kinds(&dry), order);
    assert!(dry.short > 0 && dry.dry_run);

    // No more than is asked for.
    let some = running.free(to(usage.used - PIECE - PIECE / 2)).await;
    assert_eq!((kinds(&some), some.short), (order[..2].to_vec(), 0));
    let all = running
        .free(DiskFree {
            all: true,
            ..DiskFree::default()
        })
        .await;
    assert_eq!(
        (kinds(&all), all.short),
        (order[2..11].to_vec(), 0),
        "kept tickets are spared"
    );
    let last = running.free(to(0)).await;
    assert_eq!(kinds(&last), order[11..]);
    assert_eq!([names(&some), names(&all), names(&last)].concat(), names(&dry));
    assert!(last.failed.is_empty() && last.short > 0, "{last:?}");

    let left = running.usage().await;
    assert!(left.used.abs_diff(last.after) <= 256 * 1024, "{left:?} after {last:?}");
    assert!(left.kinds.iter().all(|kind| kind.freeable == 0), "{left:?}");
    assert_eq!(are_there(&files), [true, false, true, true, false]);
    for place in [&world.folders.cache, &world.folders.state] {
        assert_eq!(fs::read_dir(place.join("removing")).map_or(0, Iterator::count), 0);
    }
    // No state names what is gone.
    let images = running
        .daemon
        .handle
        .read(|view| view.state.images().count())
        .await
        .unwrap();
    assert_eq!(images, 0);
    let failed = running.client.show(TicketId(2)).await;
    assert_eq!(failed.jobs[0].attempts[0].kept, None);
    let passed = running.client.show(TicketId(1)).await;
    assert_eq!(passed.summary.gone, [TicketFiles::Artifacts, TicketFiles::Sources]);
}

fn are_there(files: &[PathBuf]) -> Vec<bool> {
    files.iter().map(|file| file.exists()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_never_touched() {
    let world = World::new();
    let mut running = world.start(PLENTY).await;
    furnish(&world, &mut running).await;
    let held = running
        .budget
        .hold(&world.folders.cache.join("ticket-images/ticket-1-ab"))
        .unwrap();
    let slow = running.client.create(vec![world.house.source("slow", false)]).await.id;
    let started = |kind: &EventKind| matches!(kind, EventKind::JobChanged(job) if job.state == JobState::Running);
    running.client.until("the slow job's start", started).await;
    write(&world.of_ticket(slow, "sources/1/package/a.dsc"));
    write(&world.of_ticket(slow, "artifacts/a.deb"));
    let clone = world
        .templates
        .records()
        .into_iter()
        .find(|(_, record, _)| record.identity.below.is_some());
    let clone = world.templates.get(&clone.unwrap().0).unwrap().unwrap();

    let freed = running.free(to(0)).await;
    use DiskKind::*;
    // Neither objects nor initrds: a job may be about to use them. Neither the layer nor what it stands on. Neither the
    // held image nor its base, which is one of the series of a running ticket anyway.
    assert_eq!(
        kinds(&freed),
        [
            StagedSources,
            StagedSources,
            Artifacts,
            KeptTestbed,
            StagedSources,
            Artifacts
        ]
    );
    assert!(
        freed.items.iter().all(|item| item.name != slow.to_string()),
        "{freed:?}"
    );
    let usage = running.usage().await;
    for (kind, name) in [(StagedSources, slow.to_string()), (Artifacts, slow.to_string())] {
        assert!(stays(&usage, kind, &name).unwrap().contains("which is not done"));
    }
    assert!(
        stays(&usage, Layer, clone.id().as_str())
            .unwrap()
            .contains("runs on it")
    );
    assert!(
        stays(&usage, TicketImage, "ticket-1-ab")
            .unwrap()
            .contains("runs on it")
    );

    drop(clone);
    drop(held);
    world.house.executor.gates.open("slow");
    running.client.until_ended(slow).await;
    let rest = [
        ArchiveObject,
        UnpackedSource,
        Layer,
        Template,
        Initrd,
        TicketImage,
        StagedSources,
        Artifacts,
        BaseImage,
    ];
    assert_eq!(kinds(&running.free(to(0)).await), rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_testbed_keeps_what_it_stands_on() {
    use DiskKind::*;
    let world = World::new();
    let mut running = world.start(PLENTY).await;
    furnish(&world, &mut running).await;
    let folder = world.of_ticket(TicketId(2), "kept");
    let kept = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    let record = serde_json::json!({ "format": 1, "base": "base-old", "image": "ticket-1-ab", "cpus": 2 });
    fs::write(kept.path().join("kept.json"), record.to_string()).unwrap();

    let looked_at = running.budget.hold(&kept.path()).unwrap();
    let usage = running.usage().await;
    let name = format!("2/{}", kept.file_name().to_str().unwrap());
    assert!(stays(&usage, KeptTestbed, &name).unwrap().contains("runs on it"));
    let why = stays(&usage, BaseImage, "base-old").unwrap();
    assert!(why.starts_with("needed by") && why.contains(&name), "{why}");
    let freed = running.free(to(0)).await;
    assert!(
        kinds(&freed).contains(&TicketImage),
        "it stands on the base image alone: {freed:?}"
    );
    assert!(!kinds(&freed).iter().any(|kind| [BaseImage, KeptTestbed].contains(kind)));

    // Nobody looks at it any more: it goes, and then what it stood on.
    drop(looked_at);
    let rest = running.free(to(0)).await;
    assert_eq!(kinds(&rest), [KeptTestbed, BaseImage]);
    assert!(rest.failed.is_empty(), "{rest:?}");
}
