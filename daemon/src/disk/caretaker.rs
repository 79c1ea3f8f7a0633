//! The one task that looks after the disk: at start, after each job, and when somebody asks for room. It asks the state
//! who uses what, has the census taken, and has those removed that the plan names; it never changes the state itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use preflight_archive::Archive;
use preflight_core::{JobId, Sha256, TicketId};
use preflight_protocol::disk::{Freed, Usage};
use preflight_protocol::endpoint::Folders;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::DiskFree;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::budget::{NoRoom, Promised, Room};
use super::census::{self, Census, Survey};
use super::file_system::{Demand, Disk};
use super::item::{Device, Item};
use super::meter::Size;
use super::names;
use super::outlook::Outlook;
use super::plan::{Goal, plan};
use super::removal::Remover;
use super::wire;
use crate::dispatcher::DispatcherGone;
use crate::services::Images;

/// Why it cannot be told what takes the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// The folders cannot be read.
    #[error("the daemon's folders cannot be read: {0}")]
    Walk(#[from] std::io::Error),
    /// Who names what cannot be told.
    #[error("it cannot be told which objects are named: {0}")]
    Names(String),
    /// The images cannot be listed.
    #[error("the images cannot be listed: {0}")]
    Images(RpcError),
    /// The daemon is about to end.
    #[error(transparent)]
    Gone(#[from] DispatcherGone),
}

impl From<DiskError> for RpcError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Gone(gone) => gone.into(),
            DiskError::Images(error) => error,
            DiskError::Walk(_) | DiskError::Names(_) => Self::new(ErrorCode::Host, error.to_string()),
        }
    }
}

/// What is asked of the caretaker.
#[derive(Debug)]
pub(super) enum Ask {
    Room {
        folder: PathBuf,
        bytes: u64,
        answer: oneshot::Sender<Result<Room, NoRoom>>,
    },
    Usage {
        items: usize,
        answer: oneshot::Sender<Result<Usage, RpcError>>,
    },
    Free {
        request: DiskFree,
        answer: oneshot::Sender<Result<Freed, RpcError>>,
    },
}

/// Looks after the disk.
pub(super) struct Caretaker {
    pub(super) folders: Arc<Folders>,
    pub(super) images: Arc<dyn Images>,
    pub(super) archive: Archive,
    pub(super) remover: Remover,
    /// What all may take together, in bytes.
    pub(super) budget: u64,
    pub(super) promised: Arc<Promised>,
    /// What all took when it was last looked at.
    pub(super) known: Option<Taken>,
}

/// What all takes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    used: u64,
    /// What of it goes by itself soon.
    passing: u64,
}

/// What a look at the disk has found.
struct Look {
    census: Census,
    disks: Vec<Disk>,
}

impl Look {
    fn taken(&self) -> Taken {
        Taken {
            used: self.census.total,
            passing: self.census.passing,
        }
    }
}

