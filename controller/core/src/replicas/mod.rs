//! How many pods a workload gets.

use std::cmp::Ordering;

use crate::reason::{ConditionKind, ConditionReason, RescaleReason};
use crate::time::Timestamp;

mod act;
mod average;
mod bounds;
mod combine;
mod decision;
mod difference;
mod direct;
mod domains;
mod explain;
mod failure;
mod fallback;
#[cfg(test)]
mod fixtures;
mod formula;
mod grouping;
mod input;
mod invalid;
mod limits;
mod loss;
mod measure;
mod memory;
mod obstacle;
mod opening;
mod options;
mod policy;
mod proposal;
mod rate;
mod record;
mod render;
mod requests;
mod reserve;
mod rules;
mod schedule;
mod selector;
mod stabilize;
mod survival;
mod tolerance;
mod total;
mod usage;
mod victims;
mod view;

use combine::{Source, combine};
use formula::Formula;
use opening::{Opening, opening};
use policy::Understood;
use reserve::Reserve;
use rules::Rules;
use tolerance::Tolerance;

pub use act::{acted, recommending, scaled_to_zero};
pub use bounds::Bounds;
pub use decision::{
    ConditionUpdate, Decision, Event, Limit, LimitKind, MetricOutcome, MetricStatus, PodCounts, SyncError,
};
pub use difference::Difference;
pub use direct::{PodPort, Scrape, ScrapeValue, SourceName};
pub use domains::{Domains, Occupants, Survive};
pub use explain::{Explanation, MetricRow, Step, capital};
pub use fallback::{Fallback, FallbackBehavior};
pub use input::{Input, Reading, ReadingError};
pub use invalid::InvalidPolicy;
pub use memory::Memory;
pub use obstacle::{Obstacle, blocked};
pub use options::{Adjustment, MetricOptions};
pub use policy::{
    Algorithm, Behavior, MetricSpec, PodTarget, Policy, RateKind, RatePolicy, ScalingRules, SelectPolicy,
    Settings, ValueTarget,
};
pub use proposal::{Basis, MetricError};
pub use record::{Asked, Outcome, Record};
pub use reserve::{Kept, ReserveState};
pub use schedule::Schedule;
pub use selector::{LabelRequirement, LabelSelector};
pub use survival::News;
pub use usage::{ContainerUsage, PodUsage, Sample, Samples, resource_samples};
pub use victims::{Candidate, Victim, VictimReason, deciding_samples, victims};
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
    bounds: Bounds,
    /// When a schedule changes the bounds next.
    bounds_until: Option<Timestamp>,
    formula: Option<Formula>,
    reserve: Reserve,
}

impl<'a> Context<'a> {
    fn of(input: &'a Input) -> Result<Self, InvalidPolicy> {
        let Policy { algorithm, behavior, .. } = &input.policy;
        let Understood { windows, formula } = input.policy.understood()?;
        let (bounds, bounds_until) = Bounds::of(&input.policy, &windows, input.now);
        let rules = Rules::of(*algorithm);
        let counts = |pod: &&PodView| !(rules.foreign_pods_are_dropped() && pod.foreign);
        let pods = input.pods.iter().filter(counts).collect();
        let tolerance = Tolerance::of(behavior.as_ref(), &input.settings);
        let reserve = Reserve::of(input, &bounds);
        Ok(Self { input, pods, rules, tolerance, bounds, bounds_until, formula, reserve })
    }
}

