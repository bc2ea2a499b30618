//! A `PodDisruptionBudget`, as the planner wants to know it.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use plimsoll_core::cluster::{DisruptionBudget, UnhealthyPods};

use super::{node::name, requirement::observe_selector};

/// A budget. While its controller has not seen the latest spec it allows nothing: so says the Eviction API.
pub fn observe_budget(budget: &PodDisruptionBudget) -> DisruptionBudget {
    let (spec, status) = (budget.spec.as_ref(), budget.status.as_ref());
    let seen = status.and_then(|status| status.observed_generation).unwrap_or(0);
    let is_current = seen >= budget.metadata.generation.unwrap_or(0);
    let always = spec.and_then(|spec| spec.unhealthy_pod_eviction_policy.as_deref()) == Some("AlwaysAllow");
    let disrupted = status.and_then(|status| status.disrupted_pods.as_ref()).into_iter().flatten();
    DisruptionBudget {
        namespace: name(budget.metadata.namespace.as_ref()),
        name: name(budget.metadata.name.as_ref()),
        selector: spec.and_then(|spec| spec.selector.as_ref()).map(observe_selector),
        allowed: status.filter(|_| is_current).and_then(|status| status.disruptions_allowed).unwrap_or(0),
        healthy: status.and_then(|status| status.current_healthy).unwrap_or(0),
        desired: status.and_then(|status| status.desired_healthy).unwrap_or(0),
        unhealthy: if always { UnhealthyPods::AlwaysAllow } else { UnhealthyPods::IfHealthyBudget },
        disrupted: disrupted.map(|(pod, _)| pod.as_str().into()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn allowed(generation: i64, observed: i64) -> i32 {
        let yaml = format!(
            "{{ metadata: {{ namespace: shop, name: web, generation: {generation} }},
               spec: {{ selector: {{ matchLabels: {{ app: web }} }} }},
               status: {{ observedGeneration: {observed}, disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3,
                 expectedPods: 5 }} }}"
        );
        observe_budget(&serde_saphyr::from_str(&yaml).unwrap()).allowed
    }

    #[test]
    fn a_budget_whose_change_was_not_seen_yet_allows_nothing() {
        assert_eq!((allowed(2, 2), allowed(3, 2)), (2, 0));
    }
}
