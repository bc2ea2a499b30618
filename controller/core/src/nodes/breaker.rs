//! When nothing is removed or replaced: what we see may be a partition and not the cluster.
//!
//! - Of a pool more than its `breaker` is not ready. A share is taken as it is and not rounded: of two nodes one is a
//!   half, and nothing tells a dead node from a wire that was cut.
//! - Heartbeats stopped in several zones together. One node in each of two zones is a coincidence in a large cluster, so
//!   a zone counts only when a tenth of its nodes fell silent within the same five minutes. Nodes of every pool, and of
//!   none, are counted: a partition does not ask whose they are.
//!
//! Nodes that never were ready count as not there: a burst of new nodes must not stop anything. Nor do those count that
//! were given back: they fall silent before they are gone.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::percent;
use crate::cluster::{Breaker, Name, Node, Pool, Readiness};
use crate::time::{Span, Timestamp};

/// Heartbeats that stop within this time stopped together: a kubelet reports every ten seconds, and is given up after 40
/// to 50.
const TOGETHER: Span = Span::from_secs(300);

/// A zone has fallen silent when more than this share of its nodes has, in thousandths.
const SILENT: u64 = 100;

/// Why nothing is removed or replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tripped {
    /// Too much of a pool is not ready.
    NotReady {
        /// The pool.
        pool: Name,
        /// How many of its nodes are not.
        not_ready: u32,
        /// Of how many.
        of: u32,
        /// How much of it may be.
        breaker: Breaker,
    },
    /// Several zones fell silent together.
    Silent {
        /// The zones, with how many of their nodes did.
        zones: BTreeMap<Name, u32>,
    },
}

/// Whether too much of this pool is not ready.
pub fn pool_is_broken<'a>(pool: &Pool, nodes: impl IntoIterator<Item = &'a Node>) -> Option<Tripped> {
    let (mut not_ready, mut of) = (0_u32, 0_u32);
    for node in
        nodes.into_iter().filter(|node| node.pool.as_ref() == Some(&pool.name) && node.given_back.is_none())
    {
        match node.readiness {
            Readiness::Starting => {}
            Readiness::Ready => of += 1,
            Readiness::NotReady { .. } | Readiness::Unknown { .. } => {
                of += 1;
                not_ready += 1;
            }
        }
    }
    let breaker = pool.scale_down.breaker;
    let is_broken = match breaker {
        Breaker::Nodes(most) => not_ready > most,
        Breaker::Share(most) => i64::from(not_ready) * 1000 > most.max(0).saturating_mul(i64::from(of)),
    };
    is_broken.then(|| Tripped::NotReady { pool: pool.name.clone(), not_ready, of, breaker })
}

