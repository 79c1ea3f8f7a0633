//! Which template a testbed starts from, and the making of those that are missing: booted once, brought to rest, frozen,
//! and proven by their first clone. Where freezing does not work, or a clone shows that it does not, testbeds fall back to
//! a slower way, down to a cold boot; this room remembers which and why.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_archive::SessionOptions;
use preflight_testbed::template::{Draft, Template, TemplateId, TemplateIdentity, TemplateStore};
use preflight_testbed::{Accelerator, DiskFormat, Hypervisor, Method, Priority};
use serde_json::Value;
use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit};

use super::answering::Answering;
use super::failure::StepFailure;
use super::log::JobLog;
use super::machine::{Ground, Launch, Launched};
use super::remains::Leases;
use super::testbed::Testbed;
use super::testbed_doctor::Experience;
use super::workshop::{BootImage, Workshop};
use crate::disk::Room;

/// On hosts with no more processors than this, emulated guests boot one at a time: their kernels calibrate their timers
/// against the host's clock, and two at once calibrate them wrongly.
const FEW_PROCESSORS: usize = 4;

/// Bytes that a template takes on the disk, mostly its memory: 300 to 400 MiB were measured for a system at rest.
const USUAL_SIZE: u64 = 512 << 20;

/// The templates, and what this daemon has learnt about them.
pub struct Templates {
    store: TemplateStore,
    making: Mutex<HashMap<TemplateId, Arc<tokio::sync::Mutex<()>>>>,
    /// Templates of which a clone has answered, and how those were frozen.
    proven: Mutex<HashMap<TemplateId, Method>>,
    /// What does not work here although the hypervisor thought so.
    broken: Mutex<BTreeMap<Method, String>>,
    boots: Semaphore,
}

/// The right to make a template, or to prove it.
pub(super) type Making = OwnedMutexGuard<()>;

impl Templates {
    /// Nothing is known about these yet.
    #[must_use]
    pub fn new(store: TemplateStore) -> Self {
        Self {
            store,
            making: Mutex::default(),
            proven: Mutex::default(),
            broken: Mutex::default(),
            boots: Semaphore::new(1),
        }
    }

    /// Their files.
    #[must_use]
    pub fn store(&self) -> &TemplateStore {
        &self.store
    }

    /// The fastest way to freeze that is not known to fail here.
    pub fn method(&self, hypervisor: &Arc<dyn Hypervisor>) -> Option<Method> {
        let broken = lock(&self.broken);
        hypervisor
            .methods()
            .into_iter()
            .find(|freezing| freezing.hindrance.is_none() && !broken.contains_key(&freezing.method))
            .map(|freezing| freezing.method)
    }

    /// What was found out to fail, and why.
    #[must_use]
    pub fn broken(&self) -> BTreeMap<Method, String> {
        lock(&self.broken).clone()
    }

    /// What this daemon has found out about a method.
    pub(super) fn experience(&self, method: Method) -> Experience {
        match lock(&self.broken).get(&method) {
            Some(why) => Experience::Broken(why.clone()),
            None if lock(&self.proven).values().any(|proven| *proven == method) => Experience::Proven,
            None => Experience::Untried,
        }
    }

