//! Finds an image by what people call it. It knows where images are, not what is done with them.

use preflight_core::Series;
use preflight_testbed::DiskFormat;
use preflight_vm_images::Variant;

use super::ticket_image::TicketImage;
use super::workshop::{BootImage, Workshop};

impl Workshop {
    /// The image of this name: a base image, a ticket's, one that its owner calls so, or a series' newest base image for
    /// tests. None where there is none, or the base image that it is made of is gone.
    #[must_use]
    pub fn image_named(&self, name: &str) -> Option<BootImage> {
        if let Ok(base) = self.images.get(name) {
            return Some(BootImage::of_base(base));
        }
        match self.ticket_image_named(name) {
            Some(image) => self.on_its_base(image),
            None => self.base(&Series(name.to_owned()), Variant::Test).ok(),
        }
    }

    /// The overlay of this name, by its own or its owner's word.
    #[must_use]
    pub fn ticket_image_named(&self, name: &str) -> Option<TicketImage> {
        let images = &self.ticket_images;
        let called = || images.get(&images.named(name)?).ok();
        images.get(name).ok().or_else(called)
    }

    /// An overlay as a testbed boots it.
    pub(crate) fn on_its_base(&self, image: TicketImage) -> Option<BootImage> {
        let base = self.images.get(&image.base).ok()?;
        Some(BootImage {
            id: Some(image.id),
            template: image.template,
            disk: image.disk,
            format: DiskFormat::Qcow2,
            backing: vec![(base.disk(), DiskFormat::Raw)],
            base,
        })
    }
}
