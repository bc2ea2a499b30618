//! Gather: what is ordered, and in no size that a provider has said yet. It is taken off what is left of an offering, so that
//! it is not sold again.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use plimsoll_api::NodeOrder;
use plimsoll_core::{
    cluster::{Capacity, Offering, OfferingKey},
    orders::Answer,
    placement::Change as ViewChange,
};
use plimsoll_providers::OfferingId;

use super::{planner::Planner, record, world::World};

/// What was left of the offerings of a pool when its provider was heard last.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// In nodes.
    nodes: BTreeMap<OfferingKey, u32>,
    /// The orders of that moment: what is left is less by them, or the provider has counted them.
    orders: BTreeSet<String>,
}

impl Planner {
    /// How many nodes are ordered of each node group of a pool that what its provider said last does not count.
    pub(super) fn uncounted(&self, pool: &str) -> BTreeMap<OfferingId, u32> {
        of_groups(&self.world, pool, |name, order| {
            // An answer of before the call has ended was thrown away, so what is there knows of what was answered.
            let is_asked = self.world.calls.get(name).is_some_and(|call| call.grows);
            is_asked || record::state(order).answer.is_none()
        })
    }

    /// Remembers what is left of a pool now that its provider was heard.
    pub(super) fn note_left(&mut self, pool: &str, offerings: &[Offering]) {
        let nodes = offerings.iter().filter_map(|offering| match offering.capacity {
            Capacity::Left(left) => Some((offering.key.clone(), left)),
            Capacity::Unknown | Capacity::AvoidedUntil(_) => None,
        });
        let orders = self.world.orders.iter().filter(|(_, order)| order.spec.pool == pool);
        let left = Left { nodes: nodes.collect(), orders: orders.map(|(name, _)| name.clone()).collect() };
        self.left.insert(pool.to_owned(), left);
    }

    /// Takes off what is left of a pool what was ordered since its provider was heard.
    pub(super) fn take_off_ordered(&mut self, pool: &str) {
        let (Some(left), Some(ids)) = (self.left.get(pool), self.ids.get(pool)) else { return };
        let ordered = of_groups(&self.world, pool, |name, _| !left.orders.contains(name));
        let Some(known) = self.world.view.pool(pool) else { return };
        let mut seen = known.clone();
        for offering in &mut seen.offerings {
            let (Capacity::Left(now), Some(was)) = (&mut offering.capacity, left.nodes.get(&offering.key))
            else {
                continue;
            };
            let more = ids.get(&offering.key).and_then(|id| ordered.get(id)).copied().unwrap_or(0);
            *now = was.saturating_sub(more);
        }
        if *known != seen {
            self.world.change(ViewChange::Pool(seen));
        }
    }
}

/// How many nodes some orders of a pool ask for, by their node group.
fn of_groups(
    world: &World,
    pool: &str,
    which: impl Fn(&str, &NodeOrder) -> bool,
) -> BTreeMap<OfferingId, u32> {
    let mut nodes: BTreeMap<OfferingId, u32> = BTreeMap::new();
    for order in world.orders.values().filter(|order| order.spec.pool == pool) {
        if let Some(group) = &order.spec.offering.node_group
            && which(&order.name_any(), order)
        {
            let all = nodes.entry(OfferingId(group.clone())).or_default();
            *all = all.saturating_add(asked_for(order));
        }
    }
    nodes
}

/// How many nodes of an order come, or may still come.
fn asked_for(order: &NodeOrder) -> u32 {
    let state = record::state(order);
    match state.answer {
        Some(Answer::Accepted(_)) => state.expected(),
        Some(Answer::Refused(_)) => 0,
        // Nobody will be asked for it.
        None if state.deleted && state.asked.is_none() => 0,
        None => state.count,
    }
}
