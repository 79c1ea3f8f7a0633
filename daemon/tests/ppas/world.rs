//! A daemon whose PPAs are real, in a folder of its own, beside a repository that is served.

use std::path::PathBuf;
use std::sync::Arc;

use preflight_archive::{LaunchpadClient, LaunchpadConfig, Network, SecretStore};
use preflight_core::{JobKind, PpaUse};
use preflight_protocol::client::ClientError;
use preflight_protocol::error::RpcError;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{Method, PpaAdd, PpaList, PpaRefresh, PpaRemove, TicketCreate};
use preflight_protocol::package_sources::{AskedPpa, AskedSources};
use preflight_protocol::ppa::{Ppa, PpaRefreshed};
use preflight_vm_images::Catalogue;
use preflightd::bootstrap::{Daemon, Home};
use preflightd::config::Config;
use preflightd::ppas::{ArchivePpas, PpaParts};
use preflightd::testing::{self, Step};

use crate::house::{Client, House, within};
use crate::ppa::repository::{Repository, archive, patience};
use crate::ppa::server::Server;

/// The series that everything here is for, and its code name.
pub(crate) const SERIES: &str = "debian-bookworm";
pub(crate) const SUITE: &str = "bookworm";

pub(crate) struct World {
    pub(crate) house: House,
    pub(crate) repository: Repository,
    pub(crate) server: Server,
    /// Where Launchpad is.
    pub(crate) launchpad: LaunchpadConfig,
    pub(crate) network: Network,
}

impl World {
    /// A repository with the package `demo` for the series, and no PPA yet. Scripted jobs wait at the gate `go`.
    pub(crate) async fn new() -> Self {
        let repository = Repository::new();
        repository.publish(SUITE, &["Origin=Test", "Date=Sat, 02 Nov 2024 00:00:00 UTC"]);
        let server = Server::start(repository.folder.path()).await;
        // Nobody is asked unless a test says so: this port answers nothing that Launchpad would.
        let launchpad = LaunchpadConfig {
            api: format!("{}/nobody", server.url),
            ..LaunchpadConfig::default()
        };
        let script = |_: JobKind, _: Option<&str>| vec![Step::Wait("go")];
        Self {
            house: House::new(script),
            repository,
            server,
            launchpad,
            network: Network::Allowed,
        }
    }

    pub(crate) async fn start(&self) -> (Daemon, Client) {
        let home = Home::enter(self.house.folders()).unwrap();
        let folders = home.folders().clone();
        let parts = PpaParts {
            archive: archive(&folders.cache.join("archive")),
            launchpad: LaunchpadClient::new(self.launchpad.clone(), patience()).unwrap(),
            secrets: SecretStore::open(&folders.state.join("secrets")).unwrap(),
            catalogue: Catalogue::load(None).unwrap(),
            network: self.network,
        };
        let mut services = testing::services(&self.house.executor, &folders.state);
        services.ppas = Arc::new(ArchivePpas::new(parts));
        let daemon = Daemon::start(home, &Config::default(), services).await.unwrap();
        (daemon, self.house.client().await)
    }

    /// The repository, to be added under this name.
    pub(crate) fn request(&self, name: &str) -> PpaAdd {
        PpaAdd {
            source: vec![self.server.url.clone(), "{series}".into(), "main".into()],
            name: Some(name.into()),
            key: Some(self.repository.key_file()),
            ..PpaAdd::default()
        }
    }

    /// A ticket that uses a PPA, and what it has of it.
    pub(crate) async fn ticket(
        &self,
        daemon: &Daemon,
        client: &Client,
        asked: &AskedPpa,
    ) -> Result<(TicketId, PpaUse), RpcError> {
        let request = TicketCreate {
            sources: vec![self.house.source("hello.dsc", false)],
            package_sources: AskedSources {
                ppas: vec![asked.clone()],
                ..AskedSources::default()
            },
            ..TicketCreate::default()
        };
        match within(client.connection.request(&request)).await {
            Ok(created) => Ok((created.id, used(daemon, created.id).await)),
            Err(ClientError::Rpc(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }

    /// All files below the daemon's folders that hold a text, as paths from there.
    pub(crate) fn holding(&self, text: &str) -> Vec<PathBuf> {
        let folders = self.house.folders();
        let mut found = Vec::new();
        for folder in [&folders.state, &folders.cache, &folders.runtime, &folders.config] {
            for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
                let holds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
                if entry.file_type().is_file() && std::fs::read(entry.path()).is_ok_and(holds) {
                    found.push(entry.path().strip_prefix(folder).unwrap().to_owned());
                }
            }
        }
        found
    }
}

/// The one PPA that a ticket uses.
pub(crate) async fn used(daemon: &Daemon, id: TicketId) -> PpaUse {
    let ticket = preflight_core::TicketId(id.0);
    let read = daemon
        .handle
        .read(move |view| view.state.ticket(ticket).unwrap().options.sources.ppas.clone());
    let mut ppas = read.await.unwrap();
    assert_eq!(ppas.len(), 1);
    ppas.remove(0)
}

pub(crate) async fn ask<M: Method>(client: &Client, request: &M) -> M::Answer {
    within(client.connection.request(request)).await.unwrap()
}

/// Why a request is refused.
pub(crate) async fn refused<M: Method>(client: &Client, request: &M) -> RpcError {
    match within(client.connection.request(request)).await {
        Err(ClientError::Rpc(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is not refused"),
    }
}

pub(crate) async fn list(client: &Client) -> Vec<Ppa> {
    ask(client, &PpaList {}).await
}

/// Takes one anew for the series that it was taken for.
pub(crate) async fn refresh(client: &Client, name: &str) -> PpaRefreshed {
    let request = PpaRefresh {
        name: Some(name.into()),
        series: None,
    };
    let mut all = ask(client, &request).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

pub(crate) async fn remove(client: &Client, name: &str) {
    ask(client, &PpaRemove { name: name.into() }).await;
}
