//! What the size alone decides, before any metric is looked at.

use super::bounds::Bounds;
use super::decision::LimitKind;
use super::input::Input;
use crate::reason::RescaleReason;

/// How a decision goes on from the size that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// The size is zero, and it was not us: the owner switched the workload off.
    Disabled,
    /// The size is zero, and this schedule keeps it there.
    Asleep { schedule: String },
    /// The size is out of bounds. It goes back at once: no metrics, windows or rate policies.
    Jump { to: i32, reason: RescaleReason, kind: LimitKind },
    /// The metrics are asked.
    Metrics,
}

pub(super) fn opening(input: &Input, bounds: &Bounds) -> Opening {
    let (policy, current) = (&input.policy, input.target.spec_replicas);
    let Bounds { min_replicas, max_replicas, .. } = *bounds;
    if current == 0 {
        match &bounds.max_from {
            _ if !input.scaled_to_zero => Opening::Disabled,
            Some(schedule) if max_replicas <= 0 => Opening::Asleep { schedule: schedule.clone() },
            // A schedule may have put it to sleep without any metric that could say when to wake it.
            _ if min_replicas != 0 && !policy.schedules.is_empty() => to_minimum(bounds),
            _ if min_replicas != 0 || policy.has_value_without_pods() => Opening::Metrics,
            _ => Opening::Disabled,
        }
    } else if current > max_replicas {
        let (reason, kind) = match &bounds.max_from {
            None => (RescaleReason::AboveMaxReplicas, LimitKind::Max),
            Some(schedule) => (RescaleReason::AboveScheduledMax(schedule.clone()), LimitKind::of_max(bounds)),
        };
        Opening::Jump { to: max_replicas, reason, kind }
    } else if current < min_replicas {
        to_minimum(bounds)
    } else {
        Opening::Metrics
    }
}

fn to_minimum(bounds: &Bounds) -> Opening {
    let reason = match &bounds.min_from {
        None => RescaleReason::BelowMinReplicas,
        Some(schedule) => RescaleReason::BelowScheduledMin(schedule.clone()),
    };
    Opening::Jump { to: bounds.min_replicas, reason, kind: LimitKind::of_min(bounds) }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, context, cpu_percent, external, input, web};
    use super::super::{Algorithm, Memory, Obstacle, Reading, SelectPolicy, ValueTarget, decide};
    use super::*;
    use crate::reason::{ConditionKind, ConditionReason};

    fn at(algorithm: Algorithm, current: i32, min: i32, ours: bool, has_external: bool) -> Opening {
        let mut input = input(algorithm, current).metric(cpu_percent(50), Reading::Value(0));
        if has_external {
            input = input.metric(external(ValueTarget::Value(1)), Reading::Value(0));
        }
        (input.policy.min_replicas, input.policy.max_replicas, input.scaled_to_zero) = (min, 10, ours);
        opening(&input, &context(&input).bounds)
    }

    #[test]
    fn zero_is_off_unless_it_was_us() {
        for algorithm in BOTH {
            assert_eq!(at(algorithm, 0, 0, false, true), Opening::Disabled, "set by hand");
            assert_eq!(at(algorithm, 0, 1, false, true), Opening::Disabled, "set by hand");
            assert_eq!(at(algorithm, 0, 0, true, true), Opening::Metrics);
            assert_eq!(at(algorithm, 0, 0, true, false), Opening::Disabled, "nothing could wake it");
            assert_eq!(at(algorithm, 0, 1, true, false), Opening::Metrics, "the minimum was raised");
        }
    }

    #[test]
    fn a_schedule_keeps_a_workload_asleep_only_at_a_maximum_of_zero() {
        for algorithm in BOTH {
            let mut input = input(algorithm, 0).metric(external(ValueTarget::Value(1)), Reading::Value(0));
            (input.policy.min_replicas, input.scaled_to_zero) = (0, true);
            let of = |max_replicas| Bounds {
                min_replicas: 0,
                max_replicas,
                min_from: None,
                max_from: Some("night".to_owned()),
            };
            assert_eq!(opening(&input, &of(0)), Opening::Asleep { schedule: "night".to_owned() });
            assert_eq!(opening(&input, &of(3)), Opening::Metrics);
        }
    }

    #[test]
    fn out_of_bounds_is_no_matter_of_metrics() {
        for algorithm in BOTH {
            let reason = RescaleReason::AboveMaxReplicas;
            assert_eq!(
                at(algorithm, 11, 1, false, false),
                Opening::Jump { to: 10, reason, kind: LimitKind::Max }
            );
            let reason = RescaleReason::BelowMinReplicas;
            assert_eq!(
                at(algorithm, 2, 3, false, false),
                Opening::Jump { to: 3, reason, kind: LimitKind::Min }
            );
            assert_eq!(at(algorithm, 3, 3, false, false), Opening::Metrics);
        }
    }

    /// Trap 1.12 #8, kept by both: bounds are what the user is surest of.
    #[test]
    fn a_jump_ignores_disabled_directions_broken_metrics_and_missing_selectors() {
        for algorithm in BOTH {
            let mut input = input(algorithm, 20).pods(web(1));
            input.policy.max_replicas = 10;
            input.policy.behavior().scale_down.select_policy = SelectPolicy::Disabled;
            input.obstacle = Some(Obstacle::SelectorRequired);
            let (decision, memory) = decide(&input, &Memory::default());
            assert_eq!(decision.desired, 10);
            assert_eq!(decision.reason, RescaleReason::AboveMaxReplicas);
            assert!(decision.events.is_empty() && decision.metrics.is_empty() && decision.is_decided());
            let set: Vec<_> = decision.conditions.iter().map(|c| (c.kind, c.reason)).collect();
            assert_eq!(set, [(ConditionKind::AbleToScale, ConditionReason::SucceededGetScale)]);
            assert_eq!(memory.recommendations.len(), 1, "the seed is kept, the jump is no recommendation");
        }
    }
}
