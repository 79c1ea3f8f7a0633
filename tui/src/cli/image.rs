//! `preflight image`: lists, builds, fetches and removes images.

use std::path::PathBuf;

use jiff::Timestamp;
use preflight_protocol::ids::{ImageId, Series, TicketId};
use preflight_protocol::image::ExportFormat;
use preflight_protocol::method::{ImageBuild, ImageGet, ImageList, ImageRemove};

use super::check;
use super::context::{Context, ask};
use super::error::CliError;
use super::image_show::{self, kind};
use super::output;
use super::table::Table;
use super::{image_diff, image_rebuild};
use crate::{measure, safe};

/// Arguments of `preflight image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with images.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List base images, tickets' images, and those that you have named
    #[command(after_help = "Example:\n  preflight image list --json")]
    List(ListArgs),
    /// Show one image, and what makes it more than its base image
    #[command(after_help = "Example:\n  preflight image show mine")]
    Show(image_show::Args),
    /// Make an image of another one, with packages and PPAs that it has not
    #[command(after_help = image_rebuild::AFTER)]
    Rebuild(image_rebuild::Args),
    /// Build a series' base images from the archive as it is now
    #[command(after_help = "Example:\n  preflight image build debian-bookworm")]
    Build(BuildArgs),
    /// Write a ticket's image as a file, kernel and initrd beside it, or as a disk that boots by itself
    #[command(
        after_help = "Examples:\n  preflight image get 12 -o hello.qcow2\n  preflight image get 12 --uefi -o hello.raw"
    )]
    Get(GetArgs),
    /// Tell what differs between two images: packages, then files
    #[command(after_help = "Example:\n  preflight image diff debian-bookworm 12")]
    Diff(image_diff::Args),
    /// Remove an image that no ticket uses
    #[command(after_help = "Example:\n  preflight image remove debian-bookworm-base-0123abcd")]
    Remove(RemoveArgs),
}

/// Arguments of `image list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `image build`.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// The series, such as debian-bookworm
    pub series: String,
    /// Leave the build to the daemon
    #[arg(long, visible_alias = "no-follow")]
    pub detach: bool,
    /// Print one JSON object at the end, as `check` does
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `image get`.
#[derive(Debug, clap::Args)]
pub struct GetArgs {
    /// A ticket's number, or an image's name
    #[arg(value_name = "TICKET")]
    pub which: String,
    /// The disk's file: a raw image where it ends in .raw or .img, otherwise qcow2
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Write a whole disk that boots by itself under any UEFI firmware
    #[arg(long)]
    pub uefi: bool,
    /// Print the files and the kernel command line as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `image remove`.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// The image's name, as `image list` has it
    pub image: String,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon refuses.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    match args.command {
        Command::List(args) => list(context, &args).await,
        Command::Show(args) => image_show::run(context, args).await,
        Command::Rebuild(args) => image_rebuild::run(context, args).await,
        Command::Build(args) => build(context, args).await,
        Command::Get(args) => get(context, args).await,
        Command::Diff(args) => image_diff::run(context, args).await,
        Command::Remove(args) => {
            let id = ImageId(args.image);
            context.ask(&ImageRemove { id: id.clone() }).await?;
            output::print(&format!("image {} is removed", safe::text(&id.0)))?;
            Ok(0)
        }
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<u8, CliError> {
    let images = context.ask(&ImageList {}).await?;
    if args.json {
        output::json(&images)?;
        return Ok(0);
    }
    if images.is_empty() {
        output::print(
            "no images yet: the first `preflight check` of a series builds them, as does `preflight image build`",
        )?;
        return Ok(0);
    }
    let now = Timestamp::now();
    let has_names = images.iter().any(|image| !image.names.is_empty());
    let mut headings = vec!["IMAGE", "KIND", "?SERIES", ">SIZE", ">AGE", "?TICKETS"];
    if has_names {
        headings.insert(0, "NAME");
    }
    let mut table = Table::new(context.output, &headings);
    for image in &images {
        let mut row = vec![
            table.text(&image.id.0),
            table.text(kind(image.kind)),
            table.text(&image.series.0),
            table.text(&measure::bytes(image.size)),
            table.text(&measure::age(image.created_at, now)),
            table.text(&users(&image.users)),
        ];
        if has_names {
            row.insert(0, table.text(&image.names.join(" ")));
        }
        table.row(row);
    }
    output::print(&table.to_string())?;
    Ok(0)
}

/// The first few users, and how many more.
pub(super) fn users(tickets: &[TicketId]) -> String {
    const SHOWN: usize = 5;
    let mut words: Vec<String> = tickets.iter().take(SHOWN).map(|id| format!("#{id}")).collect();
    if tickets.len() > SHOWN {
        words.push(format!("and {} more", tickets.len() - SHOWN));
    }
    words.join(" ")
}

async fn build(context: &Context, args: BuildArgs) -> Result<u8, CliError> {
    let attached = context.attach().await?;
    let building = ask(
        &attached.0,
        &ImageBuild {
            series: Series(args.series),
        },
    )
    .await?;
    if args.detach {
        if args.json {
            output::json(&building)?;
        } else {
            output::print(&format!(
                "ticket #{id} builds it; `preflight ticket show {id}` tells how it goes",
                id = building.ticket
            ))?;
        }
        return Ok(0);
    }
    check::watch(context, attached, building.ticket, args.quiet, args.json).await
}

/// `image get`.
///
/// # Errors
/// Where there is no such image, or the file cannot be written.
pub async fn get(context: &Context, args: GetArgs) -> Result<u8, CliError> {
    let output_file = std::path::absolute(&args.output).map_err(CliError::file(args.output.display().to_string()))?;
    let ticket = args.which.trim_start_matches('#').parse().ok();
    let request = ImageGet {
        ticket,
        image: ticket.is_none().then_some(ImageId(args.which)),
        format: format_of(&output_file),
        output: output_file,
        uefi: args.uefi,
    };
    let files = context.ask_patiently(&request, "writing the image").await?;
    if args.json {
        output::json(&files)?;
    } else {
        let named = [
            ("disk", Some(&files.disk)),
            ("kernel", files.kernel.as_ref()),
            ("initrd", files.initrd.as_ref()),
        ];
        let mut lines: Vec<String> = named
            .into_iter()
            .filter_map(|(name, file)| Some(format!("{name:<7} {}", file?.display())))
            .collect();
        lines.push(format!("kernel command line: {}", safe::text(&files.command_line)));
        output::print(&lines.join("\n"))?;
    }
    Ok(0)
}

/// A disk's format by its file's name.
fn format_of(file: &std::path::Path) -> ExportFormat {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("raw" | "img") => ExportFormat::Raw,
        _ => ExportFormat::Qcow2,
    }
}
