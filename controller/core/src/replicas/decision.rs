//! The outcome of a decision: the size, the way to it, and what to tell.

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::options::Adjustment;
use super::policy::RatePolicy;
use super::proposal::{Basis, MetricError};
use super::reserve::Kept;
use crate::reason::{ConditionKind, ConditionReason, ConditionStatus, EventKind, EventReason, RescaleReason};
use crate::time::Span;

/// How many pods, and why. Its `Display` is the explanation for people.
#[must_use]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The size that was found.
    pub current: i32,
    /// The size to write. Equal to `current` when nothing is to be written.
    pub desired: i32,
    /// Why the size changes, and, as with HPA, why it would without windows and limits.
    pub reason: RescaleReason,
    /// One outcome per metric, in the order of the spec. Empty when metrics were not looked at.
    pub metrics: Vec<MetricOutcome>,
    /// The winning proposal before windows and limits. `None` when metrics were not looked at, or when their
    /// proposals may not be trusted.
    pub recommendation: Option<i32>,
    /// What changed the recommendation on its way to `desired`, in order.
    pub limits: Vec<Limit>,
    /// The conditions to set, at most one per kind, in the order HPA first sets them. A kind that is not mentioned
    /// stays as it is.
    pub conditions: Vec<ConditionUpdate>,
    /// The events to publish, in order.
    pub events: Vec<Event>,
    /// What went wrong although a decision was made, or why none was made.
    pub error: Option<SyncError>,
    /// Whether a successful write makes the condition `ScaledToZero` true.
    pub to_zero: bool,
    /// When a window or a rate policy that holds the size back will give way, or a schedule changes the bounds, if
    /// something does. Asking earlier is harmless.
    pub next_look: Option<Span>,
    /// The bounds of the moment, where a schedule has a part in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// The looks in a row without metrics that may be trusted, once the fallback applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<i32>,
    /// How many of `desired` are there for a loss, where one is to be survived and the load is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Kept>,
}

impl Decision {
    /// A decision that leaves the size as it is and says nothing yet.
    pub(super) fn hold(current: i32) -> Self {
        Self {
            current,
            desired: current,
            reason: RescaleReason::None,
            metrics: Vec::new(),
            recommendation: None,
            limits: Vec::new(),
            conditions: Vec::new(),
            events: Vec::new(),
            error: None,
            to_zero: false,
            next_look: None,
            bounds: None,
            fallback: None,
            reserve: None,
        }
    }

    /// Whether a new size is to be written.
    pub fn is_rescale(&self) -> bool {
        self.desired != self.current
    }

    /// Whether a size was arrived at. If not, HPA leaves `status.desiredReplicas` as it is, and so should the caller.
    pub fn is_decided(&self) -> bool {
        self.error.as_ref().is_none_or(|error| !error.ends_sync)
    }

    /// Sets a condition, in place if its kind was set before.
    pub(super) fn set_condition(
        &mut self,
        kind: ConditionKind,
        holds: bool,
        reason: ConditionReason,
        message: impl Into<String>,
    ) {
        let update = ConditionUpdate { kind, status: holds.into(), reason, message: message.into() };
        update.set_in(&mut self.conditions);
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, reason: EventReason, message: impl Into<String>) {
        self.events.push(Event { kind: EventKind::Warning, reason, message: message.into() });
    }
}

/// What one metric said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricOutcome {
    /// The name as HPA writes it in conditions and events.
    pub name: String,
    /// The value for the status. `None` when the metric failed, which HPA shows as an empty entry.
    pub status: Option<MetricStatus>,
    /// The size the metric asks for, or why it cannot say.
    pub proposal: Result<i32, MetricError>,
    /// Usage divided by target, as used for the proposal. `None` when it failed or is not finite.
    pub ratio: Option<f64>,
    /// How the proposal came about. `None` when it failed.
    pub basis: Option<Basis>,
    /// How the pods were counted. `None` when the metric does not group pods, or failed before.
    pub pods: Option<PodCounts>,
    /// The name that the policy gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The value of a metric that has one for all pods together, in thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// What the metric's own bounds and activation made of its proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
}

/// A metric's current value. Exactly the fields HPA fills are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricStatus {
    /// Percent of requests.
    pub average_utilization: Option<i32>,
    /// The average over pods in thousandths.
    pub average_value: Option<i64>,
    /// The value in thousandths.
    pub value: Option<i64>,
}

/// How many pods fell into each group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodCounts {
    /// Counted with their samples.
    pub ready: usize,
    /// Not counted on the way down, counted as zero load on the way up.
    pub unready: usize,
    /// Without a usable sample.
    pub missing: usize,
    /// Going or gone.
    pub ignored: usize,
    /// Of the missing ones, those with a sample that is too old to be believed.
    pub stale: usize,
}

/// One step from the recommendation to the desired size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What it was.
    pub kind: LimitKind,
    /// The size before.
    pub from: i32,
    /// The size after.
    pub to: i32,
}

/// What may change a recommendation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitKind {
    /// A higher recommendation is still within the window for shrinking.
    ScaleDownWindow {
        /// The window's length.
        window: Span,
    },
    /// A lower recommendation is still within the window for growing.
    ScaleUpWindow {
        /// The window's length.
        window: Span,
    },
    /// The budget of a rate policy for growing.
    ScaleUpRate {
        /// The policy that was selected.
        policy: RatePolicy,
    },
    /// The budget of a rate policy for shrinking.
    ScaleDownRate {
        /// The policy that was selected.
        policy: RatePolicy,
    },
    /// `behavior.scaleUp.selectPolicy` is `Disabled`.
    ScaleUpDisabled,
    /// `behavior.scaleDown.selectPolicy` is `Disabled`.
    ScaleDownDisabled,
    /// Without `behavior`, one decision at most doubles the size, or reaches 4.
    Doubling,
    /// `maxReplicas`.
    Max,
    /// `minReplicas`.
    Min,
    /// The lowest maximum of the schedules that are open.
    ScheduledMax {
        /// The schedule.
        schedule: String,
    },
    /// The highest minimum of the schedules that are open.
    ScheduledMin {
        /// The schedule.
        schedule: String,
    },
    /// Some metrics failed, and the others would shrink the workload.
    PartialFailure,
}

impl LimitKind {
    pub(super) fn of_max(bounds: &Bounds) -> Self {
        bounds.max_from.clone().map_or(Self::Max, |schedule| Self::ScheduledMax { schedule })
    }

    pub(super) fn of_min(bounds: &Bounds) -> Self {
        bounds.min_from.clone().map_or(Self::Min, |schedule| Self::ScheduledMin { schedule })
    }
}

/// A condition to set. The transition time is the caller's: it changes only with the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionUpdate {
    /// The condition's type.
    pub kind: ConditionKind,
    /// Its status.
    pub status: ConditionStatus,
    /// Its reason.
    pub reason: ConditionReason,
    /// Its message.
    pub message: String,
}

impl ConditionUpdate {
    /// Sets the condition among others: in place if its kind was set before, else at the end.
    pub fn set_in(self, conditions: &mut Vec<Self>) {
        match conditions.iter_mut().find(|condition| condition.kind == self.kind) {
            Some(condition) => *condition = self,
            None => conditions.push(self),
        }
    }
}

/// An event to publish on the scaling object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its type.
    pub kind: EventKind,
    /// Its reason.
    pub reason: EventReason,
    /// Its message.
    pub message: String,
}

/// The error a reconcile ends with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncError {
    /// The text.
    pub message: String,
    /// Whether it kept a decision from being made. If not, some metrics failed and the others decided.
    pub ends_sync: bool,
}
