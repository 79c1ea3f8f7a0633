//! The disk budget of a daemon with scripted jobs: what `disk/usage` and `disk/free` say and do with files of known
//! sizes, in which order they go, what never goes, and what the state says afterwards.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use preflight_archive::{Archive, ArchiveConfig, HttpTimeouts, ValidUntil};
use preflight_core as core;
use preflight_core::{Ending, JobKind};
use preflight_debian::Sha256Digest;
use preflight_protocol::disk::{DiskKind, Freed, Usage};
use preflight_protocol::endpoint::Folders;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{DiskFree, DiskUsage, TicketUpdate};
use preflight_store::TicketsFolder;
use preflight_testbed::template::{Template, TemplateId, TemplateIdentity, TemplateStore};
use preflight_testbed::{Accelerator, DiskFormat, Frozen, MemoryName, Method};
use preflightd::bootstrap::{Daemon, Home};
use preflightd::config::Config;
use preflightd::disk::{Budget, NoRoom, Storage, StorageDesk, StorageParts};
use preflightd::services::{JobReport, Services};
use preflightd::testing::{self, ScriptedImages, Step};

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{Client, House, within};

/// What every file here takes.
const PIECE: u64 = 1 << 20;
/// More than all files here take.
const PLENTY: u64 = 1 << 40;

fn piece(of: u8) -> Vec<u8> {
    vec![of; PIECE as usize]
}

/// The object that the lock of a check of `hello` names.
fn named() -> core::Sha256 {
    core::Sha256(*Sha256Digest::of(&piece(b'n')).as_bytes())
}

fn write(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, piece(b'x')).unwrap();
}

fn image(id: &str, kind: core::ImageKind, parent: Option<&str>, created_at: i64, path: PathBuf) -> core::ImageRecord {
    core::ImageRecord {
        id: core::ImageId(id.into()),
        series: core::Series("debian-bookworm".into()),
        kind,
        parent: parent.map(|id| core::ImageId(id.into())),
        size: PIECE,
        created_at: core::Moment(created_at),
        path,
    }
}

struct World {
    house: House,
    folders: Folders,
    images: Arc<ScriptedImages>,
    archive: Archive,
    templates: TemplateStore,
}

struct Running {
    daemon: Daemon,
    client: Client,
    budget: Budget,
}

impl World {
    fn new() -> Self {
        let known: Arc<OnceLock<PathBuf>> = Arc::default();
        let cache = Arc::clone(&known);
        let image_made = AtomicBool::new(false);
        let house = House::new(move |kind, source| match (kind, source) {
            (JobKind::Build, Some("broken")) => vec![
                Step::Report(JobReport::Kept { bytes: PIECE }),
                Step::Report(JobReport::Finished(Ending::new(core::Outcome::BadPackage, None))),
            ],
            (JobKind::Build, Some("slow")) => vec![Step::Wait("slow")],
            (JobKind::Build, Some("hello")) => vec![Step::Report(JobReport::Lock(vec![core::LockEntry {
                url: "http://mirror.example/pool/n/named.deb".into(),
                sha256: named(),
                size: PIECE,
            }]))],
            // The first ticket's.
            (JobKind::Image, _) if !image_made.swap(true, Ordering::Relaxed) => {
                let path = cache.get().unwrap().join("ticket-images/ticket-1-ab/root.img");
                vec![Step::Report(JobReport::Image(image(
                    "ticket-1-ab",
                    core::ImageKind::Ticket,
                    Some("base-old"),
                    1,
                    path,
                )))]
            }
            _ => vec![],
        });
        let folders = house.folders();
        known.set(folders.cache.clone()).unwrap();
        let archive = Archive::open(ArchiveConfig {
            folder: folders.cache.join("archive"),
            keyrings: vec![],
            http: HttpTimeouts::default(),
            valid_until: ValidUntil::Enforce,
        });
        Self {
            house,
            images: Arc::default(),
            archive: archive.unwrap(),
            templates: TemplateStore::open(folders.cache.join("templates")).unwrap(),
            folders,
        }
    }

