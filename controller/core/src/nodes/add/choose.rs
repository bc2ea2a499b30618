//! Which offering is taken: a list of tie-breaks.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use crate::cluster::{Balance, Expander, Name, OfferingKey};
use crate::nodes::add::menu::{Alternative, Family};
use crate::placement::preference::Liking;

/// Prices per pod are compared in this fraction of a millionth.
const FINE: i64 = 1 << 10;

/// Nodes of one alternative of a family, for pods of one class.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) family: usize,
    pub(crate) alternative: usize,
    /// How many pods one node takes.
    pub(crate) pods: u32,
    pub(crate) rank: Rank,
}

/// What offers are compared by, the first that differs deciding; the least is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    expander: Expander,
    /// The price of one node per pod that it takes.
    pub(crate) price_per_pod: i64,
    /// How the pods like it; liked best is the better.
    liking: Reverse<Liking>,
    /// Nodes that the pool has in the zone.
    nodes_in_zone: u32,
    balanced: bool,
    /// The pool's weight; the higher is the better.
    weight: Reverse<i32>,
    /// The share of cpu and memory that is left over, in thousandths, both added.
    waste: i64,
    /// How many pods it takes; more is better.
    pods: Reverse<u32>,
    pool: Name,
    key: OfferingKey,
}

impl Rank {
    pub(crate) fn of(
        family: &Family,
        alternative: &Alternative,
        pods: u32,
        ask: &crate::placement::amounts::Amounts,
        (expander, balance): (Expander, Balance),
        nodes_in_zone: u32,
        liking: Liking,
    ) -> Self {
        Self {
            expander,
            price_per_pod: price_per_pod(alternative.price, pods),
            liking: Reverse(liking),
            nodes_in_zone: if balance == Balance::Zones { nodes_in_zone } else { 0 },
            balanced: balance == Balance::Zones,
            weight: Reverse(family.weight),
            waste: waste(alternative, pods, ask),
            pods: Reverse(pods),
            pool: family.pool.clone(),
            key: alternative.key.clone(),
        }
    }

    /// Takes note of nodes that have come.
    pub(crate) fn set_nodes_in_zone(&mut self, nodes: u32) {
        if self.balanced {
            self.nodes_in_zone = nodes;
        }
    }

    /// Whether only the place tells the two apart.
    pub(crate) fn is_as_good(&self, other: &Self) -> bool {
        let neither =
            Self { nodes_in_zone: 0, pool: self.pool.clone(), key: self.key.clone(), ..other.clone() };
        let this = Self { nodes_in_zone: 0, ..self.clone() };
        this == neither
    }

    /// A number that is any, and the same for the same offer.
    fn drawn(&self) -> u64 {
        let text = format!("{}/{}", self.pool, self.key);
        // FNV-1a.
        text.bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    fn first(&self, other: &Self) -> Ordering {
        // Within a pool its own expander decides; between pools one that goes by weight does, one that they share, or the
        // price, whichever of the two is looked at first.
        let expander = match (self.expander, other.expander) {
            (own, its) if self.pool == other.pool || own == its => own,
            (Expander::Priority, _) | (_, Expander::Priority) => Expander::Priority,
            _ => Expander::Price,
        };
        match expander {
            Expander::Price => Ordering::Equal,
            Expander::LeastWaste => self.waste.cmp(&other.waste),
            Expander::MostPods => self.pods.cmp(&other.pods),
            Expander::Priority => self.weight.cmp(&other.weight),
            Expander::Random => self.drawn().cmp(&other.drawn()),
        }
    }
}

/// Sorts families by what they offer. Offers of pools that go by different things are in no one order: then each pool has
/// its own, and pools are in that of their best.
pub(crate) fn sort(ranked: &mut Vec<(Rank, usize)>) {
    let mut pools: BTreeMap<Name, Vec<(Rank, usize)>> = BTreeMap::new();
    let is_one_order = ranked.windows(2).all(|two| two[0].0.expander == two[1].0.expander);
    if is_one_order {
        ranked.sort();
        return;
    }
    for (rank, family) in ranked.drain(..) {
        pools.entry(rank.pool.clone()).or_default().push((rank, family));
    }
    let mut pools: Vec<_> = pools.into_values().collect();
    for of_pool in &mut pools {
        of_pool.sort();
    }
    let is_by_weight = pools.iter().flatten().any(|(rank, _)| rank.expander == Expander::Priority);
    let best = |of_pool: &Vec<(Rank, usize)>| {
        let (rank, _) = of_pool.first()?;
        Some((is_by_weight.then_some(rank.weight), rank.price_per_pod, rank.pool.clone()))
    };
    pools.sort_by_cached_key(best);
    ranked.extend(pools.into_iter().flatten());
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.first(other)
            .then_with(|| self.price_per_pod.cmp(&other.price_per_pod))
            .then_with(|| self.liking.cmp(&other.liking))
            .then_with(|| self.nodes_in_zone.cmp(&other.nodes_in_zone))
            .then_with(|| self.weight.cmp(&other.weight))
            .then_with(|| self.waste.cmp(&other.waste))
            .then_with(|| self.pods.cmp(&other.pods))
            .then_with(|| self.pool.cmp(&other.pool))
            .then_with(|| self.key.cmp(&other.key))
    }
}

/// What one pod pays, in fractions of a millionth.
pub(crate) fn price_per_pod(price: i64, pods: u32) -> i64 {
    price.saturating_mul(FINE) / i64::from(pods.max(1))
}

/// Whether what costs so much, or more, costs at least `bound` for each of `most` pods, or more where it takes fewer.
pub(crate) fn costs_at_least(price: i64, most: u32, bound: i64) -> bool {
    price.saturating_mul(FINE) >= bound.saturating_mul(i64::from(most.max(1)))
}

