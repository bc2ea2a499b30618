//! Every reason a user reads, as enums whose `Display` is the exact string.
//!
//! Types, reasons and messages of the HorizontalPodAutoscaler are kept to the letter, since people alert on them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::replicas::Survive;

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionKind {
    /// The size of the target can be read and written.
    AbleToScale,
    /// Metrics yield a proposal.
    ScalingActive,
    /// A bound or a rate policy changed what the metrics asked for.
    ScalingLimited,
    /// The last change of size was ours and went to zero. This is state: only then may we wake the workload.
    ScaledToZero,
    /// Sizes are recommended and not written. Ours; there only while it holds.
    Recommending,
    /// After the loss of any zone the pods that are ready elsewhere carry the present load. Ours; there only with
    /// `spec.availability`.
    CanLoseZone,
    /// The same for any node. Ours; there only where the loss of a node is to be survived.
    CanLoseNode,
    /// The target's pods are spread, and leave, as `spec.availability` wants it. Ours; said by the operator.
    Spread,
    /// A `PodDisruptionBudget` bounds how many of the target's pods may be away. Ours; said by the operator.
    DisruptionBudget,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// The reason of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionReason {
    /// The scale of the target was read.
    SucceededGetScale,
    /// The scale of the target could not be read.
    FailedGetScale,
    /// No window holds the size back.
    ReadyForNewScale,
    /// A window holds a shrinking back.
    ScaleDownStabilized,
    /// A window holds a growing back.
    ScaleUpStabilized,
    /// The new size was written.
    SucceededRescale,
    /// The new size could not be written.
    FailedUpdateScale,
    /// Another autoscaler has the same target. Ours.
    Conflicting,
    /// Another controller writes this HPA's status. Ours.
    TakeoverRefused,
    /// The object does not decode or contradicts itself. Ours.
    InvalidSpec,
    /// `spec.mode` is `Paused`. Ours.
    Paused,
    /// `spec.mode` is `Recommend`. Ours.
    Recommend,
    /// A proposal was found.
    ValidMetricFound,
    /// The target has zero pods and nobody but its owner may change that.
    ScalingDisabled,
    /// The target has no usable pod selector.
    InvalidSelector,
    /// Several autoscalers select the same pods.
    AmbiguousSelector,
    /// A Resource metric has no proposal.
    FailedGetResourceMetric,
    /// A ContainerResource metric has no proposal.
    FailedGetContainerResourceMetric,
    /// A Pods metric has no proposal.
    FailedGetPodsMetric,
    /// An Object metric has no proposal.
    FailedGetObjectMetric,
    /// An External metric has no proposal.
    FailedGetExternalMetric,
    /// A Prometheus metric has no proposal. Ours.
    FailedGetPrometheusMetric,
    /// A Scrape metric has no proposal. Ours.
    FailedGetScrapeMetric,
    /// The metric's type is unknown.
    InvalidMetricSourceType,
    /// `spec.metrics` is empty. Ours.
    NoMetrics,
    /// `spec.formula` gives no number. Ours.
    FormulaFailed,
    /// A rate policy limits a growing.
    ScaleUpLimit,
    /// A rate policy limits a shrinking.
    ScaleDownLimit,
    /// `maxReplicas` limits a growing.
    TooManyReplicas,
    /// `minReplicas` limits a shrinking.
    TooFewReplicas,
    /// Nothing limits the size.
    DesiredWithinRange,
    /// The last rescale went to zero.
    ScaledToZero,
    /// The last rescale did not go to zero.
    NotScaledToZero,
    /// The ready pods elsewhere carry the load. Ours.
    EnoughLeft,
    /// The ready pods elsewhere do not carry the load. Ours.
    TooFewLeft,
    /// There is only one zone, or one node. Ours.
    OneOnly,
    /// It is as it should be. Ours.
    AsAsked,
    /// The target's template lacks something. Ours.
    TemplateLacks,
    /// There is a `PodDisruptionBudget` of ours. Ours.
    Made,
    /// Another `PodDisruptionBudget` selects the pods already. Ours.
    OthersSelectThem,
    /// The name is taken by a `PodDisruptionBudget` of somebody else. Ours.
    NameTaken,
    /// It could not be written. Ours.
    NotWritten,
}

