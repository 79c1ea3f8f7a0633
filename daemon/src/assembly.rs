//! Puts together what does the work in earnest: images, archive, keys and host. Everything that the configuration says
//! about jobs is handed on here, and nowhere else.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use preflight_archive::{Archive, HttpTimeouts, LaunchpadClient, Network, SecretStore, SigningKey, ValidUntil};
use preflight_core::schedule::{Demand, Demands};
use preflight_core::{Series, TestPattern};
use preflight_store::TicketsFolder;
use preflight_testbed::libvirt::Configuration;
use preflight_testbed::template::TemplateStore;
use preflight_testbed::{Accelerator, InstallationId, MiB};
use preflight_vm_images::{Catalogue, ImageStore, Mirrors};

use crate::bootstrap::{DaemonError, Home};
use crate::config::{self, Config, NetworkPolicy, TestbedConfig, TimeoutConfig};
use crate::disk::{Storage, StorageDesk, StorageParts};
use crate::executor::{
    Borrowed, JobFolders, JobSettings, Limits, PipelineExecutor, TestbedDoctor, TestbedLoans, TestbedShells,
    TicketImages, UnpackedSources, Workshop, make_reachable,
};
use crate::host::Host;
use crate::images::WorkshopImages;
use crate::package_places::{PackagePlaces, PlacesDoctor};
use crate::pipeline::intake::SourceIntake;
use crate::ppas::{ArchivePpas, PpaParts};
use crate::services::{Images, Services};
use crate::snapshots::ArchiveSnapshots;
use crate::transfer::Transfer;

/// Keyrings whose signatures count on a Debian or Ubuntu host, where they are installed.
const KEYRINGS: [&str; 4] = [
    "/usr/share/keyrings/debian-keyring.gpg",
    "/usr/share/keyrings/debian-maintainers.gpg",
    "/usr/share/keyrings/debian-nonupload.gpg",
    "/usr/share/keyrings/debian-tag2upload.pgp",
];
/// The unit of the disk budget, in bytes.
const GIGABYTE: u64 = 1_000_000_000;
/// The guest agent as it is installed, relative to the folder of the programs.
const AGENT: &str = "../lib/preflight/guest-agent";

