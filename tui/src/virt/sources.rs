//! Package sources beside the archive's: an image that has them is made first, once for the same ones, by the daemon's own way
//! (`preflight image rebuild`), so that a revert costs no more than without them.

use std::hash::{DefaultHasher, Hash, Hasher};

use preflight_protocol::ids::{ImageId, Series};
use preflight_protocol::image::ImageRebuilding;
use preflight_protocol::method::ImageRebuild;
use preflight_protocol::package_sources::AskedSources;
use preflight_protocol::testbed::{TestbedOpen, TestbedTarget, TestbedVariant};

use crate::cli::arguments::ColorChoice;
use crate::cli::context::{Context, ask};
use crate::cli::error::CliError;
use crate::cli::follow::{self, Interrupts};
use crate::cli::output::Output;
use crate::cli::progress;
use crate::conn::attach::Endpoint;

/// Has testbeds of `request` know these sources; does nothing where there are none.
///
/// # Errors
/// A testbed of this kind cannot have any, or the image cannot be made.
pub(super) async fn add(
    request: &mut TestbedOpen,
    sources: AskedSources,
    endpoint: &Endpoint,
    talk: bool,
) -> Result<(), CliError> {
    if sources == AskedSources::default() {
        return Ok(());
    }
    let base = match (&request.target, request.variant) {
        (TestbedTarget::Named(name), TestbedVariant::Test) => name.0.clone(),
        (TestbedTarget::Named(_), TestbedVariant::Build) => {
            return Err(CliError::usage(
                "package sources are for testbeds of the variant `test`",
                "leave --variant=build out, or have the caller add them in the testbed",
            ));
        }
        (TestbedTarget::Ticket(ticket), _) => {
            return Err(CliError::usage(
                format!("ticket {ticket} has package sources of its own"),
                "name its series or an image in its place, or leave the package sources out",
            ));
        }
    };
    let image = made(base, sources, endpoint, talk).await?;
    request.target = TestbedTarget::Named(Series(image.0));
    Ok(())
}

async fn made(base: String, sources: AskedSources, endpoint: &Endpoint, talk: bool) -> Result<ImageId, CliError> {
    let name = name(&base, &sources);
    let request = ImageRebuild {
        base,
        name: name.clone(),
        add_packages: vec![],
        remove_packages: vec![],
        package_sources: sources,
        offline: false,
    };
    let context = Context {
        endpoint: endpoint.clone(),
        output: Output::new(ColorChoice::Never),
    };
    let attached = context.attach().await?;
    let id = match ask(&attached.0, &request).await? {
        ImageRebuilding::Here(image) => return Ok(image.info.id),
        ImageRebuilding::Ticket(id) => id,
    };
    let interrupts = Interrupts::listen()?;
    let mut watcher = progress::watcher(!talk, context.output.err);
    watcher.say(&format!("ticket #{id} makes an image with the package sources"));
    let followed = follow::follow(&context, attached, id, interrupts, watcher.as_mut()).await?;
    drop(watcher);
    let ticket = followed.ticket;
    let made = ticket.image.filter(|_| ticket.summary.exit_code == Some(0));
    made.ok_or_else(|| CliError::Usage {
        message: format!("ticket #{id} has made no image with the package sources"),
        hint: Some(format!("`preflight ticket show {id}` tells why")),
    })
}

/// The same for the same request: the image is made once, and a newer one takes its place when the sources have moved on.
fn name(base: &str, sources: &AskedSources) -> String {
    let mut hasher = DefaultHasher::new();
    let words = serde_json::to_string(sources).unwrap_or_default();
    (base, words).hash(&mut hasher);
    format!("autopkgtest-{:016x}", hasher.finish())
}
