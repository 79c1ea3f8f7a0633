//! Where a testbed that no job has is to be made: of a series, of an image, of what a ticket has left. Finds it, leases it,
//! and sees to it that nothing of it is left when it is dropped. What is done in it is its holder's matter.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use preflight_archive::Session;
use preflight_core::{JobId, Options, PackageSources, Series, Ticket};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_store::{TicketFolder, TicketsFolder};
use preflight_testbed::Priority;
use preflight_vm_images::Variant;

use super::answering::Answering;
use super::failure::StepFailure;
use super::kept::KeptTestbed;
use super::log::JobLog;
use super::machine::{Ground, Launch, Launched};
use super::reboot::Reboot;
use super::rebuilt::Rebuilt;
use super::remains::Leases;
use super::session::Repositories;
use super::testbed::{Testbed, TestbedSpec};
use super::ticket_image::TicketImage;
use super::workshop::{BootImage, Workshop, repository};
use crate::disk::Hold;

/// Finds places, and leases testbeds there.
pub(super) struct Places {
    pub(super) workshop: Arc<Workshop>,
    tickets: TicketsFolder,
}

/// Where a testbed is to be made, looked up.
pub(super) struct Place {
    pub(super) image: BootImage,
    pub(super) kept: Option<KeptTestbed>,
    pub(super) series: Series,
    folder: Option<TicketFolder>,
    /// Where it has what the options name of other tickets' repositories.
    others: Option<PathBuf>,
    /// The ticket's.
    options: Options,
    pub(super) job: Option<JobId>,
    pub(super) note: Option<String>,
}

/// A testbed that somebody has to himself; taken down when this is dropped.
pub(super) struct Leased {
    pub(super) testbed: Testbed,
    leases: Leases,
    clearing: ClearOnDrop,
    /// The log's files.
    _scratch: tempfile::TempDir,
    /// Whose files are not to go meanwhile: no job tells that they are used.
    _holds: Vec<Hold>,
}

impl Leased {
    /// Starts it again on its own disk.
    ///
    /// # Errors
    /// It is lost.
    pub(super) async fn reboot(&mut self, workshop: &Workshop, how: Reboot) -> Result<(), StepFailure> {
        self.testbed.reboot(workshop, &self.leases, how).await
    }

    /// Takes it down, and returns when nothing is left of it.
    pub(super) async fn clear(self, workshop: &Workshop) {
        let Self {
            testbed,
            leases,
            clearing: _clearing,
            _scratch,
            _holds,
        } = self;
        drop(testbed);
        leases.clear(workshop.connected().as_ref()).await;
    }
}

impl Places {
    pub(super) fn new(workshop: Arc<Workshop>, tickets: TicketsFolder) -> Self {
        Self { workshop, tickets }
    }

    /// A series' newest base image of this variant, or the image that is called so.
    pub(super) fn named(&self, name: &Series, variant: Variant) -> Result<Place, RpcError> {
        let unknown = |failure: StepFailure| {
            RpcError::new(ErrorCode::InvalidParams, failure.to_string())
                .with_hint("name a series, a ticket's number, or an image that `preflight image list` has")
        };
        let overlay = self.workshop.ticket_image_named(name.as_str());
        let others = overlay.as_ref().map(TicketImage::repositories);
        let (image, series, sources) = match overlay {
            Some(overlay) => {
                let own = Series(overlay.series.clone());
                let unreadable = |why| refused(StepFailure::Testbed(format!("the image {name}: {why}")));
                let sources = overlay.rebuilt.as_ref().map(Rebuilt::sources).transpose();
                let gone = || refused(StepFailure::Testbed(format!("the base image of {name} is gone")));
                (
                    self.workshop.on_its_base(overlay).ok_or_else(gone)?,
                    own,
                    sources.map_err(unreadable)?.unwrap_or_default(),
                )
            }
            None => match self.workshop.images.get(name.as_str()) {
                Ok(base) => {
                    let series = Series(base.metadata.recipe.to_string());
                    (BootImage::of_base(base), series, PackageSources::default())
                }
                Err(_) => {
                    self.workshop.recipe(name).map_err(unknown)?;
                    let base = self.workshop.base(name, variant).map_err(refused)?;
                    (base, name.clone(), PackageSources::default())
                }
            },
        };
        Ok(Place {
            image,
            kept: None,
            series,
            folder: None,
            others,
            options: Options {
                sources,
                ..Options::default()
            },
            job: None,
            note: None,
        })
    }

    /// A ticket's image; the base image of this variant where it has none.
    pub(super) fn of_ticket(&self, ticket: &Ticket, variant: Variant) -> Result<Place, RpcError> {
        let folder = self.tickets.ticket(ticket.id);
        let image = match ticket.image {
            Some(_) => self.workshop.ticket_image(ticket),
            None => self.workshop.base(&ticket.series, variant),
        };
        Ok(Place {
            image: image.map_err(refused)?,
            kept: None,
            series: ticket.series.clone(),
            others: Some(folder.repositories()),
            folder: Some(folder),
            options: ticket.options.clone(),
            job: None,
            note: None,
        })
    }

