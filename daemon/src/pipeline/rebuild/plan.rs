//! What is still to be done to an image so that it becomes the one that is asked for. Pure: it knows steps, and neither
//! images nor testbeds.
//!
//! Steps of the same sources that do not contradict each other are one: that is an image's *normal form*, and images of the
//! same normal form on the same base are what the same request asks for. An image can become another one where its normal
//! form is a beginning of the other's, its last step perhaps a part of the other's at that place.

use crate::executor::Step;

use super::step::package;

/// The same with all steps made one that are.
pub(super) fn normal(steps: &[Step]) -> Vec<Step> {
    let mut normal: Vec<Step> = Vec::new();
    for step in steps {
        match normal.last_mut() {
            Some(last) if last.sources == step.sources && !contradict(last, step) => {
                last.add.extend(step.add.iter().cloned());
                last.remove.extend(step.remove.iter().cloned());
            }
            _ => normal.push(step.clone()),
        }
    }
    normal
}

/// Whether a package is to be otherwise after the second than the first has made it.
fn contradict(first: &Step, second: &Step) -> bool {
    let is_other = |word: &String| {
        let same = |other: &&String| package(other) == package(word);
        first.remove.iter().any(|other| same(&other)) || first.add.iter().any(|other| same(&other) && other != word)
    };
    let is_gone = |word: &String| first.add.iter().any(|other| package(other) == package(word));
    second.add.iter().any(is_other) || second.remove.iter().any(is_gone)
}

/// What is left to do, where this has been done already and that is wanted, both in normal form; none where what was done
/// is no beginning of it. A step of which a part has been done is done as a whole: apt then sees all that must not go.
pub(super) fn rest(done: &[Step], wanted: &[Step]) -> Option<Vec<Step>> {
    let Some((last, before)) = done.split_last() else {
        return Some(wanted.to_vec());
    };
    let (same, rest) = wanted.split_at_checked(before.len())?;
    let (at, _) = rest.split_first()?;
    let is_part = last.sources == at.sources && last.add.is_subset(&at.add) && last.remove.is_subset(&at.remove);
    if before != same || !is_part {
        return None;
    }
    let finished = usize::from(last == at);
    Some(rest[finished..].to_vec())
}

