//! Gather: nodes that were ordered and are still to come.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_api::{NodeOrder, v1alpha1::OrderPhase};
use plimsoll_core::{
    placement::Change as ViewChange,
    time::{Span, Timestamp},
};

use super::{claims::provision_time, planner::Planner, record};

/// For how many times what a call may take an order without an answer is counted on.
const PATIENCE: i64 = 3;

impl Planner {
    /// Tells the planner which nodes are still to come.
    ///
    /// One whose provider has given no answer for long is not counted on, nor is what waits behind it: others are asked.
    /// What comes of it all the same is found out, and goes when nobody needs it.
    pub(super) fn orders_that_come(&mut self, now: Timestamp) {
        let mut there: BTreeMap<&str, u32> = BTreeMap::new();
        for order in self.world.view.nodes().filter_map(|node| node.order.as_deref()) {
            *there.entry(order).or_default() += 1;
        }
        let view = &self.world.view;
        let is_unmarked = |name: &str| view.node(name).is_some_and(|node| node.order.is_none());
        let silent = self.silent_groups(now);
        let is_counted_on = |order: &NodeOrder| {
            let status = order.status.as_ref();
            // Its record only stays until its provider can be asked what there is of it.
            let has_failed = status.and_then(|status| status.phase) == Some(OrderPhase::Failed);
            let is_asked = status.is_some_and(|status| status.asked_at.is_some());
            let waits_behind = !is_asked && group(order).is_some_and(|group| silent.contains(&group));
            !has_failed && !waits_behind && !self.is_silent(order, now)
        };
        let coming = self.world.orders.iter().filter(|(_, order)| is_counted_on(order));
        let coming = coming.filter_map(|(name, order)| {
            let nodes_there = there.get(name.as_str()).copied().unwrap_or(0);
            let provision = provision_time(&self.world, &order.spec.pool);
            record::missing(order, nodes_there, provision, now, is_unmarked)
        });
        let coming: BTreeMap<_, _> = coming.map(|order| (order.name.clone(), order)).collect();
        let known: Vec<_> = self.world.view.orders().map(|order| order.name.clone()).collect();
        for name in known.into_iter().filter(|name| !coming.contains_key(name)) {
            self.world.change(ViewChange::OrderGone(name));
        }
        for order in coming.into_values() {
            self.world.change(ViewChange::Order(order));
        }
    }

    /// Pools and node groups with an order to which their provider has given no answer for long: as long as that is so,
    /// nothing more is asked of them.
    pub(super) fn silent_groups(&self, now: Timestamp) -> BTreeSet<(&str, &str)> {
        let silent = self.world.orders.values().filter(|order| self.is_silent(order, now));
        silent.filter_map(|order| group(order)).collect()
    }

    /// Whether its provider was asked for an order and has given no answer for long.
    fn is_silent(&self, order: &NodeOrder, now: Timestamp) -> bool {
        let Some(asked) = record::unanswered_since(order) else { return false };
        // As long as nobody knows how long its calls may take, no call takes as long as the lease lasts.
        let takes = self.polls.time_out(&order.spec.pool).unwrap_or(self.lease);
        let patience = i64::try_from(takes.as_millis()).unwrap_or(i64::MAX).saturating_mul(PATIENCE);
        now.since(asked) >= Span::from_millis(patience)
    }
}

/// The pool and the node group of which an order wants nodes.
fn group(order: &NodeOrder) -> Option<(&str, &str)> {
    Some((&order.spec.pool, order.spec.offering.node_group.as_deref()?))
}
