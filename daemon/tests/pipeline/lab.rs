//! A daemon whose executor, pipeline and intake are the real ones, over fabricated base images and scripted machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use preflight_archive::{Archive, ArchiveConfig, HttpTimeouts, Network, Places, SigningKey, ValidUntil};
use preflight_core::schedule::Demands;
use preflight_protocol::endpoint::Folders;
use preflight_protocol::method::{SignaturePolicy, TicketCreate};
use preflight_protocol::ticket::Ticket;
use preflight_store::TicketsFolder;
use preflight_testbed::fake::Faults;
use preflight_testbed::template::TemplateStore;
use preflight_testbed::{Hypervisor, InstallationId};
use preflight_vm_images::{
    Catalogue, IMAGE_FORMAT, ImageMetadata, ImageStore, KernelModule, MirrorChoice, Sha256, Variant,
};
use preflightd::bootstrap::{Daemon, Home};
use preflightd::config::Config;
use preflightd::disk::Budget;
use preflightd::executor::{
    Borrowed, JobFolders, JobSettings, Limits, PipelineExecutor, TestbedLoans, TestbedShells, TicketImages,
    UnpackedSources, Workshop, make_reachable,
};
use preflightd::images::WorkshopImages;
use preflightd::pipeline::intake::SourceIntake;
use preflightd::services::Services;
use preflightd::testing::{EndlessDisk, NoPpas, NoSnapshots, ONE, ScriptedDoctor};

use crate::client::Client;
use crate::guest::{Play, Scene, Script};
use crate::machines::{Guest, Guests, Machines, real_time};
use crate::source::Source;

/// Longer than any test moves the time on before a machine boots.
pub(crate) const BOOT: Duration = Duration::from_secs(1_000_000);
/// How long anything else may take.
const LIMIT: Duration = Duration::from_secs(1000);

/// Between two looks at what nobody tells of.
const TICK: Duration = Duration::from_millis(10);

/// What is to be tried.
pub(crate) struct Scenario {
    pub(crate) sources: Vec<Source>,
    pub(crate) script: Script,
    pub(crate) guests: Guests,
    pub(crate) hypervisor: Faults,
    /// Why there is no hypervisor at all.
    pub(crate) unusable: Option<String>,
    pub(crate) boot: Duration,
    pub(crate) jobs: u16,
    /// So many clones may be held.
    pub(crate) pool: usize,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            sources: vec![Source::new("hello")],
            script: Arc::new(|_| Play::Usual),
            guests: Arc::new(|_| Guest::default()),
            // Every machine boots, unless a test is about those that do not.
            hypervisor: Faults {
                never_freezes: true,
                ..Faults::default()
            },
            unusable: None,
            boot: BOOT,
            jobs: 1,
            pool: 0,
        }
    }
}

impl Scenario {
    /// Guests do as the script says.
    pub(crate) fn scripted(script: impl Fn(&Scene) -> Play + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            ..Self::default()
        }
    }
}

pub(crate) struct Lab {
    folder: tempfile::TempDir,
    pub(crate) machines: Machines,
    pub(crate) sources: Vec<Source>,
    settings: JobSettings,
    jobs: u16,
    /// Where packages are found beside the mirrors.
    pub(crate) places: Places,
}