    /// What a ticket has left: the testbed of this job, where it was kept, or else the ticket's image.
    pub(super) fn left_in(&self, ticket: &Ticket, job: Option<JobId>) -> Result<Place, RpcError> {
        let mut place = self.of_ticket(ticket, Variant::Build)?;
        let Some(job) = job.and_then(|id| ticket.job(id)) else {
            return Ok(place);
        };
        let kept = job.attempts.iter().rev().find(|record| record.kept.is_some());
        let Some(record) = kept else {
            place.note = Some(format!(
                "no testbed of job {} is kept: this is a fresh one of its image",
                job.id
            ));
            return Ok(place);
        };
        let folder = self.tickets.ticket(ticket.id);
        let opened = KeptTestbed::open(&folder.kept(job.id, record.attempt), &self.workshop);
        match opened {
            Ok(kept) => {
                place.image = kept.boot_image();
                place.kept = Some(kept);
                place.job = Some(job.id);
            }
            Err(error) => {
                place.note = Some(format!(
                    "the kept testbed of job {} cannot be resumed ({error}): this is a fresh one of its image",
                    job.id
                ));
            }
        }
        Ok(place)
    }

    /// Keeps what the testbed will stand on.
    fn hold(&self, place: &Place) -> Result<Vec<Hold>, StepFailure> {
        let mut folders = vec![place.image.base.folder().to_owned()];
        match &place.kept {
            Some(kept) => folders.push(kept.folder().to_owned()),
            None => folders.extend(place.image.disk.parent().map(Path::to_owned)),
        }
        let hold = |folder: PathBuf| {
            let held = self.workshop.folders.budget.hold(&folder);
            held.map_err(|error| StepFailure::Testbed(format!("{}: {error}", folder.display())))
        };
        folders.into_iter().map(hold).collect()
    }

    /// What a testbed there needs before it is made.
    pub(super) fn make_ready(&self, place: &Place) -> Result<Ready, StepFailure> {
        let workshop = &self.workshop;
        let holds = self.hold(place)?;
        let (log, scratch) = workshop.scratch_log("leased-")?;
        let repository = place.folder.as_ref().map(repository).filter(|folder| folder.exists());
        let repositories = Repositories {
            own: repository.as_deref(),
            // They go with the ticket's sources.
            others: place.others.as_deref().filter(|folder| folder.exists()),
        };
        let session = workshop.session(&place.image.base, &place.options, repositories, Arc::new(|_| {}))?;
        let leases = Leases::default();
        let clearing = ClearOnDrop::of(workshop, &leases);
        Ok(Ready {
            session,
            log,
            leases,
            clearing,
            scratch,
            holds,
        })
    }

    /// The testbed that was made there.
    pub(super) fn leased(&self, place: &Place, ready: Ready, testbed: Testbed) -> Leased {
        if let Some(template) = testbed.template() {
            // Who wants one is likely to want another.
            self.workshop.expect(template, &place.image, 1);
        }
        Leased {
            testbed,
            leases: ready.leases,
            clearing: ready.clearing,
            _scratch: ready.scratch,
            _holds: ready.holds,
        }
    }

    /// A testbed there. `label` says whose it is, for people who look at the hypervisor.
    ///
    /// # Errors
    /// No testbed can be had; nothing of it is left then, nor if the future is dropped.
    pub(super) async fn lease(&self, place: &Place, label: &str) -> Result<Leased, StepFailure> {
        let workshop = &self.workshop;
        let ready = self.make_ready(place)?;
        let (log, leases) = (&ready.log, &ready.leases);
        let testbed = match &place.kept {
            Some(kept) => {
                let launch = Launch {
                    image: &place.image,
                    ground: Ground::Kept(kept),
                    disk: None,
                    memory: None,
                    label,
                    priority: Priority::Interactive,
                };
                let launched = Launched::start(workshop, launch, leases).await?;
                let answering = Answering::of(workshop, launched, log).await?;
                Testbed::new(workshop, answering, ready.session.clone(), log, None, None)
            }
            None => Testbed::lease(workshop, ready.spec(place, label), log, leases).await?,
        };
        Ok(self.leased(place, ready, testbed))
    }
}

/// What a testbed has besides itself. Dropped, whatever was begun for it is taken down.
pub(super) struct Ready {
    session: Session,
    pub(super) log: JobLog,
    pub(super) leases: Leases,
    clearing: ClearOnDrop,
    /// The log's files.
    scratch: tempfile::TempDir,
    holds: Vec<Hold>,
}

impl Ready {
    pub(super) fn spec<'a>(&self, place: &'a Place, label: &'a str) -> TestbedSpec<'a> {
        TestbedSpec {
            image: &place.image,
            session: self.session.clone(),
            label,
            priority: Priority::Interactive,
            pulse: None,
            findings: None,
        }
    }
}

/// What the host cannot do, for a client.
pub(super) fn refused(failure: StepFailure) -> RpcError {
    RpcError::new(ErrorCode::Host, failure.to_string()).with_hint("`preflight doctor` tells what this host lacks")
}

/// Takes leased machines down: a future that is dropped leaves nothing behind.
pub(super) struct ClearOnDrop(Arc<Workshop>, Leases);

impl ClearOnDrop {
    pub(super) fn of(workshop: &Arc<Workshop>, leases: &Leases) -> Self {
        Self(Arc::clone(workshop), leases.clone())
    }
}

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        let (workshop, leases) = (Arc::clone(&self.0), self.1.clone());
        let tidying = workshop.tidying.clone();
        tidying.spawn(async move { leases.clear(workshop.connected().as_ref()).await });
    }
}
