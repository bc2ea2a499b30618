//! Topology spread that constrains (`podtopologyspread`): a domain may have at most `maxSkew` more than the emptiest one.

use super::class::{Class, SpreadUse};
use super::packing::{NodeIx, Packing};
use super::tally::{NO_DOMAIN, TallyId};
use crate::placement::Refusal;

/// Why a node refuses one more pod of a class, if it does.
pub(crate) fn refuses(
    packing: &Packing,
    of: &Class,
    node: NodeIx,
    looks_at: impl Fn(TallyId) -> bool,
) -> Option<Refusal> {
    of.spread.iter().filter(|spread| looks_at(spread.tally)).find_map(|spread| {
        if packing.domain_of(spread.tally, node) == NO_DOMAIN {
            return Some(Refusal::NoTopology(packing.key_name(spread.tally)));
        }
        let own = i64::from(spread.counts_itself);
        (slack(packing, spread, node) < own).then(|| Refusal::Spread(packing.key_name(spread.tally)))
    })
}

/// How many pods more the domain of a node may have.
pub(crate) fn slack(packing: &Packing, spread: &SpreadUse, node: NodeIx) -> i64 {
    let least = packing.tallies[spread.tally as usize].least(spread.min_domains);
    i64::from(spread.max_skew) + i64::from(least) - i64::from(packing.tallied(spread.tally, node))
}
