//! What a request asks for, held against the images that there are: which of them is it, and which is on the way to it.

use preflight_core::{ImageRebuild, Options, PackageSources, Series};
use preflight_vm_images::Variant;

use crate::executor::{BootImage, Step, StepFailure, TicketImage, Workshop};
use crate::pipeline::package_sources;

use super::plan::{nearest, normal};
use super::step::asked;

/// An image that is asked for.
pub(crate) struct Request {
    /// The base image of its series that it is an overlay of.
    pub(super) base: BootImage,
    /// What is to be done to that, in normal form.
    wanted: Vec<Step>,
}

/// Where the making of an image starts.
pub(super) struct Start {
    /// The image.
    pub(super) image: BootImage,
    /// What was done to its base image.
    pub(super) done: Vec<Step>,
    /// What is still to be done.
    pub(super) rest: Vec<Step>,
    /// An overlay that it is; else it is the base image.
    pub(super) overlay: Option<TicketImage>,
}

impl Request {
    /// What a ticket's options ask for.
    ///
    /// # Errors
    /// The image that it is to be made of is gone, or the options name what is no package.
    pub(crate) fn of(
        workshop: &Workshop,
        series: &Series,
        rebuild: &ImageRebuild,
        options: &Options,
    ) -> Result<Self, StepFailure> {
        let words = package_sources::words(&options.sources);
        let step = asked(words, &options.add_packages, &options.remove_packages)
            .map_err(|refused| StepFailure::package(refused.to_string()))?;
        let (base, mut steps) = match &rebuild.base {
            None => (workshop.base(series, Variant::Test)?, vec![]),
            Some(id) => {
                let gone = || StepFailure::Testbed(format!("the image {id}, which is to be the base, is gone"));
                match workshop.ticket_images.get(id.as_str()) {
                    Ok(overlay) => (
                        workshop.image_named(&overlay.base).ok_or_else(gone)?,
                        overlay.rebuilt.map(|rebuilt| rebuilt.steps).unwrap_or_default(),
                    ),
                    Err(_) => (workshop.image_named(id.as_str()).ok_or_else(gone)?, vec![]),
                }
            }
        };
        steps.push(step);
        Ok(Self {
            base,
            wanted: normal(&steps),
        })
    }

    /// The image from which least is left to do; of those from which as much is, the oldest.
    pub(super) fn start(&self, workshop: &Workshop) -> Result<Start, StepFailure> {
        let unread = |error: std::io::Error| StepFailure::Testbed(format!("the images: {error}"));
        let mut overlays = workshop.ticket_images.list().map_err(unread)?;
        overlays.retain(|image| image.base == self.base.name() && image.rebuilt.is_some());
        overlays.sort_by_key(|image| image.created_at);
        let steps = |image: &'_ TicketImage| {
            image
                .rebuilt
                .as_ref()
                .map_or_else(Vec::new, |rebuilt| rebuilt.steps.clone())
        };
        let done: Vec<Vec<Step>> = overlays.iter().map(steps).collect();
        let nearest = nearest(done.iter().map(Vec::as_slice), &self.wanted);
        if let Some((place, rest)) = nearest {
            let overlay = overlays.swap_remove(place);
            if let Some(image) = workshop.on_its_base(overlay.clone()) {
                return Ok(Start {
                    image,
                    done: steps(&overlay),
                    rest,
                    overlay: Some(overlay),
                });
            }
        }
        Ok(Start {
            image: self.base.clone(),
            done: vec![],
            rest: self.wanted.clone(),
            overlay: None,
        })
    }
}

/// The image that a request asks for, where it is there already.
///
/// # Errors
/// Those of [`Request::of`], and where the images cannot be read.
pub(crate) fn find(
    workshop: &Workshop,
    series: &Series,
    rebuild: &ImageRebuild,
    options: &Options,
) -> Result<Option<TicketImage>, StepFailure> {
    let start = Request::of(workshop, series, rebuild, options)?.start(workshop)?;
    Ok(start.overlay.filter(|_| start.rest.is_empty()))
}

/// The sources of an image that gains others: what it had, and beside it or in its place what is added.
#[must_use]
pub(crate) fn gained(had: PackageSources, added: PackageSources) -> PackageSources {
    let mut all = had;
    all.snapshot = added.snapshot.or(all.snapshot);
    all.pockets
        .retain(|old| !added.pockets.iter().any(|new| new.pocket == old.pocket));
    all.pockets.extend(added.pockets);
    all.ppas
        .retain(|old| !added.ppas.iter().any(|new| new.name == old.name));
    all.ppas.extend(added.ppas);
    // Of one ticket a later state takes the place of an earlier one.
    all.repositories
        .retain(|old| !added.repositories.iter().any(|new| new.ticket == old.ticket));
    all.repositories.extend(added.repositories);
    all
}

#[cfg(test)]
mod tests {
    use preflight_core::{AptSuite, PinnedSnapshot, PpaUse, RepositoryUse, Sha256, TicketId};

    use super::*;

    fn ppa(name: &str, state: u8) -> PpaUse {
        PpaUse {
            name: name.into(),
            suite: AptSuite {
                uri: "http://ppa.example/".into(),
                suite: "noble".into(),
                components: vec![],
            },
            upstream: "http://ppa.example/".into(),
            keys: String::new(),
            state: Sha256([state; 32]),
            priority: None,
            packages: vec![],
        }
    }

    #[test]
    fn what_an_image_has_it_keeps() {
        let snapshot = |state| PinnedSnapshot {
            name: String::new(),
            state: Sha256([state; 32]),
            suites: vec![],
        };
        let built = |ticket, state| RepositoryUse {
            ticket: TicketId(ticket),
            generation: Sha256([state; 32]),
            link: None,
        };
        let had = PackageSources {
            repositories: vec![built(1, 1), built(2, 1)],
            snapshot: Some(snapshot(1)),
            ppas: vec![ppa("a", 1), ppa("b", 1)],
            ..PackageSources::default()
        };
        assert_eq!(gained(had.clone(), PackageSources::default()), had);
        assert_eq!(gained(PackageSources::default(), had.clone()), had);
        let added = PackageSources {
            repositories: vec![built(1, 2)],
            snapshot: Some(snapshot(2)),
            ppas: vec![ppa("a", 2), ppa("c", 1)],
            ..PackageSources::default()
        };
        let all = gained(had, added);
        assert_eq!(all.snapshot, Some(snapshot(2)));
        assert_eq!(all.repositories, [built(2, 1), built(1, 2)]);
        assert_eq!(all.ppas, [ppa("b", 1), ppa("a", 2), ppa("c", 1)]);
    }
}
