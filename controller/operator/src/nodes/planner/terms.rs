//! Terms of leadership: what a new one begins with, and what is let go of when one ends.

use std::collections::BTreeSet;

use plimsoll_core::nodes::remove::Memory;

use super::{Planner, now};
use crate::nodes::{backoffs::Backoffs, losses::Losses, report::Told, unasked::Unasked};

impl Planner {
    /// Lets go of what only who leads has, since another may lead.
    pub(super) fn stand_by(&mut self) {
        self.shown.clear();
        self.metrics.forget();
        self.told = Told::default();
        self.losses = Losses::default();
        self.memory = Memory::default();
        self.polls.let_go();
    }

    /// Begins a term: others may have led since our last one.
    pub(super) async fn begin_term(&mut self) {
        self.since = now();
        self.backoffs = Backoffs::of(&self.world);
        self.unanswered = None;
        self.unasked = Unasked::default();
        self.waits.clear();
        self.refusals.clear();
        self.forget_what_providers_said();
        self.world.await_providers();
        // Of nodes that have gone meanwhile the record knows more.
        self.world.drains.clear();
        self.recall().await;
        self.believe();
        // What the last leader asked for may not have been done.
        let deleted = self.world.drains.iter().filter(|(_, drain)| drain.deleted.is_some());
        self.world.to_give_back = deleted.map(|(node, _)| node.clone()).collect();
    }

    /// Forgets what providers said, and what they are about to say: they were asked before others may have ordered, and what
    /// they did not know of would be taken for gone.
    fn forget_what_providers_said(&mut self) {
        let world = &self.world;
        let ordered = world.orders.values().map(|order| &order.spec.pool);
        let pools: BTreeSet<String> =
            world.said.keys().chain(world.pools.keys()).chain(ordered).cloned().collect();
        for pool in pools {
            self.world.outdate(&pool);
        }
    }
}