    async fn start(&self, budget: u64) -> Running {
        let home = Home::enter(self.folders.clone()).unwrap();
        let desk = StorageDesk::open(&self.folders);
        let room = desk.budget();
        let parts = StorageParts {
            folders: self.folders.clone(),
            budget,
            images: Arc::clone(&self.images) as _,
            archive: self.archive.clone(),
            templates: self.templates.clone(),
        };
        let services = Services {
            images: Arc::clone(&self.images) as _,
            disk: Arc::new(Storage::new(parts, desk)),
            ..testing::services(&self.house.executor, &self.folders.state)
        };
        let daemon = Daemon::start(home, &Config::default(), services).await.unwrap();
        Running {
            daemon,
            client: self.house.client().await,
            budget: room,
        }
    }

    /// An image's folder with a disk, mostly holes.
    fn image(&self, folder: &str, id: &str, kind: core::ImageKind, parent: Option<&str>, created_at: i64) -> PathBuf {
        let path = self.folders.cache.join(folder).join(id).join("root.img");
        write(&path);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_len(1 << 34)
            .unwrap();
        self.images.add(image(id, kind, parent, created_at, path.clone()));
        path
    }

    fn template(&self, image: &str, below: Option<&TemplateId>, disk_of: &Path) -> Arc<Template> {
        let draft = self.templates.draft("made").unwrap();
        write(&draft.disk());
        fs::write(draft.state(), "").unwrap();
        let frozen = Frozen {
            method: Method::SaveImage,
            memory_name: MemoryName::Usual,
            state: draft.state(),
            memory: None,
        };
        let identity = TemplateIdentity {
            method: Method::SaveImage,
            image: image.into(),
            initrd: "initrd-a.cpio".into(),
            cmdline: String::new(),
            memory_mib: 64,
            cpus: 1,
            machine_type: String::new(),
            accelerator: Accelerator::Tcg,
            processor: String::new(),
            qemu: String::new(),
            libvirt: String::new(),
            contents: vec![],
            below: below.cloned(),
        };
        let chain = [(disk_of.to_owned(), DiskFormat::Raw)];
        let published =
            self.templates
                .publish(draft, &frozen, identity, &chain, String::new(), serde_json::Value::Null);
        published.unwrap()
    }

    fn of_ticket(&self, ticket: TicketId, path: &str) -> PathBuf {
        let folder = TicketsFolder::below(&self.folders.state).ticket(core::TicketId(ticket.0));
        folder.root().join(path)
    }
}

impl Running {
    async fn usage(&self) -> Usage {
        let request = DiskUsage { items: Some(1000) };
        within(self.client.connection.request(&request)).await.unwrap()
    }

    async fn free(&self, request: DiskFree) -> Freed {
        within(self.client.connection.request(&request)).await.unwrap()
    }

    /// Makes a ticket of one source and waits for its end.
    async fn check(&mut self, world: &World, source: &str) -> TicketId {
        let ticket = self.client.create(vec![world.house.source(source, false)]).await.id;
        self.client.until_ended(ticket).await;
        ticket
    }
}

fn to(bytes: u64) -> DiskFree {
    DiskFree {
        to: Some(bytes),
        ..DiskFree::default()
    }
}

fn kinds(freed: &Freed) -> Vec<DiskKind> {
    freed.items.iter().map(|item| item.kind).collect()
}

fn stays(usage: &Usage, kind: DiskKind, name: &str) -> Option<String> {
    let item = usage.items.iter().find(|item| item.kind == kind && item.name == name);
    item.unwrap_or_else(|| panic!("there is no {kind:?} {name} in {usage:?}"))
        .stays
        .clone()
}

