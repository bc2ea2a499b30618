//! How far rate policies let the size go, given what was already changed within their periods.

use super::Context;
use super::decision::LimitKind;
use super::memory::{Memory, ScaleEvent};
use super::policy::{RateKind, RatePolicy, ScalingRules, SelectPolicy};
use crate::numeric::{ceil_to_i32, trunc_to_i32};
use crate::time::{Span, Timestamp};

/// How far the size may go in one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// The furthest size.
    pub(super) replicas: i32,
    /// The policy that allows it; `None` when the direction is disabled.
    pub(super) policy: Option<RatePolicy>,
    /// When the budget of that policy grows again.
    pub(super) until: Option<Timestamp>,
}

/// The highest size that `behavior.scaleUp` allows, never below the present one.
pub(super) fn highest(ctx: &Context<'_>, memory: &Memory, rules: &ScalingRules) -> Reach {
    let current = ctx.input.target.spec_replicas;
    let allowed = |policy: &RatePolicy, start: i32| match policy.kind {
        RateKind::Pods => ctx.rules.add(start, policy.value),
        RateKind::Percent => {
            // Rounded up, or a small workload could never grow.
            let grown = ceil_to_i32(f64::from(start) * (1.0 + f64::from(policy.value) / 100.0));
            if ctx.rules.percent_policies_leave_zero() && current == 0 { grown.max(1) } else { grown }
        }
    };
    let most_change_is_highest = rules.select_policy != SelectPolicy::Min;
    let mut reach = select(ctx, memory, rules, allowed, most_change_is_highest);
    reach.replicas = reach.replicas.max(current);
    reach
}

/// The lowest size that `behavior.scaleDown` allows, never above the present one.
pub(super) fn lowest(ctx: &Context<'_>, memory: &Memory, rules: &ScalingRules) -> Reach {
    let allowed = |policy: &RatePolicy, start: i32| match policy.kind {
        RateKind::Pods => ctx.rules.subtract(start, policy.value),
        RateKind::Percent => trunc_to_i32(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)),
    };
    let least_change_is_highest = rules.select_policy == SelectPolicy::Min;
    let mut reach = select(ctx, memory, rules, allowed, least_change_is_highest);
    reach.replicas = reach.replicas.min(ctx.input.target.spec_replicas);
    reach
}

fn select(
    ctx: &Context<'_>,
    memory: &Memory,
    rules: &ScalingRules,
    allowed: impl Fn(&RatePolicy, i32) -> i32,
    take_highest: bool,
) -> Reach {
    let current = ctx.input.target.spec_replicas;
    let disabled = Reach { replicas: current, policy: None, until: None };
    if rules.select_policy == SelectPolicy::Disabled {
        return disabled;
    }
    let reaches = rules.policies.iter().map(|policy| {
        let period = Span::from_secs(policy.period_seconds.into());
        let added = change_within(ctx, period, &memory.scale_ups);
        let removed = change_within(ctx, period, &memory.scale_downs);
        let start = ctx.rules.add(ctx.rules.subtract(current, added), removed);
        Reach {
            replicas: allowed(policy, start),
            policy: Some(*policy),
            until: Some(first_to_leave(ctx, period, memory).unwrap_or(ctx.input.now) + period),
        }
    });
    // Of equal reaches the first named one is kept, as the user reads them.
    let better = |best: Reach, next: Reach| {
        let replaces =
            if take_highest { next.replicas > best.replicas } else { next.replicas < best.replicas };
        if replaces { next } else { best }
    };
    reaches.reduce(better).unwrap_or(disabled)
}

/// The pods that were changed within the period. A change as old as the period no longer counts.
fn change_within(ctx: &Context<'_>, period: Span, events: &[ScaleEvent]) -> i32 {
    let cutoff = ctx.input.now - period;
    events.iter().filter(|event| event.at > cutoff).fold(0, |sum, event| ctx.rules.add(sum, event.change))
}

fn first_to_leave(ctx: &Context<'_>, period: Span, memory: &Memory) -> Option<Timestamp> {
    let cutoff = ctx.input.now - period;
    memory.scale_ups.iter().chain(&memory.scale_downs).map(|event| event.at).filter(|at| *at > cutoff).min()
}

