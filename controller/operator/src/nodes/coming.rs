//! Gather: nodes that were ordered and are still to come.

use std::collections::BTreeMap;

use plimsoll_api::{NodeOrder, v1alpha1::OrderPhase};
use plimsoll_core::{
    placement::Change as ViewChange,
    time::{Span, Timestamp},
};

use super::{planner::Planner, record};

/// For how many times what a call may take an order without an answer is counted on.
const PATIENCE: i64 = 3;

impl Planner {
    /// Tells the planner which nodes are still to come.
    ///
    /// One whose provider has given no answer for long is not counted on: others are asked. What comes of it all the same is
    /// found out, and goes when nobody needs it.
    pub(super) fn orders_that_come(&mut self, now: Timestamp) {
        let mut there: BTreeMap<&str, u32> = BTreeMap::new();
        for order in self.world.view.nodes().filter_map(|node| node.order.as_deref()) {
            *there.entry(order).or_default() += 1;
        }
        let view = &self.world.view;
        let is_unmarked = |name: &str| view.node(name).is_some_and(|node| node.order.is_none());
        let is_counted_on = |order: &NodeOrder| {
            // Its record only stays until its provider can be asked what there is of it.
            if order.status.as_ref().and_then(|status| status.phase) == Some(OrderPhase::Failed) {
                return false;
            }
            let state = record::state(order);
            let (Some(asked), None) = (state.asked, &state.answer) else { return true };
            let takes = self.polls.time_out(&order.spec.pool).unwrap_or_default();
            let patience = i64::try_from(takes.as_millis()).unwrap_or(i64::MAX).saturating_mul(PATIENCE);
            now.since(asked) < Span::from_millis(patience)
        };
        let coming = self.world.orders.iter().filter(|(_, order)| is_counted_on(order));
        let coming = coming.filter_map(|(name, order)| {
            record::missing(order, there.get(name.as_str()).copied().unwrap_or(0), is_unmarked)
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
}
