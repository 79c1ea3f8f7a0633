//! One thing that takes disk: what it is, how large, what it needs, and why it has to stay. Plain data, of which
//! [`super::plan()`] chooses; where it comes from is the census's matter.

use std::fmt;
use std::path::PathBuf;

use preflight_core::{Attempt, ImageRecord, JobId, Moment, Sha256, TicketId};
use preflight_protocol::disk::DiskKind;
use preflight_testbed::template::TemplateId;

/// An item's name: unique among all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId {
    /// What it is.
    pub kind: DiskKind,
    /// Its name among those of its kind.
    pub name: String,
}

impl ItemId {
    /// A name.
    pub fn new(kind: DiskKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name } = self;
        match kind {
            DiskKind::BaseImage => write!(f, "base image {name}"),
            DiskKind::TicketImage => write!(f, "image {name}"),
            DiskKind::Template => write!(f, "template {name}"),
            DiskKind::Layer => write!(f, "layer {name}"),
            DiskKind::KeptTestbed => write!(f, "kept testbed {name}"),
            DiskKind::Ticket => write!(f, "ticket {name}"),
            DiskKind::Artifacts => write!(f, "artifacts of ticket {name}"),
            DiskKind::StagedSources => write!(f, "sources of ticket {name}"),
            DiskKind::ArchiveObject => write!(f, "archive object {name}"),
            DiskKind::Initrd => write!(f, "initrd {name}"),
            DiskKind::UnpackedSource => write!(f, "unpacked source {name}"),
            DiskKind::Overlay => write!(f, "overlay {name}"),
            DiskKind::Database | DiskKind::HypervisorCache | DiskKind::Other => f.write_str(name),
        }
    }
}

/// A file system, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Device(pub u64);

/// What the state says of an item, and so whether it is in use and who must be told that it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Nothing: it never goes by itself.
    Files,
    /// An image, which the state names.
    Image(Box<ImageRecord>),
    /// A template, whose store knows its clones.
    Template(TemplateId),
    /// Part of a ticket's folder.
    Ticket(TicketId),
    /// A kept testbed, which the state names.
    Kept(TicketId, JobId, Attempt),
    /// An object of the content store: any running job may be about to be served it.
    Object(Sha256),
    /// What any job that starts a machine may be about to use.
    Boot,
}

/// One thing that takes disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// What it is about.
    pub subject: Subject,
    /// Its files and folders.
    pub paths: Vec<PathBuf>,
    /// Bytes on disk.
    pub size: u64,
    /// The file system that it is on.
    pub device: Device,
    /// When it was last used; for a kept testbed when its attempt ended.
    pub last_used: Option<Moment>,
    /// What must stay for as long as it does.
    pub needs: Vec<ItemId>,
    /// Whether it belongs to a kept ticket.
    pub kept: bool,
    /// Who uses it now, in words; it stays for as long as somebody does.
    pub users: Vec<String>,
    /// Why it never goes by itself, for one that does not.
    pub fixed: Option<String>,
}

impl Item {
    /// When it goes, if it ever goes by itself: what comes first goes first.
    #[must_use]
    pub fn turn(&self) -> Option<u8> {
        let turn = match self.id.kind {
            DiskKind::ArchiveObject => 0,
            DiskKind::Initrd | DiskKind::UnpackedSource => 1,
            DiskKind::Layer => 2,
            DiskKind::Template => 3,
            DiskKind::TicketImage => 4,
            DiskKind::StagedSources => 5,
            DiskKind::Artifacts => 6,
            DiskKind::BaseImage => 7,
            DiskKind::KeptTestbed => 8,
            DiskKind::Ticket | DiskKind::Overlay | DiskKind::Database | DiskKind::HypervisorCache | DiskKind::Other => {
                return None;
            }
        };
        // A kept ticket's evidence goes last, in the same order among itself.
        Some(if self.kept { turn + 10 } else { turn })
    }

    /// Whether a job that lacks it makes it again by itself.
    #[must_use]
    pub fn is_mere_cache(&self) -> bool {
        matches!(
            self.id.kind,
            DiskKind::ArchiveObject
                | DiskKind::Initrd
                | DiskKind::UnpackedSource
                | DiskKind::Layer
                | DiskKind::Template
        )
    }

    /// Whether it may go, once nothing needs it.
    #[must_use]
    pub fn may_go(&self) -> bool {
        self.stays().is_none() && self.turn().is_some()
    }

    /// Why it must stay whatever else goes.
    #[must_use]
    pub fn stays(&self) -> Option<String> {
        let used = (!self.users.is_empty()).then(|| format!("in use: {}", self.users.join(", ")));
        used.or_else(|| self.fixed.clone())
    }

    /// Whether what it holds can be made, fetched or submitted again.
    #[must_use]
    pub fn remakeable(&self) -> bool {
        !matches!(
            self.id.kind,
            DiskKind::Ticket | DiskKind::KeptTestbed | DiskKind::Database | DiskKind::Overlay | DiskKind::Other
        )
    }

    /// Why it goes before others.
    #[must_use]
    pub(super) fn why_it_goes(&self) -> &'static str {
        match (self.id.kind, self.kept) {
            (DiskKind::ArchiveObject, _) => "no lock and no image names it: fetched again when it is needed",
            (DiskKind::Initrd, _) => "composed again when it is needed",
            (DiskKind::UnpackedSource, _) => "unpacked again when it is needed",
            (DiskKind::Layer | DiskKind::Template, _) => "least used: made again when it is needed",
            (_, true) => "of a kept ticket: nothing else is left to go",
            (DiskKind::TicketImage, _) => "its ticket has ended",
            (DiskKind::StagedSources, _) => "its ticket has ended: they can be submitted again",
            (DiskKind::Artifacts, _) => "its ticket has ended: they can be built again",
            (DiskKind::BaseImage, _) => "a newer one of its series is there",
            (DiskKind::KeptTestbed, _) => "the oldest failures go first",
            _ => "it may go",
        }
    }
}
