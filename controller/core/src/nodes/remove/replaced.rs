//! Sets of nodes whose pods fit on fewer or cheaper new ones.
//!
//! Nodes of a pool are taken by how much of their price nobody asks for, and sets of one, two, four, … of them are tried:
//! their pods go where there is room, and the rest to new nodes of the same pool. The set that saves most is taken, if it
//! saves a share of its price and enough per eviction. Where no set does, single nodes are tried. Doubling tries few sets,
//! and the best is at least half as large as the best prefix.
//!
//! Only nodes that have been such a candidate for long enough are replaced; the others are remembered as candidates. What
//! is ordered comes first: a drain waits for the new nodes that its pods go to.

use std::cmp::Reverse;

use super::WhyStays;
use super::buy::{Bought, Wish};
use super::plan::WhyRemoved;
use super::planner::{Fate, Planner};
use super::room::Moved;
use crate::cluster::{BudgetReason, Name, ScaleDownMode};
use crate::numeric::saturate_to_i64;

/// A set is no larger than this, so that a plan takes bounded time.
const LARGEST: usize = 128;

/// So many single nodes are tried where no set saves enough.
const SINGLES: usize = 32;

/// A set of nodes and what replaces it.
struct Swap<'a> {
    members: Vec<usize>,
    moved: Vec<Moved<'a>>,
    bought: Bought<'a>,
    /// In millionths of the currency per hour.
    saves: i64,
    /// In thousandths of the price of the set.
    share: i64,
}

impl<'a> Planner<'a> {
    pub(super) fn replace_sets(&mut self) {
        let pools: Vec<Name> = self.pools.keys().cloned().collect();
        for name in pools {
            let state = &self.pools[&name];
            let scale_down = &state.pool.scale_down;
            if scale_down.mode != ScaleDownMode::WhenUnderutilized || state.tripped.is_some() {
                continue;
            }
            let (unneeded_for, now) = (scale_down.unneeded_for, self.now);
            // Those that may go now.
            while self.pools[&name].cooling_until.is_none() {
                let left = self.pools[&name].budgets.left(BudgetReason::Replaced);
                let most = (left as usize).min(LARGEST);
                let waited = |planner: &Self, index: usize| {
                    let uid = &planner.nodes[index].node.uid;
                    let since = planner.memory.unneeded.get(uid).copied().unwrap_or(now);
                    since + unneeded_for <= now
                };
                let candidates: Vec<usize> =
                    self.swappable(&name).into_iter().filter(|index| waited(self, *index)).collect();
                let Some(members) = self.best_set(&name, &candidates, most) else { break };
                if !self.swap(&name, &members) {
                    break;
                }
            }
            // Those that may go later.
            let candidates = self.swappable(&name);
            if let Some(members) = self.best_set(&name, &candidates, LARGEST) {
                for index in members {
                    let why = WhyRemoved::Replaced { nodes: 0, by: 0, saving: 0 };
                    if let Err(why) = self.gate(index, &why) {
                        self.fates[index] = Fate::Stays(why);
                        self.candidates.insert(index);
                    }
                }
            }
        }
    }

    /// Nodes that can be replaced, those first of which most is paid for nothing; no more than a set may have.
    fn swappable(&mut self, pool: &Name) -> Vec<usize> {
        let mut nodes: Vec<(Reverse<i128>, usize)> = Vec::new();
        for index in self.open(pool) {
            let Some(price) = self.nodes[index].price else { continue };
            let idle = 1000 - self.utilization(index).clamp(0, 1000);
            nodes.push((Reverse(i128::from(price) * i128::from(idle)), index));
        }
        nodes.sort_unstable();
        let mut found = Vec::new();
        for (_, index) in nodes {
            match self.surges(index) {
                Ok(_) => found.push(index),
                Err(why) => self.fates[index] = Fate::Stays(why),
            }
            if found.len() == LARGEST {
                break;
            }
        }
        found
    }

    /// The set that saves most.
    fn best_set(&mut self, pool: &Name, candidates: &[usize], most: usize) -> Option<Vec<usize>> {
        let mut best: Option<(i64, Vec<usize>)> = None;
        let mut size = 1;
        while size <= most.min(candidates.len()) {
            let members = &candidates[..size];
            if let Some(saves) = self.try_set(pool, members)
                && best.as_ref().is_none_or(|(most, _)| saves > *most)
            {
                best = Some((saves, members.to_vec()));
            }
            size *= 2;
        }
        if best.is_none() && most > 0 {
            for index in candidates.iter().skip(1).take(SINGLES) {
                if let Some(saves) = self.try_set(pool, &[*index]) {
                    return Some(vec![*index]).filter(|_| saves > 0);
                }
            }
        }
        best.map(|(_, members)| members)
    }