/// What does the work, and the host that it is done on.
///
/// # Errors
/// A folder cannot be used, or a recipe of the user's cannot be read.
pub async fn services(home: &Home, config: &Config) -> Result<(Services, Arc<Host>), DaemonError> {
    let folders = home.folders();
    let images = ImageStore::open(folders.cache.join("images")).await.map_err(fault)?;
    let catalogue = Catalogue::load(Some(&folders.config.join("recipes"))).map_err(fault)?;
    let (machines, overlays) = (folders.runtime.join("vm"), folders.cache.join("overlays"));
    for folder in [&machines, &overlays] {
        make_reachable(folder).map_err(|error| at(folder, &error))?;
    }
    let installation = installation(&folders.state.join("installation"))?;
    let forced = match config.hypervisor.accelerator {
        config::Accelerator::Auto => None,
        config::Accelerator::Kvm => Some(Accelerator::Kvm),
        config::Accelerator::Tcg => Some(Accelerator::Tcg),
    };
    let host = Arc::new(Host::new(
        Configuration {
            installation: installation.clone(),
            uri: config.hypervisor.uri.clone(),
            keeper: None,
            keeper_home: folders.runtime.join("keeper"),
            grace: Duration::from_secs(config.testbed.keeper_grace_s.into()),
            qemu_user: config.hypervisor.qemu_user.clone(),
            libvirt_cache: Some(folders.cache.join("libvirt")),
            accelerator: forced,
        },
        forced,
        folders.cache.join("probe.json"),
        images.clone(),
        machines.clone(),
        folders.cache.clone(),
    ));
    let places = PackagePlaces::of(&config.archive).await;
    let archive = preflight_archive::ArchiveConfig {
        folder: folders.cache.join("archive"),
        keyrings: Vec::new(),
        http: HttpTimeouts::default(),
        valid_until: ValidUntil::Enforce,
    };
    let archive = Archive::open_beside(archive, places.places()).map_err(fault)?;
    let settings = JobSettings {
        cpus: config.testbed.cpus,
        memory: config.testbed.memory_mib.map(MiB),
        network: network(config),
        mirrors: mirrors(config, &catalogue)?,
        limits: limits(&config.timeout),
        test_limits: test_limits(&config.timeout)?,
        agent: agent()?,
        pool: config.testbed.pool.into(),
    };
    let desk = StorageDesk::open(folders);
    let ticket_images = folders.cache.join("ticket-images");
    let unpacked = folders.cache.join("unpacked");
    let templates = TemplateStore::open(folders.cache.join("templates")).map_err(fault)?;
    let workshop = Arc::new(Workshop::new(
        images,
        TicketImages::open(ticket_images.clone()).map_err(|error| at(&ticket_images, &error))?,
        templates.clone(),
        catalogue.clone(),
        archive.clone(),
        SigningKey::load_or_create(&folders.state.join("keys")).map_err(fault)?,
        settings,
        JobFolders {
            machines,
            overlays,
            initrds: folders.cache.join("initrds"),
            unpacked: UnpackedSources::open(unpacked.clone()).map_err(|error| at(&unpacked, &error))?,
            budget: desk.budget(),
        },
        installation,
        Arc::clone(&host) as _,
    ));
    let mut keyrings = config.intake.keyrings.clone();
    keyrings.extend(KEYRINGS.iter().map(PathBuf::from).filter(|file| file.is_file()));
    let demands = demands(&config.testbed, &catalogue);
    let rebuilt_images = Arc::new(WorkshopImages::new(Arc::clone(&workshop)));
    let images: Arc<dyn Images> = Arc::clone(&rebuilt_images) as _;
    let storage = StorageParts {
        folders: folders.clone(),
        budget: u64::from(config.storage.budget_gb) * GIGABYTE,
        images: Arc::clone(&images),
        archive,
        templates,
    };
    let snapshots = ArchiveSnapshots {
        archive: workshop.archive.clone(),
        catalogue: catalogue.clone(),
        default_series: config.ticket.series.clone(),
    };
    let ppas = PpaParts {
        archive: workshop.archive.clone(),
        launchpad: LaunchpadClient::new((&config.launchpad).into(), HttpTimeouts::default()).map_err(fault)?,
        secrets: SecretStore::open(&folders.state.join("secrets")).map_err(fault)?,
        catalogue: catalogue.clone(),
        network: network(config),
    };
    let transfer = Transfer {
        tickets: TicketsFolder::below(&folders.state),
        archive: workshop.archive.clone(),
        images: Arc::clone(&images),
        budget: desk.budget(),
    };
    let doctor = TestbedDoctor::new(Arc::clone(&host) as _, Arc::clone(&workshop));
    let borrowed = Borrowed::default();
    let services = Services {
        executor: Arc::new(PipelineExecutor::new(Arc::clone(&workshop))),
        intake: Arc::new(SourceIntake {
            tickets: TicketsFolder::below(&folders.state),
            catalogue,
            default_series: config.ticket.series.clone(),
            signatures: config.intake.signatures,
            keyrings,
        }),
        images,
        rebuilt_images,
        snapshots: Arc::new(snapshots),
        ppas: Arc::new(ArchivePpas::new(ppas)),
        doctor: Arc::new(PlacesDoctor::new(Arc::new(doctor), places)),
        demands,
        disk: Arc::new(Storage::new(storage, desk)),
        transfer,
        shells: Arc::new(TestbedShells::new(
            Arc::clone(&workshop),
            TicketsFolder::below(&folders.state),
            borrowed.clone(),
        )),
        loans: Arc::new(TestbedLoans::new(
            Arc::clone(&workshop),
            TicketsFolder::below(&folders.state),
            borrowed,
        )),
    };
    Ok((services, host))
}

