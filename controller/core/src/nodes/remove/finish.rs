//! The plan as others read it: where each pod goes, and why each node that stays does.

use super::WhyStays;
use super::memory::Memory;
use super::plan::{Move, RemovalPlan, Stays};
use super::planner::{Fate, Planner};
use crate::cluster::Pod;
use crate::nodes::Place;

impl Planner<'_> {
    /// Says of each pod of nodes that go where it was moved last.
    fn tell_moves(&mut self) {
        let mut remove = std::mem::take(&mut self.plan.remove);
        for removal in &mut remove {
            let Some(index) = self.index(&removal.node) else { continue };
            let place = |pod: &Pod| self.places.get(self.moved.get(&pod.uid)?).cloned();
            let moves = self.nodes[index].movers.iter().filter_map(|pod| {
                let to = place(pod).or_else(|| self.promised.get(&pod.uid).cloned())?;
                Some(Move { pod: pod.uid.clone(), to })
            });
            removal.moves = moves.collect();
            // Pods that were moved on to a node of a later set wait for it as well.
            let later = removal.moves.iter().filter_map(|one| match one.to {
                Place::New(entry, _) => Some(entry),
                _ => None,
            });
            removal.needs.extend(later);
            removal.needs.sort_unstable();
            removal.needs.dedup();
        }
        self.plan.remove = remove;
    }

    /// The plan, with a reason for every node that stays, and what to remember.
    pub(super) fn finish(mut self) -> (RemovalPlan, Memory) {
        self.tell_moves();
        for index in 0..self.nodes.len() {
            let surveyed = &self.nodes[index];
            let is_listed = self.plan.remove.iter().any(|removal| removal.node == surveyed.node.name);
            let why = match &self.fates[index] {
                Fate::Goes if is_listed => continue,
                Fate::Goes => WhyStays::Going,
                Fate::Stays(why) | Fate::Aside(why) => why.clone(),
                Fate::Open => self.doubts[index].clone().unwrap_or_else(|| WhyStays::Used {
                    utilization: self.utilization(index),
                    below: surveyed.pool.map_or(0, |pool| pool.scale_down.utilization_below),
                }),
            };
            // What holds a node back from outside says nothing about whether it is needed.
            let is_unneeded = matches!(self.fates[index], Fate::Aside(_)) || self.candidates.contains(&index);
            let is_held =
                matches!(why, WhyStays::Breaker(_) | WhyStays::Forbidden { .. } | WhyStays::Minimum { .. });
            if !is_unneeded && !is_held {
                self.memory.unneeded.remove(&surveyed.node.uid);
            }
            self.plan.stays.push(Stays { node: surveyed.node.name.clone(), why });
        }
        let stays = self.plan.stays.iter().filter_map(|stays| stays.why.until());
        let windows = self.pools.values().filter_map(|pool| pool.budgets.until);
        self.plan.next_look = stays.chain(windows).chain(self.wakes).filter(|at| *at > self.now).min();
        (self.plan, self.memory)
    }
}
