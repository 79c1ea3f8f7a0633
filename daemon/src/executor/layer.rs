//! Layers: testbeds that were frozen after something was done in them, so that whoever needs the same done starts from
//! there. What is done and what it depends on is the pipeline's matter; here is when it may be left out.

use std::sync::Arc;

use async_trait::async_trait;
use preflight_archive::{Lock, LockEntry, Session};
use preflight_testbed::template::{Template, TemplateIdentity};
use serde_json::{Value, json};

use super::context::JobContext;
use super::failure::StepFailure;
use super::testbed::{Testbed, TestbedSpec};
use super::workshop::{BootImage, Workshop};

/// What is done in a testbed before it is frozen.
#[async_trait]
pub trait Prepare: Sync {
    /// Why it cannot be done.
    type Error: From<StepFailure>;

    /// Does it.
    async fn prepare(&self, testbed: &Testbed) -> Result<(), Self::Error>;

    /// What is done after that, and for which the testbed may have to start again.
    async fn settle(&self, _testbed: &mut Testbed) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What a layer is, and what it depends on beside the image below it.
#[derive(Debug, Clone)]
pub struct LayerSpec {
    /// What it is, for people.
    pub title: String,
    /// All that decides what comes of the preparing: two layers with the same words are the same.
    pub contents: Vec<String>,
}

/// What is done before, as a layer of its own that others share.
pub struct Before<'a> {
    /// The layer.
    pub layer: LayerSpec,
    /// What makes it.
    pub preparation: &'a dyn Prepare<Error = StepFailure>,
}

/// A testbed in which what was asked for has been done.
pub struct Prepared {
    /// The testbed.
    pub testbed: Testbed,
    /// The layer that it was cloned from, where there is one.
    pub layer: Option<Arc<Template>>,
}

/// What became of a layer.
enum Laid {
    /// It is there.
    Here(Arc<Template>),
    /// What is below it does not serve any more: there is another way to begin.
    Again,
    /// It cannot be kept.
    Nowhere,
}

impl JobContext {
    /// Leases a testbed in which a preparation has been made, and another one before it where there is one: a clone of the
    /// layer that it left, or, the first time, one in which it is done now. The job's lock names what was fetched for all that
    /// in either case. A replay makes its layers anew; what comes before them (apt's lists) it takes where it is there, and
    /// nothing but what the replayed lock names was fetched for it.
    ///
    /// # Errors
    /// Those of the preparation, and of leasing a testbed.
    pub async fn prepared<P: Prepare>(
        &self,
        image: &BootImage,
        before: Option<Before<'_>>,
        layer: LayerSpec,
        session: Session,
        preparation: &P,
    ) -> Result<Prepared, P::Error> {
        let templates = &self.workshop.templates;
        let label = self.label();
        let spec = TestbedSpec {
            image,
            session: session.clone(),
            label: &label,
            priority: self.priority(),
            pulse: Some(&self.pulse),
            findings: Some(&self.findings),
        };
        while let Some(mut below) = templates
            .of_image(&self.workshop, image, &self.log, &self.leases)
            .await?
        {
            if let Some(before) = &before {
                match self.lay(&below, &before.layer, before.preparation, &spec, true).await? {
                    Laid::Here(template) => below = template,
                    Laid::Again => continue,
                    Laid::Nowhere => break,
                }
            }
            let template = match self.lay(&below, &layer, preparation, &spec, false).await? {
                Laid::Here(template) => template,
                Laid::Again => continue,
                Laid::Nowhere => break,
            };
            let cloned = Testbed::clone_of(&self.workshop, &template, None, &spec, &self.log, &self.leases).await?;
            let Some(testbed) = cloned else { continue };
            self.make_ahead(&template, image);
            return Ok(Prepared {
                testbed,
                layer: Some(template),
            });
        }
        let mut testbed = Testbed::lease(&self.workshop, spec, &self.log, &self.leases).await?;
        if let Some(before) = &before {
            before.preparation.prepare(&testbed).await?;
            before.preparation.settle(&mut testbed).await?;
        }
        preparation.prepare(&testbed).await?;
        preparation.settle(&mut testbed).await?;
        self.lock_also(session.lock());
        Ok(Prepared { testbed, layer: None })
    }

