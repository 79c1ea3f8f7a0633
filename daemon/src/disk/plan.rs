//! What goes when there is too much: pure, by class, then by least use. What is in use stays, and so does whatever
//! something that stays needs. It knows neither files nor clocks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use preflight_core::Moment;

use super::item::{Device, Item, ItemId};

/// How much is to be freed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Goal {
    /// Bytes, wherever they are.
    pub total: u64,
    /// So many of them are for what goes by itself soon, such as running testbeds' disks: a guest decides how large they
    /// are, and nothing goes for them but what is made again without anybody's asking.
    pub passing: u64,
    /// Bytes on single file systems.
    pub on: BTreeMap<Device, u64>,
    /// All that may go, whatever it takes; what belongs to kept tickets excepted.
    pub all: bool,
}

impl Goal {
    /// `frees_on` are the file systems on which something goes, or can go then.
    fn wants(&self, item: &Item, frees_on: &BTreeSet<Device>) -> bool {
        let on = |device: &Device| self.on.get(device).is_some_and(|bytes| *bytes > 0);
        let spared = if item.is_mere_cache() { 0 } else { self.passing };
        self.total > spared || frees_on.iter().any(on) || (self.all && !item.kept)
    }

    fn take(&mut self, item: &Item) {
        self.total = self.total.saturating_sub(item.size);
        if let Some(bytes) = self.on.get_mut(&item.device) {
            *bytes = bytes.saturating_sub(item.size);
        }
    }

    /// What is still to be freed, whatever goes for it.
    #[must_use]
    pub fn left(&self) -> u64 {
        let firm = self.total.saturating_sub(self.passing);
        self.on.values().copied().max().unwrap_or(0).max(firm)
    }

    /// Whether nothing need go.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.total == 0 && self.left() == 0
    }
}

/// What goes, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Places in the list of items.
    pub victims: Vec<usize>,
    /// Bytes that should go besides, and must not.
    pub short: u64,
}

impl Plan {
    /// Whether all goes that should.
    #[must_use]
    pub fn suffices(&self) -> bool {
        self.short == 0
    }
}

/// In which order items go: by class, then by least use; the larger first where that says nothing.
type Rank<'a> = (u8, Option<Moment>, Reverse<u64>, &'a ItemId);

/// Chooses what goes.
#[must_use]
pub fn plan(items: &[Item], goal: &Goal) -> Plan {
    let places: HashMap<&ItemId, usize> = items.iter().zip(0..).map(|(item, at)| (&item.id, at)).collect();
    // How many of those that need an item are still there.
    let mut above = vec![0_usize; items.len()];
    for item in items {
        for need in needs(item, &places) {
            above[need] += 1;
        }
    }
    let rank = |at: usize| -> Option<(Rank<'_>, usize)> {
        let item = &items[at];
        let turn = item.turn().filter(|_| item.may_go())?;
        Some(((turn, item.last_used, Reverse(item.size), &item.id), at))
    };
    let mut next: BTreeSet<(Rank<'_>, usize)> =
        (0..items.len()).filter(|at| above[*at] == 0).filter_map(rank).collect();
    let frees_on = devices(items, &places);
    let mut goal = goal.clone();
    let mut victims = Vec::new();
    // What is not wanted now is never wanted later: a goal only shrinks.
    while let Some((_, at)) = next.pop_first() {
        let item = &items[at];
        if !goal.wants(item, &frees_on[at]) {
            continue;
        }
        goal.take(item);
        victims.push(at);
        for need in needs(item, &places) {
            above[need] -= 1;
            if above[need] == 0 {
                next.extend(rank(need));
            }
        }
    }
    Plan {
        victims,
        short: goal.left(),
    }
}

/// By item, the file systems that it and all that it needs are on: what needs something must go before that can.
fn devices(items: &[Item], places: &HashMap<&ItemId, usize>) -> Vec<BTreeSet<Device>> {
    let mut devices: Vec<BTreeSet<Device>> = items.iter().map(|item| BTreeSet::from([item.device])).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.needs.is_empty()) {
            for need in needs(item, places).into_iter().filter(|need| items[*need].may_go()) {
                let below = devices[need].clone();
                let before = devices[at].len();
                devices[at].extend(below);
                changed |= devices[at].len() > before;
            }
        }
    }
    devices
}

/// The places of what an item needs, each once.
fn needs(item: &Item, places: &HashMap<&ItemId, usize>) -> BTreeSet<usize> {
    item.needs.iter().filter_map(|need| places.get(need).copied()).collect()
}

#[cfg(test)]
mod tests;
