//! How a pod is spread, and how it leaves: what `availability` asks of a template, as its pods show it.

use k8s_openapi::api::core::v1::{Container, PodSpec, TopologySpreadConstraint};
use plimsoll_core::{
    cluster::{HOSTNAME, Labels, ZONE},
    placement::NodeNeeds,
};

use crate::cluster::{observe_labels, observe_node_term, observe_selector, observe_tolerations};

/// What of a pod concerns its availability. Much smaller than its spec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// How it is spread over zones.
    pub zones: SpreadOver,
    /// How it is spread over nodes.
    pub hosts: SpreadOver,
    /// The shortest sleep of the preStop hooks of its containers with ports, in seconds; None where one of them has none,
    /// and the largest number where a hook is a command, whose length nobody knows.
    pub pre_stop: Option<i64>,
    /// Seconds from being told to end until it is killed.
    pub grace: i64,
}

/// A spread constraint over one topology that selects the pod itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent answers to four questions")]
pub struct SpreadOver {
    /// Whether there is one.
    pub is_there: bool,
    /// Whether it binds (`DoNotSchedule`).
    pub binds: bool,
    /// Whether nodes with taints that keep the pod off are left out.
    pub honors_taints: bool,
    /// Whether it asks for a number of domains.
    pub has_min_domains: bool,
}

/// What a pod asks of nodes; None where it takes any that has no taint.
pub(crate) fn observe_node_needs(spec: &PodSpec) -> Option<Box<NodeNeeds>> {
    let required = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required =
        required.and_then(|nodes| nodes.required_during_scheduling_ignored_during_execution.as_ref());
    // Every pod tolerates for a while that its node is gone; that lets none onto such a node.
    let mut tolerations = observe_tolerations(spec);
    tolerations.retain(|toleration| {
        !matches!(&*toleration.key, "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
    });
    let needs = NodeNeeds {
        selector: observe_labels(spec.node_selector.as_ref()),
        terms: required.map(|required| required.node_selector_terms.iter().map(observe_node_term).collect()),
        tolerations,
    };
    (needs != NodeNeeds::default()).then(|| Box::new(needs))
}

/// What of a pod concerns its availability.
pub(crate) fn observe_manner(spec: &PodSpec, labels: &Labels) -> Manner {
    let over = |key: &str| {
        let constraints = spec.topology_spread_constraints.iter().flatten();
        let mine =
            constraints.filter(|constraint| constraint.topology_key == key && selects(constraint, labels));
        mine.fold(SpreadOver::default(), |all, one| SpreadOver {
            is_there: true,
            binds: all.binds || one.when_unsatisfiable == "DoNotSchedule",
            honors_taints: (all.honors_taints || !all.is_there)
                && one.node_taints_policy.as_deref() == Some("Honor"),
            has_min_domains: all.has_min_domains || one.min_domains.is_some(),
        })
    };
    Manner {
        zones: over(ZONE),
        hosts: over(HOSTNAME),
        pre_stop: pre_stop(spec),
        grace: spec.termination_grace_period_seconds.unwrap_or(30),
    }
}

fn selects(constraint: &TopologySpreadConstraint, labels: &Labels) -> bool {
    let selector = constraint.label_selector.as_ref();
    selector.is_some_and(|selector| observe_selector(selector).matches(labels))
}

/// The shortest counts, since requests are lost with the first container that ends. Those without ports serve nobody,
/// unless none has any.
fn pre_stop(spec: &PodSpec) -> Option<i64> {
    let has_ports = |container: &Container| container.ports.as_ref().is_some_and(|ports| !ports.is_empty());
    let all = !spec.containers.iter().any(has_ports);
    let serving = spec.containers.iter().filter(|container| all || has_ports(container));
    let sleeps = serving.map(|container| {
        let hook = container.lifecycle.as_ref()?.pre_stop.as_ref()?;
        // What a command does is its own affair; that it is there is what matters.
        Some(hook.sleep.as_ref().map_or(i64::MAX, |sleep| sleep.seconds))
    });
    sleeps.min_by_key(|sleep| sleep.unwrap_or(-1)).flatten()
}

#[cfg(test)]
mod tests;
