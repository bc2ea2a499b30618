//! What can be said of nodes and pools before anything is tried.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::WhyStays;
use super::memory::LET_BE_FOR;
use super::planner::{Fate, Planner};
use super::pools::PoolState;
use super::survey::Surveyed;
use crate::cluster::{Name, Pod, Readiness};
use crate::nodes::breaker;
use crate::nodes::budget::Budgets;
use crate::nodes::drainability::{self, NodeBlocker};
use crate::nodes::words::full_name;

impl<'a> Planner<'a> {
    /// What the pools say, and what of it is taken already.
    pub(super) fn read_pools(&mut self) {
        let (view, now) = (self.input.view, self.now);
        let silent = breaker::zones_are_silent(view.nodes());
        for pool in view.pools() {
            let of_pool = || view.nodes().filter(|node| node.pool.as_ref() == Some(&pool.name));
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let going = count(of_pool().filter(|node| node.is_draining()).count());
            let size = count(of_pool().count());
            let mut zones = BTreeMap::new();
            for zone in of_pool().filter(|node| !node.is_draining()).filter_map(|node| node.zone()) {
                *zones.entry(zone.clone()).or_default() += 1;
            }
            let orders = || view.orders().filter(|order| order.pool == pool.name);
            let adding = || self.input.adding.add.iter().filter(|new| new.pool == pool.name);
            let ordered = orders().map(|order| (&order.offering.zone, order.missing));
            let mut coming = BTreeMap::<Name, u32>::new();
            for (zone, nodes) in ordered.chain(adding().map(|new| (&new.offering.zone, new.count))) {
                let in_zone = coming.entry(zone.clone()).or_default();
                *in_zone = in_zone.saturating_add(nodes);
            }
            let grows = adding().next().map(|_| now);
            let came = of_pool().filter(|node| !node.is_draining()).map(|node| node.created);
            let grew =
                came.chain(orders().map(|order| order.asked)).chain(grows).max().map(|grew| grew.min(now));
            let cooling_until =
                grew.map(|grew| grew + pool.scale_down.delay_after_add).filter(|until| *until > now);
            let state = PoolState {
                pool,
                budgets: Budgets::of(&pool.name, &pool.scale_down.budgets, size, going, now),
                tripped: breaker::pool_is_broken(pool, of_pool()).or_else(|| silent.clone()),
                cooling_until,
                zones,
                coming,
            };
            self.pools.insert(pool.name.clone(), state);
        }
    }

    /// What can be said of a node without trying anything.
    pub(super) fn judge_nodes(&mut self, kept: &BTreeMap<Name, WhyStays>) {
        for index in 0..self.nodes.len() {
            let surveyed = &self.nodes[index];
            let node = surveyed.node;
            // The plan for new nodes has found room for their pods.
            if node.is_draining() || node.interrupted {
                self.room.packing.remove_node(surveyed.at);
            }
            if node.is_draining() {
                self.fates[index] = Fate::Goes;
                let pods: Vec<&Pod> = surveyed.movers.iter().chain(&surveyed.expendable).copied().collect();
                self.ledger.reserve(pods);
                continue;
            }
            if let Some(why) = self.judge(surveyed).or_else(|| kept.get(&node.name).cloned()) {
                self.fates[index] = Fate::Stays(why);
            }
        }
    }

    fn judge(&self, surveyed: &Surveyed<'a>) -> Option<WhyStays> {
        let node = surveyed.node;
        if let Some(blocker) = drainability::of_node(node, surveyed.pool, self.now) {
            return Some(WhyStays::Node(blocker));
        }
        if node.interrupted {
            return None;
        }
        let pool = surveyed.pool.and_then(|pool| self.pools.get(&pool.name))?;
        if let Some(tripped) = &pool.tripped {
            return Some(WhyStays::Breaker(tripped.clone()));
        }
        if let Some(given_up) = self.memory.given_up.get(&node.uid) {
            let until = given_up.at + LET_BE_FOR;
            return Some(WhyStays::GivenUp { until, why: given_up.why.clone() });
        }
        if surveyed.promised > 0 {
            return Some(WhyStays::Promised { pods: surveyed.promised });
        }
        if let Some((pod, why)) = &surveyed.blocked {
            return Some(WhyStays::Pod { pod: full_name(pod), why: why.clone() });
        }
        let is_silent = matches!(node.readiness, Readiness::NotReady { .. } | Readiness::Unknown { .. });
        (is_silent && surveyed.evictions() > 0).then_some(WhyStays::Node(NodeBlocker::NotReady))
    }

    /// Nodes that take what others lose: those that take pods now and stay, those first that can be emptied last.
    pub(super) fn choose_targets(&mut self) {
        let mut targets: Vec<(bool, Reverse<i64>, usize)> = Vec::new();
        for (index, surveyed) in self.nodes.iter().enumerate() {
            let takes = self.input.view.takes_pods(surveyed.node, self.now)
                && !surveyed.node.interrupted
                && !matches!(self.fates[index], Fate::Goes);
            if takes {
                let may_go = matches!(self.fates[index], Fate::Open);
                targets.push((may_go, Reverse(surveyed.utilization(&[])), index));
            }
        }
        targets.sort();
        self.room.targets = targets.into_iter().map(|(.., index)| self.nodes[index].at).collect();
    }
}
