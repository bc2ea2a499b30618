//! What `/metrics` shows. Labels come from enums or name an object; the series of an object end
//! with it.

mod hpa;
mod memory;
mod object_series;

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
    process_collector::ProcessCollector,
};

pub use hpa::HpaSeries;
pub use memory::MemorySeries;
pub use object_series::ObjectSeries;

use crate::signals::Signals;

/// The series of the operator. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// 1 while this replica holds the lease.
    pub leader: Gauge,
    /// Replicas that are there for a loss.
    pub reserve: ObjectSeries,
    /// Replicas last decided.
    pub desired: ObjectSeries,
    /// Replicas that the target asks for.
    pub current: ObjectSeries,
    /// Pods of the target that are ready.
    pub ready: ObjectSeries,
    /// `spec.minReplicas`.
    pub min: ObjectSeries,
    /// `spec.maxReplicas`.
    pub max: ObjectSeries,
    /// A metric's value.
    pub value: ObjectSeries,
    /// A metric's target, in the same unit.
    pub target: ObjectSeries,
    /// 1 while a condition is true.
    pub condition: ObjectSeries,
    /// What is shown of HPAs.
    pub hpa: HpaSeries,
    /// Decisions, by direction and reason.
    pub decisions: IntCounterVec,
    /// Changes of replicas that were written.
    pub rescales: IntCounterVec,
    /// Seconds from the start of a look to its end.
    pub reconcile_seconds: HistogramVec,
    /// Seconds from when a look was due to its start.
    pub look_lag: Histogram,
    /// Looks that failed, by step.
    pub errors: IntCounterVec,
    /// Seconds a source of signals took to answer.
    pub signal_seconds: HistogramVec,
    /// Deletion costs of pods, by action.
    pub deletion_costs: IntCounterVec,
    /// What is remembered over a restart.
    pub memory: MemorySeries,
}

/// Buckets in seconds, doubling from 1 ms to 16 s.
const SECONDS: [f64; 15] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
];

fn look_lag(registry: &Registry) -> Result<Histogram, prometheus::Error> {
    let options = HistogramOpts::new(
        "plimsoll_look_lag_seconds",
        "Seconds from when a look at a PodScaler was due to its start.",
    );
    let lag = Histogram::with_opts(options.buckets(SECONDS.to_vec()))?;
    registry.register(Box::new(lag.clone()))?;
    Ok(lag)
}

impl Metrics {
    /// All series, none with a value yet.
    ///
    /// # Errors
    /// When two series have the same name, which would be a defect.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let of_object = ObjectSeries::new;
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            let histogram = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let scaler = &["namespace", "name"];
        let metric = &["namespace", "name", "metric", "unit"];
        let build = gauge("plimsoll_build_info", "1, with the version as a label.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let leader = Gauge::new("plimsoll_leader", "1 while this replica holds the lease, else 0.")?;
        registry.register(Box::new(leader.clone()))?;
        let metrics = Self {
            leader,
            reserve: of_object(
                "plimsoll_podscaler_reserve_replicas",
                "Replicas that are there for the loss of a zone or a node.",
                &["namespace", "name", "loss"],
            ),
            desired: of_object("plimsoll_podscaler_desired_replicas", "Replicas last decided.", scaler),
            current: of_object(
                "plimsoll_podscaler_current_replicas",
                "Replicas that the target asked for at the last look.",
                scaler,
            ),
            ready: of_object(
                "plimsoll_podscaler_ready_replicas",
                "Pods of the target that were ready at the last look.",
                scaler,
            ),
            min: of_object(
                "plimsoll_podscaler_min_replicas",
                "The fewest replicas, spec.minReplicas.",
                scaler,
            ),
            max: of_object("plimsoll_podscaler_max_replicas", "The most replicas, spec.maxReplicas.", scaler),
            value: of_object(
                "plimsoll_podscaler_metric_value",
                "Value of a metric at the last look, in the unit of its target.",
                metric,
            ),
            target: of_object("plimsoll_podscaler_metric_target", "Target of a metric.", metric),
            condition: of_object(
                "plimsoll_podscaler_condition",
                "1 while a condition is True, else 0; the reason is the present one.",
                &["namespace", "name", "type", "reason"],
            ),
            hpa: HpaSeries::register(&registry)?,
            decisions: counter(
                "plimsoll_decisions_total",
                "Decisions, by direction (up, down, hold, blocked) and reason.",
                &["direction", "reason"],
            )?,
            rescales: counter(
                "plimsoll_rescales_total",
                "Changes of replicas that were written, by direction (up, down).",
                &["direction"],
            )?,
            reconcile_seconds: histogram(
                "plimsoll_reconcile_duration_seconds",
                "Seconds from the start of a look at a PodScaler to its end.",
                &["result"],
            )?,
            look_lag: look_lag(&registry)?,
            errors: counter(
                "plimsoll_reconcile_errors_total",
                "Looks that failed, by step (act, report).",
                &["step"],
            )?,
            signal_seconds: histogram(
                "plimsoll_signal_request_duration_seconds",
                "Seconds until a source of signals answered, waiting for a shared answer included.",
                &["source", "result"],
            )?,
            deletion_costs: counter(
                "plimsoll_pod_deletion_costs_total",
                "Deletion costs of pods that were set, removed, or could not be (failed).",
                &["action"],
            )?,
            memory: MemorySeries::register(&registry)?,
            registry,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// A counter that appears with its first count hides that count from `increase()`.
    fn start_at_zero(&self) {
        for direction in ["up", "down"] {
            self.rescales.with_label_values(&[direction]);
        }
        for step in ["act", "report"] {
            self.errors.with_label_values(&[step]);
        }
        for action in ["set", "removed", "failed"] {
            self.deletion_costs.with_label_values(&[action]);
        }
        for result in ["ok", "error"] {
            self.reconcile_seconds.with_label_values(&[result]);
            for source in Signals::NAMES {
                self.signal_seconds.with_label_values(&[source, result]);
            }
        }
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// When a series cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut page = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        self.of_objects().iter().chain(&self.hpa.of_objects()).for_each(|series| series.render(&mut page));
        Ok(page)
    }

    /// Ends the series of a PodScaler that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.of_objects().iter().for_each(|series| series.forget(namespace, name));
    }

    /// Ends the series of all PodScalers and HPAs: another replica looks at them now.
    pub fn forget_all(&self) {
        self.of_objects().iter().for_each(|series| series.forget_all());
        self.hpa.forget_all();
    }

    fn of_objects(&self) -> [&ObjectSeries; 9] {
        let Self { reserve, desired, current, ready, min, max, value, target, condition, .. } = self;
        [reserve, desired, current, ready, min, max, value, target, condition]
    }

    /// Notes how long a source took.
    pub fn observe_signal(&self, source: &str, ok: bool, took: Duration) {
        let result = if ok { "ok" } else { "error" };
        self.signal_seconds.with_label_values(&[source, result]).observe(took.as_secs_f64());
    }
}
