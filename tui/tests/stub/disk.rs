//! A disk of invented sizes.

use std::path::PathBuf;

use preflight_protocol::disk::{DiskItem, DiskKind, FileSystem, Freed, FreedItem, KindUsage, Usage};
use preflight_protocol::ids::Moment;
use preflight_protocol::method::DiskFree;

const BUDGET: u64 = 20_000_000_000;
const USED: u64 = 2_731_000_000;

fn kind(kind: DiskKind, items: u64, size: u64, freeable: u64) -> KindUsage {
    KindUsage {
        kind,
        items,
        size,
        freeable,
    }
}

fn item(kind: DiskKind, name: &str, size: u64, now: Moment, stays: Option<&str>) -> DiskItem {
    DiskItem {
        kind,
        name: name.into(),
        size,
        last_used: Some(now),
        used_by: vec![],
        remakeable: true,
        stays: stays.map(str::to_owned),
    }
}

/// What `disk/usage` answers.
pub(super) fn usage(items: Option<u32>, now: Moment) -> Usage {
    let mut largest = vec![
        item(
            DiskKind::BaseImage,
            "debian-bookworm-build-77aa10f2",
            731_000_000,
            now,
            Some("the newest of its series"),
        ),
        item(DiskKind::Layer, "0123456789abcdef01234567", 612_000_000, now, None),
        item(
            DiskKind::KeptTestbed,
            "3/31-1",
            400_000_000,
            now,
            Some("in use: a testbed \u{1b}[31mthat runs on it"),
        ),
        item(DiskKind::ArchiveObject, &"5d1c".repeat(16), 60_000_000, now, None),
    ];
    largest.truncate(items.map_or(20, |items| items as usize));
    Usage {
        budget: BUDGET,
        used: USED,
        promised: 500_000_000,
        file_systems: vec![FileSystem {
            folders: vec![PathBuf::from("/cache"), PathBuf::from("/state")],
            size: 250_000_000_000,
            free: 57_000_000_000,
            reserve: 2_000_000_000,
        }],
        kinds: vec![
            kind(DiskKind::BaseImage, 2, 1_143_000_000, 0),
            kind(DiskKind::Layer, 1, 612_000_000, 612_000_000),
            kind(DiskKind::ArchiveObject, 1234, 576_000_000, 60_000_000),
            kind(DiskKind::KeptTestbed, 1, 400_000_000, 0),
        ],
        items: largest,
    }
}

/// What `disk/free` answers.
pub(super) fn freed(request: &DiskFree, now: Moment) -> Freed {
    let one = |kind, name: &str, size, reason: &str| FreedItem {
        kind,
        name: name.into(),
        size,
        last_used: Some(now),
        reason: reason.into(),
    };
    let wanted = request.to.map_or(0, |to| USED.saturating_sub(to));
    let items = match (request.all, wanted) {
        (false, 0) => vec![],
        _ => vec![
            one(
                DiskKind::ArchiveObject,
                &"5d1c".repeat(16),
                40_000_000,
                "nothing names it",
            ),
            one(
                DiskKind::ArchiveObject,
                &"77aa".repeat(16),
                20_000_000,
                "nothing names it",
            ),
            one(DiskKind::Layer, "0123456789abcdef01234567", 612_000_000, "least used"),
        ],
    };
    let sum: u64 = items.iter().map(|item| item.size).sum();
    Freed {
        dry_run: request.dry_run,
        budget: BUDGET,
        before: USED,
        after: USED - sum,
        items,
        short: wanted.saturating_sub(sum),
        failed: vec![],
    }
}
