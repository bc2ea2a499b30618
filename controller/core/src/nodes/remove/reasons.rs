//! Every reason for which a node stays. A plan stops at the first, since one is enough.

use std::collections::BTreeMap;

use super::memory::LET_BE_FOR;
use super::planner::Planner;
use super::room::Left;
use super::{Input, Memory, WhyStays};
use crate::cluster::{BudgetReason, Pod, ScaleDownMode};
use crate::nodes::drainability::{self, Question, Verdict};
use crate::nodes::pdb::Forbidden;
use crate::nodes::words::full_name;

/// What each gate says of a node when it is asked alone, in the order in which a plan asks them; nothing for a node that is
/// on its way, or is not there. What depends on other nodes that the plan removes is not among it.
pub fn reasons(input: &Input<'_>, memory: &Memory, node: &str) -> Vec<WhyStays> {
    let mut planner = Planner::new(input, memory, &[], &BTreeMap::new());
    match planner.index(node) {
        Some(index) if !planner.nodes[index].node.is_draining() => planner.reasons(index),
        _ => Vec::new(),
    }
}

impl Planner<'_> {
    fn reasons(&mut self, index: usize) -> Vec<WhyStays> {
        let surveyed = self.nodes[index].clone();
        let (node, pool) = (surveyed.node, surveyed.pool);
        let blockers = drainability::all_of_node(node, pool, self.now);
        let mut reasons: Vec<WhyStays> = blockers.into_iter().map(WhyStays::Node).collect();
        let state = pool.and_then(|pool| self.pools.get(&pool.name));
        reasons.extend(state.and_then(|state| state.tripped.clone()).map(WhyStays::Breaker));
        if let Some(given_up) = self.memory.given_up.get(&node.uid) {
            let until = given_up.at + LET_BE_FOR;
            reasons.push(WhyStays::GivenUp { until, why: given_up.why.clone() });
        }
        if surveyed.promised > 0 {
            reasons.push(WhyStays::Promised { pods: surveyed.promised });
        }
        let cut_off = pool.map(|pool| pool.priority_cutoff);
        for pod in self.input.view.pods_on(&node.name) {
            let covered = self.ledger.covers(pod);
            match drainability::of_pod(&Question { pod, covered, cut_off, now: self.now }) {
                Verdict::Blocks(why) => reasons.push(WhyStays::Pod { pod: full_name(pod), why }),
                Verdict::Moves | Verdict::Expendable => reasons.extend(self.forbidden(index, pod)),
                Verdict::Ends | Verdict::Goes => {}
            }
        }
        let Some(pool) = pool else { return reasons };
        let evictions = u32::try_from(surveyed.evictions()).unwrap_or(u32::MAX);
        if evictions > 0 && pool.scale_down.mode == ScaleDownMode::WhenEmpty {
            reasons.push(WhyStays::OnlyEmpty { pods: evictions });
        }
        reasons.extend(self.minimum(index).err());
        reasons.extend(self.is_worth_it(index).err());
        if !node.interrupted {
            reasons.extend(self.without_room(index));
        }
        reasons.extend(self.time(index, evictions == 0));
        reasons
    }

    fn forbidden(&self, index: usize, pod: &Pod) -> Option<WhyStays> {
        let why = self.ledger.check(pod).err()?;
        let surges = self.nodes[index].pool.map_or(0, |pool| pool.scale_down.drain.max_surge) > 0;
        let goes_by_surge =
            surges && matches!(why, Forbidden::Exhausted { .. }) && self.can_surge(pod).is_some();
        (!goes_by_surge).then(|| WhyStays::Forbidden { pod: full_name(pod), why })
    }

    /// The first pod of each kind that has no place elsewhere.
    fn without_room(&mut self, index: usize) -> Vec<WhyStays> {
        let mark = self.room.mark();
        let left = self.take_out(&[index]);
        let Left { groups } = self.room.place(left, &mut Vec::new());
        let refusals: Vec<_> = groups
            .iter()
            .map(|group| (full_name(group.pods[0]), self.room.refusals(group.class)))
            .map(|(pod, refusals)| WhyStays::NoRoom { pod, refusals })
            .collect();
        self.room.undo(mark);
        refusals
    }

    /// What passes by itself, and what others have used up.
    fn time(&self, index: usize, is_empty: bool) -> Vec<WhyStays> {
        let surveyed = &self.nodes[index];
        let Some(state) = surveyed.pool.and_then(|pool| self.pools.get(&pool.name)) else {
            return Vec::new();
        };
        let needs = state.pool.scale_down.unneeded_for;
        let since = self.old.unneeded.get(&surveyed.node.uid).copied();
        let unneeded = since.filter(|since| *since + needs > self.now);
        let reason = if is_empty { BudgetReason::Empty } else { BudgetReason::Underutilized };
        [
            unneeded.map(|since| WhyStays::Unneeded { since, needs }),
            state.cooling_until.map(|until| WhyStays::CoolingDown { until }),
            state.budgets.allows(reason).err().map(WhyStays::Budget),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
