//! What `Plimsoll-1` does differently from `HPA-1.37`, and for which policies it can matter.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::{MetricSpec, PodTarget, Policy, RateKind, RatePolicy, SelectPolicy, ValueTarget};

/// One difference; each stands for the rule of the same name in `rules.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Difference {
    /// `per_pod_targets_hold_at_spec`.
    PerPodTargetsHoldAtSpec,
    /// `percent_policies_leave_zero`.
    PercentPoliciesLeaveZero,
    /// `load_without_ready_pods_holds`.
    LoadWithoutReadyPodsHolds,
    /// `foreign_pods_are_dropped`.
    ForeignPodsAreDropped,
    /// `memory_survives`.
    MemorySurvives,
    /// `utilization_is_exact`.
    UtilizationIsExact,
    /// `direction_is_guarded_everywhere`.
    DirectionIsGuardedEverywhere,
    /// `sample_is_stale`.
    SampleIsStale,
    /// `ignored_pods_need_no_request`.
    IgnoredPodsNeedNoRequest,
    /// `finished_pods_are_ignored`.
    FinishedPodsAreIgnored,
    /// `unknown_pods_are_dropped`.
    UnknownPodsAreDropped,
    /// `terminating_pods_are_not_ready`.
    TerminatingPodsAreNotReady,
    /// `negative_is_no_load`.
    NegativeIsNoLoad,
    /// `arithmetic_saturates`.
    ArithmeticSaturates,
    /// `no_metrics_hold`.
    NoMetricsHold,
    /// `window_is_a_reason`.
    WindowIsAReason,
    /// `memory_is_compact`.
    MemoryIsCompact,
    /// `reserve_is_possible`.
    ReserveIsPossible,
}

impl Difference {
    /// All of them, those that matter most first.
    pub const ALL: [Self; 18] = [
        Self::PerPodTargetsHoldAtSpec,
        Self::PercentPoliciesLeaveZero,
        Self::LoadWithoutReadyPodsHolds,
        Self::ForeignPodsAreDropped,
        Self::MemorySurvives,
        Self::UtilizationIsExact,
        Self::DirectionIsGuardedEverywhere,
        Self::SampleIsStale,
        Self::IgnoredPodsNeedNoRequest,
        Self::FinishedPodsAreIgnored,
        Self::UnknownPodsAreDropped,
        Self::TerminatingPodsAreNotReady,
        Self::NegativeIsNoLoad,
        Self::ArithmeticSaturates,
        Self::NoMetricsHold,
        Self::WindowIsAReason,
        Self::MemoryIsCompact,
        Self::ReserveIsPossible,
    ];

    /// Whether a workload with this policy can ever notice.
    fn can_matter(self, policy: &Policy) -> bool {
        let any = |wanted: fn(&MetricSpec) -> bool| policy.metrics.iter().any(wanted);
        match self {
            Self::UtilizationIsExact | Self::IgnoredPodsNeedNoRequest => any(is_utilization),
            Self::PerPodTargetsHoldAtSpec => any(is_total_per_pod),
            Self::DirectionIsGuardedEverywhere | Self::LoadWithoutReadyPodsHolds => {
                any(is_of_pods) || any(is_total)
            }
            Self::PercentPoliciesLeaveZero => policy.min_replicas == 0 && grows_by_percent_only(policy),
            Self::ForeignPodsAreDropped => any(is_of_pods) || any(is_total),
            Self::NegativeIsNoLoad => any(is_of_pods) || any(is_total) || any(is_total_per_pod),
            Self::SampleIsStale | Self::FinishedPodsAreIgnored => any(is_of_pods),
            Self::UnknownPodsAreDropped => any(is_average_of_pods),
            Self::TerminatingPodsAreNotReady => any(is_total),
            Self::ArithmeticSaturates => rates(policy).any(|rate| is_huge(rate, policy)),
            Self::NoMetricsHold => policy.metrics.is_empty(),
            Self::WindowIsAReason => has_window(policy),
            Self::MemorySurvives => has_window(policy) || policy.behavior.is_some(),
            Self::MemoryIsCompact => periods_differ(policy),
            Self::ReserveIsPossible => policy.survive.is_some(),
        }
    }
}