/// How the limit is called in the trail of a decision.
pub(super) fn limit_kind(reach: &Reach, upwards: bool) -> LimitKind {
    match (reach.policy, upwards) {
        (Some(policy), true) => LimitKind::ScaleUpRate { policy },
        (Some(policy), false) => LimitKind::ScaleDownRate { policy },
        (None, true) => LimitKind::ScaleUpDisabled,
        (None, false) => LimitKind::ScaleDownDisabled,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm::{self, Hpa137, Plimsoll1};
    use super::super::fixtures::{BOTH, NOW, ago, context, input};
    use super::*;

    fn rules(select_policy: SelectPolicy, policies: &[RatePolicy]) -> ScalingRules {
        ScalingRules {
            stabilization_window_seconds: None,
            select_policy,
            policies: policies.to_vec(),
            tolerance: None,
        }
    }

    fn events(events: &[(i32, i64)]) -> Vec<ScaleEvent> {
        events
            .iter()
            .map(|(change, age)| ScaleEvent { change: *change, at: ago(*age), outdated: false })
            .collect()
    }

    fn up(algorithm: Algorithm, current: i32, rules: &ScalingRules, ups: &[(i32, i64)]) -> i32 {
        let memory = Memory { scale_ups: events(ups), ..Memory::default() };
        highest(&context(&input(algorithm, current)), &memory, rules).replicas
    }

    fn down(algorithm: Algorithm, current: i32, rules: &ScalingRules, downs: &[(i32, i64)]) -> i32 {
        let memory = Memory { scale_downs: events(downs), ..Memory::default() };
        lowest(&context(&input(algorithm, current)), &memory, rules).replicas
    }

    const FOUR_PODS: RatePolicy = RatePolicy::pods(4, 60);
    const HALF: RatePolicy = RatePolicy::percent(50, 60);

    #[test]
    fn the_budget_is_what_was_not_used_within_the_period() {
        let rules = rules(SelectPolicy::Max, &[FOUR_PODS]);
        for algorithm in BOTH {
            assert_eq!(up(algorithm, 10, &rules, &[]), 14);
            assert_eq!(up(algorithm, 10, &rules, &[(3, 30)]), 11);
            assert_eq!(up(algorithm, 10, &rules, &[(9, 30)]), 10, "never below the present size");
            assert_eq!(up(algorithm, 10, &rules, &[(3, 59)]), 11);
            assert_eq!(
                up(algorithm, 10, &rules, &[(3, 60)]),
                14,
                "a change as old as the period is forgotten"
            );
            assert_eq!(down(algorithm, 10, &rules, &[]), 6);
            assert_eq!(down(algorithm, 10, &rules, &[(3, 30)]), 9);
            assert_eq!(down(algorithm, 10, &rules, &[(9, 30)]), 10, "never above the present size");
        }
    }

    #[test]
    fn changes_of_the_other_direction_give_budget_back() {
        for algorithm in BOTH {
            let memory = Memory { scale_downs: events(&[(2, 30)]), ..Memory::default() };
            let rules = rules(SelectPolicy::Max, &[FOUR_PODS]);
            assert_eq!(highest(&context(&input(algorithm, 10)), &memory, &rules).replicas, 16);
        }
    }

    /// Trap 1.12 #10.
    #[test]
    fn percentages_round_up_for_growing_and_down_for_shrinking() {
        let rules = rules(SelectPolicy::Max, &[RatePolicy::percent(10, 60)]);
        for algorithm in BOTH {
            assert_eq!(up(algorithm, 11, &rules, &[]), 13, "12.1");
            assert_eq!(down(algorithm, 11, &rules, &[]), 9, "9.9");
            assert_eq!(down(algorithm, 1, &rules, &[]), 0, "0.9");
        }
    }

    #[test]
    fn the_selected_policy_allows_most_least_or_nothing() {
        for algorithm in BOTH {
            let of = |select| rules(select, &[FOUR_PODS, HALF]);
            let (most, least, none) =
                (of(SelectPolicy::Max), of(SelectPolicy::Min), of(SelectPolicy::Disabled));
            assert_eq!(up(algorithm, 20, &most, &[]), 30);
            assert_eq!(up(algorithm, 20, &least, &[]), 24);
            assert_eq!(up(algorithm, 20, &none, &[]), 20);
            assert_eq!(down(algorithm, 20, &most, &[]), 10, "Max is the lowest size");
            assert_eq!(down(algorithm, 20, &least, &[]), 16);
            assert_eq!(down(algorithm, 20, &none, &[]), 20);
        }
    }

    /// Trap 1.10. Without `percent_policies_leave_zero` nothing ever wakes the workload again.
    #[test]
    fn percent_of_zero_is_zero_for_hpa_only() {
        let rules = rules(SelectPolicy::Max, &[RatePolicy::percent(100, 60)]);
        assert_eq!(up(Hpa137, 0, &rules, &[]), 0);
        assert_eq!(up(Plimsoll1, 0, &rules, &[]), 1);
        let disabled = ScalingRules { select_policy: SelectPolicy::Disabled, ..rules };
        assert_eq!(up(Plimsoll1, 0, &disabled, &[]), 0, "off is off");
    }

    /// Without `arithmetic_saturates` the largest budget is none at all.
    #[test]
    fn the_largest_policy_wraps_around_for_hpa_only() {
        let rules = rules(SelectPolicy::Max, &[RatePolicy::pods(i32::MAX, 60)]);
        assert_eq!(up(Hpa137, 10, &rules, &[]), 10);
        assert_eq!(up(Plimsoll1, 10, &rules, &[]), i32::MAX);
    }

    /// Half of eight is four pods.
    #[test]
    fn of_policies_that_allow_the_same_the_first_is_named() {
        for algorithm in BOTH {
            for select in [SelectPolicy::Max, SelectPolicy::Min] {
                for policies in [[FOUR_PODS, HALF], [HALF, FOUR_PODS]] {
                    let (input, rules) = (input(algorithm, 8), rules(select, &policies));
                    let (context, memory) = (context(&input), Memory::default());
                    assert_eq!(highest(&context, &memory, &rules).policy, Some(policies[0]));
                    assert_eq!(lowest(&context, &memory, &rules).policy, Some(policies[0]));
                }
            }
        }
    }

    #[test]
    fn it_says_when_the_budget_grows_again() {
        for algorithm in BOTH {
            let memory = Memory { scale_ups: events(&[(1, 50), (2, 20), (1, 70)]), ..Memory::default() };
            let reach =
                highest(&context(&input(algorithm, 10)), &memory, &rules(SelectPolicy::Max, &[FOUR_PODS]));
            assert_eq!(reach.until, Some(NOW + Span::from_secs(10)));
        }
    }
}
