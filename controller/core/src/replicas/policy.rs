//! What the user asked for: bounds, metrics and behavior, with every default already filled in.
//!
//! Defaulting follows `autoscaling/v2` and is done by whoever builds the value: a `minReplicas` that is not set
//! is 1, an empty `metrics` list is CPU at 80 %, and a `behavior` that is set has both directions filled in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::direct::{Scrape, SourceName};
use super::domains::Survive;
use super::fallback::Fallback;
use super::formula::Formula;
use super::invalid::InvalidPolicy;
use super::options::MetricOptions;
use super::rules::Rules;
use super::schedule::{Schedule, Window};
use super::selector::LabelSelector;
use crate::quantity::Format;
use crate::time::{Span, Timestamp};

/// A named and versioned way to decide. A new way gets a new name; an old name never changes its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// The HorizontalPodAutoscaler of Kubernetes 1.37, bug for bug.
    ///
    /// Where HPA's own answer depends on chance or on the processor, one answer is chosen: a pod without a request is
    /// reported by the first name; a proposal that does not fit 32 bits is the largest one, as on arm64, while on amd64
    /// it becomes the smallest; an average over zero pods is shown undivided; the clock does not move within a decision.
    #[serde(rename = "HPA-1.37")]
    Hpa137,
    /// HPA 1.37 with the corrections listed in `rules.rs`.
    #[default]
    #[serde(rename = "Plimsoll-1")]
    Plimsoll1,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hpa137 => "HPA-1.37",
            Self::Plimsoll1 => "Plimsoll-1",
        })
    }
}

/// How one workload is to be scaled. The counterpart of an HPA's `spec` without the target reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The way to decide.
    pub algorithm: Algorithm,
    /// The lowest size, 0 or more. 0 needs an Object, External or Prometheus metric.
    pub min_replicas: i32,
    /// The highest size, at least 1 and at least `min_replicas`.
    pub max_replicas: i32,
    /// The metrics, in the order of the spec. The highest proposal wins.
    pub metrics: Vec<MetricSpec>,
    /// Rate policies, windows and tolerances. `None` selects HPA's legacy limits.
    pub behavior: Option<Behavior>,
    /// What is said about each metric beyond its target, in the order of `metrics`. A missing entry says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_options: Vec<MetricOptions>,
    /// Windows of time in which narrower bounds hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// What to do when the metrics could not be trusted several times in a row. `None`: the size stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// A CEL expression over the named metrics, instead of the highest proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// What may be lost while the rest still carries the present load. `Plimsoll-1` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survive: Option<Survive>,
}

/// Why there is no reserve under HPA's rules.
const RESERVE_OF_HPA: &str = "needs algorithm: Plimsoll-1. HPA-1.37 decides as the HPA does, which takes the replicas that \
                              are kept for a loss for ones that the load needs; leave survive out, or set it to None";

/// The parts of a policy that are written as text, understood.
#[derive(Debug, Default)]
pub(super) struct Understood {
    /// In the order of the schedules.
    pub(super) windows: Vec<Window>,
    pub(super) formula: Option<Formula>,
}

impl Policy {
    /// Whether schedules and formula can be understood.
    ///
    /// # Errors
    /// [`InvalidPolicy`] for the first that cannot.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        self.understood().map(|_| ())
    }

    pub(super) fn understood(&self) -> Result<Understood, InvalidPolicy> {
        let windows = self.schedules.iter().enumerate();
        let windows = windows.map(|(index, schedule)| schedule.window(&format!("spec.schedules[{index}]")));
        let windows = windows.collect::<Result<_, _>>()?;
        let names = self.metric_options.iter().filter_map(|options| options.name.as_deref()).collect();
        let formula = self.formula.as_ref().map(|text| Formula::parse(text, &names)).transpose();
        let formula = formula.map_err(|problem| InvalidPolicy::new("spec.formula", problem))?;
        if self.survive.is_some() && !Rules::of(self.algorithm).reserve_is_possible() {
            return Err(InvalidPolicy::new("spec.availability.survive", RESERVE_OF_HPA));
        }
        Ok(Understood { windows, formula })
    }

    /// The bounds that hold at `now`, those of open schedules among them.
    ///
    /// # Errors
    /// [`InvalidPolicy`] as for [`Policy::check`].
    pub fn bounds(&self, now: Timestamp) -> Result<Bounds, InvalidPolicy> {
        Ok(Bounds::of(self, &self.understood()?.windows, now).0)
    }

    /// Whether a metric exists that has a value without any pod, which is what scaling from zero needs.
    pub fn has_value_without_pods(&self) -> bool {
        self.metrics.iter().any(MetricSpec::has_value_without_pods)
    }
}

