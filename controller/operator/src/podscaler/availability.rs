//! What a look does for `availability` beside the size: it keeps the PodDisruptionBudget, and says how the pods are spread.

use plimsoll_api::v1alpha1::{PodScalerSpec, Survive};
use plimsoll_core::{reason::ConditionKind, replicas::ConditionUpdate};

use super::{Subject, budget, domains::newest, gather::Observation, manner};
use crate::context::Context;

/// The conditions that follow.
pub(super) async fn look_after(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    observation: &Observation,
) -> Vec<ConditionUpdate> {
    let budget = budget::keep(context, subject, spec, observation).await;
    budget.into_iter().chain(spread(context, spec, observation)).collect()
}

fn spread(context: &Context, spec: &PodScalerSpec, observation: &Observation) -> Option<ConditionUpdate> {
    let availability = spec.availability.as_ref().filter(|_| context.options.availability)?;
    let pods = &observation.selected.as_ref()?.pods;
    let target = format!("{} {}", spec.scale_target_ref.kind, spec.scale_target_ref.name);
    Some(manner::judge(availability, &newest(pods)?.manner, &target))
}

/// Whether a condition has a meaning for this spec. One that has none is taken away.
pub(super) fn is_asked(kind: &str, spec: Option<&PodScalerSpec>) -> bool {
    use ConditionKind::{CanLoseNode, CanLoseZone, DisruptionBudget, Spread};
    let Some(spec) = spec else { return true };
    let is = |of: ConditionKind| of.to_string() == kind;
    let survive = spec.availability.as_ref().map(|availability| availability.survive);
    match survive {
        None => ![CanLoseZone, CanLoseNode, Spread, DisruptionBudget].into_iter().any(is),
        Some(survive) => !is(CanLoseNode) || survive == Survive::Node,
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_api::v1alpha1::Availability;

    use super::*;

    #[test]
    fn conditions_of_availability_are_there_only_with_it() {
        let mut spec: PodScalerSpec = serde_json::from_value(serde_json::json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 3,
        }))
        .unwrap();
        let asked = |spec: &PodScalerSpec, kind: ConditionKind| is_asked(&kind.to_string(), Some(spec));
        assert!(asked(&spec, ConditionKind::AbleToScale) && !asked(&spec, ConditionKind::CanLoseZone));
        spec.availability = Some(Availability::default());
        assert!(asked(&spec, ConditionKind::Spread) && !asked(&spec, ConditionKind::CanLoseNode));
        spec.availability = Some(Availability { survive: Survive::Node, ..Availability::default() });
        assert!(asked(&spec, ConditionKind::CanLoseNode));
    }
}
