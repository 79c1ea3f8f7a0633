//! `preflight image show`: one image in full, and what makes it more than its base image.

use jiff::Timestamp;
use preflight_protocol::image::{ImageDetails, ImageKind, RebuiltImage};
use preflight_protocol::method::ImageShow;

use super::context::Context;
use super::error::CliError;
use super::image::users;
use super::image_diff::{chosen, packages};
use super::output;
use crate::theme::Role;
use crate::{measure, safe};

/// Arguments of `image show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A ticket's number, an image's name, or a series for its newest base image
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such image.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = ImageShow {
        image: chosen(&args.image),
    };
    let image = context.ask(&request).await?;
    if args.json {
        output::json(&image)?;
    } else {
        output::print(&told(context, &image))?;
    }
    Ok(0)
}

/// The image for people.
pub(super) fn told(context: &Context, image: &ImageDetails) -> String {
    let info = &image.info;
    let own = safe::text(&info.id.0);
    let heading = match info.names.is_empty() {
        true => own.into_owned(),
        false => format!("{} ({own})", safe::text(&info.names.join(", "))),
    };
    let made = measure::ago(info.created_at, Timestamp::now());
    let size = measure::bytes(info.size);
    let series = safe::text(&info.series.0);
    let mut lines = vec![
        context.output.out.role(Role::Heading, &heading),
        match &image.base {
            Some(base) => format!("{series}, made {made}, {size} on {}", safe::text(&base.0)),
            None => format!("{series}, {}, made {made}, {size}", kind(info.kind)),
        },
    ];
    if !info.users.is_empty() {
        lines.push(format!("used by {}", users(&info.users)));
    }
    if let Some(rebuilt) = &image.rebuilt {
        lines.extend(done(rebuilt));
        lines.push(String::new());
        lines.push(match rebuilt.packages.is_empty() {
            true => "its packages are those of its base image".to_owned(),
            false => packages(context, &rebuilt.packages),
        });
    }
    lines.join("\n")
}

/// What an image was made from.
pub(super) fn kind(kind: ImageKind) -> &'static str {
    match kind {
        ImageKind::Base => "base",
        ImageKind::BaseBuild => "base for builds",
        ImageKind::Ticket => "ticket",
    }
}

/// What was done to the base image: what was asked for, in order.
fn done(rebuilt: &RebuiltImage) -> Vec<String> {
    let mut lines = Vec::new();
    if !rebuilt.sources.is_empty() {
        lines.push(format!("packages from {}", safe::text(&rebuilt.sources.join(", "))));
    }
    for step in &rebuilt.steps {
        let add = step.add.iter().map(|word| format!("+{word}"));
        let words: Vec<String> = add.chain(step.remove.iter().map(|word| format!("-{word}"))).collect();
        if !words.is_empty() {
            lines.push(format!("apt: {}", safe::text(&words.join(" "))));
        }
    }
    lines
}
