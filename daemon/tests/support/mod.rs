//! A daemon with scripted services in a folder of its own, and a client that follows it.

use std::path::PathBuf;
use std::time::Duration;

use preflight_core::JobKind;
use preflight_protocol::client::{Connection, Notification};
use preflight_protocol::endpoint::Folders;
use preflight_protocol::event::{Envelope, EventKind};
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{Snapshot, Subscribe, TicketCreate, TicketCreated, TicketShow};
use preflight_protocol::ticket::Ticket;
use preflightd::bootstrap::{Daemon, Home};
use preflightd::config::Config;
use preflightd::testing::{self, LocalShells, ScriptedExecutor, ScriptedImages, Step};
use tokio::sync::mpsc;

/// How long anything here may take: only a broken daemon gets there.
const LONG: Duration = Duration::from_secs(60);

pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) executor: ScriptedExecutor,
    pub(crate) shells: LocalShells,
    pub(crate) images: ScriptedImages,
}

impl House {
    pub(crate) fn new(script: impl Fn(JobKind, Option<&str>) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            executor: ScriptedExecutor::new(script),
            shells: LocalShells::default(),
            images: ScriptedImages::default(),
        }
    }

    /// The same house with another executor.
    pub(crate) fn again(self, script: impl Fn(JobKind, Option<&str>) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self {
            executor: ScriptedExecutor::new(script),
            ..self
        }
    }

    pub(crate) fn folders(&self) -> Folders {
        Folders::below(self.folder.path())
    }

    pub(crate) async fn start(&self) -> Daemon {
        let home = Home::enter(self.folders()).unwrap();
        let mut services = testing::services(&self.executor, &home.folders().state);
        services.images = std::sync::Arc::new(self.images.clone());
        services.shells = std::sync::Arc::new(self.shells.clone());
        let mut config = Config::default();
        // One job at a time.
        config.scheduler.cores = Some(testing::ONE.cores);
        Daemon::start(home, &config, services).await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        let socket = self.folders().socket().unwrap();
        let (connection, notifications) = within(Connection::open(&socket, "test")).await.unwrap();
        Client {
            connection,
            notifications,
            seen: vec![],
        }
    }

    /// A source of this name: a file, or a folder, of which a job makes a source package.
    pub(crate) fn source(&self, name: &str, folder: bool) -> PathBuf {
        let path = self.folder.path().join(name);
        if folder {
            std::fs::create_dir_all(&path).unwrap();
        } else {
            std::fs::write(&path, "").unwrap();
        }
        path
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes far too long")
}

pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) notifications: mpsc::Receiver<Notification>,
    pub(crate) seen: Vec<Envelope>,
}

impl Client {
    pub(crate) async fn create(&self, sources: Vec<PathBuf>) -> TicketCreated {
        within(self.connection.request(&TicketCreate {
            sources,
            ..TicketCreate::default()
        }))
        .await
        .unwrap()
    }

    pub(crate) async fn show(&self, id: TicketId) -> Ticket {
        within(self.connection.request(&TicketShow { id })).await.unwrap()
    }

    pub(crate) async fn subscribe(&self, ticket: Option<TicketId>) -> Snapshot {
        within(self.connection.request(&Subscribe { ticket })).await.unwrap()
    }

    /// The next event, beats left out; none at the connection's end, and none where it was told to subscribe again.
    pub(crate) async fn event(&mut self) -> Option<Envelope> {
        loop {
            match within(self.notifications.recv()).await? {
                Notification::Event(envelope) => {
                    self.seen.push((*envelope).clone());
                    return Some(*envelope);
                }
                Notification::Beat(_) | Notification::Testbed(_) => {}
                Notification::Resync => return None,
            }
        }
    }

    /// Follows until an event that is awaited.
    pub(crate) async fn until(&mut self, awaited: &str, found: impl Fn(&EventKind) -> bool) -> Envelope {
        loop {
            let envelope = self
                .event()
                .await
                .unwrap_or_else(|| panic!("no more events before {awaited}"));
            if found(&envelope.kind) {
                return envelope;
            }
        }
    }

    /// Follows until the ticket has ended.
    pub(crate) async fn until_ended(&mut self, id: TicketId) -> Ticket {
        let ended = |kind: &EventKind| matches!(kind, EventKind::TicketChanged(summary) if summary.id == id && summary.status.is_final());
        self.until("the ticket's end", ended).await;
        self.show(id).await
    }
}
