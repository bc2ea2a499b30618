//! What keeps a decision from being made, and what to say about it.

use serde::{Deserialize, Serialize};

use super::decision::{Decision, SyncError};
use crate::reason::{ConditionKind, ConditionReason, EventReason};

/// Something that stands in the way of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// The target, or its scale subresource, could not be read. The text of that error.
    FailedGetScale(String),
    /// The target's scale subresource has no pod selector.
    SelectorRequired,
    /// The target's pod selector does not parse. The text of that error.
    InvalidSelector(String),
    /// Pods of this target are selected by several autoscalers.
    AmbiguousSelector {
        /// The target's selector.
        selector: String,
        /// The autoscalers as `namespace/name`, this one included, as HPA lists them.
        scalers: Vec<String>,
    },
    /// Other `PodScaler`s have the same target.
    Conflicting {
        /// Their names.
        others: Vec<String>,
    },
    /// HPAs have the same target as this `PodScaler`.
    ConflictingHpas {
        /// Their names.
        hpas: Vec<String>,
    },
    /// `PodScaler`s have the same target as this HorizontalPodAutoscaler, which is ours to scale.
    ConflictingPodScalers {
        /// Their names.
        scalers: Vec<String>,
    },
    /// Another controller has lately written the status of this HorizontalPodAutoscaler.
    StatusWrittenElsewhere {
        /// The name under which it writes.
        manager: String,
    },
    /// The object no longer decodes, or contradicts itself. The text of that error.
    Undecodable(String),
    /// `spec.mode` is `Paused`.
    Paused,
}

impl Obstacle {
    /// Whether the size could be read and only pods and metrics cannot. Bounds are then still enforced.
    pub fn is_of_selector(&self) -> bool {
        matches!(self, Self::SelectorRequired | Self::InvalidSelector(_) | Self::AmbiguousSelector { .. })
    }
}

/// What to report when there is no input to decide on. The size stays `current`; 0 if it was never known.
pub fn blocked(obstacle: &Obstacle, current: i32) -> Decision {
    let mut decision = Decision::hold(current);
    if obstacle.is_of_selector() {
        scale_was_read(&mut decision);
    }
    report(obstacle, &mut decision);
    decision
}

/// The first thing every decision says.
pub(super) fn scale_was_read(decision: &mut Decision) {
    decision.set_condition(
        ConditionKind::AbleToScale,
        true,
        ConditionReason::SucceededGetScale,
        "the HPA controller was able to get the target's current scale",
    );
}

