//! What a single metric asks for, or why it cannot say.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::decision::{MetricStatus, PodCounts};
use crate::reason::{ConditionReason, EventReason};

/// The size one metric asks for, and how it got there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal {
    pub(super) replicas: i32,
    pub(super) basis: Basis,
    /// Usage divided by target, as last used. May be infinite or not a number.
    pub(super) ratio: f64,
    pub(super) status: MetricStatus,
    pub(super) pods: Option<PodCounts>,
    /// The value for all pods together, in thousandths, if there is one.
    pub(super) total: Option<i64>,
}

/// How a proposal came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// The usage is close enough to its target: the present size.
    WithinTolerance,
    /// Ratio times counted pods.
    Ratio,
    /// As `Ratio`, after pods without usable samples were given assumed ones.
    Rebalanced,
    /// The assumed samples, or the number of counted pods, would turn a growing into a shrinking or the other way
    /// round: the present size.
    WouldTurn,
    /// No pod is ready, so nothing can be said about the load per pod: the present size. `Plimsoll-1` only.
    NoReadyPods,
    /// The value divided by the target: the number of pods does not matter.
    Value,
}

impl Basis {
    /// Whether it leaves the size as it is.
    pub(super) const fn holds_the_size(self) -> bool {
        matches!(self, Self::WithinTolerance | Self::WouldTurn | Self::NoReadyPods)
    }
}

/// Why a metric has no proposal. Its `Display` is what the event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricError {
    /// The reason of the condition `ScalingActive`.
    pub reason: ConditionReason,
    /// The reason of the event.
    pub event: EventReason,
    /// What the event says, as HPA words it.
    pub message: String,
    /// What `FailedComputeMetricsReplicas` says about it: `message` in its context.
    pub in_context: String,
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
