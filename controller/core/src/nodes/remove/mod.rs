//! Which nodes to remove or to replace.
//!
//! In this order, since what is taken first takes budgets, room and disruptions from what comes after:
//! 1. Nodes that their provider takes away: at once, whatever budgets say.
//! 2. Nodes whose order was deleted, then those that are not what their pool says ([`drift`](super::drift)): replaced.
//! 3. Nodes that are not needed ([`unneeded`]): empty ones, under-used ones whose pods fit elsewhere, and used ones where
//!    that saves enough.
//! 4. Sets of nodes whose pods fit on fewer or cheaper new ones ([`replaced`]).
//! 5. Nodes of zones that have too many ([`balanced`]).
//!
//! Everything is tried on one copy of the counts: what is moved for one node is there for the next, and no pod is moved to
//! a node that is to go as well. A node that is not needed, but may not go yet, is set aside: nothing is moved to it, and
//! the room that its pods will take is kept.
//!
//! A node passes these gates, in this order: the rules of [`drainability`](super::drainability), the breaker, drains that
//! failed lately, promises to pods, the least size of its zone, budgets of its pods, room, savings, time, growth of its
//! pool, and the pool's own budgets. The first that holds it is the reason that it stays.

mod balanced;
mod buy;
mod drifted;
mod finish;
mod gates;
mod interrupted;
mod judge;
mod memory;
mod plan;
mod planner;
mod pools;
mod promises;
mod reasons;
mod replaced;
mod room;
mod spare;
mod stays;
mod survey;
mod unneeded;
mod verify;

use std::collections::BTreeMap;

use crate::cluster::{Name, Workload};
use crate::nodes::NodePlan;
use crate::nodes::add::Settings;
use crate::placement::View;
use crate::time::Timestamp;

pub use memory::{GivenUp, Memory};
pub use plan::{Move, Removal, RemovalPlan, Stays, WhyRemoved};
pub use reasons::reasons;
pub use stays::WhyStays;

use planner::Planner;

/// So often a plan is made anew without the nodes whose pods stood in each other's way; then without any that has pods whose
/// place depends on others.
const ROUNDS: u32 = 4;

/// What a plan to remove looks at.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The cluster.
    pub view: &'a View,
    /// What is to be ordered at the same moment, and where it has promised room: that is not taken away.
    pub adding: &'a NodePlan,
    /// What does not belong to a pool.
    pub settings: &'a Settings,
    /// What pods belong to, by the uid of their owner.
    pub workloads: &'a BTreeMap<Name, Workload>,
    /// How many Deployments have one replica more for a drain now.
    pub surging: u32,
    /// The moment.
    pub now: Timestamp,
}

/// Plans which nodes to remove or to replace, and what to remember for the next plan.
pub fn plan(input: &Input<'_>, memory: &Memory) -> (RemovalPlan, Memory) {
    let spare = spare::pods(input);
    let mut kept = BTreeMap::new();
    let mut round = 0;
    loop {
        let mut planner = Planner::new(input, memory, &spare, &kept);
        planner.remove_interrupted();
        planner.check_promises();
        planner.replace_drifted();
        planner.reduce();
        planner.balance_zones();
        let broken = planner.broken(round < ROUNDS);
        round += 1;
        if broken.is_empty() || round > ROUNDS + 1 {
            return planner.finish();
        }
        kept.extend(broken);
    }
}

#[cfg(test)]
mod tests;
