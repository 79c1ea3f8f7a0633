//! `preflight gc`: frees disk, or says what it would free, in which order and why.

use std::str::FromStr;

use preflight_protocol::disk::{DiskKind, Freed, FreedItem};
use preflight_protocol::method::DiskFree;

use super::context::Context;
use super::du;
use super::error::{CliError, code};
use super::output;
use super::table::Table;
use crate::measure;
use crate::safe;

/// Arguments of `preflight gc`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say what would go
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Free until no more than this is used, such as 5GB; the configured budget where it is missing
    #[arg(long, value_name = "SIZE", conflicts_with = "all")]
    pub to: Option<Size>,
    /// Free all that may go, except what belongs to kept tickets
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A number of bytes as people write it: `500MB`, `1.5GiB`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// Text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a size is a number with a unit, such as 500MB, 5GB or 1.5GiB")]
pub struct NoSize;

impl FromStr for Size {
    type Err = NoSize;

    fn from_str(text: &str) -> Result<Self, NoSize> {
        let text = text.trim();
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(NoSize),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u64 = whole.parse().map_err(|_| NoSize)?;
        // Nobody means more than a millionth of a unit.
        let part: String = part.chars().chain(std::iter::repeat('0')).take(6).collect();
        let part: u64 = part.parse().map_err(|_| NoSize)?;
        let bytes = u128::from(whole) * u128::from(factor) + u128::from(part) * u128::from(factor) / 1_000_000;
        u64::try_from(bytes).map(Self).map_err(|_| NoSize)
    }
}

/// Runs the command.
///
/// # Errors
/// Where the daemon does not answer.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = DiskFree {
        to: args.to.map(|size| size.0),
        all: args.all,
        dry_run: args.dry_run,
    };
    let freed = context.ask_patiently(&request, "looking at the disk").await?;
    if args.json {
        output::json(&freed)?;
    } else {
        output::print(&report(context, &freed))?;
    }
    for failure in &freed.failed {
        eprintln!("not freed: {}", safe::text(failure));
    }
    if freed.short == 0 {
        return Ok(0);
    }
    eprintln!(
        "{} more should go and must stay: `preflight du` says why",
        measure::bytes(freed.short)
    );
    Ok(code::OTHER)
}

fn report(context: &Context, freed: &Freed) -> String {
    let used = format!(
        "{} of {} {} used",
        measure::bytes(freed.after),
        measure::bytes(freed.budget),
        if freed.dry_run && !freed.items.is_empty() {
            "would be"
        } else {
            "are"
        }
    );
    if freed.items.is_empty() {
        return format!("nothing goes: {used}");
    }
    let mut table = Table::new(context.output, &[">SIZE", "ITEM", "?WHY"]);
    for line in lines(&freed.items) {
        let row = vec![
            table.text(&measure::bytes(line.size)),
            table.text(&line.name),
            table.text(line.reason),
        ];
        table.row(row);
    }
    let sum = measure::bytes(freed.before.saturating_sub(freed.after));
    let verb = if freed.dry_run { "would be freed" } else { "freed" };
    format!("{table}\n{sum} {verb}; {used}")
}

struct Line<'a> {
    size: u64,
    name: String,
    reason: &'a str,
}

/// One line an item; the many small objects of archives are one line.
fn lines(items: &[FreedItem]) -> Vec<Line<'_>> {
    items
        .chunk_by(|a, b| a.kind == DiskKind::ArchiveObject && b.kind == DiskKind::ArchiveObject)
        .filter_map(|items| {
            let first = items.first()?;
            Some(Line {
                size: items.iter().map(|item| item.size).sum(),
                name: match items.len() {
                    1 => du::name(first.kind, &first.name),
                    many => format!("{} archive objects", measure::count(many as u64)),
                },
                reason: &first.reason,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("500MB", 500_000_000),
            ("5 GB", 5_000_000_000),
            ("1.5GiB", 3 << 29),
            ("2k", 2000),
            ("0.1234567kb", 123),
            ("1t", 1_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in [
            "",
            "GB",
            "5 parsecs",
            "-1",
            "1.2.3GB",
            "1.GBx",
            "99999999TB",
            "1e3",
            ".",
        ] {
            assert_eq!(text.parse::<Size>(), Err(NoSize), "{text}");
        }
    }
}
