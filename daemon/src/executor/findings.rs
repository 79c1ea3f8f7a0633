//! The book of what the testbeds of a job, or of a part of it, have revealed besides outcomes: each finding once, counted, and
//! few whatever a guest does. How something is noticed is not its matter, nor who is told of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_core::{Finding, FindingKind};

/// Whose doing something is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The test; none before and after one, and in jobs that run none.
    pub test: Option<String>,
    /// Whether the test says that it needs the internet.
    pub declared: bool,
}

/// What was found; clones share it.
#[derive(Debug, Clone, Default)]
pub struct FindingBook(Arc<Mutex<Vec<Finding>>>);

impl FindingBook {
    /// So many findings are listed; of more it is only known how many they were.
    const MOST: usize = 100;

    /// Notes what was found just now. `line` answers the log's line that tells of it, and is asked only for what is new;
    /// `left_out` are those that the guest did not tell: of the same, where it was told before, otherwise of any.
    pub(super) fn note(&self, subject: &Subject, kind: FindingKind, left_out: u64, line: impl FnOnce() -> Option<u64>) {
        let mut findings = self.lock();
        let mut known = findings.iter_mut();
        if let Some(known) = known.find(|known| known.test == subject.test && known.kind.is_again(&kind)) {
            known.count = known.count.saturating_add(1).saturating_add(left_out);
            return;
        }
        if findings.len() >= Self::MOST {
            return count_unlisted(&mut findings, subject, left_out.saturating_add(1));
        }
        findings.push(Finding {
            test: subject.test.clone(),
            kind,
            declared: subject.declared,
            log_line: line(),
            count: 1,
        });
        count_unlisted(&mut findings, subject, left_out);
    }

    /// Notes that there were so many more, of which nothing else is known.
    pub(super) fn note_unlisted(&self, subject: &Subject, times: u64) {
        count_unlisted(&mut self.lock(), subject, times);
    }

    /// Takes out all that was found so far, in the order in which it was.
    #[must_use]
    pub fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_unlisted(findings: &mut Vec<Finding>, subject: &Subject, times: u64) {
    let mut known = findings.iter_mut();
    match known.find(|known| known.test == subject.test && known.kind == FindingKind::Unlisted) {
        Some(known) => known.count = known.count.saturating_add(times),
        None if times > 0 => findings.push(Finding {
            test: subject.test.clone(),
            kind: FindingKind::Unlisted,
            declared: subject.declared,
            log_line: None,
            count: times,
        }),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(url: impl ToString) -> FindingKind {
        FindingKind::Fetch {
            url: url.to_string(),
            reason: "sealed".to_owned(),
        }
    }

    fn of_test(name: &str) -> Subject {
        Subject {
            test: Some(name.to_owned()),
            declared: true,
        }
    }

    #[test]
    fn the_same_is_listed_once_for_each_test() {
        let book = FindingBook::default();
        let (nobody, one) = (Subject::default(), of_test("one"));
        book.note(&nobody, fetch("a"), 0, || Some(3));
        book.note(&one, fetch("a"), 0, || Some(9));
        book.note(&one, fetch("b"), 0, || None);
        book.note(&one, fetch("a"), 4, || panic!("it is known"));
        let found: Vec<_> = book
            .take()
            .into_iter()
            .map(|finding| {
                (
                    finding.test,
                    finding.kind,
                    finding.declared,
                    finding.log_line,
                    finding.count,
                )
            })
            .collect();
        let test = || Some("one".to_owned());
        assert_eq!(
            found,
            [
                (None, fetch("a"), false, Some(3), 1),
                (test(), fetch("a"), true, Some(9), 6),
                (test(), fetch("b"), true, None, 1),
            ]
        );
        assert_eq!(book.take(), []);
    }

    #[test]
    fn of_millions_few_are_listed_and_all_are_counted() {
        let book = FindingBook::default();
        let one = of_test("one");
        book.note(&one, fetch("first"), 5, || None);
        for number in 0..10_000 {
            book.note(&one, fetch(number), 0, || None);
        }
        book.note(&of_test("two"), fetch("late"), u64::MAX, || None);
        book.note_unlisted(&one, 7);
        let found = book.take();
        assert_eq!(found.len(), FindingBook::MOST + 1);
        let unlisted: Vec<_> = found
            .iter()
            .filter(|finding| finding.kind == FindingKind::Unlisted)
            .map(|finding| (finding.test.as_deref(), finding.count))
            .collect();
        let listed_of_one = FindingBook::MOST as u64 - 1;
        assert_eq!(
            unlisted,
            [(Some("one"), 5 + (10_001 - listed_of_one) + 7), (Some("two"), u64::MAX)]
        );
    }
}
