//! A table of what goes before what, and properties that hold for any set of items.

use std::collections::HashSet;

use preflight_protocol::disk::DiskKind::{self, *};
use proptest::prelude::*;

use super::*;
use crate::disk::item::Subject;

fn item(kind: DiskKind, name: &str, size: u64, last_used: i64) -> Item {
    Item {
        id: ItemId::new(kind, name),
        subject: Subject::Files,
        paths: vec![],
        size,
        device: Device(0),
        last_used: Some(Moment(last_used)),
        needs: vec![],
        kept: false,
        users: vec![],
        fixed: None,
    }
}

fn on(mut item: Item, needs: &[(DiskKind, &str)]) -> Item {
    item.needs = needs.iter().map(|(kind, name)| ItemId::new(*kind, *name)).collect();
    item
}

fn used(mut item: Item) -> Item {
    item.users.push("a job".to_owned());
    item
}

fn kept(mut item: Item) -> Item {
    item.kept = true;
    item
}

fn names(items: &[Item], plan: &Plan) -> Vec<String> {
    plan.victims.iter().map(|at| items[*at].id.name.clone()).collect()
}

fn all_of_them() -> Vec<Item> {
    vec![
        item(Database, "db", 10, 0),
        item(Ticket, "logs", 10, 0),
        item(Overlay, "overlay", 10, 0),
        kept(item(TicketImage, "kept-image", 10, 0)),
        item(KeptTestbed, "new-failure", 10, 9),
        item(KeptTestbed, "old-failure", 10, 1),
        item(BaseImage, "superseded", 10, 0),
        used(item(BaseImage, "newest", 10, 0)),
        item(Artifacts, "artifacts", 10, 0),
        item(StagedSources, "sources", 10, 0),
        on(item(TicketImage, "image", 10, 0), &[(BaseImage, "superseded")]),
        item(Template, "template", 10, 0),
        on(item(Layer, "upper", 10, 1), &[(Layer, "lower"), (Template, "template")]),
        on(item(Layer, "lower", 10, 0), &[(Template, "template")]),
        item(Layer, "fresh", 10, 5),
        item(Initrd, "initrd", 10, 0),
        item(ArchiveObject, "object", 10, 0),
        used(item(ArchiveObject, "named", 10, 0)),
    ]
}

/// The documented order.
const ORDER: [&str; 13] = [
    "object",
    "initrd",
    // The lower layer is the least used, and goes only after what needs it.
    "upper",
    "lower",
    "fresh",
    "template",
    "image",
    "sources",
    "artifacts",
    "superseded",
    "old-failure",
    "new-failure",
    "kept-image",
];

#[test]
fn classes_go_in_their_order_and_only_as_many_as_must() {
    let items = all_of_them();
    for count in 0..=ORDER.len() {
        let bytes = 10 * count as u64;
        let goal = Goal {
            total: bytes.saturating_sub(3),
            ..Goal::default()
        };
        let plan = plan(&items, &goal);
        assert_eq!(names(&items, &plan), ORDER[..count]);
        assert!(plan.suffices());
    }
    let more = Goal {
        total: 137,
        ..Goal::default()
    };
    let plan = plan(&items, &more);
    assert_eq!((names(&items, &plan).len(), plan.short), (13, 7));
}

#[test]
fn nothing_but_caches_goes_for_what_is_soon_gone_by_itself() {
    let items = all_of_them();
    let goal = Goal {
        total: 1000,
        passing: 1000,
        ..Goal::default()
    };
    let plan = plan(&items, &goal);
    assert_eq!(
        (names(&items, &plan), plan.short),
        (ORDER[..6].iter().map(|name| (*name).to_owned()).collect(), 0)
    );
    assert!(!goal.is_reached());
}

#[test]
fn all_spares_what_is_kept() {
    let items = all_of_them();
    let all = Goal {
        all: true,
        ..Goal::default()
    };
    assert_eq!(names(&items, &plan(&items, &all)), ORDER[..12]);
}

#[test]
fn what_stays_keeps_what_it_needs() {
    let items = vec![
        item(BaseImage, "base", 10, 0),
        on(item(Template, "template", 10, 0), &[(BaseImage, "base")]),
        used(on(item(KeptTestbed, "shell", 10, 0), &[(Template, "template")])),
        item(Layer, "layer", 10, 0),
    ];
    let goal = Goal {
        total: 1000,
        ..Goal::default()
    };
    assert_eq!(names(&items, &plan(&items, &goal)), ["layer"]);
}

#[test]
fn only_what_is_on_the_full_file_system_goes() {
    let mut elsewhere = item(Layer, "elsewhere", 10, 0);
    elsewhere.device = Device(7);
    let items = vec![elsewhere, item(Template, "here", 10, 0), item(Template, "later", 10, 1)];
    let goal = Goal {
        on: BTreeMap::from([(Device(0), 8)]),
        ..Goal::default()
    };
    let plan = plan(&items, &goal);
    assert_eq!((names(&items, &plan), plan.short), (vec!["here".to_owned()], 0));
}

