//! How many pods a workload gets.

use std::cmp::Ordering;

use crate::reason::{ConditionKind, ConditionReason, RescaleReason};

mod act;
mod average;
mod combine;
mod decision;
mod direct;
mod failure;
#[cfg(test)]
mod fixtures;
mod grouping;
mod input;
mod limits;
mod measure;
mod memory;
mod obstacle;
mod opening;
mod policy;
mod proposal;
mod rate;
mod render;
mod requests;
mod rules;
mod selector;
mod stabilize;
mod tolerance;
mod total;
mod usage;
mod view;

use combine::combine;
use opening::{Opening, opening};
use rules::Rules;
use tolerance::Tolerance;

pub use act::acted;
pub use decision::{
    ConditionUpdate, Decision, Event, Limit, LimitKind, MetricOutcome, MetricStatus, PodCounts, SyncError,
};
pub use direct::{PodPort, Scrape, ScrapeValue, SourceName};
pub use input::{Input, Reading, ReadingError};
pub use memory::Memory;
pub use obstacle::{Obstacle, blocked};
pub use policy::{
    Algorithm, Behavior, MetricSpec, PodTarget, Policy, RateKind, RatePolicy, ScalingRules, SelectPolicy,
    Settings, ValueTarget,
};
pub use proposal::{Basis, MetricError};
pub use selector::{LabelRequirement, LabelSelector};
pub use usage::{ContainerUsage, PodUsage, Sample, Samples, resource_samples};
pub use view::{
    Amounts, ContainerView, InitContainerView, PodPhase, PodView, ReadyCondition, ReadyStatus, TargetView,
};

/// What every step of one decision looks at.
#[derive(Debug)]
struct Context<'a> {
    input: &'a Input,
    /// The pods that count at all, by the rule of [`Rules::foreign_pods_are_dropped`].
    pods: Vec<&'a PodView>,
    rules: Rules,
    tolerance: Tolerance,
}

impl<'a> Context<'a> {
    fn of(input: &'a Input) -> Self {
        let Policy { algorithm, behavior, .. } = &input.policy;
        let rules = Rules::of(*algorithm);
        let counts = |pod: &&PodView| !(rules.foreign_pods_are_dropped() && pod.foreign);
        let pods = input.pods.iter().filter(counts).collect();
        Self { input, pods, rules, tolerance: Tolerance::of(behavior.as_ref(), &input.settings) }
    }
}

/// Decides how many pods the workload gets. Pure: the same arguments give the same answer.
///
/// The steps and their order are those of HPA's `reconcileAutoscaler`:
/// 1. An obstacle other than one of the selector ends the decision.
/// 2. A first call remembers the present size as a recommendation.
/// 3. A size of zero that is not ours, and a size out of bounds, need no metrics.
/// 4. The metrics are measured and combined. If that may not be trusted, the size stays.
/// 5. Windows, rate policies and bounds lead from the recommendation to the size.
///
/// Keep the returned memory in any case. After the new size was written, call [`Memory::rescaled`] and [`acted`].
pub fn decide(input: &Input, memory: &Memory) -> (Decision, Memory) {
    let current = input.target.spec_replicas;
    if let Some(obstacle) = input.obstacle.as_ref().filter(|obstacle| !obstacle.is_of_selector()) {
        return (blocked(obstacle, current), memory.clone());
    }
    let mut memory = memory.seeded(current, input.now);
    let mut decision = Decision::hold(current);
    obstacle::scale_was_read(&mut decision);
    match opening(input) {
        Opening::Disabled => decision.set_condition(
            ConditionKind::ScalingActive,
            false,
            ConditionReason::ScalingDisabled,
            "scaling is disabled since the replica count of the target is zero",
        ),
        Opening::Jump { to, reason } => {
            let kind = if to < current { LimitKind::Max } else { LimitKind::Min };
            decision.limits.push(Limit { kind, from: current, to });
            decision.desired = to;
            decision.reason = reason;
        }
        Opening::Metrics => by_metrics(input, &mut memory, &mut decision),
    }
    decision.to_zero = current > 0
        && decision.desired == 0
        && input.policy.min_replicas == 0
        && input.policy.has_value_without_pods();
    (decision, memory)
}