/// Adds conditions, events and the error of the obstacle.
pub(super) fn report(obstacle: &Obstacle, decision: &mut Decision) {
    use ConditionKind::{AbleToScale, ScalingActive};
    match obstacle {
        Obstacle::FailedGetScale(error) => {
            let message = format!("the HPA controller was unable to get the target's current scale: {error}");
            decision.set_condition(AbleToScale, false, ConditionReason::FailedGetScale, message);
            end(decision, EventReason::FailedGetScale, error.clone());
        }
        Obstacle::SelectorRequired => {
            let message = "the HPA target's scale is missing a selector";
            decision.set_condition(ScalingActive, false, ConditionReason::InvalidSelector, message);
            end(decision, EventReason::SelectorRequired, "selector is required".to_owned());
            decision.warn(EventReason::FailedComputeMetricsReplicas, "selector is required");
        }
        Obstacle::InvalidSelector(error) => {
            let message =
                format!("couldn't convert selector into a corresponding internal selector object: {error}");
            decision.set_condition(ScalingActive, false, ConditionReason::InvalidSelector, message.clone());
            end(decision, EventReason::InvalidSelector, message.clone());
            decision.warn(EventReason::FailedComputeMetricsReplicas, message);
        }
        Obstacle::AmbiguousSelector { selector, scalers } => {
            let scalers = scalers.join(" ");
            let message =
                format!("pods by selector {selector} are controlled by more than one HPA (e.g. [{scalers}])");
            decision.set_condition(ScalingActive, false, ConditionReason::AmbiguousSelector, message.clone());
            end(decision, EventReason::AmbiguousSelector, message.clone());
            decision.warn(EventReason::FailedComputeMetricsReplicas, message);
        }
        Obstacle::Conflicting { others } => {
            let others = others.join(", ");
            let message = format!(
                "another PodScaler has the same target: {others}; nothing is scaled until all but one are deleted or \
                 name another spec.scaleTargetRef"
            );
            conflict(decision, message);
        }
        Obstacle::ConflictingHpas { hpas } => {
            let hpas = hpas.join(", ");
            conflict(
                decision,
                format!(
                    "a HorizontalPodAutoscaler has the same target: {hpas}; this PodScaler scales nothing until that \
                     is deleted, and may stand beside it with spec.mode Recommend"
                ),
            );
        }
        Obstacle::ConflictingPodScalers { scalers } => {
            let scalers = scalers.join(", ");
            conflict(
                decision,
                format!(
                    "a PodScaler has the same target: {scalers}; nothing is scaled until either is deleted, or its \
                     spec.mode is Recommend"
                ),
            );
        }
        Obstacle::StatusWrittenElsewhere { manager } => {
            let message = format!(
                "{manager} writes the status of this HorizontalPodAutoscaler, so Plimsoll leaves it alone: start \
                 kube-controller-manager with --controllers=*,-horizontal-pod-autoscaler-controller, or Plimsoll with \
                 --hpa=shadow"
            );
            decision.set_condition(AbleToScale, false, ConditionReason::TakeoverRefused, message.clone());
            end(decision, EventReason::TakeoverRefused, message);
        }
        Obstacle::Undecodable(error) => {
            let message = format!(
                "the object cannot be used: {error}; nothing is scaled until that field is corrected"
            );
            decision.set_condition(AbleToScale, false, ConditionReason::InvalidSpec, message.clone());
            end(decision, EventReason::InvalidSpec, message);
        }
        Obstacle::Paused => {
            let message = "scaling is paused: set spec.mode to Active, or to Recommend, to go on".to_owned();
            decision.set_condition(ScalingActive, false, ConditionReason::Paused, message.clone());
            // Somebody asked for it, so there is nothing to warn of.
            decision.error = Some(SyncError { message, ends_sync: true });
        }
    }
}

fn conflict(decision: &mut Decision, message: String) {
    decision.set_condition(ConditionKind::AbleToScale, false, ConditionReason::Conflicting, message.clone());
    end(decision, EventReason::Conflicting, message);
}

