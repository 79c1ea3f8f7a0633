//! Makes a ticket of results of tests that others have run. What is named is fetched or copied aside, read there with bounds,
//! and arranged as the files of a ticket; the dispatcher then takes it over as it takes over a ticket of another machine.

mod arrange;
mod fetch;
mod ticket;

use std::path::{Path, PathBuf};

use preflight_core::{ImportedTicket, Moment};
use preflight_debian::{SourceName, Version};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_results::{Format, Identity, ResultsError, Run};
use tokio::runtime::Handle;

use super::desk::{Transfer, at, blocking};
use crate::disk::{Budget, NO_ROOM_HINT, NoRoom, Room};
use crate::services::Staging;

/// Where the results are unpacked, below the staging folder; gone before a ticket adopts that.
const RAW: &str = "raw";
/// Room on the disk is asked for in pieces of this size: how much will come is not known before.
const PIECE: u64 = 32 << 20;

/// What the owner has asked for, judged.
#[derive(Debug, Clone)]
pub struct WantedResults {
    /// The folder, file or URL.
    pub place: String,
    /// The format, where it was said.
    pub format: Option<Format>,
    /// What was said of package and series.
    pub identity: Identity,
    /// The ticket's title, where it was said.
    pub title: Option<String>,
    /// Whose ticket it is to be.
    pub owner: String,
    /// Now.
    pub now: Moment,
}

/// A ticket that is to be taken over.
#[derive(Debug)]
pub struct ReadResults {
    /// The ticket.
    pub ticket: ImportedTicket,
    /// Its files.
    pub staging: Staging,
    /// Promised until the files are the ticket's.
    pub room: Vec<Room>,
}

impl Transfer {
    /// Fetches and reads results. They lie aside, where they go with the answer unless a ticket adopts them.
    ///
    /// # Errors
    /// They cannot be had, are none, or more than is taken; there is no room.
    pub async fn read_results(&self, wanted: WantedResults) -> Result<ReadResults, RpcError> {
        let staging = Staging::create(&self.tickets);
        let staging = staging.map_err(|error| at(&self.tickets.staging(), &error))?;
        let mut purse = Purse {
            budget: self.budget.clone(),
            folder: staging.path().to_owned(),
            room: Vec::new(),
            left: 0,
        };
        let place = match fetch::url(&wanted.place)? {
            Some(url) => fetch::fetch(&url, staging.path(), &mut purse).await?,
            None => PathBuf::from(&wanted.place),
        };
        let runtime = Handle::current();
        blocking(move || {
            let mut room = |bytes| purse.pay(bytes, &runtime);
            let read = read(&wanted, &place, staging.path(), &mut room)?;
            let ticket = arrange::arrange(&wanted, read, staging.path(), &mut room)?;
            for folder in [RAW, fetch::FETCHED] {
                remove(&staging.path().join(folder)).map_err(|error| at(staging.path(), &error))?;
            }
            Ok(ReadResults {
                ticket,
                staging,
                room: purse.room,
            })
        })
        .await
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(
    wanted: &WantedResults,
    place: &Path,
    staging: &Path,
    room: &mut dyn FnMut(u64) -> std::io::Result<()>,
) -> Result<Run, RpcError> {
    let raw = staging.join(RAW);
    std::fs::create_dir(&raw).map_err(|error| at(&raw, &error))?;
    let material = preflight_results::gather(place, wanted.format, &raw, room).map_err(refused)?;
    let mut run = preflight_results::read(material, &wanted.place).map_err(refused)?;
    run.identity = wanted.identity.clone().or(std::mem::take(&mut run.identity));
    run.without_source();
    Ok(run)
}

/// Room that was promised, and what of it is not used yet.
struct Purse {
    budget: Budget,
    folder: PathBuf,
    room: Vec<Room>,
    left: u64,
}

impl Purse {
    async fn fill(&mut self, bytes: u64) -> Result<(), NoRoom> {
        while self.left < bytes {
            let room = self.budget.make_room_at(&self.folder, PIECE).await?;
            self.left += room.bytes();
            self.room.push(room);
        }
        self.left -= bytes;
        Ok(())
    }

    fn pay(&mut self, bytes: u64, runtime: &Handle) -> std::io::Result<()> {
        if self.left >= bytes {
            self.left -= bytes;
            return Ok(());
        }
        runtime.block_on(self.fill(bytes)).map_err(std::io::Error::other)
    }
}

fn refused(error: ResultsError) -> RpcError {
    let message = error.to_string();
    let (code, hint) = match &error {
        ResultsError::Io { source, .. } if source.get_ref().is_some_and(|source| source.is::<NoRoom>()) => {
            (ErrorCode::Host, NO_ROOM_HINT.to_owned())
        }
        ResultsError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => (
            ErrorCode::NotFound,
            "name a folder, a file or a URL of results".to_owned(),
        ),
        ResultsError::NoSource => (
            ErrorCode::InvalidParams,
            "say which it is: --source NAME; nothing was imported".to_owned(),
        ),
        ResultsError::Unknown(_) => (
            ErrorCode::InvalidParams,
            "`preflight import-results --help` lists what can be read; nothing was imported".to_owned(),
        ),
        _ => (ErrorCode::InvalidParams, "nothing was imported".to_owned()),
    };
    RpcError::new(code, message).with_hint(hint)
}

/// Whether what the owner says of package and series can be so.
///
/// # Errors
/// What cannot.
pub(crate) fn judged(identity: Identity) -> Result<Identity, RpcError> {
    let invalid = |why: String| RpcError::new(ErrorCode::InvalidParams, why);
    if let Some(source) = &identity.source {
        source
            .parse::<SourceName>()
            .map_err(|error| invalid(error.to_string()))?;
    }
    if let Some(version) = &identity.version {
        version.parse::<Version>().map_err(|error| invalid(error.to_string()))?;
    }
    if let Some(series) = &identity.series {
        super::convert::from::series(series).map_err(invalid)?;
    }
    Ok(identity)
}
