//! A pod, and the pods a template makes, as the planner wants to know them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod as ApiPod, PodSpec, PodTemplateSpec};
use plimsoll_core::{
    cluster::{HostPort, Labels, Name, Owner, OwnerKind, Pod, PodShape, PodState, Unplannable},
    time::Timestamp,
};

use super::{
    affinity::{observe_affinity, observe_spread, observe_tolerations},
    eviction::observe_eviction,
    node::name,
    requests::{requests_of_pod, requests_of_spec},
    requirement::observe_labels,
    storage::Storage,
};
use crate::observe_time;

/// The scheduler whose decisions we know.
const OUR_SCHEDULER: &str = "default-scheduler";
/// Marks a static pod, which only its kubelet can end.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod; None for one that has ended, which holds no room, and for one that was deleted before it had a node, which gets
/// none any more however long a finalizer keeps it.
pub fn observe_cluster_pod(pod: &ApiPod, storage: &Storage) -> Option<Pod> {
    let status = pod.status.as_ref();
    if matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed")) {
        return None;
    }
    let spec = pod.spec.as_ref()?;
    let has_node = spec.node_name.as_deref().is_some_and(|node| !node.is_empty());
    if pod.metadata.deletion_timestamp.is_some() && !has_node {
        return None;
    }
    let namespace = name(pod.metadata.namespace.as_ref());
    let labels = observe_labels(pod.metadata.labels.as_ref());
    let own_name = name(pod.metadata.name.as_ref());
    let state = state(pod, spec);
    let (mut shape, mut unplannable) = shape(&namespace, labels, &own_name, spec, storage);
    shape.requests = requests_of_pod(pod);
    if matches!(state, PodState::Bound { .. } | PodState::Terminating { .. }) {
        // It has its place, so what it waited for is there.
        unplannable = unplannable.filter(|why| !matches!(why, Unplannable::Claim(_) | Unplannable::Gated(_)));
    }
    Some(Pod {
        uid: name(pod.metadata.uid.as_ref()),
        name: own_name,
        shape: Arc::new(shape),
        state,
        owner: owner(pod),
        created: created(pod),
        unplannable,
        eviction: observe_eviction(pod),
    })
}

/// The shape of the pods that a template makes, and why they cannot be planned for, where they cannot. Claims that a
/// pod of its own name would get are not known yet and are left out.
pub fn observe_template(
    namespace: &Name,
    template: &PodTemplateSpec,
    storage: &Storage,
) -> Option<(PodShape, Option<Unplannable>)> {
    let spec = template.spec.as_ref()?;
    let labels = observe_labels(template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref()));
    let mut spec = spec.clone();
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| volume.ephemeral.is_none());
    }
    let (mut shape, unplannable) = shape(namespace, labels, "", &spec, storage);
    shape.requests = requests_of_spec(&spec);
    Some((shape, unplannable))
}

/// All but the requests, which depend on more than the spec.
fn shape(
    namespace: &Name,
    labels: Labels,
    pod: &str,
    spec: &PodSpec,
    storage: &Storage,
) -> (PodShape, Option<Unplannable>) {
    let (volumes, missing) = storage.needs(namespace, pod, spec);
    let shape = PodShape {
        namespace: namespace.clone(),
        node_selector: observe_labels(spec.node_selector.as_ref()),
        affinity: observe_affinity(spec.affinity.as_ref(), namespace, &labels),
        tolerations: observe_tolerations(spec),
        spread: observe_spread(spec, &labels),
        host_ports: host_ports(spec),
        volumes,
        priority: spec.priority.unwrap_or(0),
        labels,
        ..PodShape::default()
    };
    (shape, unplannable(spec).or(missing))
}

fn unplannable(spec: &PodSpec) -> Option<Unplannable> {
    let scheduler = spec.scheduler_name.as_deref().unwrap_or(OUR_SCHEDULER);
    if scheduler != OUR_SCHEDULER {
        return Some(Unplannable::ForeignScheduler(scheduler.into()));
    }
    if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        return Some(Unplannable::ResourceClaims);
    }
    if spec.scheduling_group.is_some() {
        return Some(Unplannable::Gang);
    }
    let gate = spec.scheduling_gates.iter().flatten().next()?;
    Some(Unplannable::Gated(gate.name.as_str().into()))
}

fn host_ports(spec: &PodSpec) -> std::collections::BTreeSet<HostPort> {
    // Ordinary init containers end before the pod runs, and the scheduler leaves their ports out.
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let on_host = spec.host_network == Some(true);
    let ports = ports.filter_map(|port| {
        let number = match port.host_port {
            Some(number) if number > 0 => number,
            // The API server writes it into pods, and not into templates.
            _ if on_host => port.container_port,
            _ => return None,
        };
        let or = |text: &Option<String>, default: &str| {
            Name::from(text.as_deref().filter(|text| !text.is_empty()).unwrap_or(default))
        };
        Some(HostPort { ip: or(&port.host_ip, "0.0.0.0"), protocol: or(&port.protocol, "TCP"), port: number })
    });
    ports.collect()
}

fn state(pod: &ApiPod, spec: &PodSpec) -> PodState {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    if let Some(node) = spec.node_name.as_deref().filter(|node| !node.is_empty()) {
        let node = Name::from(node);
        return match &pod.metadata.deletion_timestamp {
            // The timestamp is when the grace period ends.
            Some(until) => PodState::Terminating { node, until: observe_time(until) },
            None => PodState::Bound {
                node,
                ready: condition("Ready").is_some_and(|ready| ready.status == "True"),
            },
        };
    }
    let nominated = pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
    if let Some(node) = nominated.filter(|node| !node.is_empty()) {
        return PodState::Nominated { node: node.into() };
    }
    match condition("PodScheduled") {
        Some(scheduled)
            if scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable") =>
        {
            let since = scheduled.last_transition_time.as_ref().map(observe_time);
            PodState::Unschedulable { since: since.unwrap_or_else(|| created(pod)) }
        }
        _ => PodState::Pending,
    }
}

fn created(pod: &ApiPod) -> Timestamp {
    pod.metadata.creation_timestamp.as_ref().map(observe_time).unwrap_or_default()
}

fn owner(pod: &ApiPod) -> Option<Owner> {
    if pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(MIRROR)) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        return Some(Owner { kind: OwnerKind::Node, name: name(node.as_ref()), uid: Name::from("") });
    }
    let references = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let owner = references.iter().find(|reference| reference.controller == Some(true))?;
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = match (group, owner.kind.as_str()) {
        ("apps", "ReplicaSet") => OwnerKind::ReplicaSet,
        ("apps", "StatefulSet") => OwnerKind::StatefulSet,
        ("apps", "DaemonSet") => OwnerKind::DaemonSet,
        ("batch", "Job") => OwnerKind::Job,
        ("", "Node") => OwnerKind::Node,
        _ => OwnerKind::Other,
    };
    Some(Owner { kind, name: owner.name.as_str().into(), uid: owner.uid.as_str().into() })
}

#[cfg(test)]
mod tests;