const KINDS: [DiskKind; 12] = [
    ArchiveObject,
    Initrd,
    UnpackedSource,
    Layer,
    Template,
    TicketImage,
    StagedSources,
    Artifacts,
    BaseImage,
    KeptTestbed,
    Ticket,
    Overlay,
];

prop_compose! {
    fn any_item(at: usize)(
        kind in 0..KINDS.len(),
        size in 0..50_u64,
        last_used in 0..5_i64,
        stays in prop::bool::weighted(0.2),
        is_kept in prop::bool::weighted(0.2),
        device in 0..2_u64,
        // Of earlier ones only: whatever is needed was there before.
        needs in prop::collection::vec(0..40_usize, 0..3),
    ) -> (Item, Vec<usize>) {
        let mut one = item(KINDS[kind], &at.to_string(), size, last_used);
        one.users.extend(stays.then(|| "a job".to_owned()));
        one.kept = is_kept;
        one.device = Device(device);
        (one, needs.into_iter().filter(|need| *need < at).collect())
    }
}

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    let list: Vec<_> = (0..40).map(any_item).collect();
    (list, 0..=40_usize).prop_map(|(all, count)| {
        let ids: Vec<ItemId> = all.iter().map(|(item, _)| item.id.clone()).collect();
        let link = |(mut item, needs): (Item, Vec<usize>)| {
            item.needs = needs.into_iter().map(|need| ids[need].clone()).collect();
            item
        };
        all.into_iter().map(link).take(count).collect()
    })
}

/// All that could ever go: by itself, and with all that needs it.
fn may_go(items: &[Item]) -> HashSet<ItemId> {
    let mut stay: HashSet<ItemId> = items
        .iter()
        .filter(|item| !item.may_go())
        .map(|item| item.id.clone())
        .collect();
    // From the newest to the oldest: needs point to older ones.
    for item in items.iter().rev() {
        if stay.contains(&item.id) {
            stay.extend(item.needs.iter().cloned());
        }
    }
    items
        .iter()
        .map(|item| item.id.clone())
        .filter(|id| !stay.contains(id))
        .collect()
}

proptest! {
    #[test]
    fn it_ends_under_the_goal_if_at_all_possible_and_takes_nothing_that_stays(
        items in any_items(), firm in 0..800_u64, passing in 0..200_u64, here in 0..300_u64,
    ) {
        let total = firm + passing;
        let goal = Goal { total, passing, on: BTreeMap::from([(Device(1), here)]), all: false };
        let plan = plan(&items, &goal);
        let gone: HashSet<&ItemId> = plan.victims.iter().map(|at| &items[*at].id).collect();
        prop_assert_eq!(gone.len(), plan.victims.len(), "none goes twice");
        for item in &items {
            if gone.contains(&item.id) {
                prop_assert!(item.may_go());
            } else {
                prop_assert!(item.needs.iter().all(|need| !gone.contains(need)), "{} has lost what it needs", item.id);
            }
        }
        let sum = |chosen: &dyn Fn(&Item) -> bool| items.iter().filter(|item| chosen(item)).map(|item| item.size).sum::<u64>();
        let may = may_go(&items);
        let possible = sum(&|item| may.contains(&item.id)) >= firm
            && sum(&|item| may.contains(&item.id) && item.device == Device(1)) >= here;
        let reached = sum(&|item| gone.contains(&item.id)) >= firm
            && sum(&|item| gone.contains(&item.id) && item.device == Device(1)) >= here;
        prop_assert_eq!(plan.suffices(), reached);
        prop_assert!(reached || !possible, "short by {} though it is possible", plan.short);
        // The last one had to go.
        if let Some((last, others)) = plan.victims.split_last() {
            let before: u64 = others.iter().map(|at| items[*at].size).sum();
            let before_here: u64 = others.iter().map(|at| &items[*at]).filter(|item| item.device == Device(1)).map(|item| item.size).sum();
            let wanted = if items[*last].is_mere_cache() { total } else { firm };
            prop_assert!(before < wanted || before_here < here);
        }
    }

    #[test]
    fn the_order_is_that_of_classes_and_use_where_nothing_is_in_the_way(mut items in any_items()) {
        for item in &mut items {
            item.needs.clear();
        }
        let plan = plan(&items, &Goal { total: u64::MAX, ..Goal::default() });
        let ranks: Vec<_> = plan.victims.iter().map(|at| (items[*at].turn(), items[*at].last_used)).collect();
        prop_assert!(ranks.is_sorted());
    }
}
