//! `preflight image diff`: how two images differ, packages first, then the files that no package explains.

use std::collections::BTreeMap;

use preflight_protocol::ids::ImageId;
use preflight_protocol::image::{
    FileChange, FileGroup, FileKind, FileState, ImageChoice, ImageDifference, PackageChange,
};
use preflight_protocol::method::ImageDiff;

use super::context::Context;
use super::error::CliError;
use super::output;
use super::table::Table;
use crate::theme::Role;
use crate::{measure, safe};

/// Arguments of `image diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A ticket's number, an image's name, or a series for its newest base image
    #[arg(value_name = "A")]
    pub from: String,
    /// What is compared with it
    #[arg(value_name = "B")]
    pub to: String,
    /// List the files of packages one by one
    #[arg(long)]
    pub files: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such image, or what is in it cannot be found out.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = ImageDiff {
        from: chosen(&args.from),
        to: chosen(&args.to),
    };
    let found = context.ask_patiently(&request, "looking into the images").await?;
    if args.json {
        output::json(&found)?;
    } else {
        output::print(&told(context, &found, args.files))?;
    }
    Ok(0)
}

/// A number is a ticket's.
pub(super) fn chosen(word: &str) -> ImageChoice {
    match word.trim_start_matches('#').parse() {
        Ok(ticket) => ImageChoice::Ticket(ticket),
        Err(_) => ImageChoice::Image(ImageId(word.to_owned())),
    }
}

/// Packages that differ, a line each.
pub(super) fn packages(context: &Context, changes: &[PackageChange]) -> String {
    let mut table = Table::new(context.output, &["", "PACKAGE", "?ARCHITECTURE", "BEFORE", "AFTER"]);
    for change in changes {
        let row = vec![
            sign(&table, change.before.is_some(), change.after.is_some()),
            table.text(&change.name),
            table.text(&change.architecture),
            table.text(change.before.as_deref().unwrap_or("-")),
            table.text(change.after.as_deref().unwrap_or("-")),
        ];
        table.row(row);
    }
    table.to_string()
}

fn told(context: &Context, found: &ImageDifference, all_files: bool) -> String {
    let heading = |text: &str| context.output.out.role(Role::Heading, text);
    let mut parts = Vec::new();
    if !found.packages.is_empty() {
        parts.push(packages(context, &found.packages));
    }
    for (group, title) in [
        (FileGroup::Unowned, "files that no package owns"),
        (FileGroup::Conffile, "packages' configuration"),
        (FileGroup::Package, "packages' files"),
    ] {
        let files: Vec<&FileChange> = found.files.iter().filter(|change| change.group == group).collect();
        if files.is_empty() {
            continue;
        }
        let lines = match group {
            FileGroup::Package if !all_files => counted(context, &files),
            _ => listed(context, &files),
        };
        parts.push(format!("{}\n{lines}", heading(title)));
    }
    if found.more_files > 0 {
        parts.push(format!("and {} files more\n", found.more_files));
    }
    if parts.is_empty() {
        return format!(
            "{} and {} hold the same\n",
            safe::text(&found.from.0),
            safe::text(&found.to.0)
        );
    }
    parts.join("\n")
}

fn sign(table: &Table, was: bool, is: bool) -> comfy_table::Cell {
    match (was, is) {
        (false, _) => table.role(Role::Good, "+"),
        (true, false) => table.role(Role::Bad, "-"),
        (true, true) => table.role(Role::Warning, "~"),
    }
}

fn listed(context: &Context, files: &[&FileChange]) -> String {
    let mut table = Table::new(context.output, &["", "FILE", "WHAT"]);
    for change in files {
        let row = vec![
            sign(&table, change.before.is_some(), change.after.is_some()),
            table.text(&change.path),
            table.text(&what(change)),
        ];
        table.row(row);
    }
    table.to_string()
}

/// How many files of each package: those of a package that was installed or upgraded are no news one by one.
fn counted(context: &Context, files: &[&FileChange]) -> String {
    let mut packages: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for change in files {
        let counts = packages
            .entry(change.package.as_deref().unwrap_or_default())
            .or_default();
        let place = match (&change.before, &change.after) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(_), Some(_)) => 2,
        };
        counts[place] += 1;
    }
    let mut table = Table::new(context.output, &["PACKAGE", ">ADDED", ">REMOVED", ">CHANGED"]);
    for (package, counts) in packages {
        let mut row = vec![table.text(package)];
        row.extend(counts.map(|count| table.text(&count.to_string())));
        table.row(row);
    }
    table.to_string()
}

/// What a file is now, or what of it has changed.
fn what(change: &FileChange) -> String {
    match (&change.before, &change.after) {
        (Some(was), Some(is)) => {
            let mut words = Vec::new();
            let mut differs = |name: &str, was: String, is: String| {
                if was != is {
                    words.push(format!("{name} {was} → {is}"));
                }
            };
            differs("kind", kind(was.kind).to_owned(), kind(is.kind).to_owned());
            differs("mode", was.mode.clone(), is.mode.clone());
            differs("owner", owner(was), owner(is));
            differs("size", was.size.to_string(), is.size.to_string());
            differs("target", target(was), target(is));
            if words.is_empty() {
                words.push("contents".to_owned());
            }
            words.join(", ")
        }
        (Some(only), None) | (None, Some(only)) => {
            let size = match only.kind {
                FileKind::File => format!(", {}", measure::bytes(only.size)),
                FileKind::Link => format!(" to {}", target(only)),
                _ => String::new(),
            };
            format!("{}{size}, {} {}", kind(only.kind), only.mode, owner(only))
        }
        (None, None) => String::new(),
    }
}

fn owner(state: &FileState) -> String {
    format!("{}:{}", state.user, state.group)
}

fn target(state: &FileState) -> String {
    state.target.clone().unwrap_or_else(|| "-".to_owned())
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Folder => "folder",
        FileKind::Link => "link",
        FileKind::CharacterDevice => "character device",
        FileKind::BlockDevice => "block device",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use preflight_protocol::ids::TicketId;
    use pretty_assertions::assert_eq;

    fn state(mode: &str, size: u64) -> FileState {
        FileState {
            kind: FileKind::File,
            mode: mode.to_owned(),
            user: 0,
            group: 0,
            size,
            sha256: None,
            target: None,
        }
    }

    #[test]
    fn a_change_is_told_by_what_differs() {
        let change = |before, after| FileChange {
            path: "/etc/x".to_owned(),
            group: FileGroup::Unowned,
            package: None,
            before,
            after,
        };
        let link = FileState {
            kind: FileKind::Link,
            target: Some("y".to_owned()),
            ..state("0777", 0)
        };
        for (change, told) in [
            (
                change(Some(state("0644", 5)), Some(state("0600", 6))),
                "mode 0644 → 0600, size 5 → 6",
            ),
            (change(Some(state("0644", 5)), Some(state("0644", 5))), "contents"),
            (change(None, Some(link.clone())), "link to y, 0777 0:0"),
            (
                change(Some(link), Some(state("0777", 0))),
                "kind link → file, target y → -",
            ),
        ] {
            assert_eq!(what(&change), told);
        }
    }

    #[test]
    fn a_number_is_a_tickets() {
        assert_eq!(chosen("#12"), ImageChoice::Ticket(TicketId(12)));
        assert_eq!(chosen("debian-sid"), ImageChoice::Image(ImageId("debian-sid".into())));
    }
}
