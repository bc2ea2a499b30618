//! The nodes of a cluster, as kwok plays them.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use futures::future::try_join_all;
use k8s_openapi::{
    api::core::v1::{Node, NodeSpec, NodeStatus},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    core::ObjectMeta,
};

use super::{START_TIMEOUT, spec::ClusterSpec};
use crate::eventually;

/// The label that says in which zone a node is.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";

pub(super) async fn create(client: &Client, spec: &ClusterSpec) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    let nodes: Vec<Node> = spec
        .zones
        .iter()
        .flat_map(|zone| (0..spec.nodes_per_zone).map(move |i| node(zone, i, spec)))
        .collect();
    try_join_all(nodes.iter().map(|node| create_one(&api, node))).await?;
    Ok(())
}

async fn create_one(api: &Api<Node>, node: &Node) -> Result<()> {
    eventually("the API server to take a node", START_TIMEOUT, async || {
        match api.create(&PostParams::default(), node).await {
            // An answer to an earlier request that was lost.
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => Ok(created.map(drop)?),
        }
    })
    .await
}

pub(super) async fn await_ready(client: &Client) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    eventually("all nodes to be ready", START_TIMEOUT, async || {
        let nodes = api.list(&ListParams::default()).await?;
        let unready: Vec<_> =
            nodes.iter().filter(|node| !is_ready(node)).map(ResourceExt::name_any).collect();
        if unready.is_empty() { Ok(()) } else { Err(anyhow!("not ready: {unready:?}")) }
    })
    .await
}

fn node(zone: &str, index: usize, spec: &ClusterSpec) -> Node {
    let name = format!("{zone}-{index}");
    let capacity: BTreeMap<_, _> = [
        ("cpu", spec.node_cpu.clone()),
        ("memory", spec.node_memory.clone()),
        ("pods", spec.node_pods.to_string()),
    ]
    .map(|(resource, amount)| (resource.to_owned(), Quantity(amount)))
    .into();
    let mut labels = spec.labels.clone();
    labels.extend(
        [
            (ZONE, zone),
            ("topology.kubernetes.io/region", "region-1"),
            ("kubernetes.io/hostname", &name),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/os", "linux"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    // metrics-server asks a node for its pods' usage at this path; kwok answers for all its nodes.
    let metrics_path = format!("/metrics/nodes/{name}/metrics/resource");
    Node {
        metadata: ObjectMeta {
            annotations: Some([("metrics.k8s.io/resource-metrics-path".to_owned(), metrics_path)].into()),
            labels: Some(labels),
            name: Some(name),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec { taints: Some(spec.taints.clone()), ..NodeSpec::default() }),
        status: Some(NodeStatus {
            allocatable: Some(capacity.clone()),
            capacity: Some(capacity),
            ..NodeStatus::default()
        }),
    }
}

/// Ready, and free of the taint that a node carries until it is seen to be.
fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True")
        && !taints.any(|taint| taint.key == "node.kubernetes.io/not-ready")
}
