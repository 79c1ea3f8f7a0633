//! Layers: testbeds that were frozen after something was done in them, so that whoever needs the same done starts from
//! there. What is done and what it depends on is the pipeline's matter; here is when it may be left out.

use std::sync::Arc;

use async_trait::async_trait;
use preflight_archive::{Lock, Session};
use preflight_testbed::template::{Template, TemplateIdentity};
use serde_json::{Value, json};

use super::context::JobContext;
use super::failure::StepFailure;
use super::testbed::{Testbed, TestbedSpec};
use super::workshop::BootImage;

/// What is done in a testbed before it is frozen.
#[async_trait]
pub trait Prepare: Sync {
    /// Why it cannot be done.
    type Error: From<StepFailure>;

    /// Does it.
    async fn prepare(&self, testbed: &Testbed) -> Result<(), Self::Error>;
}

/// What a layer is, and what it depends on beside the image below it.
#[derive(Debug, Clone)]
pub struct LayerSpec {
    /// What it is, for people.
    pub title: String,
    /// All that decides what comes of the preparing: two layers with the same words are the same.
    pub contents: Vec<String>,
}

/// A testbed in which what was asked for has been done.
pub struct Prepared {
    /// The testbed.
    pub testbed: Testbed,
    /// The layer that it was cloned from, where there is one.
    pub layer: Option<Arc<Template>>,
}

impl JobContext {
    /// Leases a testbed in which a preparation has been made: a clone of the layer that it left, or, the first time, one in
    /// which it is done now. The job's lock names what was fetched for it in either case.
    ///
    /// # Errors
    /// Those of the preparation, and of leasing a testbed.
    pub async fn prepared<P: Prepare>(
        &self,
        image: &BootImage,
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
        };
        while let Some(below) = templates
            .of_image(&self.workshop, image, &self.log, &self.leases)
            .await?
        {
            let identity = self.identity(&below, image, &layer);
            let id = identity.id();
            // Who comes while it is made waits, and then takes what was made.
            let making = templates.lock(&id).await;
            if let Some(found) = templates.find(&id).await
                && let Some(lock) = lock_of(&found)
            {
                drop(making);
                let cloned = Testbed::clone_of(&self.workshop, &found, None, &spec, &self.log, &self.leases).await?;
                let Some(testbed) = cloned else { continue };
                self.lock_also(lock);
                self.make_ahead(&found, image);
                return Ok(Prepared {
                    testbed,
                    layer: Some(found),
                });
            }
            let (draft, _room) = match templates.draft(&self.workshop).await {
                Ok(made) => made,
                Err(why) => {
                    self.log.say(&format!("preflight: no layer is kept: {why}"));
                    break;
                }
            };
            let cloned =
                Testbed::clone_of(&self.workshop, &below, Some(&draft), &spec, &self.log, &self.leases).await?;
            let Some(testbed) = cloned else { continue };
            let machine = testbed.machine().clone();
            if let Err(error) = preparation.prepare(&testbed).await {
                testbed.release(self);
                return Err(error);
            }
            let title = layer.title.clone();
            let notes = notes_of(&session);
            let frozen = templates.freeze(testbed, draft, identity, title, notes).await;
            // Frozen, it has ended; what is left of it is a folder.
            self.release_remains(&machine);
            match frozen {
                Ok(template) => {
                    drop(making);
                    self.lock_also(session.lock());
                    let cloned =
                        Testbed::clone_of(&self.workshop, &template, None, &spec, &self.log, &self.leases).await?;
                    let Some(testbed) = cloned else { continue };
                    self.make_ahead(&template, image);
                    return Ok(Prepared {
                        testbed,
                        layer: Some(template),
                    });
                }
                Err(failure) => templates.note_broken_freeze(&below, &failure.to_string(), &self.log),
            }
        }
        let testbed = Testbed::lease(&self.workshop, spec, &self.log, &self.leases).await?;
        preparation.prepare(&testbed).await?;
        self.lock_also(session.lock());
        Ok(Prepared { testbed, layer: None })
    }

    fn identity(&self, below: &Template, image: &BootImage, layer: &LayerSpec) -> TemplateIdentity {
        let mut contents = vec![
            match super::image_state::read(image.base.folder(), &self.workshop.images) {
                // apt in the testbed answers by what the archive was then: another state is another layer.
                Some(state) => format!("archive state {state}"),
                None => "archive as the image has it".to_owned(),
            },
        ];
        contents.extend(layer.contents.iter().cloned());
        below.record().identity.with(contents)
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
