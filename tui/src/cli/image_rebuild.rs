//! `preflight image rebuild`: an image with packages and PPAs that its base has not, made once.

use preflight_protocol::image::{ImageChoice, ImageRebuilding};
use preflight_protocol::method::{ImageRebuild, ImageShow};

use super::check;
use super::context::{Context, ask};
use super::error::CliError;
use super::follow::{self, Interrupts};
use super::image_show::told;
use super::package_sources::PackageSources;
use super::{output, progress};

/// Examples, and what is done when.
pub const AFTER: &str = "\
Examples:
  preflight image rebuild --base debian-bookworm --package jq -n mine
  preflight image rebuild --base mine --package tree --remove nano -n mine
  preflight shell mine

What such a request has made before is not made again, and what a larger one has in common with it is not either.
Packages that a PPA or a pocket has in a newer version are upgraded; all others stay as they are.

Exit codes:
    0  the image has the name now
   12  a package is not there, or does not install
   16  the testbed failed, or this host lacks something (see `preflight doctor`)
   20  wrong usage, bad input (no ticket is made), no daemon, and all else
  130  cancelled, or ended by Ctrl-C";

/// Arguments of `image rebuild`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A series, for its newest base image, or the name of an image that was rebuilt
    #[arg(long, value_name = "SERIES|IMAGE")]
    pub base: String,
    /// What the image is called; the one that was called so is not any more
    #[arg(short, long, value_name = "NAME")]
    pub name: String,
    /// A package that the image gains, NAME or NAME=VERSION; may be repeated
    #[arg(short, long = "package", visible_alias = "add-package", value_name = "PACKAGE")]
    pub packages: Vec<String>,
    /// A package that the image loses; may be repeated
    #[arg(short, long = "remove", visible_alias = "remove-package", value_name = "PACKAGE")]
    pub remove: Vec<String>,
    /// Where packages come from
    #[command(flatten)]
    pub package_sources: PackageSources,
    /// Fetch nothing from the network: what is not in the store is missing
    #[arg(long)]
    pub offline: bool,
    /// Leave it to the daemon
    #[arg(long, visible_alias = "no-follow")]
    pub detach: bool,
    /// Print the image as JSON, as `image show` does; where it is not made, the ticket, as `check` does
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses, or does not stay.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let attached = context.attach().await?;
    let interrupts = Interrupts::listen()?;
    let request = ImageRebuild {
        base: args.base,
        name: args.name,
        add_packages: args.packages,
        remove_packages: args.remove,
        package_sources: args.package_sources.asked(),
        offline: args.offline,
    };
    let id = match ask(&attached.0, &request).await? {
        ImageRebuilding::Here(image) => {
            if args.json {
                output::json(&image)?;
            } else {
                output::print(&format!("it is there already\n{}", told(context, &image)))?;
            }
            return Ok(0);
        }
        ImageRebuilding::Ticket(id) => id,
    };
    if args.detach {
        if args.json {
            output::json(&ImageRebuilding::Ticket(id))?;
        } else {
            output::print(&format!(
                "ticket #{id} makes it; `preflight ticket show {id}` tells how it goes"
            ))?;
        }
        return Ok(0);
    }
    let mut watcher = progress::watcher(args.quiet, context.output.err);
    watcher.say(&format!("ticket #{id}"));
    let followed = follow::follow(context, attached, id, interrupts, watcher.as_mut()).await?;
    drop(watcher);
    let Some(made) = followed
        .ticket
        .image
        .clone()
        .filter(|_| followed.ticket.summary.exit_code == Some(0))
    else {
        return check::finish(context, &followed, args.json);
    };
    let image = context
        .ask(&ImageShow {
            image: ImageChoice::Image(made),
        })
        .await?;
    if args.json {
        output::json(&image)?;
    } else {
        output::print(&told(context, &image))?;
    }
    Ok(0)
}