fn by_metrics(input: &Input, memory: &mut Memory, decision: &mut Decision) {
    if let Some(obstacle) = &input.obstacle {
        return obstacle::report(obstacle, decision);
    }
    let ctx = Context::of(input);
    let min_replicas = &input.policy.min_replicas;
    let current = input.target.spec_replicas;
    let Some(winner) = combine(&ctx, decision) else { return };

    let recommended = winner.replicas.max(0);
    decision.recommendation = Some(recommended);
    decision.reason = match recommended.cmp(&current) {
        Ordering::Greater => RescaleReason::MetricAboveTarget(winner.metric),
        Ordering::Less => RescaleReason::AllMetricsBelowTarget,
        Ordering::Equal => RescaleReason::None,
    };
    decision.desired = limits::apply(&ctx, memory, decision, recommended);
    if current == 0 && *min_replicas != 0 && decision.desired < *min_replicas {
        // The minimum was raised while the workload slept.
        decision.limits.push(Limit { kind: LimitKind::Min, from: decision.desired, to: *min_replicas });
        decision.desired = *min_replicas;
        if decision.reason == RescaleReason::None {
            decision.reason = RescaleReason::BelowMinReplicas;
        }
    }
    if ctx.rules.window_is_a_reason() && decision.is_rescale() && decision.reason == RescaleReason::None {
        decision.reason = RescaleReason::RecentRecommendations;
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{BOTH, NOW, external, input, load, pods_metric, web};
    use super::*;
    use crate::time::Span;

    fn remembered(recommendations: &[i32]) -> Memory {
        let at = NOW - Span::from_secs(60);
        let recommendations =
            recommendations.iter().map(|replicas| memory::Recommendation { replicas: *replicas, at });
        Memory { recommendations: recommendations.collect(), ..Memory::default() }
    }

    /// Without `behavior` a window can even grow a workload; HPA then gives no reason at all.
    #[test]
    fn a_window_alone_is_a_reason_unless_hpa_decides() {
        for (algorithm, reason) in [
            (Algorithm::Hpa137, ""),
            (Algorithm::Plimsoll1, "Recommendations within the stabilization window differ"),
        ] {
            let input =
                input(algorithm, 3).pods(web(3)).metric(pods_metric(100), Reading::Pods(load([100; 3])));
            let (decision, _) = decide(&input, &remembered(&[5]));
            assert_eq!((decision.desired, decision.reason.to_string().as_str()), (5, reason));
        }
    }

    #[test]
    fn a_minimum_raised_at_zero_is_reached_at_once() {
        for algorithm in BOTH {
            let mut input = input(algorithm, 0).metric(external(ValueTarget::Value(100)), Reading::Value(0));
            input.scaled_to_zero = true;
            input.policy.min_replicas = 6;
            input.policy.behavior();
            let (decision, _) = decide(&input, &Memory::default());
            assert_eq!((decision.desired, decision.reason.clone()), (6, RescaleReason::BelowMinReplicas));

            input.readings = vec![Reading::Value(50_000)];
            let (decision, _) = decide(&input, &Memory::default());
            let reason = RescaleReason::MetricAboveTarget("external metric queue(nil)".to_owned());
            assert_eq!((decision.desired, decision.reason.clone()), (6, reason), "policies allow 4 only");
        }
    }

    /// The seed of the first call: without it a restart would shrink a workload on one low reading.
    #[test]
    fn the_first_decision_after_a_restart_does_not_shrink() {
        for algorithm in BOTH {
            let input =
                input(algorithm, 9).pods(web(9)).metric(pods_metric(100), Reading::Pods(load([10; 9])));
            let (decision, memory) = decide(&input, &Memory::default());
            assert_eq!(decision.desired, 9);
            let mut later = input.clone();
            later.now = NOW + Span::from_secs(301);
            for reading in &mut later.readings {
                *reading = Reading::Value(0);
            }
            later.policy.metrics = vec![external(ValueTarget::AverageValue(1))];
            assert_eq!(decide(&later, &memory).0.desired, 1, "the window of five minutes has passed");
        }
    }
}
