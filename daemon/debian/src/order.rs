//! The order in which the sources of one ticket are built, so that each finds what it build-depends on. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{PackageName, SourceName};
use crate::relation::Dependency;

/// A source as ordering sees it.
#[derive(Debug, Clone)]
pub struct Buildable {
    /// The source package.
    pub source: SourceName,
    /// Binary packages that it builds, and virtual ones that these provide.
    pub produces: BTreeSet<PackageName>,
    /// All that it needs to build.
    pub build_depends: Vec<Dependency>,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Sources need one another.
    #[error("these sources build-depend on one another: {}", .cycle.iter().map(SourceName::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle {
        /// The sources of the cycle, the first one again at the end.
        cycle: Vec<SourceName>,
    },
    /// One source twice in one ticket.
    #[error("the source {source_name} is given twice")]
    Twice {
        /// The source.
        source_name: SourceName,
    },
}

/// Indices into `sources` in the order to build; what needs no order keeps the order given. A build dependency with
/// alternatives counts when any of them comes from the ticket. That a source needs itself (as compilers do) is no
/// cycle: it builds with the archive's version.
pub fn build_order(sources: &[Buildable]) -> Result<Vec<usize>, OrderError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = sources.iter().find(|buildable| !names.insert(&buildable.source)) {
        return Err(OrderError::Twice {
            source_name: twice.source.clone(),
        });
    }
    let mut producers: BTreeMap<&PackageName, Vec<usize>> = BTreeMap::new();
    for (index, buildable) in sources.iter().enumerate() {
        for package in &buildable.produces {
            producers.entry(package).or_default().push(index);
        }
    }
    let needs: Vec<BTreeSet<usize>> = sources
        .iter()
        .enumerate()
        .map(|(index, buildable)| {
            let alternatives = buildable
                .build_depends
                .iter()
                .flat_map(|dependency| &dependency.alternatives);
            alternatives
                .filter_map(|a| producers.get(&a.name))
                .flatten()
                .copied()
                .filter(|&other| other != index)
                .collect()
        })
        .collect();
    let mut order: Vec<usize> = Vec::with_capacity(sources.len());
    while order.len() < sources.len() {
        let ready =
            (0..sources.len()).find(|i| !order.contains(i) && needs[*i].iter().all(|need| order.contains(need)));
        match ready {
            Some(index) => order.push(index),
            None => {
                return Err(OrderError::Cycle {
                    cycle: cycle(sources, &needs, &order),
                });
            }
        }
    }
    Ok(order)
}

/// Every source left needs another one that is left, so that following the needs must come back.
fn cycle(sources: &[Buildable], needs: &[BTreeSet<usize>], done: &[usize]) -> Vec<SourceName> {
    let left = |i: &usize| !done.contains(i);
    let mut path: Vec<usize> = (0..sources.len()).find(left).into_iter().collect();
    while let Some(next) = path.last().and_then(|&last| needs[last].iter().copied().find(left)) {
        if let Some(start) = path.iter().position(|&seen| seen == next) {
            path.drain(..start);
            path.push(next);
            break;
        }
        path.push(next);
    }
    path.into_iter().map(|index| sources[index].source.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::relation::dependencies;

    fn source(name: &str, produces: &[&str], needs: &str) -> Buildable {
        Buildable {
            source: name.parse().unwrap(),
            produces: produces.iter().map(|p| p.parse().unwrap()).collect(),
            build_depends: dependencies(needs).unwrap(),
        }
    }

    #[test]
    fn what_is_needed_comes_first_and_the_rest_keeps_its_order() {
        let sources = [
            source("app", &["app"], "debhelper, libx-dev (>= 1) | liby-dev, virtual-api"),
            source("zz", &["zz"], "debhelper"),
            source("libx", &["libx-dev", "libx1"], "libx-dev"),
            source("api", &["api-impl", "virtual-api"], ""),
        ];
        assert_eq!(build_order(&sources).unwrap(), [1, 2, 3, 0]);
    }

    #[test]
    fn a_cycle_is_named() {
        let sources = [
            source("outside", &["o1"], "a1"),
            source("aa", &["a1"], "b1"),
            source("bb", &["b1"], "c1"),
            source("cc", &["c1"], "a1"),
        ];
        let error = build_order(&sources).unwrap_err().to_string();
        assert_eq!(error, "these sources build-depend on one another: aa → bb → cc → aa");
        let twice = [source("aa", &[], ""), source("aa", &[], "")];
        assert!(matches!(build_order(&twice), Err(OrderError::Twice { .. })));
    }

    proptest! {
        #[test]
        fn an_order_respects_every_need(edges in proptest::collection::vec((0_usize..6, 0_usize..6), 0..12)) {
            let sources: Vec<Buildable> = (0..6).map(|i| {
                let needs: Vec<String> = edges.iter().filter(|(from, _)| *from == i).map(|(_, to)| format!("p{to}")).collect();
                source(&format!("s{i}"), &[&format!("p{i}")], &needs.join(", "))
            }).collect();
            match build_order(&sources) {
                Ok(order) => for (from, to) in edges.iter().filter(|(from, to)| from != to) {
                    let at = |x: &usize| order.iter().position(|o| o == x);
                    prop_assert!(at(to) < at(from));
                },
                Err(OrderError::Cycle { cycle }) => {
                    prop_assert!(cycle.len() >= 3);
                    prop_assert_eq!(cycle.first(), cycle.last());
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
