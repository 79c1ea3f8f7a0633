//! A daemon with a real storage and scripted jobs, and files of known sizes in its folders.

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
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{DiskFree, DiskUsage, TicketUpdate};
use preflight_store::TicketsFolder;
use preflight_testbed::template::{Template, TemplateId, TemplateIdentity, TemplateStore};
use preflight_testbed::{Accelerator, DiskFormat, Frozen, MemoryName, Method};
use preflightd::bootstrap::{Daemon, Home};
use preflightd::config::Config;
use preflightd::disk::{Budget, Storage, StorageDesk, StorageParts};
use preflightd::services::{JobReport, Services};
use preflightd::testing::{self, ScriptedImages, Step};

use crate::support::{Client, House, within};

/// What every file here takes.
pub(crate) const PIECE: u64 = 1 << 20;
/// More than all files here take.
pub(crate) const PLENTY: u64 = 1 << 40;

pub(crate) fn piece(of: u8) -> Vec<u8> {
    vec![of; PIECE as usize]
}

/// The object that the lock of a check of `hello` names.
pub(crate) fn named() -> core::Sha256 {
    core::Sha256(*Sha256Digest::of(&piece(b'n')).as_bytes())
}

pub(crate) fn write(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, piece(b'x')).unwrap();
}

pub(crate) fn image(
    id: &str,
    kind: core::ImageKind,
    parent: Option<&str>,
    created_at: i64,
    path: PathBuf,
) -> core::ImageRecord {
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

pub(crate) struct World {
    pub(crate) house: House,
    pub(crate) folders: Folders,
    pub(crate) images: Arc<ScriptedImages>,
    pub(crate) archive: Archive,
    pub(crate) templates: TemplateStore,
}

pub(crate) struct Running {
    pub(crate) daemon: Daemon,
    pub(crate) client: Client,
    pub(crate) budget: Budget,
}

impl World {
    pub(crate) fn new() -> Self {
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
                origin: None,
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

    pub(crate) async fn start(&self, budget: u64) -> Running {
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
    pub(crate) fn image(
        &self,
        folder: &str,
        id: &str,
        kind: core::ImageKind,
        parent: Option<&str>,
        created_at: i64,
    ) -> PathBuf {
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

    pub(crate) fn template(&self, image: &str, below: Option<&TemplateId>, disk_of: &Path) -> Arc<Template> {
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

    pub(crate) fn of_ticket(&self, ticket: TicketId, path: &str) -> PathBuf {
        let folder = TicketsFolder::below(&self.folders.state).ticket(core::TicketId(ticket.0));
        folder.root().join(path)
    }
}

impl Running {
    pub(crate) async fn usage(&self) -> Usage {
        let request = DiskUsage { items: Some(1000) };
        within(self.client.connection.request(&request)).await.unwrap()
    }

    pub(crate) async fn free(&self, request: DiskFree) -> Freed {
        within(self.client.connection.request(&request)).await.unwrap()
    }

    /// Makes a ticket of one source and waits for its end.
    pub(crate) async fn check(&mut self, world: &World, source: &str) -> TicketId {
        let ticket = self.client.create(vec![world.house.source(source, false)]).await.id;
        self.client.until_ended(ticket).await;
        ticket
    }
}

pub(crate) fn to(bytes: u64) -> DiskFree {
    DiskFree {
        to: Some(bytes),
        ..DiskFree::default()
    }
}

pub(crate) fn kinds(freed: &Freed) -> Vec<DiskKind> {
    freed.items.iter().map(|item| item.kind).collect()
}

pub(crate) fn stays(usage: &Usage, kind: DiskKind, name: &str) -> Option<String> {
    let item = usage.items.iter().find(|item| item.kind == kind && item.name == name);
    item.unwrap_or_else(|| panic!("there is no {kind:?} {name} in {usage:?}"))
        .stays
        .clone()
}

/// Everything of which there can be something: ticket 1 has passed, ticket 2 has failed and left a testbed, ticket 3 has
/// passed and is kept.
pub(crate) async fn furnish(world: &World, running: &mut Running) -> Vec<PathBuf> {
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
    write(&world.folders.cache.join("unpacked/abc/unpacked.tar"));
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

pub(crate) async fn failed_job(running: &Running) -> u64 {
    running.client.show(TicketId(2)).await.jobs[0].id.0
}

impl World {
    pub(crate) async fn start_again(&self, running: Running, budget: u64) -> Running {
        let Running { daemon, client, .. } = running;
        drop(client);
        daemon.stopper().cancel();
        within(daemon.ended()).await.unwrap();
        self.start(budget).await
    }
}

/// What `du` itself says.
pub(crate) fn du(folders: &Folders) -> u64 {
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