/// Everything of which there can be something: ticket 1 has passed, ticket 2 has failed and left a testbed, ticket 3 has
/// passed and is kept.
async fn furnish(world: &World, running: &mut Running) -> Vec<PathBuf> {
    running.client.subscribe(None).await;
    world.image("images", "base-old", core::ImageKind::Base, None, 1);
    let newest = world.image("images", "base-new", core::ImageKind::Base, None, 2);
    let ticket_image = world.image(
        "ticket-images",
        "ticket-1-ab",
        core::ImageKind::Ticket,
        Some("base-old"),
        3,
    );
    for source in ["hello", "broken", "kept"] {
        running.check(world, source).await;
    }
    let keep = TicketUpdate {
        id: TicketId(3),
        keep: Some(true),
        ..TicketUpdate::default()
    };
    within(running.client.connection.request(&keep)).await.unwrap();
    let template = world.template("base-new", None, &newest);
    world.template("base-new", Some(template.id()), &template.disk());
    world.archive.store().put(&piece(b'n')).unwrap();
    world.archive.store().put(&piece(b'u')).unwrap();
    write(&world.folders.cache.join("initrds/initrd-a.cpio"));
    let overlay = world.folders.cache.join("overlays/7.qcow2");
    write(&overlay);
    let kept = world
        .of_ticket(TicketId(2), "kept")
        .join(format!("{}-1", failed_job(running).await));
    write(&kept.join("memory"));
    for ticket in [1, 3].map(TicketId) {
        for file in ["artifacts/a.deb", "sources/1/package/a.dsc", "results/9.subunit"] {
            write(&world.of_ticket(ticket, file));
        }
        // One file by two names is one file.
        let pool = world.of_ticket(ticket, "repository/pool");
        fs::create_dir_all(&pool).unwrap();
        fs::hard_link(world.of_ticket(ticket, "artifacts/a.deb"), pool.join("a.deb")).unwrap();
    }
    vec![
        newest,
        ticket_image,
        overlay,
        world.of_ticket(TicketId(1), "results/9.subunit"),
        kept,
    ]
}

async fn failed_job(running: &Running) -> u64 {
    running.client.show(TicketId(2)).await.jobs[0].id.0
}

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
    order.swap(1, 2);
    order.swap(2, 3);
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
        (order[2..10].to_vec(), 0),
        "kept tickets are spared"
    );
    let last = running.free(to(0)).await;
    assert_eq!(kinds(&last), order[10..]);
    assert_eq!([names(&some), names(&all), names(&last)].concat(), names(&dry));
    assert!(last.failed.is_empty() && last.short > 0, "{last:?}");

    let left = running.usage().await;
    assert!(left.used.abs_diff(last.after) <= 256 * 1024, "{left:?} after {last:?}");
    assert!(left.kinds.iter().all(|kind| kind.freeable == 0), "{left:?}");
    assert_eq!(du_exists(&files), [true, false, true, true, false]);
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
}

fn du_exists(files: &[PathBuf]) -> Vec<bool> {
    files.iter().map(|file| file.exists()).collect()
}

/// What `du` itself says.
fn du(folders: &Folders) -> u64 {
    let mut command = Command::new("du");
    command.args(["--summarize", "--total", "--block-size=1"]);
    command.args([&folders.config, &folders.state, &folders.cache, &folders.runtime]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .last()
        .unwrap()
        .split('\t')
        .next()
        .unwrap()
        .parse()
        .unwrap()
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
    let started = |kind: &preflight_protocol::event::EventKind| matches!(kind, preflight_protocol::event::EventKind::JobChanged(job) if job.state == preflight_protocol::job::JobState::Running);
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
    let named = |view: &preflightd::dispatcher::View<'_>| view.state.images().count();
    assert_eq!(running.daemon.handle.read(named).await.unwrap(), 1);
    let again = world.start_again(running, 8 * PIECE).await;
    assert!(again.usage().await.used <= 8 * PIECE);
    assert!(!stray.path.exists() && !world.folders.cache.join("removing/x").exists());
    assert_eq!(again.daemon.handle.read(named).await.unwrap(), 0);

    let both = DiskFree { all: true, ..to(1) };
    match within(again.client.connection.request(&both)).await {
        Err(preflight_protocol::client::ClientError::Rpc(error)) => {
            assert_eq!(error.code, ErrorCode::InvalidParams);
        }
        other => panic!("{other:?}"),
    }
}

impl World {
    async fn start_again(&self, running: Running, budget: u64) -> Running {
        let Running { daemon, client, .. } = running;
        drop(client);
        daemon.stopper().cancel();
        within(daemon.ended()).await.unwrap();
        self.start(budget).await
    }
}
