//! What comes next for a drain, as [`plimsoll_core::nodes::drain`] says it of what is seen.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::{
    cluster::{DisruptionBudget, Name, Pool, Workload},
    nodes::{
        breaker::{Tripped, pool_is_broken, zones_are_silent},
        drain::{Action, Drain, Seen, Step, is_empty, step},
        pdb::Ledger,
    },
    time::Timestamp,
};

use super::{give_back::Turn, needs::Needed, surging::Surging};
use crate::nodes::planner::Planner;

/// What is the same for all drains of a moment.
pub(super) struct Around {
    needed: Needed,
    silent: Option<Tripped>,
    /// Pools of which too much is not ready.
    broken: BTreeMap<Name, Tripped>,
    workloads: BTreeMap<Name, Workload>,
    now: Timestamp,
}

impl Planner {
    pub(super) fn around(&self, drains: &[(Name, Drain)], now: Timestamp) -> Around {
        Around {
            needed: self.needed(now),
            silent: zones_are_silent(self.world.view.nodes()),
            broken: self.broken_pools(drains),
            workloads: self.world.workloads.of_replica_sets(),
            now,
        }
    }

    /// What comes next for a drain.
    pub(super) fn judge(
        &mut self,
        name: &Name,
        drain: &Drain,
        around: &Around,
        surging: &Surging,
        ledger: &mut Ledger<'_>,
    ) -> Step {
        let node = self.world.view.node(name).cloned();
        let unreturnable = node.as_ref().and_then(|node| self.returnable(node).err());
        let pods: Vec<_> = self.world.view.pods_on(name).collect();
        let pool = self.pool_of(name);
        let held = around.silent.as_ref().or_else(|| around.broken.get(&pool.as_ref()?.name));
        let settings = pool.as_ref().map(|pool| pool.scale_down.drain.clone()).unwrap_or_default();
        let for_others = surging.for_others(name);
        let seen = Seen {
            node: node.as_ref(),
            pods: &pods,
            workloads: &around.workloads,
            coming: &around.needed.coming,
            failed: &around.needed.failed,
            surging: &for_others,
            held,
            unreturnable: unreturnable.as_ref(),
            settings: &settings,
            cut_off: pool.as_ref().map(|pool| pool.priority_cutoff),
            now: around.now,
        };
        step(&around.needed.left_of(drain), &seen, ledger)
    }

    /// The nodes that are about to be given back, and would stay if the API server had a pod there of which we know nothing.
    pub(super) fn about_to_go(
        &mut self,
        drains: &[(Name, Drain)],
        around: &Around,
        budgets: &[DisruptionBudget],
    ) -> BTreeSet<Name> {
        let mut ledger = Ledger::new(budgets);
        let surging = Surging::of(drains);
        let mut going = BTreeSet::new();
        for (name, drain) in drains {
            let is_asked_again = self.world.to_give_back.contains(name)
                && drain.deleted.is_some()
                && !drain.interrupted
                && matches!(self.turn(name), Turn::Now(_));
            if is_asked_again || has_to_be_empty(&self.judge(name, drain, around, &surging, &mut ledger)) {
                going.insert(name.clone());
            }
        }
        going
    }

    /// Asks providers to take back what they could not be asked for until now. `shown` are nodes of which the API server has
    /// just said what is on them. False where some still have to be shown.
    pub(super) fn give_back_again(
        &mut self,
        around: &Around,
        budgets: &[DisruptionBudget],
        shown: &BTreeSet<Name>,
    ) -> bool {
        let ledger = Ledger::new(budgets);
        let mut all_shown = true;
        for name in std::mem::take(&mut self.world.to_give_back) {
            // One whose drain was given up meanwhile stays, and so do its pods.
            let drain = self.world.drains.get(&name).filter(|drain| drain.deleted.is_some());
            let Some(is_interrupted) = drain.map(|drain| drain.interrupted) else { continue };
            if is_interrupted || !matches!(self.turn(&name), Turn::Now(_)) {
                self.give_back(&name);
            } else if !shown.contains(&name) {
                self.world.to_give_back.insert(name);
                all_shown = false;
            } else {
                let cut_off = self.pool_of(&name).map(|pool| pool.priority_cutoff);
                // Otherwise its drain goes on, and asks for it once it is empty.
                if is_empty(self.world.view.pods_on(&name), cut_off, &ledger, around.now) {
                    self.give_back(&name);
                }
            }
        }
        all_shown
    }

    /// Of the pools whose nodes are being drained.
    fn broken_pools(&self, drains: &[(Name, Drain)]) -> BTreeMap<Name, Tripped> {
        let view = &self.world.view;
        let drained = drains.iter().filter_map(|(node, _)| view.node(node)?.pool.as_ref());
        let pools = drained.collect::<BTreeSet<_>>().into_iter().filter_map(|pool| view.pool(pool));
        pools.filter_map(|pool| Some((pool.name.clone(), pool_is_broken(pool, view.nodes())?))).collect()
    }

    fn pool_of(&self, node: &Name) -> Option<Pool> {
        let node = self.world.view.node(node)?;
        self.world.view.pool(node.pool.as_deref()?).cloned()
    }
}

/// Whether a node is given back that nobody else takes away.
pub(super) fn has_to_be_empty(step: &Step) -> bool {
    step.actions.contains(&Action::Delete) && step.drain.as_ref().is_some_and(|drain| !drain.interrupted)
}