/// Where to begin: the place of the one, of those of which each has these steps behind it, of which most is already what is
/// wanted (in normal form), and what is left to do to it. None where none of them is a beginning; of equals the first.
pub(super) fn nearest<'a>(all: impl IntoIterator<Item = &'a [Step]>, wanted: &[Step]) -> Option<(usize, Vec<Step>)> {
    let weight = |done: &[Step]| -> usize { done.iter().map(|step| 1 + step.add.len() + step.remove.len()).sum() };
    let beginnings = all.into_iter().enumerate().filter_map(|(place, steps)| {
        // The same may have been done in few steps or in many.
        let done = normal(steps);
        Some((weight(&done), place, rest(&done, wanted)?))
    });
    let best = beginnings.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map(|(_, place, rest)| (place, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `ppa: a b -c` is a step with the source `ppa`; steps are parted by `|`.
    fn steps(text: &str) -> Vec<Step> {
        let step = |text: &str| {
            let (sources, words) = text.split_once(':').unwrap_or(("", text));
            let words = words.split_whitespace();
            let (remove, add): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('-'));
            Step {
                sources: sources.split_whitespace().map(str::to_owned).collect(),
                add: add.into_iter().map(str::to_owned).collect(),
                remove: remove.into_iter().map(|word| word[1..].to_owned()).collect(),
            }
        };
        let parts = text.split('|').map(str::trim).filter(|part| !part.is_empty());
        parts.map(step).collect()
    }

    #[test]
    fn the_longest_common_beginning_is_kept() {
        for (done, wanted, left) in [
            ("", "a b", Some("a b")),
            ("a", "a b", Some("a b")),
            ("a b", "a b", Some("")),
            ("a b", "a", None),
            ("a c", "a b", None),
            ("a", "a -c", Some("a -c")),
            ("-c", "a", None),
            ("a=1", "a", None),
            // A package that another repository may have in another version is installed anew.
            ("a", "ppa: a", None),
            ("ppa: a", "ppa: a b", Some("ppa: a b")),
            ("ppa:", "ppa: a", Some("ppa: a")),
            // One image as the base of another.
            ("a", "a | ppa: b", Some("ppa: b")),
            ("a | ppa: b", "a | ppa: b c", Some("ppa: b c")),
            ("a b", "a | ppa: b", None),
            ("a | ppa: b", "a", None),
            ("a", "a | -a", Some("-a")),
            ("a | -a", "a | -a b", Some("-a b")),
        ] {
            let found = rest(&normal(&steps(done)), &normal(&steps(wanted)));
            assert_eq!(found, left.map(steps), "{done:?} on the way to {wanted:?}");
        }
    }

    #[test]
    fn whoever_has_most_of_it_is_where_to_begin() {
        for (all, wanted, best) in [
            (&["", "a"][..], "a b", Some((1, "a b"))),
            // Many steps are not more than few.
            (&["a | a b", "a | a b | a b c"], "a b c", Some((1, ""))),
            (&["a b c", "a | a b | a b c"], "a b c", Some((0, ""))),
            (&["a b", "a | b | c"], "a b c d", Some((1, "a b c d"))),
            (&["x", "p: a"], "a", None),
            (&[], "a", None),
        ] {
            let all: Vec<Vec<Step>> = all.iter().map(|text| steps(text)).collect();
            let found = nearest(all.iter().map(Vec::as_slice), &normal(&steps(wanted)));
            assert_eq!(found, best.map(|(place, left)| (place, steps(left))), "{wanted:?}");
        }
    }

    #[test]
    fn the_same_in_two_steps_is_the_same() {
        for (one, other) in [("a | b", "b a"), ("a | b | a", "a b"), ("p: a | p: -b", "p: a -b")] {
            assert_eq!(normal(&steps(one)), normal(&steps(other)), "{one:?}, {other:?}");
        }
        for (one, other) in [
            ("a | -a", "a -a"),
            ("a | a=2", "a a=2"),
            ("-a | a", "a -a"),
            ("p: a | q: b", "p: a b"),
        ] {
            assert_ne!(normal(&steps(one)), normal(&steps(other)), "{one:?}, {other:?}");
        }
    }

    prop_compose! {
        fn step()(
            sources in proptest::sample::subsequence(vec!["p", "q"], 0..2),
            words in proptest::collection::btree_map("[a-d]", any::<bool>(), 0..4),
        ) -> Step {
            let words = |wanted| words.iter().filter(move |(_, add)| **add == wanted).map(|(word, _)| word.clone()).collect();
            Step {
                sources: sources.into_iter().map(str::to_owned).collect(),
                add: words(true),
                remove: words(false),
            }
        }
    }

    proptest! {
        /// However far somebody has come: with the rest it is what was asked for.
        #[test]
        fn what_is_left_leads_there(
            wanted in proptest::collection::vec(step(), 1..4),
            done in proptest::collection::vec(step(), 0..4),
            prefix in 0..4_usize,
        ) {
            let wanted = normal(&wanted);
            let mut beginning: Vec<Step> = wanted.iter().take(prefix).cloned().collect();
            if let Some(last) = beginning.last_mut() {
                last.add.pop_first();
            }
            for done in [normal(&done), normal(&beginning)] {
                let Some(rest) = rest(&done, &wanted) else { continue };
                let whole: Vec<Step> = done.iter().chain(&rest).cloned().collect();
                prop_assert_eq!(normal(&whole), wanted.clone());
                prop_assert_eq!(rest.is_empty(), done == wanted);
            }
            prop_assert_eq!(rest(&wanted, &wanted), Some(vec![]));
            prop_assert_eq!(normal(&wanted), wanted);
        }
    }
}
