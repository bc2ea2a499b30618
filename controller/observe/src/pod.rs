//! A pod, as the core wants to know it.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::core::v1::{Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};
use plimsoll_core::{
    placement::NodeNeeds,
    quantity::Quantity,
    replicas::{Amounts, ContainerView, InitContainerView, PodPhase, PodView, ReadyCondition, ReadyStatus},
};

use crate::{
    DeletionCost, Manner, Owner,
    availability::{observe_manner, observe_node_needs},
    cluster::observe_labels,
    deletion_cost::observe_deletion_cost,
    observe_owner, observe_time,
};

/// A pod: what selects it, and what the core judges it by. Much smaller than the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedPod {
    /// The labels that selectors match on.
    pub labels: BTreeMap<String, String>,
    /// Whom it belongs to.
    pub owner: Option<Owner>,
    /// `status.podIP`.
    pub ip: Option<IpAddr>,
    /// The ports that its containers give a name.
    pub ports: Vec<(String, u16)>,
    /// What the core judges it by. Whether it is foreign to a target is for the one to say who knows the target.
    pub view: PodView,
    /// Tells it from a pod of the same name that came after it.
    pub uid: String,
    /// The node it is bound to.
    pub node: Option<String>,
    /// What it costs to lose it, where somebody has said so.
    pub deletion_cost: Option<DeletionCost>,
    /// What it asks of nodes; None where it takes any that has no taint.
    pub needs: Option<Box<NodeNeeds>>,
    /// How it is spread, and how it leaves.
    pub manner: Manner,
}

/// Reads what we need of a pod. A quantity that does not parse counts as not requested: the API
/// server admits none, and one bad pod must not hide the others.
pub fn observe_pod(pod: &Pod) -> ObservedPod {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let ready = status
        .and_then(|status| status.conditions.as_ref())
        .and_then(|conditions| conditions.iter().find(|condition| condition.type_ == "Ready"))
        .map(|condition| ReadyCondition {
            status: match condition.status.as_str() {
                "True" => ReadyStatus::True,
                "False" => ReadyStatus::False,
                _ => ReadyStatus::Unknown,
            },
            last_transition: condition.last_transition_time.as_ref().map(observe_time).unwrap_or_default(),
        });
    let view = PodView {
        name: pod.metadata.name.clone().unwrap_or_default(),
        phase: match status.and_then(|status| status.phase.as_deref()) {
            Some("Pending") => PodPhase::Pending,
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            _ => PodPhase::Unknown,
        },
        deleting: pod.metadata.deletion_timestamp.is_some(),
        start_time: status.and_then(|status| status.start_time.as_ref()).map(observe_time),
        ready,
        containers: spec
            .map(|spec| {
                spec.containers
                    .iter()
                    .map(|container| ContainerView {
                        name: container.name.clone(),
                        requests: requests(container.resources.as_ref()),
                    })
                    .collect()
            })
            .unwrap_or_default(),
        init_containers: spec
            .and_then(|spec| spec.init_containers.as_ref())
            .into_iter()
            .flatten()
            .map(|container| InitContainerView {
                name: container.name.clone(),
                restartable: container.restart_policy.as_deref() == Some("Always"),
                requests: requests(container.resources.as_ref()),
            })
            .collect(),
        pod_requests: requests(spec.and_then(|spec| spec.resources.as_ref())),
        overhead: spec.and_then(|spec| spec.overhead.as_ref()).map(amounts).unwrap_or_default(),
        foreign: false,
    };
    ObservedPod {
        labels: pod.metadata.labels.clone().unwrap_or_default(),
        owner: observe_owner(&pod.metadata),
        ip: status.and_then(|status| status.pod_ip.as_deref()).and_then(|ip| ip.parse().ok()),
        ports: spec.map(named_ports).unwrap_or_default(),
        view,
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        node: spec.and_then(|spec| spec.node_name.clone()),
        deletion_cost: observe_deletion_cost(&pod.metadata),
        needs: spec.and_then(observe_node_needs),
        manner: spec
            .map(|spec| observe_manner(spec, &observe_labels(pod.metadata.labels.as_ref())))
            .unwrap_or_default(),
    }
}