/// The reason of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventReason {
    /// The new size was written.
    SuccessfulRescale,
    /// The new size could not be written.
    FailedRescale,
    /// The scale of the target could not be read.
    FailedGetScale,
    /// The target has no pod selector.
    SelectorRequired,
    /// The target's pod selector does not parse.
    InvalidSelector,
    /// Several autoscalers select the same pods.
    AmbiguousSelector,
    /// A Resource metric has no proposal.
    FailedGetResourceMetric,
    /// A ContainerResource metric has no proposal.
    FailedGetContainerResourceMetric,
    /// A Pods metric has no proposal.
    FailedGetPodsMetric,
    /// An Object metric has no proposal.
    FailedGetObjectMetric,
    /// An External metric has no proposal.
    FailedGetExternalMetric,
    /// A Prometheus metric has no proposal. Ours.
    FailedGetPrometheusMetric,
    /// A Scrape metric has no proposal. Ours.
    FailedGetScrapeMetric,
    /// The metric's type is unknown.
    InvalidMetricSourceType,
    /// `spec.formula` gives no number. Ours.
    FormulaFailed,
    /// No proposal, or none that may be trusted.
    FailedComputeMetricsReplicas,
    /// The metrics could not be trusted several times in a row, and `spec.fallback` says what to do. Ours.
    FallbackApplied,
    /// The status could not be written. Said by the operator; the word is here.
    FailedUpdateStatus,
    /// Another autoscaler has the same target. Ours.
    Conflicting,
    /// Another controller writes this HPA's status. Ours.
    TakeoverRefused,
    /// The object does not decode or contradicts itself. Ours.
    InvalidSpec,
    /// Kubernetes chooses which pods go, although we were asked to. Ours; said by the operator.
    PodDeletionCostNotSet,
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// Expected.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Enums whose variants are spelled exactly as Kubernetes prints them.
macro_rules! display_as_variant_name {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    )*};
}
display_as_variant_name!(ConditionKind, ConditionStatus, ConditionReason, EventReason, EventKind);

/// Why the size changes. Its `Display` is the `reason` of the `SuccessfulRescale` event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RescaleReason {
    /// The metrics ask for the present size.
    #[default]
    None,
    /// The size was above `maxReplicas` before any metric was looked at.
    AboveMaxReplicas,
    /// The size was below `minReplicas`.
    BelowMinReplicas,
    /// The size was above the maximum of this schedule. Ours.
    AboveScheduledMax(String),
    /// The size was below the minimum of this schedule. Ours.
    BelowScheduledMin(String),
    /// This metric asks for more.
    MetricAboveTarget(String),
    /// Without what may be lost, this metric would be above its target. Ours.
    ReserveTooSmall(String, Survive),
    /// No metric asks for the present size.
    AllMetricsBelowTarget,
    /// The metrics ask for the present size, but a window leads elsewhere. `Plimsoll-1` only; HPA says nothing.
    RecentRecommendations,
    /// `spec.formula` asks for another size. Ours.
    Formula,
    /// The metrics cannot be trusted, and `spec.fallback` asks for another size. Ours.
    Fallback,
}

impl fmt::Display for RescaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::AboveMaxReplicas => f.write_str("Current number of replicas above Spec.MaxReplicas"),
            Self::BelowMinReplicas => f.write_str("Current number of replicas below Spec.MinReplicas"),
            Self::AboveScheduledMax(schedule) => {
                write!(f, "Current number of replicas above the maximum of schedule {schedule}")
            }
            Self::BelowScheduledMin(schedule) => {
                write!(f, "Current number of replicas below the minimum of schedule {schedule}")
            }
            Self::Formula => f.write_str("The formula asks for another size"),
            Self::Fallback => f.write_str("The metrics cannot be trusted, so the fallback applies"),
            Self::MetricAboveTarget(metric) => write!(f, "{metric} above target"),
            Self::ReserveTooSmall(metric, loss) => {
                write!(f, "{metric} would be above target after the loss of a {loss}")
            }
            Self::AllMetricsBelowTarget => f.write_str("All metrics below target"),
            Self::RecentRecommendations => {
                f.write_str("Recommendations within the stabilization window differ")
            }
        }
    }
}