impl Caretaker {
    /// Runs until the daemon stops.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, stop: CancellationToken) {
        if let Err(error) = self.remover.recover().await {
            tracing::warn!(%error, "what an earlier daemon freed is not tidied up");
        }
        self.sweep().await;
        let mut beats = self.remover.dispatcher.beats().subscribe();
        let mut running: Vec<JobId> = beats.borrow_and_update().keys().copied().collect();
        loop {
            tokio::select! {
                // Who asks after a job's end is answered after the sweep that follows it.
                biased;
                () = stop.cancelled() => return,
                changed = beats.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now: Vec<JobId> = beats.borrow_and_update().keys().copied().collect();
                    let ended = running.iter().any(|job| !now.contains(job));
                    running = now;
                    if ended {
                        self.sweep().await;
                    }
                }
                ask = asks.recv() => match ask {
                    Some(ask) => self.take(ask).await,
                    None => return,
                },
            }
        }
    }

    async fn take(&mut self, ask: Ask) {
        // Who has stopped waiting does not want to know; room that nobody takes is free again.
        match ask {
            Ask::Room { folder, bytes, answer } => {
                let _ = answer.send(self.room(&folder, bytes).await);
            }
            Ask::Usage { items, answer } => {
                let _ = answer.send(self.usage(items).await.map_err(RpcError::from));
            }
            Ask::Free { request, answer } => {
                let _ = answer.send(self.free(&request).await.map_err(RpcError::from));
            }
        }
    }

    /// Looks at the disk. Who names which object is asked only where some may have to go: that takes a while.
    async fn look(&mut self, named: bool) -> Result<Look, DiskError> {
        // Before the walk: what is made during it makes it stale again.
        self.promised.take_stale();
        let outlook = self.remover.dispatcher.read(|view| Outlook::of(view.state)).await?;
        let images = self.images.list().await.map_err(DiskError::Images)?;
        let names = if named {
            let tickets = outlook.tickets.iter().map(|(id, ticket)| (*id, ticket.states.clone()));
            let tickets: Vec<(TicketId, Vec<Sha256>)> = tickets.collect();
            let folder = self.folders.cache.join("images");
            let store = self.remover.dispatcher.store();
            Some(names::gather(store, tickets, outlook.ppas.clone(), &self.archive, &folder).await?)
        } else {
            None
        };
        let (folders, archive, remover) = (Arc::clone(&self.folders), self.archive.clone(), self.remover.clone());
        let walk = move || {
            let census = census::take(&Survey {
                folders: &folders,
                archive: &archive,
                templates: &remover.templates,
                images: &images,
                outlook: &outlook,
                holds: &remover.holds,
                names: names.as_ref(),
            })?;
            let disks = Disk::of(&[&folders.cache, &folders.state])?;
            Ok(Look { census, disks })
        };
        let look: Result<Look, std::io::Error> = tokio::task::spawn_blocking(walk)
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let look = look?;
        self.known = Some(look.taken());
        Ok(look)
    }

    fn demand(&self, taken: Taken, wanted: Option<(Device, u64)>) -> Demand {
        Demand {
            budget: self.budget,
            used: taken.used,
            passing: taken.passing,
            promised: self.promised.bytes(),
            wanted,
        }
    }

    /// Brings everything back under the budget, as far as it goes.
    async fn sweep(&mut self) {
        let result = async {
            let look = self.look(false).await?;
            if self.demand(look.taken(), None).goal(&look.disks).is_reached() {
                return Ok(());
            }
            let look = self.look(true).await?;
            let goal = self.demand(look.taken(), None).goal(&look.disks);
            let plan = plan(&look.census.items, &goal);
            if !plan.suffices() {
                let short = Size(plan.short);
                tracing::warn!(%short, "more disk is used than is wanted, and no more can be freed");
            }
            self.remove(look.census, &plan.victims).await;
            Ok::<_, DiskError>(())
        };
        match result.await {
            Ok(()) | Err(DiskError::Gone(_)) => {}
            Err(error) => tracing::warn!(%error, "the disk cannot be looked after"),
        }
    }

    /// Removes them; answers what is gone, and why others are not.
    async fn remove(&mut self, census: Census, victims: &[usize]) -> super::removal::Removed {
        let (used, passing) = (census.total, census.passing);
        let mut items: Vec<Option<Item>> = census.items.into_iter().map(Some).collect();
        let chosen = victims.iter().filter_map(|at| items.get_mut(*at)?.take()).collect();
        let removed = self.remover.remove(chosen).await;
        let gone: u64 = removed.gone.iter().map(|item| item.size).sum();
        self.known = Some(Taken {
            used: used.saturating_sub(gone),
            passing,
        });
        removed
    }

    async fn room(&mut self, folder: &Path, bytes: u64) -> Result<Room, NoRoom> {
        let unknown = |error: &dyn std::fmt::Display| NoRoom::Unknown(error.to_string());
        let disk = Disk::of(&[folder]).map_err(|error| unknown(&error))?;
        let Some(device) = disk.first().map(|disk| disk.device) else {
            return Err(unknown(&format!("{} is missing", folder.display())));
        };
        let wanted = Some((device, bytes));
        // What is known is enough where there is plenty.
        if let Some(known) = self.known.filter(|_| !self.promised.take_stale())
            && self.demand(known, wanted).goal(&disk).is_reached()
        {
            return Ok(Room::promise(&self.promised, bytes));
        }
        self.known = None;
        let failed = |error: DiskError| match error {
            DiskError::Gone(_) => NoRoom::Stopping,
            other => unknown(&other),
        };
        let look = self.look(false).await.map_err(failed)?;
        if self.demand(look.taken(), wanted).goal(&look.disks).is_reached() {
            return Ok(Room::promise(&self.promised, bytes));
        }
        let look = self.look(true).await.map_err(failed)?;
        let demand = self.demand(look.taken(), wanted);
        let goal = demand.goal(&look.disks);
        let plan = plan(&look.census.items, &goal);
        if !plan.suffices() {
            return Err(refuse(&demand, &look, folder, plan.victims));
        }
        let removed = self.remove(look.census, &plan.victims).await;
        match removed.failed.into_iter().next() {
            None => Ok(Room::promise(&self.promised, bytes)),
            Some((item, why)) => Err(NoRoom::Resisted {
                wanted: Size(bytes),
                why: format!("{}: {why}", item.id),
            }),
        }
    }

    async fn usage(&mut self, items: usize) -> Result<Usage, DiskError> {
        let look = self.look(true).await?;
        let everything = Goal {
            total: u64::MAX,
            ..Goal::default()
        };
        let plan = plan(&look.census.items, &everything);
        Ok(Usage {
            budget: self.budget,
            used: look.census.total,
            promised: self.promised.bytes(),
            file_systems: look.disks.iter().map(wire::file_system).collect(),
            kinds: wire::kinds(&look.census.items, &plan.victims),
            items: wire::largest(&look.census.items, &plan.victims, items),
        })
    }

    async fn free(&mut self, request: &DiskFree) -> Result<Freed, DiskError> {
        let look = self.look(true).await?;
        let before = look.census.total;
        let goal = match request.to {
            _ if request.all => Goal {
                all: true,
                ..Goal::default()
            },
            Some(to) => Goal {
                total: before.saturating_sub(to),
                ..Goal::default()
            },
            None => self.demand(look.taken(), None).goal(&look.disks),
        };
        let plan = plan(&look.census.items, &goal);
        let mut freed = Freed {
            dry_run: request.dry_run,
            budget: self.budget,
            before,
            after: before,
            items: vec![],
            short: plan.short,
            failed: vec![],
        };
        if request.dry_run {
            let victims = plan.victims.iter().filter_map(|at| look.census.items.get(*at));
            freed.items = victims.map(wire::freed).collect();
        } else {
            let removed = self.remove(look.census, &plan.victims).await;
            freed.items = removed.gone.iter().map(wire::freed).collect();
            let failed = removed.failed.iter();
            freed.short += failed.clone().map(|(item, _)| item.size).sum::<u64>();
            freed.failed = failed.map(|(item, why)| format!("{}: {why}", item.id)).collect();
        }
        freed.after = before.saturating_sub(freed.items.iter().map(|item| item.size).sum());
        Ok(freed)
    }
}

