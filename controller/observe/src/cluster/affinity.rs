//! Affinities, spread constraints and tolerations of a pod.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity as ApiAffinity, PodAffinityTerm, PodSpec, TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use plimsoll_core::cluster::{
    Affinity, Effect, Labels, Name, PodTerm, Policy, Preferred, Spread, Toleration, TolerationOperator,
    WhenUnsatisfiable,
};

use super::requirement::{observe_node_term, observe_selector, selector_of_pod};

/// The affinities of a pod in `namespace` with these labels.
pub(super) fn observe_affinity(
    affinity: Option<&ApiAffinity>,
    namespace: &Name,
    labels: &Labels,
) -> Affinity {
    let Some(affinity) = affinity else { return Affinity::default() };
    let nodes = affinity.node_affinity.as_ref();
    let required = nodes.and_then(|nodes| nodes.required_during_scheduling_ignored_during_execution.as_ref());
    let preferred =
        nodes.and_then(|nodes| nodes.preferred_during_scheduling_ignored_during_execution.as_ref());
    let term = |term: &PodAffinityTerm| pod_term(term, namespace, labels);
    let terms = |terms: Option<&Vec<PodAffinityTerm>>| terms.into_iter().flatten().map(term).collect();
    let weighted = |terms: Option<&Vec<WeightedPodAffinityTerm>>| {
        let terms = terms.into_iter().flatten();
        terms.map(|each| Preferred { weight: each.weight, term: term(&each.pod_affinity_term) }).collect()
    };
    let (pods, anti_pods) = (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref());
    Affinity {
        nodes: required.map(|required| required.node_selector_terms.iter().map(observe_node_term).collect()),
        preferred_nodes: preferred
            .into_iter()
            .flatten()
            .map(|each| Preferred { weight: each.weight, term: observe_node_term(&each.preference) })
            .collect(),
        pods: terms(pods.and_then(|pods| pods.required_during_scheduling_ignored_during_execution.as_ref())),
        anti_pods: terms(
            anti_pods.and_then(|pods| pods.required_during_scheduling_ignored_during_execution.as_ref()),
        ),
        preferred_pods: weighted(
            pods.and_then(|pods| pods.preferred_during_scheduling_ignored_during_execution.as_ref()),
        ),
        preferred_anti_pods: weighted(
            anti_pods.and_then(|pods| pods.preferred_during_scheduling_ignored_during_execution.as_ref()),
        ),
    }
}

fn pod_term(term: &PodAffinityTerm, namespace: &Name, labels: &Labels) -> PodTerm {
    let mut namespaces: BTreeSet<Name> =
        term.namespaces.iter().flatten().map(|name| Name::from(name.as_str())).collect();
    if namespaces.is_empty() && term.namespace_selector.is_none() {
        namespaces.insert(namespace.clone());
    }
    PodTerm {
        selector: selector_of_pod(
            term.label_selector.as_ref(),
            term.match_label_keys.as_deref(),
            term.mismatch_label_keys.as_deref(),
            labels,
        ),
        namespaces,
        namespace_selector: term.namespace_selector.as_ref().map(observe_selector),
        topology_key: term.topology_key.as_str().into(),
    }
}

/// The spread constraints that a pod with these labels has.
pub(super) fn observe_spread(spec: &PodSpec, labels: &Labels) -> Vec<Spread> {
    let constraints = spec.topology_spread_constraints.iter().flatten();
    let mut spread: Vec<_> = constraints.map(|constraint| spread_of(constraint, labels)).collect();
    spread.sort();
    spread
}

fn spread_of(constraint: &TopologySpreadConstraint, labels: &Labels) -> Spread {
    let policy = |given: Option<&String>, default| match given.map(String::as_str) {
        Some("Honor") => Policy::Honor,
        Some("Ignore") => Policy::Ignore,
        _ => default,
    };
    Spread {
        max_skew: constraint.max_skew,
        topology_key: constraint.topology_key.as_str().into(),
        selector: selector_of_pod(
            constraint.label_selector.as_ref(),
            constraint.match_label_keys.as_deref(),
            None,
            labels,
        ),
        min_domains: constraint.min_domains,
        node_affinity: policy(constraint.node_affinity_policy.as_ref(), Policy::Honor),
        node_taints: policy(constraint.node_taints_policy.as_ref(), Policy::Ignore),
        when: match constraint.when_unsatisfiable.as_str() {
            "ScheduleAnyway" => WhenUnsatisfiable::ScheduleAnyway,
            _ => WhenUnsatisfiable::DoNotSchedule,
        },
    }
}

/// What a pod tolerates. A toleration of an operator or effect that nobody knows tolerates nothing and is left out;
/// comparisons of numbers are an alpha feature of 1.37, off, and tolerate nothing either.
pub(crate) fn observe_tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let tolerations = spec.tolerations.iter().flatten().filter_map(|toleration| {
        let operator = match toleration.operator.as_deref() {
            None | Some("" | "Equal") => TolerationOperator::Equal,
            Some("Exists") => TolerationOperator::Exists,
            _ => return None,
        };
        let effect = match toleration.effect.as_deref() {
            None | Some("") => None,
            Some(effect) => Some(observe_effect(effect)?),
        };
        let text = |text: &Option<String>| Name::from(text.as_deref().unwrap_or_default());
        Some(Toleration { key: text(&toleration.key), operator, value: text(&toleration.value), effect })
    });
    let mut tolerations: Vec<_> = tolerations.collect();
    tolerations.sort();
    tolerations.dedup();
    tolerations
}

/// The effect of a taint or toleration; None for one that nobody knows.
pub fn observe_effect(effect: &str) -> Option<Effect> {
    match effect {
        "NoSchedule" => Some(Effect::NoSchedule),
        "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
        "NoExecute" => Some(Effect::NoExecute),
        _ => None,
    }
}