/// Whether several zones fell silent together.
pub fn zones_are_silent<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Option<Tripped> {
    let mut sizes: BTreeMap<&Name, u64> = BTreeMap::new();
    let mut silences: Vec<(Timestamp, &Name)> = Vec::new();
    for node in nodes.into_iter().filter(|node| node.given_back.is_none()) {
        let Some(zone) = node.zone() else { continue };
        if node.readiness != Readiness::Starting {
            *sizes.entry(zone).or_default() += 1;
        }
        if let Readiness::Unknown { since } = node.readiness {
            silences.push((since, zone));
        }
    }
    silences.sort();
    let mut window: BTreeMap<&Name, u32> = BTreeMap::new();
    let mut first = 0;
    let mut worst: Option<BTreeMap<&Name, u32>> = None;
    for (since, zone) in &silences {
        *window.entry(zone).or_default() += 1;
        while since.since(silences[first].0) > TOGETHER {
            if let Some(count) = window.get_mut(silences[first].1) {
                *count -= 1;
            }
            first += 1;
        }
        let silent = |(zone, count): &(&&Name, &u32)| u64::from(**count) * 1000 > SILENT * sizes[**zone];
        let zones: BTreeMap<&Name, u32> =
            window.iter().filter(silent).map(|(zone, count)| (*zone, *count)).collect();
        let is_worse = |worst: &BTreeMap<&Name, u32>| zones.values().sum::<u32>() > worst.values().sum();
        if zones.len() >= 2 && worst.as_ref().is_none_or(is_worse) {
            worst = Some(zones);
        }
    }
    let zones = worst?.into_iter().map(|(zone, count)| (zone.clone(), count)).collect();
    Some(Tripped::Silent { zones })
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady { pool, not_ready, of, breaker } => {
                write!(f, "{not_ready} of {of} nodes of pool {pool} are not ready, more than ")?;
                match breaker {
                    Breaker::Nodes(most) => write!(f, "{most}"),
                    Breaker::Share(most) => write!(f, "{} %", percent(*most)),
                }
            }
            Self::Silent { zones } => {
                let zones: Vec<String> =
                    zones.iter().map(|(zone, count)| format!("{zone} ({count} nodes)")).collect();
                write!(f, "heartbeats stopped together in several zones: {}", zones.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::fixtures::{node, pool};

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    /// `ready`, `not_ready` and `starting` nodes of pool `p`.
    fn nodes(ready: usize, not_ready: usize, starting: usize) -> Vec<Node> {
        let states = [
            (Readiness::Ready, ready),
            (Readiness::NotReady { since: NOW }, not_ready),
            (Readiness::Starting, starting),
        ];
        let states = states.into_iter().flat_map(|(readiness, count)| std::iter::repeat_n(readiness, count));
        states
            .enumerate()
            .map(|(index, readiness)| Node { readiness, ..node(&format!("n{index}"), "a") })
            .collect()
    }

    #[test]
    fn more_than_a_share_of_a_pool_stops_it() {
        let mut pool = pool();
        for (breaker, ready, not_ready, starting, stops) in [
            (200, 0, 0, 0, false),
            (200, 1, 0, 0, false),
            (200, 0, 1, 0, true),
            (200, 1, 1, 0, true),
            (500, 1, 1, 0, false),
            (200, 4, 1, 0, false),
            (200, 3, 1, 0, true),
            (200, 8, 2, 0, false),
            (200, 7, 3, 0, true),
            (200, 4, 1, 20, false),
            (200, 3, 1, 20, true),
            (1000, 0, 9, 0, false),
            (0, 99, 1, 0, true),
            (-1, 99, 0, 0, false),
            (i64::MAX, 0, 9, 0, false),
        ] {
            pool.scale_down.breaker = Breaker::Share(breaker);
            let tripped = pool_is_broken(&pool, &nodes(ready, not_ready, starting));
            assert_eq!(tripped.is_some(), stops, "{breaker}: {ready} {not_ready} {starting}: {tripped:?}");
        }
    }

    #[test]
    fn more_than_a_number_of_nodes_stops_a_pool_of_any_size() {
        let mut pool = pool();
        for (most, ready, not_ready, words) in [
            (0, 9, 0, None),
            (0, 99, 1, Some("1 of 100 nodes of pool p are not ready, more than 0")),
            (3, 0, 3, None),
            (3, 96, 4, Some("4 of 100 nodes of pool p are not ready, more than 3")),
        ] {
            pool.scale_down.breaker = Breaker::Nodes(most);
            let tripped = pool_is_broken(&pool, &nodes(ready, not_ready, 9));
            let said = tripped.map(|tripped| tripped.to_string());
            assert_eq!(said.as_deref(), words, "{most}: {ready} {not_ready}");
        }
    }

    #[test]
    fn nodes_of_other_pools_do_not_count() {
        let mut others = nodes(1, 9, 0);
        for node in &mut others {
            node.pool = Some("other".into());
        }
        others.extend(nodes(5, 1, 0));
        assert_eq!(pool_is_broken(&pool(), &others), None);
    }

    #[test]
    fn nodes_that_were_given_back_stop_nothing() {
        let silent = |given_back: Option<Timestamp>| {
            let of = |name, zone| {
                let readiness = Readiness::Unknown { since: NOW };
                [Node { readiness, given_back, ..node(name, zone) }, node(&format!("{name}-stays"), zone)]
            };
            [of("n", "a"), of("m", "b")].concat()
        };
        assert!(pool_is_broken(&pool(), &silent(None)).is_some());
        assert!(zones_are_silent(&silent(None)).is_some());
        assert_eq!(pool_is_broken(&pool(), &silent(Some(NOW))), None);
        assert_eq!(zones_are_silent(&silent(Some(NOW))), None);
    }

    /// Nodes of 20 per zone, of which these fell silent so many seconds ago.
    fn zones(silent: &[(&str, usize, i64)]) -> Option<Tripped> {
        let mut all = Vec::new();
        for zone in ["a", "b", "c"] {
            let ago = silent
                .iter()
                .filter(|(of, ..)| *of == zone)
                .flat_map(|(_, count, ago)| std::iter::repeat_n(*ago, *count));
            let readiness = ago.map(|ago| Readiness::Unknown { since: NOW - Span::from_secs(ago) });
            let readiness = readiness.chain(std::iter::repeat(Readiness::Ready)).take(20);
            all.extend(
                readiness
                    .enumerate()
                    .map(|(index, readiness)| Node { readiness, ..node(&format!("{zone}{index}"), zone) }),
            );
        }
        zones_are_silent(&all)
    }

    #[test]
    fn zones_that_fall_silent_together_stop_everything() {
        for (silent, stops) in [
            (vec![], false),
            (vec![("a", 20, 60)], false),
            (vec![("a", 3, 60), ("b", 3, 60)], true),
            (vec![("a", 2, 60), ("b", 3, 60)], false),
            (vec![("a", 3, 60), ("b", 3, 360)], true),
            (vec![("a", 3, 60), ("b", 3, 361)], false),
            (vec![("a", 3, 9000), ("b", 3, 60), ("c", 3, 70)], true),
            (vec![("a", 1, 9000), ("a", 2, 60), ("b", 3, 60)], false),
        ] {
            let tripped = zones(&silent);
            assert_eq!(tripped.is_some(), stops, "{silent:?}: {tripped:?}");
        }
    }

    #[test]
    fn what_stopped_it_is_said() {
        let tripped = pool_is_broken(&pool(), &nodes(1, 1, 0)).expect("is broken").to_string();
        assert_eq!(tripped, "1 of 2 nodes of pool p are not ready, more than 20 %");
        let tripped = zones(&[("a", 3, 60), ("c", 5, 60)]).expect("is silent").to_string();
        assert_eq!(tripped, "heartbeats stopped together in several zones: a (3 nodes), c (5 nodes)");
    }

    #[test]
    fn of_several_silences_the_worst_is_told_and_of_equal_ones_the_first() {
        for (silent, told) in [
            (vec![("a", 3, 9000), ("b", 3, 9000), ("b", 3, 60), ("c", 4, 60)], "b (3 nodes), c (4 nodes)"),
            (vec![("a", 3, 9000), ("b", 4, 9000), ("b", 3, 60), ("c", 3, 60)], "a (3 nodes), b (4 nodes)"),
            (vec![("a", 3, 9000), ("b", 3, 9000), ("b", 3, 60), ("c", 3, 60)], "a (3 nodes), b (3 nodes)"),
        ] {
            let tripped = zones(&silent).expect("is silent").to_string();
            assert_eq!(tripped, format!("heartbeats stopped together in several zones: {told}"));
        }
    }
}
