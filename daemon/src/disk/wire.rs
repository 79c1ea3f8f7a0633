//! Items in the protocol's words.

use std::collections::{BTreeMap, HashMap, HashSet};

use preflight_protocol::disk::{DiskItem, DiskKind, FileSystem, FreedItem, KindUsage};

use super::file_system::Disk;
use super::item::{Item, ItemId};
use crate::convert;

/// How many users of an item are named.
const NAMED_USERS: usize = 5;

pub(super) fn file_system(disk: &Disk) -> FileSystem {
    FileSystem {
        folders: disk.folders.clone(),
        size: disk.size,
        free: disk.free,
        reserve: disk.reserve(),
    }
}

/// Each kind's sum, the largest first. `freeable` are the places of those that can be freed.
pub(super) fn kinds(items: &[Item], freeable: &[usize]) -> Vec<KindUsage> {
    let mut kinds: BTreeMap<DiskKind, KindUsage> = BTreeMap::new();
    for item in items {
        let usage = entry(&mut kinds, item.id.kind);
        usage.items += 1;
        usage.size += item.size;
    }
    for item in freeable.iter().filter_map(|at| items.get(*at)) {
        entry(&mut kinds, item.id.kind).freeable += item.size;
    }
    let mut kinds: Vec<KindUsage> = kinds.into_values().filter(|usage| usage.size > 0).collect();
    kinds.sort_by_key(|usage| (std::cmp::Reverse(usage.size), usage.kind));
    kinds
}

fn entry(kinds: &mut BTreeMap<DiskKind, KindUsage>, kind: DiskKind) -> &mut KindUsage {
    kinds.entry(kind).or_insert(KindUsage {
        kind,
        items: 0,
        size: 0,
        freeable: 0,
    })
}

/// The largest items, the largest first.
pub(super) fn largest(items: &[Item], freeable: &[usize], count: usize) -> Vec<DiskItem> {
    let freeable: HashSet<usize> = freeable.iter().copied().collect();
    let mut above: HashMap<&ItemId, Vec<&Item>> = HashMap::new();
    for item in items {
        for need in &item.needs {
            above.entry(need).or_default().push(item);
        }
    }
    let mut order: Vec<usize> = (0..items.len()).filter(|at| items[*at].size > 0).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(items[*at].size), &items[*at].id));
    order.truncate(count);
    let wire = |at: usize| {
        let item = &items[at];
        let above: Vec<String> = above
            .get(&item.id)
            .map(|above| above.iter().map(|item| item.id.to_string()).collect())
            .unwrap_or_default();
        let stays = match freeable.contains(&at) {
            true => None,
            false => Some(
                item.stays()
                    .unwrap_or_else(|| format!("needed by {}", few(&above).join(", "))),
            ),
        };
        DiskItem {
            kind: item.id.kind,
            name: item.id.name.clone(),
            size: item.size,
            last_used: item.last_used.map(convert::moment),
            used_by: few(&item.users.iter().cloned().chain(above).collect::<Vec<_>>()),
            remakeable: item.remakeable(),
            stays,
        }
    };
    order.into_iter().map(wire).collect()
}

fn few(users: &[String]) -> Vec<String> {
    let mut few: Vec<String> = users.iter().take(NAMED_USERS).cloned().collect();
    if users.len() > NAMED_USERS {
        few.push(format!("{} more", users.len() - NAMED_USERS));
    }
    few
}

pub(super) fn freed(item: &Item) -> FreedItem {
    FreedItem {
        kind: item.id.kind,
        name: item.id.name.clone(),
        size: item.size,
        last_used: item.last_used.map(convert::moment),
        reason: item.why_it_goes().to_owned(),
    }
}
