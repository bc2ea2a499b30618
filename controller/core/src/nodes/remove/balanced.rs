//! Zones that share the nodes of a pool evenly again, as after one of them has recovered.
//!
//! One node at a time moves from the zone with the most to the one with the fewest, while they differ by two or more: with
//! a difference of one there is nothing to gain. Nodes that are still to come are waited for: those of
//! one zone may be there before those of another. Only zones count in which the pool can order now. The new node may cost
//! no more than the old one, so that balance is never bought. The imbalance has to last as long as a node has to be
//! unneeded: a zone that comes and goes moves nothing.

use std::collections::BTreeSet;

use super::buy::Wish;
use super::plan::WhyRemoved;
use super::planner::Planner;
use crate::cluster::{Balance, Capacity, Name, Offering, ScaleDownMode};

/// So many nodes of the fullest zone are tried.
const TRIES: usize = 8;

impl Planner<'_> {
    pub(super) fn balance_zones(&mut self) {
        let pools: Vec<Name> = self.pools.keys().cloned().collect();
        for name in pools {
            let state = &self.pools[&name];
            let may = state.pool.balance == Balance::Zones
                && state.pool.scale_down.mode == ScaleDownMode::WhenUnderutilized
                && state.tripped.is_none();
            let Some((from, to)) = self.uneven(&name).filter(|_| may) else {
                if may {
                    self.memory.unbalanced.remove(&name);
                }
                continue;
            };
            let since = *self.memory.unbalanced.entry(name.clone()).or_insert(self.now);
            let state = &self.pools[&name];
            if since + state.pool.scale_down.unneeded_for > self.now {
                self.wake(since + state.pool.scale_down.unneeded_for);
                continue;
            }
            if state.cooling_until.is_some() {
                continue;
            }
            let mut zones = Some((from, to));
            while let Some((from, to)) = zones {
                if !self.move_one(&name, &from, &to) {
                    break;
                }
                zones = self.uneven(&name);
            }
        }
    }

    /// The zone that has the most nodes and the one that will have the fewest, where they differ by two or more.
    fn uneven(&self, pool: &Name) -> Option<(Name, Name)> {
        let state = &self.pools[pool];
        let can_be_had = |offering: &&Offering| match offering.capacity {
            Capacity::Unknown => true,
            Capacity::Left(left) => left > 0,
            Capacity::AvoidedUntil(until) => until <= self.now,
        };
        let offered = state.pool.offerings.iter().filter(can_be_had);
        let zones: BTreeSet<&Name> = offered.map(|offering| &offering.key.zone).collect();
        let there = zones.iter().map(|zone| (state.in_zone(zone), *zone));
        let (most, from) = there.max_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(one.1)))?;
        let (fewest, to) = zones.iter().map(|zone| (state.will_be_in_zone(zone), *zone)).min()?;
        (most >= fewest.saturating_add(2)).then(|| (from.clone(), to.clone()))
    }

    /// Moves one node of the fullest zone, that with the fewest pods that can go.
    fn move_one(&mut self, pool: &Name, from: &Name, to: &Name) -> bool {
        let in_zone = |planner: &Self, index: &usize| planner.nodes[*index].zone() == *from;
        let mut nodes: Vec<usize> =
            self.open(pool).into_iter().filter(|index| in_zone(self, index)).collect();
        nodes.sort_by_key(|index| (self.nodes[*index].evictions(), *index));
        for index in nodes.into_iter().take(TRIES) {
            let why = WhyRemoved::Unbalanced { from: from.clone(), to: to.clone() };
            if self.minimum(index).is_err() || self.passes(index, &why).is_err() {
                continue;
            }
            let Some(pool) = self.nodes[index].pool else { continue };
            let Some(price) = self.nodes[index].price else { continue };
            let mark = self.room.mark();
            let mut left = self.take_out(&[index]);
            // To nodes of the other zone that are there, where they have room, as long as a new one is needed as well.
            let allows = |offering: &Offering| offering.key.zone == *to && offering.price <= price;
            let wish = Wish { pool, allows: &allows, one_in: Some(to.clone()) };
            let mut moved = Vec::new();
            let bought = self.buy(std::mem::take(&mut left), &wish);
            match bought {
                Ok(bought) if bought.len() == 1 && bought.price <= price => {
                    moved.extend(bought.moved.iter().copied());
                    let needs = self.order(bought);
                    self.carry(&moved);
                    if let Some(pool) = self.pool_of(index) {
                        pool.leave(from);
                    }
                    self.goes(index, why, needs);
                    return true;
                }
                _ => self.room.undo(mark),
            }
        }
        false
    }
}
