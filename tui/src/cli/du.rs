//! `preflight du`: what takes the disk, how much is left, and why something stays.

use jiff::Timestamp;
use preflight_protocol::disk::{DiskItem, DiskKind, Usage};
use preflight_protocol::method::DiskUsage;

use super::context::Context;
use super::error::CliError;
use super::output;
use super::table::Table;
use crate::measure;
use crate::safe;
use crate::theme::Role;

/// Arguments of `preflight du`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many of the largest items to list
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    pub items: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the daemon does not answer.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = DiskUsage {
        items: Some(args.items),
    };
    let usage = context.ask_patiently(&request, "looking at the disk").await?;
    if args.json {
        output::json(&usage)?;
        return Ok(0);
    }
    let mut parts = vec![summary(context, &usage), kinds(context, &usage)];
    if !usage.items.is_empty() {
        parts.push(largest(context, &usage.items));
    }
    output::print(&parts.join("\n"))?;
    Ok(0)
}

fn summary(context: &Context, usage: &Usage) -> String {
    let paint = context.output.out;
    let over = usage.used > usage.budget;
    let role = if over { Role::Bad } else { Role::Heading };
    let used = measure::bytes(usage.used);
    let budget = measure::bytes(usage.budget);
    let mut lines = vec![paint.role(role, &format!("{used} of {budget} are used"))];
    if usage.promised > 0 {
        let promised = measure::bytes(usage.promised);
        lines.push(format!("{promised} more are promised to what is just being made"));
    }
    for disk in &usage.file_systems {
        let folders: Vec<String> = disk.folders.iter().map(|folder| folder.display().to_string()).collect();
        lines.push(
            safe::text(&format!(
                "{} of {} are free on the disk of {}; {} always stay free",
                measure::bytes(disk.free),
                measure::bytes(disk.size),
                folders.join(" and "),
                measure::bytes(disk.reserve),
            ))
            .into_owned(),
        );
    }
    lines.join("\n") + "\n"
}

fn kinds(context: &Context, usage: &Usage) -> String {
    let mut table = Table::new(context.output, &["KIND", ">ITEMS", ">SIZE", ">CAN GO"]);
    for kind in &usage.kinds {
        let row = vec![
            table.text(of_kind(kind.kind)),
            table.text(&measure::count(kind.items)),
            table.text(&measure::bytes(kind.size)),
            table.text(&measure::bytes(kind.freeable)),
        ];
        table.row(row);
    }
    table.to_string()
}

fn largest(context: &Context, items: &[DiskItem]) -> String {
    let now = Timestamp::now();
    let mut table = Table::new(context.output, &[">SIZE", "LARGEST", "?USED", "WHY IT STAYS"]);
    for item in items {
        let row = vec![
            table.text(&measure::bytes(item.size)),
            table.text(&name(item.kind, &item.name)),
            table.text(&item.last_used.map(|at| measure::ago(at, now)).unwrap_or_default()),
            match &item.stays {
                Some(why) => table.text(why),
                None => table.role(Role::Dim, "can go"),
            },
        ];
        table.row(row);
    }
    table.to_string()
}

/// A kind's items in words.
fn of_kind(kind: DiskKind) -> &'static str {
    match kind {
        DiskKind::BaseImage => "base images",
        DiskKind::TicketImage => "tickets' images",
        DiskKind::Template => "templates",
        DiskKind::Layer => "layers",
        DiskKind::KeptTestbed => "kept testbeds",
        DiskKind::Ticket => "tickets' evidence",
        DiskKind::Artifacts => "artifacts",
        DiskKind::StagedSources => "sources",
        DiskKind::ArchiveObject => "archive objects",
        DiskKind::Initrd => "initrds",
        DiskKind::UnpackedSource => "unpacked sources",
        DiskKind::Overlay => "disks of testbeds",
        DiskKind::Database => "database",
        DiskKind::HypervisorCache => "libvirt's cache",
        DiskKind::Other => "other",
    }
}

/// An item in words.
pub(super) fn name(kind: DiskKind, name: &str) -> String {
    match kind {
        DiskKind::BaseImage => format!("base image {name}"),
        DiskKind::TicketImage => format!("image {name}"),
        DiskKind::Template => format!("template {name}"),
        DiskKind::Layer => format!("layer {name}"),
        DiskKind::KeptTestbed => match name.split_once('/') {
            Some((ticket, job)) => format!("kept testbed {job} of ticket #{ticket}"),
            None => format!("kept testbed {name}"),
        },
        DiskKind::Ticket => format!("evidence of ticket #{name}"),
        DiskKind::Artifacts => format!("artifacts of ticket #{name}"),
        DiskKind::StagedSources => format!("sources of ticket #{name}"),
        DiskKind::ArchiveObject => format!("archive object {}", name.get(..12).unwrap_or(name)),
        DiskKind::Initrd => format!("initrd {name}"),
        DiskKind::UnpackedSource => format!("unpacked source {name}"),
        DiskKind::Overlay => format!("disk of testbed {name}"),
        DiskKind::Database => "the database".to_owned(),
        DiskKind::HypervisorCache => "libvirt's cache".to_owned(),
        DiskKind::Other => format!("other: {name}"),
    }
}