/// Decides how many pods the workload gets. Pure: the same arguments give the same answer.
///
/// The steps and their order are those of HPA's `reconcileAutoscaler`:
/// 1. An obstacle other than one of the selector, and a policy that cannot be understood, end the decision.
/// 2. A first call remembers the present size as a recommendation.
/// 3. A size of zero that is not ours, and a size out of bounds, need no metrics.
/// 4. The metrics are measured and combined. If that may not be trusted, the size stays, or the fallback says another.
/// 5. Replicas for the loss of a zone or a node are added, where one is to be survived.
/// 6. Windows, rate policies and bounds lead from there to the size.
///
/// Keep the returned memory in any case. After the new size was written, call [`Memory::rescaled`] and [`acted`].
pub fn decide(input: &Input, memory: &Memory) -> (Decision, Memory) {
    let current = input.target.spec_replicas;
    if let Some(obstacle) = input.obstacle.as_ref().filter(|obstacle| !obstacle.is_of_selector()) {
        return (blocked(obstacle, current), memory.clone());
    }
    let ctx = match Context::of(input) {
        Ok(ctx) => ctx,
        Err(invalid) => {
            return (blocked(&Obstacle::Undecodable(invalid.to_string()), current), memory.clone());
        }
    };
    let mut memory = memory.seeded(current, input.now);
    memory.forget_the_future(input.now);
    let mut decision = Decision::hold(current);
    decision.bounds = ctx.bounds.are_scheduled().then(|| ctx.bounds.clone());
    obstacle::scale_was_read(&mut decision);
    match opening(input, &ctx.bounds) {
        Opening::Disabled => scaling_is_off(
            &mut decision,
            "scaling is disabled since the replica count of the target is zero".to_owned(),
        ),
        Opening::Asleep { schedule } => scaling_is_off(
            &mut decision,
            format!("scaling is disabled since the schedule {schedule} keeps the replica count at zero"),
        ),
        Opening::Jump { to, reason, kind } => {
            decision.limits.push(Limit { kind, from: current, to });
            decision.desired = to;
            decision.reason = reason;
        }
        Opening::Metrics => by_metrics(&ctx, &mut memory, &mut decision),
    }
    let can_wake = input.policy.has_value_without_pods() || ctx.bounds.max_from.is_some();
    loss::judge(&ctx, &mut decision);
    decision.to_zero = current > 0 && decision.desired == 0 && ctx.bounds.min_replicas == 0 && can_wake;
    let bounds_change = ctx.bounds_until.map(|until| until.since(input.now));
    decision.next_look = decision.next_look.into_iter().chain(bounds_change).min();
    (decision, memory)
}

fn scaling_is_off(decision: &mut Decision, message: String) {
    decision.set_condition(ConditionKind::ScalingActive, false, ConditionReason::ScalingDisabled, message);
}

fn by_metrics(ctx: &Context<'_>, memory: &mut Memory, decision: &mut Decision) {
    let input = ctx.input;
    if let Some(obstacle) = &input.obstacle {
        return obstacle::report(obstacle, decision);
    }
    let (current, min_replicas) = (input.target.spec_replicas, ctx.bounds.min_replicas);
    let Some(winner) = combine(ctx, memory, decision) else { return };

    let recommended = winner.replicas.max(0);
    decision.recommendation = Some(recommended);
    let wanted = match winner.source {
        // A size that the user names for when nothing is known of the load.
        Source::Fallback => recommended,
        Source::Metric(_) | Source::Formula => {
            let wanted = ctx.size_for(decision, recommended);
            decision.reserve = Kept::of(ctx, recommended, wanted);
            wanted
        }
    };
    decision.reason = match (wanted.cmp(&current), winner.source) {
        (Ordering::Equal, _) => RescaleReason::None,
        (_, Source::Fallback) => RescaleReason::Fallback,
        (_, Source::Formula) => RescaleReason::Formula,
        (Ordering::Greater, Source::Metric(name)) => match ctx.input.policy.survive {
            Some(loss) if recommended <= current => RescaleReason::ReserveTooSmall(name, loss),
            _ => RescaleReason::MetricAboveTarget(name),
        },
        (Ordering::Less, Source::Metric(_)) => RescaleReason::AllMetricsBelowTarget,
    };
    decision.desired = limits::apply(ctx, memory, decision, wanted);
    if current == 0 && min_replicas != 0 && decision.desired < min_replicas {
        // The minimum was raised while the workload slept.
        decision.limits.push(Limit { kind: LimitKind::Min, from: decision.desired, to: min_replicas });
        decision.desired = min_replicas;
        if decision.reason == RescaleReason::None {
            decision.reason = RescaleReason::BelowMinReplicas;
        }
    }
    if let Some(reserve) = &mut decision.reserve {
        reserve.settle(decision.desired, decision.limits.last().map(|limit| &limit.kind));
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

            input.policy.behavior().scale_up.policies = vec![RatePolicy::pods(9, 60)];
            for (min_replicas, desired) in [(6, 9), (9, 9)] {
                input.policy.min_replicas = min_replicas;
                let (decision, _) = decide(&input, &Memory::default());
                assert_eq!(decision.desired, desired, "what is wanted is no less than {min_replicas}");
                assert!(
                    decision.limits.iter().all(|limit| limit.kind != LimitKind::Min),
                    "{:?}",
                    decision.limits
                );
            }
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
