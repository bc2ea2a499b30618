//! Nodes that are not needed, the zone with the most nodes of the pool first.
//!
//! - Empty nodes: nothing has to be moved.
//! - Under-used nodes, where their pods fit on others. These cost nothing but the evictions.
//! - Used nodes, where their pods fit on others. Since that empties no waste but shifts load, it has to save a share of
//!   what the node and those that take its pods cost together.
//!
//! Within a zone nodes that were not needed before come first, so that their time is not lost to another; then those with
//! fewer pods to evict.

use std::collections::{BTreeMap, BTreeSet};

use super::WhyStays;
use super::plan::WhyRemoved;
use super::planner::{Fate, Planner};
use super::room::Moved;
use crate::cluster::{Balance, Name, ScaleDownMode};
use crate::numeric::saturate_to_i64;

/// Which nodes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    Underused,
    Used,
}

impl<'a> Planner<'a> {
    pub(super) fn remove_unneeded(&mut self) {
        let pools: Vec<Name> = self.pools.keys().cloned().collect();
        for kind in [Kind::Empty, Kind::Underused, Kind::Used] {
            for pool in &pools {
                self.remove_kind(pool, kind);
            }
        }
    }

    fn remove_kind(&mut self, pool: &Name, kind: Kind) {
        let balance = self.pools[pool].pool.balance;
        let mut zones: BTreeMap<Name, Vec<(bool, usize, i64, usize)>> = BTreeMap::new();
        for index in self.open(pool) {
            if self.kind(index) != kind {
                continue;
            }
            let surveyed = &self.nodes[index];
            let zone = if balance == Balance::Zones { surveyed.zone() } else { "".into() };
            let key = (!self.was_unneeded(index), surveyed.evictions(), self.utilization(index), index);
            zones.entry(zone).or_default().push(key);
        }
        // The best is taken from the end.
        for nodes in zones.values_mut() {
            nodes.sort_unstable_by(|one, other| other.cmp(one));
        }
        loop {
            let with_nodes = zones.iter().filter(|(_, nodes)| !nodes.is_empty());
            let fullest = with_nodes.max_by(|(one, _), (other, _)| {
                let in_zone = |zone: &Name| self.pools[pool].in_zone(zone);
                in_zone(one).cmp(&in_zone(other)).then_with(|| other.cmp(one))
            });
            let Some((.., index)) =
                fullest.map(|(zone, _)| zone.clone()).and_then(|zone| zones.get_mut(&zone)?.pop())
            else {
                break;
            };
            // What was moved to it meanwhile may have made it another kind.
            if self.kind(index) != kind {
                continue;
            }
            match self.try_without(index, kind) {
                Ok(()) => {}
                // What comes in its place, or in the place of a set, may do what going alone cannot.
                Err(
                    why @ (WhyStays::Minimum { .. }
                    | WhyStays::NoRoom { .. }
                    | WhyStays::KeepsFree { .. }
                    | WhyStays::SavesTooLittle { .. }
                    | WhyStays::NotWorthIt { .. }),
                ) => self.doubts[index] = Some(why),
                Err(why) => self.fates[index] = Fate::Stays(why),
            }
        }
    }

    fn kind(&self, index: usize) -> Kind {
        let surveyed = &self.nodes[index];
        let below = surveyed.pool.map_or(0, |pool| pool.scale_down.utilization_below);
        match surveyed.evictions() {
            0 => Kind::Empty,
            _ if self.utilization(index) < below => Kind::Underused,
            _ => Kind::Used,
        }
    }

    /// Tries to do without a node. It goes, or is set aside, or is needed for the reason that is given.
    fn try_without(&mut self, index: usize, kind: Kind) -> Result<(), WhyStays> {
        let Some(pool) = self.nodes[index].pool else { return Ok(()) };
        let zone = self.nodes[index].zone();
        if kind != Kind::Empty && pool.scale_down.mode != ScaleDownMode::WhenUnderutilized {
            let pods = u32::try_from(self.nodes[index].evictions()).unwrap_or(u32::MAX);
            return Err(WhyStays::OnlyEmpty { pods });
        }
        self.minimum(index)?;
        self.surges(index)?;
        self.is_worth_it(index)?;
        let mark = self.room.mark();
        let left = self.take_out(&[index]);
        let mut moved = Vec::new();
        let left = self.room.place(left, &mut moved);
        if let Some(group) = left.groups.first() {
            let why = self.no_room(group.pods[0], group.class);
            self.room.undo(mark);
            return Err(why);
        }
        let why = match self.reason(index, kind, &moved) {
            Ok(why) => why,
            Err(why) => {
                self.room.undo(mark);
                return Err(why);
            }
        };
        if let Some(pool) = self.pool_of(index) {
            pool.leave(&zone);
        }
        self.carry(&moved);
        match self.gate(index, &why) {
            Ok(()) => self.goes(index, why, Vec::new()),
            Err(why) => self.fates[index] = Fate::Aside(why),
        }
        Ok(())
    }

    /// What is saved has to be worth the evictions.
    pub(super) fn is_worth_it(&self, index: usize) -> Result<(), WhyStays> {
        let surveyed = &self.nodes[index];
        let at_least = surveyed.pool.map_or(0, |pool| pool.scale_down.savings_per_eviction);
        let evictions = i64::try_from(surveyed.evictions()).unwrap_or(i64::MAX);
        if at_least <= 0 || evictions == 0 {
            return Ok(());
        }
        let saving = surveyed.price.unwrap_or(0) / evictions;
        if saving < at_least { Err(WhyStays::NotWorthIt { saving, at_least }) } else { Ok(()) }
    }

    fn reason(&self, index: usize, kind: Kind, moved: &[Moved<'a>]) -> Result<WhyRemoved, WhyStays> {
        let surveyed = &self.nodes[index];
        match kind {
            Kind::Empty => Ok(WhyRemoved::Empty),
            Kind::Underused => {
                let utilization = surveyed.utilization(&[]);
                Ok(WhyRemoved::Underutilized { utilization })
            }
            Kind::Used => {
                let takers: BTreeSet<usize> =
                    moved.iter().filter_map(|(_, node)| self.existing(*node)).collect();
                let price = |index: &usize| i128::from(self.nodes[*index].price.unwrap_or(0));
                let own = price(&index);
                let all = own + takers.iter().map(price).sum::<i128>();
                let saving = if all == 0 { 0 } else { saturate_to_i64(own * 1000 / all) };
                let at_least = surveyed.pool.map_or(0, |pool| pool.scale_down.savings_at_least);
                if own == 0 || saving < at_least {
                    return Err(WhyStays::SavesTooLittle { saving, at_least });
                }
                let by = u32::try_from(takers.len()).unwrap_or(u32::MAX);
                Ok(WhyRemoved::Replaced { nodes: by.saturating_add(1), by, saving })
            }
        }
    }
}
