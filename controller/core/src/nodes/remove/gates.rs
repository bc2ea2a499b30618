//! What every node has to pass before it goes.

use std::collections::BTreeSet;

use super::WhyStays;
use super::plan::WhyRemoved;
use super::planner::Planner;
use crate::cluster::{Name, Pod};
use crate::nodes::drainability::NodeBlocker;
use crate::nodes::pdb::Forbidden;
use crate::nodes::words::full_name;

impl<'a> Planner<'a> {
    /// Which owners have to get one replica more before the pods of a node can be evicted; or which pod may not be evicted.
    pub(super) fn surges(&self, index: usize) -> Result<BTreeSet<Name>, WhyStays> {
        let surveyed = &self.nodes[index];
        let most = surveyed.pool.map_or(0, |pool| pool.scale_down.drain.max_surge) as usize;
        let mut surges = BTreeSet::new();
        for pod in surveyed.movers.iter().chain(&surveyed.expendable) {
            let allowed = self.ledger.check(pod);
            let owner = self.can_surge(pod).filter(|owner| {
                surges.contains(*owner)
                    || self.surging.contains(*owner)
                    || self.surging.len() + surges.len() + (self.input.surging as usize) < most
            });
            match (allowed, owner) {
                (Ok(()), Some(owner)) if self.is_alone(owner) => drop(surges.insert(owner.clone())),
                (Ok(()), _) => {}
                (Err(Forbidden::Exhausted { .. }), Some(owner)) => drop(surges.insert(owner.clone())),
                (Err(why), _) => return Err(WhyStays::Forbidden { pod: full_name(pod), why }),
            }
        }
        Ok(surges)
    }

    /// The owner of a pod, where it can have one pod more beside it.
    pub(super) fn can_surge(&self, pod: &Pod) -> Option<&'a Name> {
        let (owner, workload) = self.input.workloads.get_key_value(&pod.owner.as_ref()?.uid)?;
        (workload.can_surge() && pod.shape.volumes.is_empty()).then_some(owner)
    }

    fn is_alone(&self, owner: &Name) -> bool {
        self.input.workloads.get(owner).is_some_and(|workload| workload.replicas == 1)
    }

    /// What keeps a node that is not needed: time (an imbalance has one of its own, and a deleted order none), growth,
    /// budgets, and others' claims.
    pub(super) fn gate(&mut self, index: usize, why: &WhyRemoved) -> Result<(), WhyStays> {
        let since = self.unneeded_since(index);
        let now = self.now;
        let Some(pool) = self.nodes[index].pool.and_then(|pool| self.pools.get(&pool.name)) else {
            return Err(WhyStays::Node(NodeBlocker::NoPool(None)));
        };
        let needs = pool.pool.scale_down.unneeded_for;
        let has_own_time = matches!(why, WhyRemoved::Unbalanced { .. } | WhyRemoved::OrderDeleted(_));
        if since + needs > now && !has_own_time {
            return Err(WhyStays::Unneeded { since, needs });
        }
        let is_new_need = matches!(why, WhyRemoved::Drifted(_) | WhyRemoved::OrderDeleted(_));
        if let Some(until) = pool.cooling_until.filter(|_| !is_new_need) {
            return Err(WhyStays::CoolingDown { until });
        }
        if let Some(reason) = why.budget_reason() {
            pool.budgets.allows(reason).map_err(WhyStays::Budget)?;
        }
        self.surges(index).map(drop)
    }

    /// The gates that can be asked before anything is tried.
    pub(super) fn passes(&mut self, index: usize, why: &WhyRemoved) -> Result<(), WhyStays> {
        self.surges(index)?;
        self.gate(index, why)
    }

    /// Whether the zone of a node can do with one less.
    pub(super) fn minimum(&self, index: usize) -> Result<(), WhyStays> {
        let pool = self.nodes[index].pool.and_then(|pool| self.pools.get(&pool.name));
        pool.map_or(Ok(()), |pool| pool.minimum(&self.nodes[index].zone()))
    }

    /// The zone of a node, where it cannot do with one less: what comes in its place has to come there.
    pub(super) fn needs_one(&self, index: usize) -> Option<Name> {
        self.minimum(index).is_err().then(|| self.nodes[index].zone())
    }
}