/// The words `Plimsoll-1` is to be put before.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerPodTargetsHoldAtSpec => {
                "compares a total divided by pods at the size that was asked for. The HPA divides by the pods that exist, \
                 so that a rollout with surge makes the workload larger for good"
            }
            Self::PercentPoliciesLeaveZero => {
                "lets one pod start from zero. For the HPA any percentage of zero is zero, and scaleUp has no other policy"
            }
            Self::LoadWithoutReadyPodsHolds => {
                "holds the size while there is load and no pod is ready. The HPA shrinks a workload that crashes under \
                 load to its minimum"
            }
            Self::ForeignPodsAreDropped => {
                "counts only pods of the target. The HPA counts every pod that its selector matches, those of a Job too"
            }
            Self::MemorySurvives => {
                "remembers windows and budgets through a restart. The HPA begins anew: nothing shrinks for one window, and \
                 every budget is full again"
            }
            Self::UtilizationIsExact => {
                "compares utilization with its fraction. The HPA drops it, so that 55.9 % is 55 %, within 10 % of 50 %"
            }
            Self::DirectionIsGuardedEverywhere => {
                "never grows on a metric below its target, nor shrinks on one above it. The HPA may, while the pods that \
                 exist are more or fewer than were asked for"
            }
            Self::SampleIsStale => {
                "takes a sample older than three of its windows, and at least two minutes, for missing. The HPA believes it"
            }
            Self::IgnoredPodsNeedNoRequest => {
                "asks only pods that count for requests. For the HPA one failed pod without a request fails the metric"
            }
            Self::FinishedPodsAreIgnored => {
                "leaves out pods that have ended well. The HPA takes them for pods at full load that lack a sample"
            }
            Self::UnknownPodsAreDropped => {
                "leaves out samples of pods that are not in the list of pods. The HPA averages them in"
            }
            Self::TerminatingPodsAreNotReady => {
                "leaves out ready pods that are being deleted where a value is scaled by ready pods. The HPA counts them"
            }
            Self::NegativeIsNoLoad => {
                "refuses a negative value, since a load cannot be negative. The HPA shrinks on it, or, where a negative \
                 series is divided by pods, takes it for the largest load"
            }
            Self::ArithmeticSaturates => {
                "stops sums at the largest number. The HPA's wrap around: a policy of 2147483647 pods keeps it from growing"
            }
            Self::NoMetricsHold => "holds the size without metrics. The HPA shrinks to the minimum",
            Self::WindowIsAReason => {
                "names the window as the reason where it alone changes the size. The HPA's reason is empty"
            }
            Self::MemoryIsCompact => {
                "remembers changes for the longest period of both directions. The HPA forgets shrinkings by the periods of \
                 scaleDown, although scaleUp counts them too"
            }
            Self::ReserveIsPossible => {
                "keeps replicas for the loss of a zone or a node. The HPA's rules would take them for ones that the load \
                 needs, and are refused with availability.survive"
            }
        })
    }
}

impl Policy {
    /// What would be different for this policy under `Plimsoll-1`, what matters most first.
    pub fn differences(&self) -> Vec<Difference> {
        Difference::ALL.into_iter().filter(|difference| difference.can_matter(self)).collect()
    }
}

fn is_utilization(metric: &MetricSpec) -> bool {
    use MetricSpec::{ContainerResource, Resource};
    matches!(metric, Resource { target: PodTarget::Utilization(_), .. })
        || matches!(metric, ContainerResource { target: PodTarget::Utilization(_), .. })
}

fn is_of_pods(metric: &MetricSpec) -> bool {
    use MetricSpec::{ContainerResource, Pods, Resource, Scrape};
    matches!(metric, Resource { .. } | ContainerResource { .. } | Pods { .. } | Scrape { .. })
}

fn is_average_of_pods(metric: &MetricSpec) -> bool {
    is_of_pods(metric) && !is_utilization(metric)
}

fn is_total(metric: &MetricSpec) -> bool {
    matches!(total_target(metric), Some(ValueTarget::Value(_)))
}

fn is_total_per_pod(metric: &MetricSpec) -> bool {
    matches!(total_target(metric), Some(ValueTarget::AverageValue(_)))
}

fn total_target(metric: &MetricSpec) -> Option<ValueTarget> {
    use MetricSpec::{External, Object, Prometheus};
    match metric {
        Object { target, .. } | External { target, .. } | Prometheus { target, .. } => Some(*target),
        _ => None,
    }
}

fn grows_by_percent_only(policy: &Policy) -> bool {
    policy.behavior.as_ref().is_some_and(|behavior| {
        let up = &behavior.scale_up;
        up.select_policy != SelectPolicy::Disabled
            && up.policies.iter().all(|rate| rate.kind == RateKind::Percent)
    })
}

fn rates(policy: &Policy) -> impl Iterator<Item = &RatePolicy> {
    policy
        .behavior
        .iter()
        .flat_map(|behavior| behavior.scale_up.policies.iter().chain(&behavior.scale_down.policies))
}

/// Whether a sum of this policy and a size can exceed 32 bits.
fn is_huge(rate: &RatePolicy, policy: &Policy) -> bool {
    rate.kind == RateKind::Pods && rate.value.checked_add(policy.max_replicas.saturating_mul(2)).is_none()
}

/// Whether recommendations of the past can change the size: always on the way down, unless that was switched off.
fn has_window(policy: &Policy) -> bool {
    policy.behavior.as_ref().is_none_or(|behavior| {
        let window = |seconds: Option<i32>| seconds != Some(0);
        window(behavior.scale_up.stabilization_window_seconds)
            || window(behavior.scale_down.stabilization_window_seconds)
    })
}

fn periods_differ(policy: &Policy) -> bool {
    let longest = |rates: &[RatePolicy]| rates.iter().map(|rate| rate.period_seconds).max();
    policy.behavior.as_ref().is_some_and(|behavior| {
        longest(&behavior.scale_up.policies) != longest(&behavior.scale_down.policies)
    })
}

#[cfg(test)]
mod tests;