/// The ports with a name, sidecars' included.
fn named_ports(spec: &PodSpec) -> Vec<(String, u16)> {
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?))).collect()
}

fn requests(resources: Option<&ResourceRequirements>) -> Amounts {
    resources.and_then(|resources| resources.requests.as_ref()).map(amounts).unwrap_or_default()
}

fn amounts(quantities: &BTreeMap<String, ApiQuantity>) -> Amounts {
    quantities
        .iter()
        .filter_map(|(resource, quantity)| {
            Some((resource.clone(), Quantity::parse(&quantity.0).ok()?.milli()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_core::time::Timestamp;
    use pretty_assertions::assert_eq;

    use super::*;

    const RUNNING: &str = r"
apiVersion: v1
kind: Pod
metadata: { name: web-1, labels: { app: web } }
spec:
  overhead: { cpu: 10m }
  resources: { requests: { cpu: '2' } }
  initContainers:
  - { name: proxy, restartPolicy: Always, resources: { requests: { cpu: 50m } }, ports: [ { name: admin, containerPort: 9901 } ] }
  - { name: setup, resources: { requests: { cpu: '1' } } }
  containers:
  - { name: app, resources: { requests: { cpu: 500m, memory: 1Gi } } }
  - { name: bare, ports: [ { name: http, containerPort: 8080 }, { containerPort: 8081 } ] }
status:
  phase: Running
  podIP: 10.0.0.7
  startTime: 2026-11-23T10:00:00Z
  conditions:
  - { type: PodScheduled, status: 'True' }
  - { type: Ready, status: 'False', lastTransitionTime: 2026-11-23T10:00:30Z }
";

    fn observed(yaml: &str) -> ObservedPod {
        observe_pod(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn a_running_pod_is_read_with_its_requests_and_readiness() {
        let start = Timestamp::from_secs(1_795_428_000);
        assert_eq!(
            observed(RUNNING),
            ObservedPod {
                uid: String::new(),
                node: None,
                deletion_cost: None,
                needs: None,
                manner: Manner { grace: 30, ..Manner::default() },
                labels: BTreeMap::from([("app".into(), "web".into())]),
                owner: None,
                ip: Some(IpAddr::from([10, 0, 0, 7])),
                ports: vec![("http".into(), 8080), ("admin".into(), 9901)],
                view: PodView {
                    name: "web-1".into(),
                    phase: PodPhase::Running,
                    deleting: false,
                    start_time: Some(start),
                    ready: Some(ReadyCondition {
                        status: ReadyStatus::False,
                        last_transition: Timestamp::from_secs(1_795_428_030),
                    }),
                    containers: vec![
                        ContainerView {
                            name: "app".into(),
                            requests: Amounts::from([
                                ("cpu".into(), 500),
                                ("memory".into(), 1024 * 1024 * 1024 * 1000)
                            ]),
                        },
                        ContainerView { name: "bare".into(), requests: Amounts::new() },
                    ],
                    init_containers: vec![
                        InitContainerView {
                            name: "proxy".into(),
                            restartable: true,
                            requests: Amounts::from([("cpu".into(), 50)]),
                        },
                        InitContainerView {
                            name: "setup".into(),
                            restartable: false,
                            requests: Amounts::from([("cpu".into(), 1000)]),
                        },
                    ],
                    pod_requests: Amounts::from([("cpu".into(), 2000)]),
                    overhead: Amounts::from([("cpu".into(), 10)]),
                    foreign: false,
                },
            }
        );
    }

    #[test]
    fn a_pod_that_is_going_is_marked() {
        let pod = observed(
            "{apiVersion: v1, kind: Pod, metadata: {name: a, deletionTimestamp: 2026-11-23T10:00:00Z}}",
        );
        assert!(pod.view.deleting);
    }

    #[test]
    fn a_pod_without_status_is_of_unknown_phase_and_has_no_readiness() {
        let pod = observed("{apiVersion: v1, kind: Pod, metadata: {name: a}}");
        assert_eq!((pod.view.phase, pod.view.ready), (PodPhase::Unknown, None));
    }
}
