//! What to report after a new size was written, or was not.

use super::decision::{ConditionUpdate, Decision, Event};
use super::input::Input;
use super::memory::Memory;
use super::policy::Policy;
use super::rules::Rules;
use crate::reason::{ConditionKind, ConditionReason, EventKind, EventReason};
use crate::time::Timestamp;

/// The conditions and events that follow from the write of `decision.desired`, in addition to those of the decision.
/// Call it only when something was to be written. The error is the text of the API server.
pub fn acted(decision: &Decision, result: Result<(), String>) -> (Vec<ConditionUpdate>, Vec<Event>) {
    let Decision { desired, reason, .. } = decision;
    match result {
        Ok(()) => {
            let scaled = condition(
                ConditionKind::AbleToScale,
                true,
                ConditionReason::SucceededRescale,
                format!("the HPA controller was able to update the target scale to {desired}"),
            );
            let zero = scaled_to_zero(decision.to_zero);
            let event = Event {
                kind: EventKind::Normal,
                reason: EventReason::SuccessfulRescale,
                message: format!("New size: {desired}; reason: {reason}{}", kept(decision)),
            };
            (vec![scaled, zero], vec![event])
        }
        Err(error) => {
            let failed = condition(
                ConditionKind::AbleToScale,
                false,
                ConditionReason::FailedUpdateScale,
                format!("the HPA controller was unable to update the target scale: {error}"),
            );
            let event = Event {
                kind: EventKind::Warning,
                reason: EventReason::FailedRescale,
                message: format!("New size: {desired}; reason: {reason}; error: {error}"),
            };
            (vec![failed], vec![event])
        }
    }
}

/// How many of the replicas are there for a loss, if some are.
fn kept(decision: &Decision) -> String {
    decision.reserve.as_ref().map_or_else(String::new, |reserve| format!("; {reserve}"))
}

/// The condition of an object whose sizes are recommended and not written.
pub fn recommending() -> ConditionUpdate {
    condition(
        ConditionKind::Recommending,
        true,
        ConditionReason::Recommend,
        "spec.mode is Recommend: status.desiredReplicas is a recommendation, and no replicas are written"
            .to_owned(),
    )
}

/// Whether a size of zero is ours: without that, a workload of that size is left alone.
pub fn scaled_to_zero(holds: bool) -> ConditionUpdate {
    let (reason, did) = if holds {
        (ConditionReason::ScaledToZero, "scaled")
    } else {
        (ConditionReason::NotScaledToZero, "did not scale")
    };
    let message = format!("the HPA controller {did} the workload to zero");
    condition(ConditionKind::ScaledToZero, holds, reason, message)
}

fn condition(kind: ConditionKind, holds: bool, reason: ConditionReason, message: String) -> ConditionUpdate {
    ConditionUpdate { kind, status: holds.into(), reason, message }
}

impl Memory {
    /// Remembers that `decision.desired` was written, for the budgets of rate policies. Call it once per successful
    /// write, on the memory that [`super::decide`] returned.
    #[must_use]
    pub fn rescaled(&self, input: &Input, decision: &Decision) -> Self {
        self.followed(&input.policy, (decision.current, decision.desired), input.now)
    }

    /// Remembers a change of size that the controller beside which we look made at `now`, as it does itself: the
    /// budgets of rate policies are those of the one who scales.
    #[must_use]
    pub fn followed(&self, policy: &Policy, (from, to): (i32, i32), now: Timestamp) -> Self {
        let mut memory = self.clone();
        if let Some(behavior) = policy.behavior.as_ref().filter(|_| from != to) {
            memory.remember_rescale(Rules::of(policy.algorithm), behavior, (from, to), now);
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, NOW, external, input};
    use super::super::{Algorithm, Reading, ValueTarget, decide};
    use super::*;
    use crate::reason::ConditionStatus;

    /// Two pods and a queue of `value` with one pod for each.
    fn queue(algorithm: Algorithm, value: i64) -> (Input, Decision, Memory) {
        let metric = external(ValueTarget::AverageValue(1000));
        let mut input = input(algorithm, 2).metric(metric, Reading::Value(value * 1000));
        input.policy.min_replicas = 0;
        input.policy.behavior().scale_down.stabilization_window_seconds = Some(0);
        let (decision, memory) = decide(&input, &Memory::default());
        (input, decision, memory)
    }

    fn set(
        result: &(Vec<ConditionUpdate>, Vec<Event>),
    ) -> Vec<(ConditionKind, ConditionStatus, ConditionReason)> {
        result.0.iter().map(|c| (c.kind, c.status, c.reason)).collect()
    }

    #[test]
    fn a_success_is_told_and_renews_the_proof_of_zero() {
        for algorithm in BOTH {
            let (_, decision, _) = queue(algorithm, 4);
            let told = acted(&decision, Ok(()));
            assert_eq!(
                set(&told),
                [
                    (ConditionKind::AbleToScale, ConditionStatus::True, ConditionReason::SucceededRescale),
                    (ConditionKind::ScaledToZero, ConditionStatus::False, ConditionReason::NotScaledToZero),
                ]
            );
            assert_eq!(told.0[0].message, "the HPA controller was able to update the target scale to 4");
            assert_eq!(
                told.1[0].to_string(),
                "Normal SuccessfulRescale: New size: 4; reason: external metric queue(nil) above target"
            );

            let (_, decision, _) = queue(algorithm, 0);
            assert_eq!((decision.desired, decision.to_zero), (0, true));
            let told = acted(&decision, Ok(()));
            let zero = (ConditionKind::ScaledToZero, ConditionStatus::True, ConditionReason::ScaledToZero);
            assert_eq!(set(&told)[1], zero);
            assert_eq!(told.1[0].message, "New size: 0; reason: All metrics below target");
        }
    }

    #[test]
    fn a_failure_is_told_and_leaves_the_proof_of_zero() {
        let (_, decision, _) = queue(Algorithm::Plimsoll1, 4);
        let told = acted(&decision, Err("quota exceeded".to_owned()));
        let failed = (ConditionKind::AbleToScale, ConditionStatus::False, ConditionReason::FailedUpdateScale);
        assert_eq!(set(&told), [failed]);
        assert_eq!(
            told.0[0].message,
            "the HPA controller was unable to update the target scale: quota exceeded"
        );
        assert_eq!(
            told.1[0].to_string(),
            "Warning FailedRescale: New size: 4; reason: external metric queue(nil) above target; \
             error: quota exceeded"
        );
    }

    #[test]
    fn only_a_rescale_under_behavior_uses_budget() {
        for algorithm in BOTH {
            let (mut input, decision, memory) = queue(algorithm, 4);
            let after = memory.rescaled(&input, &decision);
            assert_eq!(after.scale_ups.iter().map(|e| (e.change, e.at)).collect::<Vec<_>>(), [(2, NOW)]);
            let (_, down, _) = queue(algorithm, 1);
            assert_eq!(memory.rescaled(&input, &down).scale_downs.len(), 1);
            let (_, hold, _) = queue(algorithm, 2);
            assert_eq!(memory.rescaled(&input, &hold), memory);
            let followed = memory.followed(&input.policy, (2, 4), NOW);
            assert_eq!(followed, after, "who scaled is all the same to a budget");
            input.policy.behavior = None;
            assert_eq!(memory.rescaled(&input, &decision), memory, "legacy limits have no budget");
        }
    }
}
