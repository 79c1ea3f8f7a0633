//! Tests that run without the ticket's packages: the baseline of a test, and all tests of a ticket that builds nothing. They
//! start from the base image, with the ticket's package sources and with what it adds to the image and removes from it, so
//! that the ticket's own packages are all that is missing. What a test starts from is the test layer's matter.

use preflight_core::Purpose;
use preflight_vm_images::Variant;

use super::image;
use crate::executor::{BootImage, JobContext, StepFailure, Testbed};

/// Whether the job's tests run so.
pub(super) fn is_bare(context: &JobContext) -> bool {
    context.order.ticket.options.tests.no_build || is_baseline(context)
}

/// Whether the job runs the baseline of a test.
pub(super) fn is_baseline(context: &JobContext) -> bool {
    let rerun = context.order.rerun.as_ref();
    rerun.is_some_and(|rerun| rerun.purpose == Purpose::Baseline)
}

/// The image that the job's tests start from: the ticket's, or the base image. A baseline has the base image that the ticket's
/// own is made of: another one may be of another state of the archive.
pub(super) fn image_of_tests(context: &JobContext) -> Result<BootImage, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    if ticket.options.tests.no_build {
        return context.base(Variant::Test);
    }
    let image = workshop.ticket_image(ticket)?;
    Ok(match is_baseline(context) {
        true => BootImage::of_base(image.base),
        false => image,
    })
}

/// All that such a test's testbed depends on beside what any test's does.
pub(super) fn words(context: &JobContext) -> Vec<String> {
    match is_bare(context) {
        true => [
            vec!["without packages of the ticket's".to_owned()],
            image::additions(context),
        ]
        .concat(),
        false => vec![],
    }
}

/// Adds and removes the packages that the ticket adds to the image and removes from it; others are there already.
pub(super) async fn prepare(context: &JobContext, testbed: &Testbed) -> Result<(), StepFailure> {
    match is_bare(context) && !image::additions(context).is_empty() {
        true => image::install(context, testbed, &[]).await,
        false => Ok(()),
    }
}
