//! What offerings have failed at, so that others are tried meanwhile.

use plimsoll_api::{
    NodeOrder,
    v1alpha1::{OrderPhase, OrderedNode},
};
use plimsoll_core::{
    cluster::OfferingKey,
    nodes::{backoff::OfferingError, promise},
    orders::{InstanceFault, NodePhase, OrderNode, OrderStep, Why},
    time::Timestamp,
};

use super::{backoffs, calls::word, planner::Planner, record, world::Failure};

impl Planner {
    /// Remembers what failed since the last pass.
    pub(super) fn failures(&mut self, now: Timestamp) {
        for Failure { pool, offering, error, asks_after } in std::mem::take(&mut self.world.failures) {
            let (class, why) = (backoffs::offering_error(&error), error.to_string());
            // What is said of a call that has failed is no further failure, and the provider may be back.
            let is_known = asks_after && self.backoffs.remembers(&pool, &offering, now);
            let new = class.filter(|_| !is_known);
            let is_new = new.is_some_and(|class| self.leave_alone(&pool, &offering, class, &why, now));
            if is_new || !asks_after {
                self.metrics.failed.with_label_values(&[pool.as_str(), word(&error)]).inc();
            }
        }
    }

    /// Remembers what a step has found out of an order's offering, once.
    pub(super) fn note_failure(&mut self, order: &NodeOrder, step: &OrderStep, now: Timestamp) {
        let Some(why) = &step.why else { return };
        if order.status.as_ref().and_then(|status| status.reason.as_deref()) == Some(why.word()) {
            return;
        }
        let is_lost = matches!(why, Why::TakenInPart { accepted: 0, .. }) && record::was_lost(order);
        let class = match why {
            Why::TakenInPart { .. } if is_lost => OfferingError::Other,
            Why::Fault(InstanceFault::OutOfCapacity) | Why::TakenInPart { .. } => {
                OfferingError::OutOfCapacity
            }
            Why::Fault(InstanceFault::Quota) => OfferingError::Quota,
            Why::Fault(InstanceFault::Other(_)) | Why::NeverJoined { .. } => OfferingError::NeverRegistered,
            Why::Refused(_)
            | Why::Surplus { .. }
            | Why::NodeDeleted { .. }
            | Why::Lost { .. }
            | Why::Deleted
            | Why::PoolGone => {
                return self.news_of_trouble(order, why.word(), &why.to_string());
            }
        };
        let (pool, key, words) = (&order.spec.pool, record::offering(order), why.to_string());
        self.metrics.failed.with_label_values(&[pool.as_str(), why.word()]).inc();
        // Likewise that nothing came of it.
        if !is_lost || !self.backoffs.remembers(pool, &key, now) {
            self.leave_alone(pool, &key, class, &words, now);
        }
        self.news_of_trouble(order, why.word(), &words);
    }

    /// Remembers that an offering works once the first node of an order takes pods; or that it keeps no promise, where the
    /// node is not what was offered. Before that a node may lack what it gets while it starts.
    pub(super) fn note_success(&mut self, order: &NodeOrder, step: &OrderStep, now: Timestamp) {
        let was_served = |node: &OrderedNode| {
            use OrderPhase::{Deleting, Draining, GivenBack, Ready};
            node.name.is_some() && matches!(node.phase, Ready | Draining | Deleting | GivenBack)
        };
        let serves = |node: &&OrderNode| node.phase == NodePhase::Ready;
        let first = step.nodes.iter().filter(serves).find_map(|node| node.name.clone());
        let known = order.status.iter().flat_map(|status| &status.nodes).any(was_served);
        let Some(first) = first.filter(|_| !known) else { return };
        let (pool, key) = (&order.spec.pool, record::offering(order));
        let broken = self.world.view.pool(pool).zip(self.world.view.node(&first)).and_then(|(pool, node)| {
            let offering = pool.offerings.iter().find(|offering| offering.key == key)?;
            promise::broken(node, offering, pool)
        });
        let Some(broken) = broken else { return self.backoffs.worked(pool, &key) };
        let message = format!("the node {first} is not what was offered: {broken}");
        self.metrics.failed.with_label_values(&[pool.as_str(), "NotAsOffered"]).inc();
        self.leave_alone(pool, &key, OfferingError::NotAsOffered, &message, now);
    }

    /// Leaves an offering alone for a while, and tells so unless that was told; answers whether it is news.
    pub(super) fn leave_alone(
        &mut self,
        pool: &str,
        key: &OfferingKey,
        class: OfferingError,
        why: &str,
        now: Timestamp,
    ) -> bool {
        let is_new = self.backoffs.failed(pool, key, class, why.to_owned(), now);
        if is_new {
            self.news_of_failure(pool, key, why, now);
        }
        is_new
    }
}
