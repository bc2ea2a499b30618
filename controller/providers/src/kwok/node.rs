//! The Node object that a machine joins the cluster as.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Node, NodeSpec, NodeStatus, Taint as NodeTaint},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::core::ObjectMeta;
use plimsoll_core::quantity::Quantity as Amount;

use crate::{CreateRequest, Offering, Resources, Taint, labels};

/// The provider's name in provider ids.
const SCHEME: &str = "kwok://";

/// The id of the machine whose node has this name.
pub(super) fn provider_id(node: &str) -> String {
    format!("{SCHEME}{node}")
}

/// The name of the node of the machine with this id; `None` for an id that is none of ours.
pub(super) fn node_name(id: &str) -> Option<&str> {
    id.strip_prefix(SCHEME)
}

/// Node number `index` of an order.
pub(super) fn node(order: &CreateRequest, index: u32, offering: &Offering, provider: &str) -> Node {
    let name = order.order.node_name(index);
    let mut all_labels = offering.labels.clone();
    all_labels.extend(order.labels.clone());
    // Ours last: an order cannot take the marks away by which its nodes are known.
    all_labels.extend(
        [
            (labels::HOSTNAME, name.as_str()),
            (labels::NODE_ORDER, order.order.as_str()),
            (labels::PROVIDER, provider),
            (labels::OFFERING, &offering.id.0),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let mut annotations = order.annotations.clone();
    annotations.extend(
        [
            ("kwok.x-k8s.io/node", "fake".to_owned()),
            // metrics-server asks a node for its pods' usage at this path; kwok answers for all its nodes.
            ("metrics.k8s.io/resource-metrics-path", format!("/metrics/nodes/{name}/metrics/resource")),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    let taints = offering.taints.iter().chain(&order.taints);
    Node {
        spec: Some(NodeSpec {
            provider_id: Some(provider_id(&name)),
            taints: Some(taints.map(in_node).collect()),
            ..NodeSpec::default()
        }),
        status: Some(NodeStatus {
            allocatable: Some(amounts(&for_pods(order, offering))),
            capacity: Some(amounts(&offering.capacity)),
            ..NodeStatus::default()
        }),
        metadata: ObjectMeta {
            name: Some(name),
            labels: Some(all_labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
    }
}

/// What is left of an offering once the kubelet has kept its share.
fn for_pods(order: &CreateRequest, offering: &Offering) -> Resources {
    let mut left = offering.allocatable.clone();
    for (resource, kept) in &order.reserved_milli {
        if let Some(has) = left.get_mut(resource) {
            *has = Amount::from_milli(has.milli().saturating_sub(*kept).max(0), has.format());
        }
    }
    if let (Some(most), Some(pods)) = (order.max_pods, left.get_mut("pods")) {
        *pods = Amount::from_milli(pods.milli().min(i64::from(most) * 1000), pods.format());
    }
    left
}

fn in_node(taint: &Taint) -> NodeTaint {
    NodeTaint {
        key: taint.key.clone(),
        value: (!taint.value.is_empty()).then(|| taint.value.clone()),
        effect: taint.effect.clone(),
        time_added: None,
    }
}

fn amounts(resources: &Resources) -> BTreeMap<String, Quantity> {
    resources.iter().map(|(resource, amount)| (resource.clone(), Quantity(amount.to_string()))).collect()
}