fn end(decision: &mut Decision, reason: EventReason, message: String) {
    decision.warn(reason, message.clone());
    decision.error = Some(SyncError { message, ends_sync: true });
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, cpu_percent, input};
    use super::super::{Memory, Reading, decide};
    use super::*;

    fn told(obstacle: &Obstacle) -> Vec<String> {
        let decision = blocked(obstacle, 3);
        assert!(!decision.is_rescale() && !decision.is_decided());
        let conditions = decision.conditions.iter().map(ToString::to_string);
        conditions.chain(decision.events.iter().map(ToString::to_string)).collect()
    }

    const SCALE_WAS_READ: &str =
        "AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale";

    #[test]
    fn obstacles_of_hpa_are_told_in_its_words() {
        assert_eq!(
            told(&Obstacle::FailedGetScale("deployments.apps \"web\" not found".to_owned())),
            [
                "AbleToScale=False FailedGetScale: the HPA controller was unable to get the target's current scale: \
                 deployments.apps \"web\" not found",
                "Warning FailedGetScale: deployments.apps \"web\" not found",
            ]
        );
        assert_eq!(
            told(&Obstacle::SelectorRequired),
            [
                SCALE_WAS_READ,
                "ScalingActive=False InvalidSelector: the HPA target's scale is missing a selector",
                "Warning SelectorRequired: selector is required",
                "Warning FailedComputeMetricsReplicas: selector is required",
            ]
        );
        let text = "couldn't convert selector into a corresponding internal selector object: no";
        assert_eq!(
            told(&Obstacle::InvalidSelector("no".to_owned())),
            [
                SCALE_WAS_READ.to_owned(),
                format!("ScalingActive=False InvalidSelector: {text}"),
                format!("Warning InvalidSelector: {text}"),
                format!("Warning FailedComputeMetricsReplicas: {text}"),
            ]
        );
        let scalers = vec!["shop/a".to_owned(), "shop/b".to_owned()];
        let text = "pods by selector app=web are controlled by more than one HPA (e.g. [shop/a shop/b])";
        assert_eq!(
            told(&Obstacle::AmbiguousSelector { selector: "app=web".to_owned(), scalers }),
            [
                SCALE_WAS_READ.to_owned(),
                format!("ScalingActive=False AmbiguousSelector: {text}"),
                format!("Warning AmbiguousSelector: {text}"),
                format!("Warning FailedComputeMetricsReplicas: {text}"),
            ]
        );
    }

    #[test]
    fn obstacles_of_ours_name_the_field_and_the_way_out() {
        let others = vec!["web-night".to_owned(), "web-test".to_owned()];
        let text = "another PodScaler has the same target: web-night, web-test; nothing is scaled until all but one \
                    are deleted or name another spec.scaleTargetRef";
        assert_eq!(
            told(&Obstacle::Conflicting { others }),
            [format!("AbleToScale=False Conflicting: {text}"), format!("Warning Conflicting: {text}")]
        );
        let text = "a HorizontalPodAutoscaler has the same target: web; this PodScaler scales nothing until that is \
                    deleted, and may stand beside it with spec.mode Recommend";
        assert_eq!(
            told(&Obstacle::ConflictingHpas { hpas: vec!["web".to_owned()] }),
            [format!("AbleToScale=False Conflicting: {text}"), format!("Warning Conflicting: {text}")]
        );
        let text = "a PodScaler has the same target: web; nothing is scaled until either is deleted, or its spec.mode \
                    is Recommend";
        assert_eq!(
            told(&Obstacle::ConflictingPodScalers { scalers: vec!["web".to_owned()] }),
            [format!("AbleToScale=False Conflicting: {text}"), format!("Warning Conflicting: {text}")]
        );
        let text = "kube-controller-manager writes the status of this HorizontalPodAutoscaler, so Plimsoll leaves it \
                    alone: start kube-controller-manager with --controllers=*,-horizontal-pod-autoscaler-controller, \
                    or Plimsoll with --hpa=shadow";
        assert_eq!(
            told(&Obstacle::StatusWrittenElsewhere { manager: "kube-controller-manager".to_owned() }),
            [
                format!("AbleToScale=False TakeoverRefused: {text}"),
                format!("Warning TakeoverRefused: {text}")
            ]
        );
        let text = "the object cannot be used: spec.maxReplicas: expected a number; nothing is scaled until that \
                    field is corrected";
        assert_eq!(
            told(&Obstacle::Undecodable("spec.maxReplicas: expected a number".to_owned())),
            [format!("AbleToScale=False InvalidSpec: {text}"), format!("Warning InvalidSpec: {text}")]
        );
    }

    #[test]
    fn an_obstacle_before_the_scale_leaves_the_memory_alone() {
        for algorithm in BOTH {
            let mut input = input(algorithm, 3).metric(cpu_percent(50), Reading::Value(0));
            input.policy.max_replicas = 2;
            input.obstacle = Some(Obstacle::Conflicting { others: vec!["other".to_owned()] });
            let (decision, memory) = decide(&input, &Memory::default());
            assert_eq!((decision.desired, memory), (3, Memory::default()), "not even bounds are enforced");

            input.obstacle = Some(Obstacle::SelectorRequired);
            input.policy.max_replicas = 10;
            let (decision, memory) = decide(&input, &Memory::default());
            assert_eq!(decision, blocked(&Obstacle::SelectorRequired, 3));
            assert_ne!(memory, Memory::default(), "the size was read, so it is remembered");
        }
    }
}
