//! Nodes that their provider takes away. They are drained at once and outside of budgets, since they go in any case; the
//! breaker does not hold them either. Their pods' own budgets still hold, in each step of the drain. Room for their pods
//! is the affair of the plan for new nodes.

use super::plan::WhyRemoved;
use super::planner::{Fate, Planner};

impl Planner<'_> {
    pub(super) fn remove_interrupted(&mut self) {
        for index in 0..self.nodes.len() {
            let surveyed = &self.nodes[index];
            if !surveyed.node.interrupted || !matches!(self.fates[index], Fate::Open) {
                continue;
            }
            let zone = surveyed.zone();
            if let Some(pool) = self.pool_of(index) {
                pool.leave(&zone);
            }
            self.goes(index, WhyRemoved::Interrupted, Vec::new());
        }
    }
}
