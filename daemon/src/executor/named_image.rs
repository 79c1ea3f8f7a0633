//! Finds an image by what people call it. It knows where images are, not what is done with them.

use preflight_core::Series;
use preflight_testbed::DiskFormat;
use preflight_vm_images::Variant;

use super::ticket_image::TicketImage;
use super::workshop::{BootImage, Workshop};

impl Workshop {
    /// The image of this name: a base image, a ticket's, or a series' newest base image for tests. None where there is none,
    /// or the base image that it is made of is gone.
    #[must_use]
    pub fn image_named(&self, name: &str) -> Option<BootImage> {
        if let Ok(base) = self.images.get(name) {
            return Some(BootImage::of_base(base));
        }
        match self.ticket_images.get(name) {
            Ok(image) => self.on_its_base(image),
            Err(_) => self.base(&Series(name.to_owned()), Variant::Test).ok(),
        }
    }

    fn on_its_base(&self, image: TicketImage) -> Option<BootImage> {
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
