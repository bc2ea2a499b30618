//! What `/metrics` shows of nodes.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, core::Collector,
};

/// Buckets in seconds, doubling from 0.25 ms to 8 s.
const SECONDS: [f64; 16] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048,
    4.096, 8.192,
];

/// The series of the planner. Clones share them.
#[derive(Clone)]
pub(crate) struct NodeMetrics {
    /// 1 while this replica holds the lease.
    pub(crate) leader: Gauge,
    /// Nodes by pool, zone and state.
    pub(crate) nodes: GaugeVec,
    /// What the nodes of a pool cost per hour.
    pub(crate) price: GaugeVec,
    /// Pods that get no place, by the pool or cause that keeps them waiting.
    pub(crate) refused: Gauge,
    /// Nodes that were ordered, by pool.
    pub(crate) ordered: IntCounterVec,
    /// Orders that failed, by pool and reason.
    pub(crate) failed: IntCounterVec,
    /// Nodes whose drain was begun, by pool and reason.
    pub(crate) removed: IntCounterVec,
    /// Pods that were evicted.
    pub(crate) evicted: IntCounter,
    /// Plans that the audit refused.
    pub(crate) refused_plans: IntCounter,
    /// Seconds that a plan took to compute.
    pub(crate) plan_seconds: Histogram,
    /// Seconds since the last plan was begun; 0 where we do not lead.
    pub(crate) plan_age: Gauge,
    /// Orders by pool and phase.
    pub(crate) orders: GaugeVec,
    /// Seconds since the oldest order of a pool was recorded whose nodes are not all there.
    pub(crate) oldest_order: GaugeVec,
    /// Seconds since the oldest drain of a pool was begun.
    pub(crate) oldest_drain: GaugeVec,
    /// Drains that were given up, by pool.
    pub(crate) given_up: IntCounterVec,
    /// Offerings that are avoided, by pool.
    pub(crate) avoided: GaugeVec,
    /// Pods that would find no room if a zone were lost, by zone.
    pub(crate) without_room: GaugeVec,
    /// 1 for a pool of which nothing is removed, since too much of it, or whole zones, say nothing.
    pub(crate) breaker: GaugeVec,
}

impl NodeMetrics {
    /// Takes away what only a leader can say.
    pub(crate) fn forget(&self) {
        let of_pools = [
            &self.nodes,
            &self.price,
            &self.orders,
            &self.oldest_order,
            &self.oldest_drain,
            &self.avoided,
            &self.breaker,
            &self.without_room,
        ];
        for gauge in of_pools {
            gauge.reset();
        }
        self.refused.set(0.0);
    }

    /// Series in this registry, none with a value yet.
    ///
    /// # Errors
    /// When the registry has one of them already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| kept(registry, Gauge::new(name, help)?);
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            kept(registry, GaugeVec::new(Opts::new(name, help), labels)?)
        };
        let of_pool = |name: &str, help: &str| gauges(name, help, &["pool"]);
        let counter = |name: &str, help: &str| kept(registry, IntCounter::new(name, help)?);
        let counters = |name: &str, help: &str, labels: &[&str]| {
            kept(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let seconds =
            HistogramOpts::new("plimsoll_node_plan_seconds", "Seconds that a plan of nodes took to compute.");
        Ok(Self {
            leader: gauge("plimsoll_leader", "1 while this replica holds the lease.")?,
            nodes: gauges(
                "plimsoll_nodes",
                "Nodes by pool, zone and state: wanted, ordered, ready, draining.",
                &["pool", "zone", "state"],
            )?,
            price: of_pool("plimsoll_pool_price_per_hour", "What the nodes of a pool cost per hour.")?,
            refused: gauge("plimsoll_pods_without_place", "Pods for which no node could be planned.")?,
            ordered: counters("plimsoll_nodes_ordered_total", "Nodes that were ordered.", &["pool"])?,
            failed: counters(
                "plimsoll_node_orders_failed_total",
                "Orders that failed.",
                &["pool", "reason"],
            )?,
            removed: counters(
                "plimsoll_node_drains_total",
                "Drains of nodes that were begun.",
                &["pool", "reason"],
            )?,
            evicted: counter("plimsoll_pods_evicted_total", "Pods that were evicted.")?,
            refused_plans: counter("plimsoll_plans_refused_total", "Plans of nodes that the audit refused.")?,
            plan_seconds: kept(registry, Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?)?,
            plan_age: gauge(
                "plimsoll_node_plan_age_seconds",
                "Seconds since the last plan of nodes was begun; 0 where this replica does not lead.",
            )?,
            orders: gauges(
                "plimsoll_node_orders",
                "Records of orders by pool and phase.",
                &["pool", "phase"],
            )?,
            oldest_order: of_pool(
                "plimsoll_node_order_oldest_seconds",
                "Seconds since the oldest order was recorded whose nodes do not all take pods yet; 0 for none.",
            )?,
            oldest_drain: of_pool(
                "plimsoll_node_drain_oldest_seconds",
                "Seconds since the oldest drain was begun that is not over; 0 for none.",
            )?,
            given_up: counters(
                "plimsoll_node_drains_given_up_total",
                "Drains of nodes that were given up.",
                &["pool"],
            )?,
            avoided: of_pool("plimsoll_offerings_avoided", "Offerings that are avoided after an error.")?,
            without_room: gauges(
                "plimsoll_zone_loss_pods_without_room",
                "Pods of a zone that would find no room in the others if it were lost now.",
                &["zone"],
            )?,
            breaker: of_pool(
                "plimsoll_pool_breaker_open",
                "1 while nothing of a pool is removed, since too many nodes say nothing.",
            )?,
        })
    }
}

fn kept<C: Collector + Clone + 'static>(registry: &Registry, series: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(series.clone()))?;
    Ok(series)
}
