//! From the recommendation to the size: windows, then rate policies and bounds.

use super::Context;
use super::decision::{Decision, Limit, LimitKind};
use super::memory::Memory;
use super::policy::Behavior;
use super::rate::{highest, limit_kind, lowest};
use super::stabilize::{Stabilized, stabilize, stabilize_legacy};
use crate::numeric::saturate_to_i32;
use crate::reason::{ConditionKind, ConditionReason};
use crate::time::Timestamp;

/// Without `behavior`, one decision may always reach this many pods.
const LEGACY_GROWTH_MINIMUM: i32 = 4;

/// A bound that was, or was not, in the way.
struct Bounded {
    replicas: i32,
    reason: ConditionReason,
    kind: Option<LimitKind>,
    until: Option<Timestamp>,
}

/// Brings `desired` to a size that may be written, and notes every step in `decision` and `memory`.
pub(super) fn apply(ctx: &Context<'_>, memory: &mut Memory, decision: &mut Decision, desired: i32) -> i32 {
    let (stabilized, bounded) = match &ctx.input.policy.behavior {
        None => {
            let stabilized = stabilize_legacy(ctx, memory, desired);
            let bounded = bound_legacy(ctx, stabilized.replicas);
            (stabilized, bounded)
        }
        Some(behavior) => {
            let stabilized = stabilize(ctx, behavior, memory, desired);
            let bounded = bound(ctx, behavior, memory, stabilized.replicas);
            (stabilized, bounded)
        }
    };
    let Stabilized { replicas, reason, message, limit, until } = stabilized;
    decision.set_condition(ConditionKind::AbleToScale, true, reason, message);
    decision.limits.extend(limit);
    decision.set_condition(
        ConditionKind::ScalingLimited,
        bounded.replicas != replicas,
        bounded.reason,
        message_of(bounded.reason),
    );
    if let Some(kind) = bounded.kind.filter(|_| bounded.replicas != replicas) {
        decision.limits.push(Limit { kind, from: replicas, to: bounded.replicas });
    }
    let soonest = until.into_iter().chain(bounded.until).min();
    decision.next_look = soonest.map(|until| until.since(ctx.input.now));
    bounded.replicas
}

/// HPA's limits from before `behavior`: at most double, or 4, per decision.
fn bound_legacy(ctx: &Context<'_>, desired: i32) -> Bounded {
    let (bounds, current) = (&ctx.bounds, ctx.input.target.spec_replicas);
    let reach = saturate_to_i32(i128::from(current) * 2).max(LEGACY_GROWTH_MINIMUM);
    if desired < bounds.min_replicas {
        bounded(bounds.min_replicas, ConditionReason::TooFewReplicas, LimitKind::of_min(bounds), None)
    } else if bounds.max_replicas > reach && desired > reach {
        bounded(reach, ConditionReason::ScaleUpLimit, LimitKind::Doubling, None)
    } else if desired > bounds.max_replicas {
        bounded(bounds.max_replicas, ConditionReason::TooManyReplicas, LimitKind::of_max(bounds), None)
    } else {
        within_range(desired)
    }
}

/// The rate policies of the direction, and the bound at its end.
fn bound(ctx: &Context<'_>, behavior: &Behavior, memory: &Memory, desired: i32) -> Bounded {
    let (bounds, current) = (&ctx.bounds, ctx.input.target.spec_replicas);
    if desired > current {
        let reach = highest(ctx, memory, &behavior.scale_up);
        if bounds.max_replicas > reach.replicas && desired > reach.replicas {
            let kind = limit_kind(&reach, true);
            return bounded(reach.replicas, ConditionReason::ScaleUpLimit, kind, reach.until);
        }
        if desired > bounds.max_replicas {
            return bounded(
                bounds.max_replicas,
                ConditionReason::TooManyReplicas,
                LimitKind::of_max(bounds),
                None,
            );
        }
    } else if desired < current {
        let reach = lowest(ctx, memory, &behavior.scale_down);
        if bounds.min_replicas < reach.replicas && desired < reach.replicas {
            let kind = limit_kind(&reach, false);
            return bounded(reach.replicas, ConditionReason::ScaleDownLimit, kind, reach.until);
        }
        if desired < bounds.min_replicas {
            return bounded(
                bounds.min_replicas,
                ConditionReason::TooFewReplicas,
                LimitKind::of_min(bounds),
                None,
            );
        }
    }
    within_range(desired)
}

fn bounded(replicas: i32, reason: ConditionReason, kind: LimitKind, until: Option<Timestamp>) -> Bounded {
    Bounded { replicas, reason, kind: Some(kind), until }
}

fn within_range(replicas: i32) -> Bounded {
    Bounded { replicas, reason: ConditionReason::DesiredWithinRange, kind: None, until: None }
}

