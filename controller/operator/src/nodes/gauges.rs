//! What a dashboard shows of pools, orders and drains, beside what the status of pools says.

use std::{collections::BTreeMap, time::Duration};

use kube::ResourceExt as _;
use plimsoll_api::v1alpha1::OrderPhase;
use plimsoll_core::time::Timestamp;
use plimsoll_observe::observe_time;

use super::{disruptable::Held, planner::Planner};

/// Every phase, so that a series that is 0 is there all the same.
const PHASES: [OrderPhase; 9] = [
    OrderPhase::Recorded,
    OrderPhase::Asked,
    OrderPhase::Creating,
    OrderPhase::Registered,
    OrderPhase::Ready,
    OrderPhase::Draining,
    OrderPhase::Deleting,
    OrderPhase::GivenBack,
    OrderPhase::Failed,
];

impl Planner {
    /// Brings the gauges of each pool up to date; those of pools that are gone go too.
    pub(super) fn gauges(&self, held: &Held, now: Timestamp) {
        let metrics = &self.metrics;
        for gauge in [
            &metrics.orders,
            &metrics.oldest_order,
            &metrics.oldest_drain,
            &metrics.avoided,
            &metrics.breaker,
        ] {
            gauge.reset();
        }
        for name in self.world.pools.keys() {
            let of_pool = [name.as_str()];
            let mut phases: BTreeMap<&str, u32> = PHASES.iter().map(|phase| (phase.as_str(), 0)).collect();
            let (mut oldest_order, mut oldest_drain) = (0.0_f64, 0.0_f64);
            for order in self.world.orders.values().filter(|order| order.spec.pool == *name) {
                let phase = order.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
                *phases.entry(phase.as_str()).or_default() += 1;
                if let (true, Some(created)) = (is_coming(phase), order.creation_timestamp()) {
                    oldest_order = oldest_order.max(seconds(observe_time(&created), now));
                }
            }
            for (node, drain) in &self.world.drains {
                let node = self.world.view.node(node);
                if node.is_some_and(|node| node.pool.as_deref() == Some(name.as_str())) {
                    oldest_drain = oldest_drain.max(seconds(drain.started, now));
                }
            }
            for (phase, count) in phases {
                metrics.orders.with_label_values(&[name.as_str(), phase]).set(f64::from(count));
            }
            metrics.oldest_order.with_label_values(&of_pool).set(oldest_order);
            metrics.oldest_drain.with_label_values(&of_pool).set(oldest_drain);
            metrics.avoided.with_label_values(&of_pool).set(f64::from(self.backoffs.count(name, now)));
            let is_open = held.contains_key(name);
            metrics.breaker.with_label_values(&of_pool).set(if is_open { 1.0 } else { 0.0 });
            // A counter has to be there before it rises, or the first rise is not seen.
            metrics.ordered.with_label_values(&of_pool);
            metrics.given_up.with_label_values(&of_pool);
        }
    }
}

/// Whether nodes of an order are still to come.
fn is_coming(phase: OrderPhase) -> bool {
    matches!(phase, OrderPhase::Recorded | OrderPhase::Asked | OrderPhase::Creating | OrderPhase::Registered)
}

/// Seconds from one moment to another; 0 where the clock was set back between them.
pub(super) fn seconds(since: Timestamp, now: Timestamp) -> f64 {
    Duration::from_millis(u64::try_from(now.since(since).as_millis()).unwrap_or(0)).as_secs_f64()
}