    /// What a set saves if it is replaced, where that is enough; nothing is changed.
    fn try_set(&mut self, pool: &Name, members: &[usize]) -> Option<i64> {
        let mark = self.room.mark();
        let swap = self.find_swap(pool, members);
        self.room.undo(mark);
        let swap = swap?;
        let scale_down = &self.pools[pool].pool.scale_down;
        let evictions: usize = members.iter().map(|index| self.nodes[*index].evictions()).sum();
        let evictions = i64::try_from(evictions.max(1)).unwrap_or(i64::MAX);
        let (share, at_least) = (swap.share, scale_down.savings_at_least);
        if swap.saves <= 0 || share < at_least {
            self.doubt(members, WhyStays::SavesTooLittle { saving: share.max(0), at_least });
            return None;
        }
        let (saving, at_least) = (swap.saves / evictions, scale_down.savings_per_eviction);
        if saving < at_least {
            self.doubt(members, WhyStays::NotWorthIt { saving, at_least });
            return None;
        }
        let bought = swap.bought.zones();
        let keeps_least_size = self.pools[pool].pool.limits.min_per_zone.iter().all(|(zone, min)| {
            let leave = members.iter().filter(|index| self.nodes[**index].zone() == *zone).count();
            let come = bought.get(zone).copied().unwrap_or(0);
            let after = i64::from(self.pools[pool].in_zone(zone)) + i64::from(come)
                - i64::try_from(leave).unwrap_or(i64::MAX);
            leave == 0 || after >= i64::from(*min)
        });
        keeps_least_size.then_some(swap.saves)
    }

    /// Why a single node is not replaced; that its zone has to keep it says more.
    fn doubt(&mut self, members: &[usize], why: WhyStays) {
        if let [index] = members
            && !matches!(self.doubts[*index], Some(WhyStays::Minimum { .. }))
        {
            self.doubts[*index] = Some(why);
        }
    }

    fn find_swap(&mut self, pool: &Name, members: &[usize]) -> Option<Swap<'a>> {
        let pool = self.pools.get(pool)?.pool;
        let price: i128 = members.iter().map(|index| i128::from(self.nodes[*index].price.unwrap_or(0))).sum();
        let left = self.take_out(members);
        let mut moved = Vec::new();
        let left = self.room.place(left, &mut moved);
        let cheaper = |offering: &crate::cluster::Offering| i128::from(offering.price) < price;
        let one_in = match members {
            [index] => self.needs_one(*index),
            _ => None,
        };
        let bought = self.buy(left, &Wish { pool, allows: &cheaper, one_in }).ok()?;
        moved.extend(bought.moved.iter().copied());
        // Moving pods to what is there is judged node by node, by how much of each is used.
        if bought.len() == 0 {
            return None;
        }
        let saves = price - i128::from(bought.price);
        let share = if price > 0 { saturate_to_i64(saves * 1000 / price) } else { 0 };
        Some(Swap { members: members.to_vec(), moved, bought, saves: saturate_to_i64(saves), share })
    }

    /// Replaces a set, or keeps those nodes of it that a gate holds. False where neither could be done.
    fn swap(&mut self, pool: &Name, members: &[usize]) -> bool {
        let before = (self.ledger.clone(), self.surging.clone());
        for index in members {
            let why = WhyRemoved::Replaced { nodes: 0, by: 0, saving: 0 };
            match self.gate(*index, &why) {
                // The next one finds what this one leaves.
                Ok(()) => drop(self.claim(*index)),
                Err(why) => self.fates[*index] = Fate::Stays(why),
            }
        }
        (self.ledger, self.surging) = before;
        if members.iter().any(|index| matches!(self.fates[*index], Fate::Stays(_))) {
            return true;
        }
        let mark = self.room.mark();
        let Some(swap) = self.find_swap(pool, members) else {
            self.room.undo(mark);
            return false;
        };
        let nodes = u32::try_from(swap.members.len()).unwrap_or(u32::MAX);
        let by = u32::try_from(swap.bought.len()).unwrap_or(u32::MAX);
        let saving = swap.share;
        // Together they are cheaper: none goes before all that comes is there.
        let needs = self.order(swap.bought);
        self.carry(&swap.moved);
        for index in swap.members {
            let zone = self.nodes[index].zone();
            if let Some(pool) = self.pool_of(index) {
                pool.leave(&zone);
            }
            self.goes(index, WhyRemoved::Replaced { nodes, by, saving }, needs.clone());
        }
        true
    }
}