/// This installation's name, which tells its machines from another's; made once.
fn installation(file: &Path) -> Result<InstallationId, DaemonError> {
    let name = match std::fs::read_to_string(file) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let name: String = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect();
            std::fs::write(file, format!("{name}\n")).map_err(|error| at(file, &error))?;
            name
        }
        Err(error) => return Err(at(file, &error)),
    };
    InstallationId::new(&name).map_err(|error| at(file, &Error::other(error)))
}

/// The agent beside this program, as it is installed and as `make` puts it.
fn agent() -> Result<PathBuf, DaemonError> {
    let program = std::env::current_exe().map_err(|error| DaemonError::Services(error.to_string()))?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let agent = folder.join(AGENT);
    agent.canonicalize().map_err(|error| {
        DaemonError::Services(format!(
            "the guest agent {} is missing ({error}): run `make agent`",
            agent.display()
        ))
    })
}

fn network(config: &Config) -> Network {
    match config.archive.network {
        NetworkPolicy::Online => Network::Allowed,
        NetworkPolicy::Offline => Network::Forbidden,
    }
}

/// What testbeds take of the host: what is configured, otherwise what each series' recipe says.
fn demands(config: &TestbedConfig, catalogue: &Catalogue) -> Demands {
    let of = |recipe_mib: u32| Demand {
        cores: config.cpus,
        memory_mib: config.memory_mib.unwrap_or(recipe_mib),
    };
    let by_series: BTreeMap<Series, Demand> = catalogue
        .iter()
        .map(|recipe| (Series(recipe.name().to_string()), of(recipe.memory_mib)))
        .collect();
    let largest = by_series.values().map(|demand| demand.memory_mib).max();
    Demands {
        usual: of(largest.unwrap_or_default()),
        by_series,
    }
}

fn limits(config: &TimeoutConfig) -> Limits {
    let seconds = |number: u32| Duration::from_secs(number.into());
    Limits {
        boot: seconds(config.boot_s),
        short: seconds(config.short_s),
        copy: seconds(config.copy_s),
        install: seconds(config.install_s),
        test: seconds(config.test_s),
        build: seconds(config.build_s),
    }
}

fn test_limits(config: &TimeoutConfig) -> Result<Vec<(TestPattern, Duration)>, DaemonError> {
    let limit = |(of, seconds): (&String, &u32)| {
        let of = of
            .parse()
            .map_err(|error| DaemonError::Services(format!("config.toml: timeout.tests_s: {error}")))?;
        Ok((of, Duration::from_secs((*seconds).into())))
    };
    config.tests_s.iter().map(limit).collect()
}

/// Mirrors by recipe: `debian-bookworm = "https://…"` for its archive, `debian-bookworm-security = "https://…"`.
fn mirrors(config: &Config, catalogue: &Catalogue) -> Result<BTreeMap<String, Mirrors>, DaemonError> {
    let mut all: BTreeMap<String, Mirrors> = BTreeMap::new();
    for (name, url) in &config.archive.mirrors {
        let wrong = |what: String| DaemonError::Services(format!("config.toml: archive.mirrors.{name}: {what}"));
        let parsed = url
            .parse()
            .map_err(|error| wrong(format!("{url:?} is no URL: {error}")))?;
        let (recipe, security) = match name.strip_suffix("-security") {
            Some(recipe) => (recipe, true),
            None => (name.as_str(), false),
        };
        let recipe = catalogue.find(recipe).map_err(|error| wrong(error.to_string()))?.name();
        let mirrors = all.entry(recipe.to_string()).or_default();
        *(if security {
            &mut mirrors.security
        } else {
            &mut mirrors.archive
        }) = Some(parsed);
    }
    Ok(all)
}

fn fault(error: impl std::fmt::Display) -> DaemonError {
    DaemonError::Services(error.to_string())
}

fn at(path: &Path, error: &Error) -> DaemonError {
    DaemonError::Services(format!("{}: {error}", path.display()))
}