    /// The layer on top of another one: found, or made in a clone of that.
    async fn lay<P: Prepare + ?Sized>(
        &self,
        below: &Arc<Template>,
        layer: &LayerSpec,
        preparation: &P,
        spec: &TestbedSpec<'_>,
        shared: bool,
    ) -> Result<Laid, P::Error> {
        let templates = &self.workshop.templates;
        if shared && let Some(found) = self.found_within_lock(below, spec.image, layer).await {
            return Ok(Laid::Here(found));
        }
        let identity = self.identity(below, spec.image, layer, self.replay_word());
        let id = identity.id();
        // Who comes while it is made waits, and then takes what was made.
        let _making = templates.lock(&id).await;
        if let Some(found) = templates.find(&id).await
            && let Some(lock) = lock_of(&found)
        {
            self.lock_also(lock);
            return Ok(Laid::Here(found));
        }
        let (draft, _room) = match templates.draft(&self.workshop).await {
            Ok(made) => made,
            Err(why) => {
                self.log.say(&format!("preflight: no layer is kept: {why}"));
                return Ok(Laid::Nowhere);
            }
        };
        let cloned = Testbed::clone_of(&self.workshop, below, Some(&draft), spec, &self.log, &self.leases).await?;
        let Some(mut testbed) = cloned else {
            return Ok(Laid::Again);
        };
        let mut prepared = preparation.prepare(&testbed).await;
        if prepared.is_ok() {
            prepared = preparation.settle(&mut testbed).await;
        }
        if let Err(error) = prepared {
            testbed.release(self);
            return Err(error);
        }
        let machine = testbed.machine().clone();
        let notes = notes_of(&spec.session);
        let frozen = templates
            .freeze(testbed, draft, identity, layer.title.clone(), notes)
            .await;
        // Frozen, it has ended; what is left of it is a folder.
        self.release_remains(&machine);
        match frozen {
            Ok(template) => {
                self.lock_also(spec.session.lock());
                if self.replay_word().is_some() {
                    self.note_own_layer(&id);
                }
                Ok(Laid::Here(template))
            }
            Err(failure) => {
                templates.note_broken_freeze(below, &failure.to_string(), &self.log);
                Ok(Laid::Again)
            }
        }
    }

    /// In a replay: a layer that another ticket has left, if nothing was fetched for it that the lock does not name.
    async fn found_within_lock(&self, below: &Template, image: &BootImage, layer: &LayerSpec) -> Option<Arc<Template>> {
        let replayed = self.replayed_lock()?;
        let id = self.identity(below, image, layer, None).id();
        let found = self.workshop.templates.find(&id).await?;
        let lock = lock_of(&found)?;
        let is_named = |entry: &LockEntry| {
            replayed
                .get(&entry.url)
                .is_some_and(|named| named.sha256 == entry.sha256)
        };
        if !lock.entries().all(is_named) {
            return None;
        }
        self.lock_also(lock);
        Some(found)
    }

    fn identity(
        &self,
        below: &Template,
        image: &BootImage,
        layer: &LayerSpec,
        word: Option<String>,
    ) -> TemplateIdentity {
        let mut contents = vec![archive_words(&self.workshop, image)];
        contents.extend(layer.contents.iter().cloned());
        contents.extend(word);
        below.record().identity.with(contents)
    }
}

/// What an image's archive was: apt in the testbed answers by that, and another state is another layer.
pub(super) fn archive_words(workshop: &Workshop, image: &BootImage) -> String {
    match super::image_state::read(image.base.folder(), &workshop.images) {
        Some(state) => format!("archive state {state}"),
        None => "archive as the image has it".to_owned(),
    }
}

/// The key under which a layer remembers what was fetched for it.
const LOCK: &str = "lock";

fn notes_of(session: &Session) -> Value {
    json!({ LOCK: session.lock().from_archives().to_json() })
}

/// What was fetched for a layer. One whose lock cannot be read is not used: nobody could say what is in it.
fn lock_of(layer: &Template) -> Option<Lock> {
    let text = layer.record().notes.get(LOCK)?.as_str()?;
    Lock::from_json(text).ok()
}