    /// The template of an image; where it is missing it is made, which takes a boot. `None` where machines can't be frozen
    /// here.
    pub(super) async fn of_image(
        &self,
        workshop: &Workshop,
        image: &BootImage,
        log: &JobLog,
        leases: &Leases,
    ) -> Result<Option<Arc<Template>>, StepFailure> {
        let hypervisor = workshop.hypervisor().await?;
        // What the image's own job has frozen serves as well as a boot of the image would, and is there already.
        if let Some(layer) = &image.template
            && let Some(template) = self.find(layer).await
        {
            return Ok(Some(template));
        }
        while let Some(method) = self.method(&hypervisor) {
            let identity = identity(workshop, image, &hypervisor, method)?;
            let id = identity.id();
            let _making = self.lock(&id).await;
            if let Some(template) = self.find(&id).await {
                return Ok(Some(template));
            }
            log.say(&format!(
                "preflight: freezing a template of {} ({method})",
                image.name()
            ));
            match self.make(workshop, image, identity, log, leases).await {
                Ok(template) => return Ok(Some(template)),
                Err(Missed::Boot(failure)) => return Err(failure),
                Err(Missed::Freeze(why)) => self.note_broken(method, &why, log),
                Err(Missed::NoRoom(why)) => {
                    log.say(&format!("preflight: no template, so that the testbed boots: {why}"));
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    async fn make(
        &self,
        workshop: &Workshop,
        image: &BootImage,
        identity: TemplateIdentity,
        log: &JobLog,
        leases: &Leases,
    ) -> Result<Arc<Template>, Missed> {
        let (draft, _room) = self
            .draft(workshop)
            .await
            .map_err(|why| Missed::NoRoom(why.to_string()))?;
        let launch = Launch {
            image,
            ground: Ground::Image,
            disk: Some(draft.disk()),
            memory: (identity.method == Method::SharedMemory).then(|| draft.memory()),
            label: &format!("template of {}", image.name()),
            priority: Priority::Interactive,
        };
        let _boot = self.boot_turn(workshop).await.map_err(Missed::Boot)?;
        let launched = Launched::start(workshop, launch, leases).await.map_err(Missed::Boot)?;
        // It fetches nothing, and is asked for nothing.
        let nothing = workshop
            .archive
            .session(SessionOptions::default())
            .map_err(|error| Missed::Boot(StepFailure::Testbed(error.to_string())))?;
        let answering = Answering::of(workshop, launched, log).await.map_err(Missed::Boot)?;
        let testbed = Testbed::new(workshop, answering, nothing, log, None, None);
        let title = format!("template of {}", image.name());
        let machine = testbed.machine().clone();
        let frozen = self.freeze(testbed, draft, identity, title, Value::Null).await;
        if let Some(remains) = leases.take(&machine) {
            let hypervisor = workshop.connected();
            workshop
                .tidying
                .spawn(async move { remains.clear(hypervisor.as_ref()).await });
        }
        frozen.map_err(|failure| Missed::Freeze(failure.to_string()))
    }

    /// Freezes a testbed whose disk (and memory) are a draft's, and publishes it.
    pub(super) async fn freeze(
        &self,
        testbed: Testbed,
        draft: Draft,
        identity: TemplateIdentity,
        title: String,
        notes: Value,
    ) -> Result<Arc<Template>, StepFailure> {
        let chain = testbed.chain();
        let frozen = testbed.freeze(identity.method, &draft.state()).await?;
        let store = self.store.clone();
        let published = tokio::task::spawn_blocking(move || {
            store
                .publish(draft, &frozen, identity, &chain, title, notes)
                .map_err(|error| StepFailure::Testbed(format!("the template: {error}")))
        });
        let template = joined(published.await)?;
        self.seal_in_the_background(&template);
        Ok(template)
    }

    /// What was frozen is good at once; that it outlives a crash of the host takes a second that nobody waits for.
    fn seal_in_the_background(&self, template: &Arc<Template>) {
        let (store, id) = (self.store.clone(), template.id().clone());
        let (folder, weak) = (template.folder().to_owned(), Arc::downgrade(template));
        tokio::task::spawn_blocking(move || {
            // Not held: a template that is taken away meanwhile need not be sealed.
            let Some(template) = weak.upgrade() else { return };
            if let Err(error) = store.seal(&template)
                && folder.exists()
            {
                tracing::warn!(template = %id, %error, "a template may not survive the host's crash");
            }
        });
    }

    /// A draft whose name is nobody else's, and the room for it: to be kept until it is published.
    pub(super) async fn draft(&self, workshop: &Workshop) -> Result<(Draft, Room), StepFailure> {
        let broken = |error: &dyn std::fmt::Display| StepFailure::Testbed(format!("the templates: {error}"));
        let room = workshop.folders.budget.make_room(USUAL_SIZE).await;
        let room = room.map_err(|error| broken(&error))?;
        let draft = self.store.draft(&workshop.new_machine().number().to_string());
        Ok((draft.map_err(|error| broken(&error))?, room))
    }

    /// The template of that name, if it is there.
    pub(super) async fn find(&self, id: &TemplateId) -> Option<Arc<Template>> {
        let (store, wanted) = (self.store.clone(), id.clone());
        match tokio::task::spawn_blocking(move || store.get(&wanted)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(template = %id, %error, "a template cannot be used");
                None
            }
            Err(error) => {
                tracing::error!(%error, "looking for a template has failed");
                None
            }
        }
    }

    /// Waits for everybody else who makes or proves this one.
    pub(super) async fn lock(&self, id: &TemplateId) -> Making {
        let mutex = Arc::clone(lock(&self.making).entry(id.clone()).or_default());
        mutex.lock_owned().await
    }

    /// Waits until a machine may boot, where that matters.
    pub(super) async fn boot_turn(&self, workshop: &Workshop) -> Result<Option<SemaphorePermit<'_>>, StepFailure> {
        let emulated = workshop.hypervisor().await?.host().accelerator == Accelerator::Tcg;
        let few = std::thread::available_parallelism().is_ok_and(|count| count.get() <= FEW_PROCESSORS);
        Ok(if emulated && few {
            self.boots.acquire().await.ok()
        } else {
            None
        })
    }

    /// Whether a clone has answered already.
    pub(super) fn is_proven(&self, template: &Template) -> bool {
        lock(&self.proven).contains_key(template.id())
    }

    /// A clone has answered.
    pub(super) fn prove(&self, template: &Template) {
        lock(&self.proven).insert(template.id().clone(), template.record().identity.method);
    }

    /// A clone has not answered: nobody gets another of it, and if none ever has, nobody tries the method again.
    pub(super) fn distrust(&self, template: &Template, why: &str, log: &JobLog) {
        self.store.distrust(template.id());
        if lock(&self.proven).remove(template.id()).is_none() {
            self.note_broken(template.record().identity.method, why, log);
        }
    }

    /// A clone of `below` could not be frozen in its turn.
    pub(super) fn note_broken_freeze(&self, below: &Template, why: &str, log: &JobLog) {
        self.note_broken(below.record().identity.method, why, log);
    }

    fn note_broken(&self, method: Method, why: &str, log: &JobLog) {
        tracing::warn!(%method, why, "testbeds fall back to a slower start");
        log.say(&format!("preflight: testbeds cannot be frozen by {method} here: {why}"));
        lock(&self.broken).entry(method).or_insert_with(|| why.to_owned());
    }
}

/// What went wrong with the making of a template.
enum Missed {
    /// The image does not boot, which has nothing to do with templates.
    Boot(StepFailure),
    /// It boots, and can't be frozen.
    Freeze(String),
    /// There is no room for it.
    NoRoom(String),
}

/// What a template of an image is named by.
fn identity(
    workshop: &Workshop,
    image: &BootImage,
    hypervisor: &Arc<dyn Hypervisor>,
    method: Method,
) -> Result<TemplateIdentity, StepFailure> {
    let host = hypervisor.host();
    let initrd = workshop.initrd(&image.base)?;
    let emulated = host.accelerator == Accelerator::Tcg;
    Ok(TemplateIdentity {
        method,
        image: image.name(),
        initrd: initrd.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        cmdline: Workshop::command_line(&image.base, emulated),
        memory_mib: workshop.memory_of(image).0,
        cpus: workshop.settings.cpus,
        machine_type: host.machine_type,
        accelerator: host.accelerator,
        processor: if emulated {
            String::new()
        } else {
            preflight_testbed::probe::host_processor()
        },
        qemu: host.qemu_version,
        libvirt: host.libvirt_version,
        contents: Vec::new(),
        below: None,
    })
}

impl BootImage {
    /// Its disk and what that is an overlay of, nearest first.
    #[must_use]
    pub fn chain(&self) -> Vec<(PathBuf, DiskFormat)> {
        let mut chain = vec![(self.disk.clone(), self.format)];
        chain.extend(self.backing.iter().cloned());
        chain
    }

    /// The name of the image: the ticket's, or the base image's.
    #[must_use]
    pub fn name(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.base.id().to_string())
    }
}

pub(super) fn joined<T>(done: Result<Result<T, StepFailure>, tokio::task::JoinError>) -> Result<T, StepFailure> {
    done.unwrap_or_else(|error| Err(StepFailure::Testbed(format!("Preflight's own fault: {error}"))))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