fn message_of(reason: ConditionReason) -> &'static str {
    match reason {
        ConditionReason::ScaleUpLimit => {
            "the desired replica count is increasing faster than the maximum scale rate"
        }
        ConditionReason::ScaleDownLimit => {
            "the desired replica count is decreasing faster than the maximum scale rate"
        }
        ConditionReason::TooManyReplicas => {
            "the desired replica count is more than the maximum replica count"
        }
        ConditionReason::TooFewReplicas => "the desired replica count is less than the minimum replica count",
        _ => "the desired count is within the acceptable range",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, context, input};
    use super::super::{Input, RatePolicy, SelectPolicy};
    use super::*;
    use crate::reason::ConditionStatus;

    /// The size, the reason of `ScalingLimited`, and whether it holds. Without any past.
    fn limited(input: &Input, desired: i32) -> (i32, ConditionReason, bool) {
        let mut decision = Decision::hold(input.target.spec_replicas);
        let replicas = apply(&context(input), &mut Memory::default(), &mut decision, desired);
        let condition = decision.conditions.iter().find(|c| c.kind == ConditionKind::ScalingLimited);
        let condition = condition.expect("is always set");
        assert_eq!(decision.limits.is_empty(), condition.status == ConditionStatus::False);
        (replicas, condition.reason, condition.status == ConditionStatus::True)
    }

    fn within(input: Input, min: i32, max: i32) -> Input {
        let mut input = input;
        (input.policy.min_replicas, input.policy.max_replicas) = (min, max);
        input
    }

    #[test]
    fn without_behavior_one_decision_doubles_or_reaches_four() {
        use ConditionReason::{DesiredWithinRange, ScaleUpLimit, TooFewReplicas, TooManyReplicas};
        for algorithm in BOTH {
            let at = |current, min, max| within(input(algorithm, current), min, max);
            assert_eq!(limited(&at(1, 1, 100), 50), (4, ScaleUpLimit, true));
            assert_eq!(limited(&at(10, 1, 100), 50), (20, ScaleUpLimit, true));
            assert_eq!(limited(&at(10, 1, 20), 50), (20, TooManyReplicas, true));
            assert_eq!(limited(&at(10, 1, 15), 50), (15, TooManyReplicas, true));
            assert_eq!(limited(&at(10, 1, 15), 15), (15, DesiredWithinRange, false), "the bound itself");
            assert_eq!(limited(&at(10, 5, 15), 1), (5, TooFewReplicas, true));
            assert_eq!(
                limited(&at(10, 1, 100), 1),
                (1, DesiredWithinRange, false),
                "there is no limit downwards"
            );
            assert_eq!(limited(&at(i32::MAX / 2 + 1, 1, i32::MAX), i32::MAX).0, i32::MAX, "saturates");
        }
    }

    #[test]
    fn with_behavior_the_tighter_of_policy_and_bound_is_named() {
        use ConditionReason::{
            DesiredWithinRange, ScaleDownLimit, ScaleUpLimit, TooFewReplicas, TooManyReplicas,
        };
        for algorithm in BOTH {
            let at = |current, min, max| {
                let mut input = within(input(algorithm, current), min, max);
                let behavior = input.policy.behavior();
                behavior.scale_up.policies = vec![RatePolicy::pods(4, 60)];
                behavior.scale_down.policies = vec![RatePolicy::pods(2, 60)];
                input
            };
            assert_eq!(limited(&at(10, 1, 100), 13), (13, DesiredWithinRange, false));
            assert_eq!(limited(&at(10, 1, 100), 50), (14, ScaleUpLimit, true));
            assert_eq!(
                limited(&at(10, 1, 14), 50),
                (14, TooManyReplicas, true),
                "the bound, when both are equal"
            );
            assert_eq!(limited(&at(10, 1, 12), 50), (12, TooManyReplicas, true));
            assert_eq!(limited(&at(10, 1, 12), 12), (12, DesiredWithinRange, false), "the bound itself");
            assert_eq!(limited(&at(10, 1, 100), 3), (8, ScaleDownLimit, true));
            assert_eq!(
                limited(&at(10, 1, 100), 8),
                (8, DesiredWithinRange, false),
                "as far as the policy allows"
            );
            assert_eq!(
                limited(&at(10, 8, 100), 3),
                (8, TooFewReplicas, true),
                "the bound, when both are equal"
            );
            assert_eq!(limited(&at(10, 9, 100), 3), (9, TooFewReplicas, true));
        }
    }

    #[test]
    fn a_disabled_direction_does_not_move() {
        for algorithm in BOTH {
            let mut input = within(input(algorithm, 10), 1, 100);
            input.policy.behavior().scale_down.select_policy = SelectPolicy::Disabled;
            assert_eq!(limited(&input, 3), (10, ConditionReason::ScaleDownLimit, true));
            assert_eq!(limited(&input, 13), (13, ConditionReason::DesiredWithinRange, false));
        }
    }
}
