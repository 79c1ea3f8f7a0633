//! Which of a source's tests goes on next: health tests first, then as the plan has them, and none that would only wait for
//! what another one is preparing for both. Pure: it starts nothing itself.

use std::collections::BTreeMap;

/// A test's place among those of the plan that run, from 0.
pub(super) type TestIndex = usize;
/// The place of what is prepared for tests, among all that is, from 0.
pub(super) type GroupIndex = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Ended,
}

struct Test {
    group: GroupIndex,
    is_health: bool,
    progress: Progress,
}

/// The tests of one source, in groups of those that need the same prepared.
pub(super) struct Order {
    tests: Vec<Test>,
    /// What has become of each group's preparation, which is its first test's to do.
    groups: Vec<Progress>,
}

impl Order {
    /// Tests in the plan's order: what must be prepared for each, and whether it is a health test.
    pub(super) fn new(tests: impl IntoIterator<Item = (String, bool)>) -> Self {
        let mut known: BTreeMap<String, GroupIndex> = BTreeMap::new();
        let tests: Vec<Test> = tests
            .into_iter()
            .map(|(key, is_health)| {
                let count = known.len();
                Test {
                    group: *known.entry(key).or_insert(count),
                    is_health,
                    progress: Progress::Waiting,
                }
            })
            .collect();
        Self {
            tests,
            groups: vec![Progress::Waiting; known.len()],
        }
    }

    /// The group of a test.
    pub(super) fn group_of(&self, test: TestIndex) -> GroupIndex {
        self.tests[test].group
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The test that can begin now. None while all that is left waits for what runs.
    pub(super) fn next(&self) -> Option<TestIndex> {
        let can_begin = |index: &TestIndex| {
            let test = &self.tests[*index];
            test.progress == Progress::Waiting && self.groups[test.group] != Progress::Running
        };
        let all = 0..self.tests.len();
        let health = all.clone().filter(|index| self.tests[*index].is_health);
        health.chain(all).find(can_begin)
    }

    /// A test begins. The first of a group prepares for the others, who wait for [`Order::prepared`].
    pub(super) fn begin(&mut self, test: TestIndex) {
        self.tests[test].progress = Progress::Running;
        let group = &mut self.groups[self.tests[test].group];
        if *group == Progress::Waiting {
            *group = Progress::Running;
        }
    }

    /// How many tests wait that start from what this one starts from.
    pub(super) fn waiting_with(&self, test: TestIndex) -> usize {
        let group = self.tests[test].group;
        let waits = |other: &&Test| other.group == group && other.progress == Progress::Waiting;
        self.tests.iter().filter(waits).count()
    }

    /// What a group needs is prepared, or cannot be.
    pub(super) fn prepared(&mut self, group: GroupIndex) {
        self.groups[group] = Progress::Ended;
    }

    /// A test has ended.
    pub(super) fn ended(&mut self, test: TestIndex) {
        self.tests[test].progress = Progress::Ended;
        self.prepared(self.tests[test].group);
    }

    /// No test that waits will run: which these are. Those that run are the caller's to end.
    pub(super) fn abandon(&mut self) -> Vec<TestIndex> {
        let mut abandoned = Vec::new();
        for (index, test) in self.tests.iter_mut().enumerate() {
            if test.progress == Progress::Waiting {
                test.progress = Progress::Ended;
                abandoned.push(index);
            }
        }
        abandoned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(tests: &[(&str, bool)]) -> Order {
        Order::new(tests.iter().map(|(key, is_health)| ((*key).to_owned(), *is_health)))
    }

    /// All that can begin, begun.
    fn begun(order: &mut Order) -> Vec<TestIndex> {
        let mut begun = Vec::new();
        while let Some(test) = order.next() {
            order.begin(test);
            begun.push(test);
        }
        begun
    }

    #[test]
    fn health_tests_come_first_and_nobody_waits_for_what_another_prepares() {
        let mut order = order(&[("a", false), ("a", false), ("b", true), ("a", true), ("c", false)]);
        assert_eq!(order.groups(), 3);
        assert_eq!(begun(&mut order), [2, 3, 4]);
        order.prepared(order.group_of(3));
        assert_eq!(begun(&mut order), [0, 1]);
    }

    #[test]
    fn a_test_that_ends_without_a_word_keeps_nobody_waiting() {
        let mut order = order(&[("a", false), ("a", false)]);
        assert_eq!(begun(&mut order), [0]);
        order.ended(0);
        assert_eq!(begun(&mut order), [1]);
    }

    #[test]
    fn what_is_abandoned_never_begins() {
        let mut order = order(&[("a", true), ("b", false), ("b", false)]);
        assert_eq!(begun(&mut order), [0, 1]);
        order.ended(0);
        assert_eq!(order.abandon(), [2]);
        order.ended(1);
        assert_eq!(order.next(), None);
    }

    proptest::proptest! {
        /// However things end, every test runs once, and of each group one alone until it is prepared.
        #[test]
        fn every_test_runs_once(
            tests in proptest::collection::vec(("[a-c]", proptest::bool::ANY), 0..12),
            width in 1_usize..4,
            picks in proptest::collection::vec(0_usize..100, 12),
        ) {
            let mut order = Order::new(tests.clone());
            let mut running: Vec<TestIndex> = Vec::new();
            let mut ran = vec![0; tests.len()];
            let mut prepared = vec![false; order.groups()];
            for pick in picks {
                while running.len() < width && let Some(test) = order.next() {
                    let group = order.group_of(test);
                    let leads = !running.iter().any(|other| order.group_of(*other) == group);
                    proptest::prop_assert!(prepared[group] || leads);
                    order.begin(test);
                    running.push(test);
                }
                if running.is_empty() {
                    break;
                }
                let test = running.remove(pick % running.len());
                // Half of them are prepared long before they end.
                if pick % 2 == 0 && let Some(other) = running.first() {
                    prepared[order.group_of(*other)] = true;
                    order.prepared(order.group_of(*other));
                }
                ran[test] += 1;
                prepared[order.group_of(test)] = true;
                order.ended(test);
            }
            proptest::prop_assert!(ran.iter().all(|times| *times == 1), "{:?}", ran);
        }
    }
}