impl Lab {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = folder.path().join("agent");
        fs::write(&agent, "agent").unwrap();
        fs::create_dir(folder.path().join("sources")).unwrap();
        let lab = Self {
            machines: Machines::new(
                scenario.hypervisor,
                scenario.sources.clone(),
                scenario.script,
                scenario.guests,
                scenario.unusable,
            ),
            sources: scenario.sources,
            settings: JobSettings {
                cpus: 1,
                memory: None,
                network: Network::Allowed,
                mirrors: BTreeMap::new(),
                limits: Limits {
                    boot: scenario.boot,
                    short: LIMIT,
                    copy: LIMIT,
                    install: LIMIT,
                    test: LIMIT,
                    build: LIMIT,
                },
                test_limits: vec![],
                agent,
                pool: scenario.pool,
            },
            jobs: scenario.jobs,
            places: Places::default(),
            folder,
        };
        for variant in Variant::ALL {
            fabricate_image(&lab.cache("images"), variant);
        }
        lab
    }

    pub(crate) fn folders(&self) -> Folders {
        Folders::below(self.folder.path())
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.folders().cache.join(name)
    }

    /// Where sources are written.
    pub(crate) fn desk(&self) -> PathBuf {
        self.folder.path().join("sources")
    }

    pub(crate) fn ticket_images(&self) -> TicketImages {
        TicketImages::open(self.cache("ticket-images")).unwrap()
    }

    /// Removes the base image for builds, and makes another one; the id of that which is no more.
    pub(crate) fn forget_base_image(&self) -> String {
        let images = self.cache("images");
        let old = names_in(&images)
            .into_iter()
            .find(|name| name.contains("-build-"))
            .unwrap();
        let new = format!("{}-build-{}", old.split("-build-").next().unwrap(), "0".repeat(16));
        fs::rename(&old, &new).unwrap();
        let metadata = Path::new(&new).join("image.json");
        let id = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&metadata).unwrap();
        fs::write(&metadata, text.replace(&id(&old), &id(&new))).unwrap();
        id(&old)
    }

    pub(crate) fn agent(&self) -> &Path {
        &self.settings.agent
    }

    pub(crate) fn tickets(&self) -> TicketsFolder {
        TicketsFolder::below(&self.folders().state)
    }

    /// The text of a log.
    pub(crate) fn log(&self, ticket: &Ticket, name: &str) -> String {
        let id = preflight_core::TicketId(ticket.summary.id.0);
        let path = self.tickets().ticket(id).log(&preflight_core::LogName(name.to_owned()));
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    }

    /// Starts a daemon as one starts after another: all that it knows is on the disk.
    pub(crate) async fn start(&self) -> Daemon {
        let home = Home::enter(self.folders()).unwrap();
        let services = self.services().await;
        let mut config = Config::default();
        config.scheduler.cores = Some(self.jobs);
        Daemon::start(home, &config, services).await.unwrap()
    }

    async fn services(&self) -> Services {
        let images = ImageStore::open(self.cache("images")).await.unwrap();
        let catalogue = Catalogue::load(None).unwrap();
        let folders = self.folders();
        let (machines, overlays) = (folders.runtime.join("vm"), folders.cache.join("overlays"));
        make_reachable(&machines).unwrap();
        make_reachable(&overlays).unwrap();
        let archive = ArchiveConfig {
            folder: folders.cache.join("archive"),
            keyrings: Vec::new(),
            http: HttpTimeouts::default(),
            valid_until: ValidUntil::Enforce,
        };
        let archive = Archive::open_beside(archive, self.places.clone());
        let workshop = Arc::new(Workshop::new(
            images,
            self.ticket_images(),
            TemplateStore::open(folders.cache.join("templates")).unwrap(),
            catalogue.clone(),
            archive.unwrap(),
            SigningKey::load_or_create(&folders.state.join("keys")).unwrap(),
            self.settings.clone(),
            JobFolders {
                machines,
                overlays,
                initrds: folders.cache.join("initrds"),
                unpacked: UnpackedSources::open(folders.cache.join("unpacked")).unwrap(),
                budget: Budget::unlimited(),
            },
            InstallationId::new("lab").unwrap(),
            Arc::new(self.machines.clone()),
        ));
        let borrowed = Borrowed::default();
        Services {
            executor: Arc::new(PipelineExecutor::new(Arc::clone(&workshop))),
            intake: Arc::new(SourceIntake {
                tickets: self.tickets(),
                catalogue,
                default_series: Some("debian-bookworm".to_owned()),
                signatures: SignaturePolicy::Warn,
                keyrings: Vec::new(),
            }),
            images: Arc::new(WorkshopImages::new(Arc::clone(&workshop))),
            rebuilt_images: Arc::new(WorkshopImages::new(Arc::clone(&workshop))),
            doctor: Arc::new(ScriptedDoctor),
            demands: Demands {
                usual: ONE,
                ..Demands::default()
            },
            disk: Arc::new(EndlessDisk),
            snapshots: Arc::new(NoSnapshots),
            ppas: Arc::new(NoPpas),
            transfer: preflightd::testing::transfer(&folders.state),
            shells: Arc::new(TestbedShells::new(
                Arc::clone(&workshop),
                self.tickets(),
                borrowed.clone(),
            )),
            loans: Arc::new(TestbedLoans::new(workshop, self.tickets(), borrowed)),
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::open(&self.folders().socket().unwrap()).await
    }

    /// A ticket of all sources, by their `.dsc`.
    pub(crate) fn request(&self) -> TicketCreate {
        TicketCreate {
            sources: self
                .sources
                .iter()
                .map(|source| source.write_dsc(&self.desk()))
                .collect(),
            ..TicketCreate::default()
        }
    }

    /// Runs a ticket of all sources to its end, and makes sure that nothing is left of it.
    pub(crate) async fn check(&self) -> Ticket {
        self.check_with(|_| {}).await
    }

    /// The same with options.
    pub(crate) async fn check_with(&self, change: impl FnOnce(&mut TicketCreate)) -> Ticket {
        let daemon = self.start().await;
        let mut client = self.client().await;
        let mut request = self.request();
        change(&mut request);
        let id = client.create(request).await.id;
        let ticket = client.until_ended(id).await;
        self.assert_nothing_is_left().await;
        drop(daemon);
        ticket
    }

    /// Moves the daemon's time on by so many seconds; guests' time goes on as it does. Only for what no machine is started
    /// after: the time until which a guest may boot is the host's.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }

    /// Moves the time on, again and again, until something has happened: nobody tells when a time-out has begun.
    pub(crate) async fn pass_until<T>(&self, seconds: u64, happened: impl Future<Output = T>) -> T {
        tokio::pin!(happened);
        loop {
            tokio::select! {
                biased;
                value = &mut happened => return value,
                () = real_time(TICK) => self.pass(seconds).await,
            }
        }
    }

    /// Waits until nothing is left.
    pub(crate) async fn until_nothing_is_left(&self) {
        self.until("nothing is left", async || self.leftovers().await.is_empty())
            .await;
    }

    /// Waits until something is so that nobody tells of.
    pub(crate) async fn until(&self, awaited: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..5000 {
            if is_so().await {
                return;
            }
            real_time(TICK).await;
        }
        panic!("waited in vain until {awaited}");
    }

    /// No machine, no machine's folder, no disk but those of published images.
    pub(crate) async fn assert_nothing_is_left(&self) {
        let left = self.leftovers().await;
        assert!(left.is_empty(), "{left:#?}");
        assert_eq!(self.machines.doubles(), Vec::<String>::new());
    }

    pub(crate) async fn leftovers(&self) -> Vec<String> {
        let machines = self.machines.list().await.unwrap();
        let mut left: Vec<String> = machines.iter().map(|machine| machine.label.clone()).collect();
        let folders = self.folders();
        for folder in [
            folders.runtime.join("vm"),
            folders.cache.join("overlays"),
            self.tickets().staging(),
        ] {
            left.extend(names_in(&folder));
        }
        let images = self.cache("ticket-images");
        let half = names_in(&images)
            .into_iter()
            // Names of images stand beside them.
            .filter(|name| !name.ends_with("/.names") && !Path::new(name).join("image.json").is_file());
        left.extend(half);
        left
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect()
}

/// A base image that nobody has built and no machine could boot.
fn fabricate_image(store: &Path, variant: Variant) {
    let catalogue = Catalogue::load(None).unwrap();
    let recipe = catalogue.find("bookworm").unwrap();
    let digest = Sha256::of(variant.to_string().as_bytes());
    let id = format!("{}-{variant}-{}", recipe.name(), &digest.as_str()[..16]);
    let word = |text: &str| serde_json::from_value(text.into()).unwrap();
    let module = b"a module";
    let metadata = ImageMetadata {
        format: IMAGE_FORMAT,
        id: serde_json::from_value(id.clone().into()).unwrap(),
        digest,
        recipe: recipe.name(),
        distribution: recipe.distribution.clone(),
        series: recipe.series.clone(),
        variant,
        architecture: word("amd64"),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        mirrors: MirrorChoice::ToolDefault,
        sources: Vec::new(),
        left_out: Vec::new(),
        sources_list: "deb http://mirror.example/debian bookworm main\n".to_owned(),
        archive_state: Vec::new(),
        kernel_release: "6.1.0".to_owned(),
        disk_bytes: 1 << 20,
        modules: vec![KernelModule {
            file: "virtio.ko".to_owned(),
            sha256: Sha256::of(module),
        }],
        user: recipe.user.clone(),
        memory_mib: 512,
    };
    let folder = store.join(id);
    fs::create_dir_all(folder.join("modules")).unwrap();
    fs::write(folder.join("modules/virtio.ko"), module).unwrap();
    fs::write(folder.join("vmlinuz"), "a kernel").unwrap();
    fs::write(folder.join("root.raw"), vec![0; 1 << 20]).unwrap();
    let packages = "base-files\t12.4\tamd64\nnano\t7.2-1\tamd64\n";
    fs::write(folder.join("packages"), packages).unwrap();
    fs::write(folder.join("image.json"), serde_json::to_vec(&metadata).unwrap()).unwrap();
}
