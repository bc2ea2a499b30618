//! What `/metrics` shows of nodes.

use prometheus::{Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

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
}

impl NodeMetrics {
    /// Series in this registry, none with a value yet.
    ///
    /// # Errors
    /// When the registry has one of them already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        fn kept<C: prometheus::core::Collector + Clone + 'static>(
            registry: &Registry,
            series: C,
        ) -> Result<C, prometheus::Error> {
            registry.register(Box::new(series.clone()))?;
            Ok(series)
        }
        let seconds =
            HistogramOpts::new("plimsoll_node_plan_seconds", "Seconds that a plan of nodes took to compute.");
        Ok(Self {
            leader: kept(registry, Gauge::new("plimsoll_leader", "1 while this replica holds the lease.")?)?,
            nodes: kept(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "plimsoll_nodes",
                        "Nodes by pool, zone and state: wanted, ordered, ready, draining.",
                    ),
                    &["pool", "zone", "state"],
                )?,
            )?,
            price: kept(
                registry,
                GaugeVec::new(
                    Opts::new("plimsoll_pool_price_per_hour", "What the nodes of a pool cost per hour."),
                    &["pool"],
                )?,
            )?,
            refused: kept(
                registry,
                Gauge::new("plimsoll_pods_without_place", "Pods for which no node could be planned.")?,
            )?,
            ordered: kept(
                registry,
                IntCounterVec::new(
                    Opts::new("plimsoll_nodes_ordered_total", "Nodes that were ordered."),
                    &["pool"],
                )?,
            )?,
            failed: kept(
                registry,
                IntCounterVec::new(
                    Opts::new("plimsoll_node_orders_failed_total", "Orders that failed."),
                    &["pool", "reason"],
                )?,
            )?,
            removed: kept(
                registry,
                IntCounterVec::new(
                    Opts::new("plimsoll_node_drains_total", "Drains of nodes that were begun."),
                    &["pool", "reason"],
                )?,
            )?,
            evicted: kept(
                registry,
                IntCounter::new("plimsoll_pods_evicted_total", "Pods that were evicted.")?,
            )?,
            refused_plans: kept(
                registry,
                IntCounter::new("plimsoll_plans_refused_total", "Plans of nodes that the audit refused.")?,
            )?,
            plan_seconds: kept(registry, Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?)?,
        })
    }
}