/// One metric and the value it is to be kept at. All amounts are in thousandths (milli-units).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MetricSpec {
    /// Usage of a resource, summed over all containers of a pod.
    Resource {
        /// The resource: `cpu`, `memory`, …
        name: String,
        /// The value to keep.
        target: PodTarget,
    },
    /// Usage of a resource by one named container of each pod.
    ContainerResource {
        /// The resource: `cpu`, `memory`, …
        name: String,
        /// The container.
        container: String,
        /// The value to keep.
        target: PodTarget,
    },
    /// A custom metric of each pod.
    Pods {
        /// The metric's name.
        metric: String,
        /// Narrows the metric down to series with these labels.
        selector: Option<LabelSelector>,
        /// The average over pods to keep, in thousandths.
        average: i64,
    },
    /// A custom metric of one Kubernetes object.
    Object {
        /// The kind of the described object.
        kind: String,
        /// The name of the described object.
        name: String,
        /// The metric's name.
        metric: String,
        /// Narrows the metric down to series with these labels.
        selector: Option<LabelSelector>,
        /// The value to keep.
        target: ValueTarget,
    },
    /// A metric of something outside the cluster.
    External {
        /// The metric's name.
        metric: String,
        /// Narrows the metric down to series with these labels.
        selector: Option<LabelSelector>,
        /// The value to keep.
        target: ValueTarget,
    },
    /// The answer of a Prometheus to a query. The formulas are those of External.
    Prometheus {
        /// Whom to ask.
        source: SourceName,
        /// What to ask.
        query: String,
        /// The value to keep.
        target: ValueTarget,
    },
    /// A metric that each pod serves itself. The formulas are those of Pods.
    Scrape {
        /// What to read of each pod.
        scrape: Scrape,
        /// The average over pods to keep, in thousandths.
        average: i64,
    },
    /// A metric type this version does not know. Counts as an invalid metric.
    Unknown {
        /// The `type` as written.
        kind: String,
    },
}

impl MetricSpec {
    /// Whether the metric has a value while there is no pod.
    pub fn has_value_without_pods(&self) -> bool {
        matches!(self, Self::Object { .. } | Self::External { .. } | Self::Prometheus { .. })
    }

    /// How amounts of this metric are written in a status: memory in powers of 1024, the rest in powers of 1000.
    pub fn format(&self) -> Format {
        match self {
            Self::Resource { name, .. } | Self::ContainerResource { name, .. } if name == "memory" => {
                Format::BinarySI
            }
            _ => Format::DecimalSI,
        }
    }
}

/// The target of a metric that every pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodTarget {
    /// Percent of the pods' requests, 1 or more.
    Utilization(i32),
    /// Average per pod in thousandths, more than 0.
    AverageValue(i64),
    /// Neither field was set. Makes the metric invalid.
    Unset,
}

/// The target of a metric that has one value for all pods together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueTarget {
    /// The value itself in thousandths, more than 0.
    Value(i64),
    /// The value divided by the number of pods, in thousandths, more than 0.
    AverageValue(i64),
    /// No usable field was set. For an Object metric that includes a `type` that does not fit the field.
    Unset,
}

/// Rate policies, windows and tolerances per direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behavior {
    /// The rules for growing.
    pub scale_up: ScalingRules,
    /// The rules for shrinking.
    pub scale_down: ScalingRules,
}