/// Says whether the budget or the disk is too small.
fn refuse(demand: &Demand, look: &Look, folder: &Path, victims: Vec<usize>) -> NoRoom {
    let Demand {
        budget,
        used,
        promised,
        wanted,
        passing,
    } = *demand;
    let wanted_bytes = Size(wanted.map_or(0, |(_, bytes)| bytes));
    let freed = |on: Option<Device>| {
        let items = victims.iter().filter_map(|at| look.census.items.get(*at));
        items
            .filter(|item| on.is_none_or(|device| item.device == device))
            .map(|item| item.size)
            .sum::<u64>()
    };
    let goal = demand.goal(&look.disks);
    let short = goal.total.saturating_sub(passing).saturating_sub(freed(None));
    if short > 0 {
        return NoRoom::Budget {
            wanted: wanted_bytes,
            budget: Size(budget),
            used: Size(used.saturating_add(promised)),
            short: Size(short),
        };
    }
    let full = look.disks.iter().map(|disk| {
        let needed = goal.on.get(&disk.device).copied().unwrap_or(0);
        (needed.saturating_sub(freed(Some(disk.device))), disk)
    });
    let (short, disk) = match full.max_by_key(|(short, _)| *short) {
        Some((short, disk)) => (short, Some(disk)),
        None => (0, None),
    };
    NoRoom::Disk {
        wanted: wanted_bytes,
        folder: disk
            .and_then(|disk| disk.folders.first().cloned())
            .unwrap_or_else(|| folder.to_owned()),
        free: Size(disk.map_or(0, |disk| disk.free)),
        reserve: Size(disk.map_or(0, Disk::reserve)),
        short: Size(short),
    }
}