fn waste(alternative: &Alternative, pods: u32, ask: &crate::placement::amounts::Amounts) -> i64 {
    let left = |index: usize| {
        let room = alternative.room.base[index];
        let used = ask.base[index].saturating_mul(i64::from(pods));
        if room <= 0 { 0 } else { (room - used).max(0).saturating_mul(1000) / room }
    };
    left(0) + left(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::nodes::fixtures::key;

    fn rank(expander: Expander) -> Rank {
        Rank {
            expander,
            price_per_pod: 5,
            liking: Reverse(Liking::default()),
            nodes_in_zone: 5,
            balanced: true,
            weight: Reverse(5),
            waste: 5,
            pods: Reverse(5),
            pool: "p".into(),
            key: key("m", "b"),
        }
    }

    #[test]
    fn the_first_difference_decides() {
        type Change = fn(&mut Rank, bool);
        let by: [Change; 7] = [
            |rank, better| rank.price_per_pod += if better { -1 } else { 1 },
            |rank, better| rank.nodes_in_zone = if better { 4 } else { 6 },
            |rank, better| rank.weight = Reverse(if better { 6 } else { 4 }),
            |rank, better| rank.waste += if better { -1 } else { 1 },
            |rank, better| rank.pods = Reverse(if better { 6 } else { 4 }),
            |rank, better| rank.pool = if better { "o".into() } else { "q".into() },
            |rank, better| rank.key = key("m", if better { "a" } else { "c" }),
        ];
        for (at, better) in by.iter().enumerate() {
            let (mut one, other) = (rank(Expander::Price), rank(Expander::Price));
            better(&mut one, true);
            by[at + 1..].iter().for_each(|worse| worse(&mut one, false));
            assert!(one < other, "{at}: {one:?}");
            assert!(other > one, "{at}: {one:?}");
        }
        assert_eq!(rank(Expander::Price).cmp(&rank(Expander::Price)), Ordering::Equal);
    }

    #[test]
    fn what_an_expander_says_comes_before_the_price() {
        for (expander, wins) in [
            (Expander::Price, false),
            (Expander::LeastWaste, true),
            (Expander::MostPods, true),
            (Expander::Priority, true),
        ] {
            let mut dear = rank(expander);
            (dear.price_per_pod, dear.waste, dear.pods, dear.weight) = (6, 4, Reverse(6), Reverse(6));
            assert_eq!(dear < rank(expander), wins, "{expander:?}");
        }
    }

    #[test]
    fn between_pools_one_that_goes_by_weight_decides() {
        for (of_dear, of_cheap, wins) in [
            (Expander::Priority, Expander::Price, true),
            (Expander::Price, Expander::Priority, true),
            (Expander::Price, Expander::Price, false),
            (Expander::Price, Expander::MostPods, false),
        ] {
            let (mut dear, cheap) = (rank(of_dear), rank(of_cheap));
            (dear.price_per_pod, dear.weight, dear.pool) = (6, Reverse(6), "q".into());
            assert_eq!(dear < cheap, wins, "{of_dear:?} {of_cheap:?}");
        }
        let (mut dear, cheap) = (rank(Expander::Price), rank(Expander::Priority));
        (dear.price_per_pod, dear.weight) = (6, Reverse(6));
        assert!(dear > cheap, "within a pool its own");
    }

    #[test]
    fn a_draw_is_the_same_for_the_same_offering_and_prefers_none() {
        let drawn = |index: usize| {
            let mut rank = rank(Expander::Random);
            rank.key = key(&format!("m{index}"), "a");
            rank.drawn()
        };
        let different: BTreeSet<u64> = (0..100).map(drawn).collect();
        assert_eq!(different.len(), 100);
        assert_eq!(drawn(7), drawn(7));
        let firsts = (0..100).filter(|index| drawn(2 * index) < drawn(2 * index + 1)).count();
        assert!((30..=70).contains(&firsts), "{firsts} of 100");
    }

    #[test]
    fn only_the_place_may_differ_between_offers_that_are_as_good() {
        type Change = fn(&mut Rank);
        let changes: [(Change, bool); 6] = [
            (|rank| rank.nodes_in_zone = 9, true),
            (|rank| rank.pool = "q".into(), true),
            (|rank| rank.key = key("m", "a"), true),
            (|rank| rank.price_per_pod = 6, false),
            (|rank| rank.weight = Reverse(6), false),
            (|rank| rank.pods = Reverse(6), false),
        ];
        for (at, (change, is_as_good)) in changes.into_iter().enumerate() {
            let (one, mut other) = (rank(Expander::Price), rank(Expander::Price));
            change(&mut other);
            assert_eq!((one.is_as_good(&other), other.is_as_good(&one)), (is_as_good, is_as_good), "{at}");
        }
    }

    #[test]
    fn nodes_in_a_zone_count_where_zones_are_balanced() {
        for (balanced, counts) in [(true, 7), (false, 5)] {
            let mut rank = Rank { balanced, ..rank(Expander::Price) };
            rank.set_nodes_in_zone(7);
            assert_eq!(rank.nodes_in_zone, counts);
        }
    }

    #[test]
    fn prices_are_shared_by_the_pods_of_a_node() {
        assert_eq!(
            (price_per_pod(1, 1), price_per_pod(100, 8), price_per_pod(100, 0)),
            (1024, 12_800, 102_400)
        );
        for (price, most, bound, costs) in [
            (100, 8, 12_800, true),
            (100, 8, 12_801, false),
            (100, 0, 102_400, true),
            (100, 0, 102_401, false),
        ] {
            assert_eq!(costs_at_least(price, most, bound), costs, "{price} {most} {bound}");
        }
    }
}