impl Default for Behavior {
    fn default() -> Self {
        Self { scale_up: ScalingRules::default_up(), scale_down: ScalingRules::default_down() }
    }
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingRules {
    /// How long recommendations are remembered, 0 to 3600 s. `None`: for growing 0, for shrinking
    /// [`Settings::downscale_stabilization`].
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy counts when several are given.
    pub select_policy: SelectPolicy,
    /// How fast the size may change. At least one.
    pub policies: Vec<RatePolicy>,
    /// How far the usage may be from its target, as a fraction, without any change. `None`:
    /// [`Settings::tolerance`].
    pub tolerance: Option<f64>,
}

impl ScalingRules {
    /// What `autoscaling/v2` fills in for growing: no window, 4 pods or 100 % per 15 s, whichever is more.
    pub fn default_up() -> Self {
        Self {
            stabilization_window_seconds: Some(0),
            select_policy: SelectPolicy::Max,
            policies: vec![RatePolicy::pods(4, 15), RatePolicy::percent(100, 15)],
            tolerance: None,
        }
    }

    /// What `autoscaling/v2` fills in for shrinking: the window of the settings, 100 % per 15 s.
    pub fn default_down() -> Self {
        Self {
            stabilization_window_seconds: None,
            select_policy: SelectPolicy::Max,
            policies: vec![RatePolicy::percent(100, 15)],
            tolerance: None,
        }
    }
}

/// Which of several rate policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// At most `value` pods or percent within any `period_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatePolicy {
    /// The unit of `value`.
    pub kind: RateKind,
    /// Pods or percent, more than 0.
    pub value: i32,
    /// The period in seconds, 1 to 1800.
    pub period_seconds: i32,
}

impl RatePolicy {
    /// At most `value` pods per `period_seconds`.
    pub const fn pods(value: i32, period_seconds: i32) -> Self {
        Self { kind: RateKind::Pods, value, period_seconds }
    }

    /// At most `value` percent of the size at the period's start per `period_seconds`.
    pub const fn percent(value: i32, period_seconds: i32) -> Self {
        Self { kind: RateKind::Percent, value, period_seconds }
    }
}

impl fmt::Display for RatePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = Span::from_secs(self.period_seconds.into());
        match self.kind {
            RateKind::Pods => write!(f, "{} pods per {period}", self.value),
            RateKind::Percent => write!(f, "{} % per {period}", self.value),
        }
    }
}

/// The unit of a rate policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateKind {
    /// A number of pods.
    Pods,
    /// Percent of the size at the start of the period.
    Percent,
}

/// What the operator sets for all workloads. The names are those of kube-controller-manager's flags
/// `--horizontal-pod-autoscaler-…`, and so are the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How far usage may be from its target, as a fraction, without any change. 0.1.
    pub tolerance: f64,
    /// The window for shrinking when the policy sets none. 5 minutes.
    pub downscale_stabilization: Span,
    /// How long after its start a pod's CPU samples are judged as those of a young pod. 5 minutes.
    pub cpu_initialization_period: Span,
    /// A pod that turned unready within this time after its start never was ready. 30 seconds.
    pub initial_readiness_delay: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            downscale_stabilization: Span::from_secs(300),
            cpu_initialization_period: Span::from_secs(300),
            initial_readiness_delay: Span::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::NOW;
    use super::*;

    #[test]
    fn a_policy_that_cannot_be_meant_names_its_field() {
        let policy = Policy { min_replicas: 2, max_replicas: 7, ..Policy::default() };
        assert_eq!(policy.check(), Ok(()));
        let bounds = policy.bounds(NOW).map(|bounds| (bounds.min_replicas, bounds.max_replicas));
        assert_eq!(bounds, Ok((2, 7)));

        let unclear = Policy { formula: Some("web.replicas".to_owned()), ..policy.clone() };
        assert_eq!(unclear.check().map_err(|invalid| invalid.field), Err("spec.formula".to_owned()));
        let schedule = Schedule {
            name: "night".to_owned(),
            start: "0 25 * * *".to_owned(),
            end: "0 6 * * *".to_owned(),
            time_zone: "Etc/UTC".to_owned(),
            min_replicas: None,
            max_replicas: Some(1),
        };
        let unclear = Policy { schedules: vec![schedule], ..policy };
        let field = Err("spec.schedules[0].start".to_owned());
        assert_eq!(unclear.check().map_err(|invalid| invalid.field), field);
        assert_eq!(unclear.bounds(NOW).map(drop).map_err(|invalid| invalid.field), field.map(drop));
    }
}
