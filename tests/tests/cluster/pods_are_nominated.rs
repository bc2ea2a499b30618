use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};
use plimsoll_api::marks::CAPACITY_POOL;
use serde_json::json;
use testbed::{Cluster, Operator, eventually};

use crate::{
    nodes_stage::{NODES, small_cluster},
    stage::{PATIENCE, no_defects},
};

const POOL: &str = "nominated";
const PODS: usize = 16;
/// As many of them fit on one node.
const ON_ONE: usize = 4;
/// A taint that something else takes away once a node can take pods.
const STARTS: &str = "example.com/starting";

/// Pods are nominated as soon as the nodes exist that were ordered for them, and run just there; a nomination for a node
/// that is gone is taken back. Nodes that are ready and have a startup taint are waited for, and no more are ordered.
#[tokio::test]
async fn pods_go_where_they_were_planned_to() -> Result<()> {
    let cluster = small_cluster().await?;
    let operator = Operator::install(&cluster, &[NODES]).await?;
    let client = cluster.client().await?;
    let nodes: Api<Node> = Api::all(client.clone());
    pool(&cluster).await?;
    deploy(&cluster, PODS).await?;
    let planned = eventually("every pod to be nominated for a node of the pool", PATIENCE, async || {
        let planned = nominated(&all(&client).await?);
        ensure!(planned.len() == PODS, "{planned:?}");
        Ok(planned)
    })
    .await?;
    let there = nodes.list(&ListParams::default().labels(&format!("{CAPACITY_POOL}={POOL}"))).await?.items;
    ensure!(
        there.len() == PODS / ON_ONE,
        "{} nodes for {PODS} pods of which {ON_ONE} fit on one",
        there.len()
    );
    ensure!(planned.values().all(|node| there.iter().any(|of| of.name_any() == *node)), "{planned:?}");

    // A node that goes loses its pods to others.
    let gone = planned.values().next().context("a node")?;
    nodes.delete(gone, &DeleteParams::default()).await?;
    let mut planned = eventually("its pods to be nominated for others", PATIENCE, async || {
        let planned = nominated(&all(&client).await?);
        let on_it = planned.values().filter(|node| *node == gone).count();
        ensure!(planned.len() == PODS && on_it == 0, "{planned:?}");
        Ok(planned)
    })
    .await?;

    // When a node comes, or loses its taint, the scheduler tries the pods, takes their nominations from those that find no
    // room, and they are nominated anew. So the nodes begin one after another, each when all of that is done, which the
    // conditions of pods tell: they count the nodes that are full. Of the first it is not known when it was done.
    let mut begun = BTreeSet::new();
    while let Some(node) = planned.values().next().cloned() {
        let wanted: BTreeSet<String> =
            planned.iter().filter(|(_, on)| **on == node).map(|(pod, _)| pod.clone()).collect();
        cluster.kubectl(["taint", "nodes", &node, &format!("{STARTS}-")]).await?;
        begun.insert(node.clone());
        let full = format!("{} Insufficient cpu", begun.len());
        let (there, next) =
            eventually("a node to be full and all else to be nominated", PATIENCE, async || {
                let pods = all(&client).await?;
                let there = pods.iter().filter(|pod| node_of(pod) == Some(node.as_str()));
                let there: BTreeSet<String> = there.map(ResourceExt::name_any).collect();
                ensure!(there.len() == ON_ONE, "{there:?} are on {node}");
                for pod in pods.iter().filter(|pod| node_of(pod).is_none()) {
                    ensure!(why_it_waits(pod).contains(&full), "{}: {}", pod.name_any(), why_it_waits(pod));
                }
                let planned = nominated(&pods);
                let mut of_node: BTreeMap<&String, usize> = BTreeMap::new();
                for on in planned.values() {
                    *of_node.entry(on).or_default() += 1;
                }
                let is_even = of_node.iter().all(|(on, count)| !begun.contains(*on) && *count == ON_ONE);
                ensure!(is_even && planned.len() == PODS - ON_ONE * begun.len(), "{planned:?}");
                Ok((there, planned))
            })
            .await?;
        ensure!(begun.len() == 1 || there == wanted, "{there:?} are on {node} and not {wanted:?}");
        planned = next;
    }
    no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}

async fn all(client: &Client) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    Ok(pods.list(&ListParams::default()).await?.items)
}

/// Nominations of pods that are not bound, by the pod's name.
fn nominated(pods: &[Pod]) -> BTreeMap<String, String> {
    let node = |pod: &Pod| pod.status.as_ref().and_then(|status| status.nominated_node_name.clone());
    let wait = pods.iter().filter(|pod| node_of(pod).is_none());
    wait.filter_map(|pod| Some((pod.name_any(), node(pod)?))).collect()
}

/// The node that a pod is bound to.
fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// What the scheduler says of a pod that is not bound.
fn why_it_waits(pod: &Pod) -> &str {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let scheduled = conditions.find(|condition| condition.type_ == "PodScheduled");
    scheduled.and_then(|condition| condition.message.as_deref()).unwrap_or_default()
}

async fn pool(cluster: &Cluster) -> Result<()> {
    let types = json!([{ "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" }]);
    let pool = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool", "metadata": { "name": POOL },
        "spec": {
            "provider": { "kwok": { "zones": ["zone-a", "zone-b", "zone-c"], "instanceTypes": types } },
            "template": { "startupTaints": [{ "key": STARTS, "effect": "NoSchedule" }] },
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &pool.to_string()).await.map(drop)
}

async fn deploy(cluster: &Cluster, replicas: usize) -> Result<()> {
    let labels = json!({ "app": POOL });
    let requests = json!({ "requests": { "cpu": "900m", "memory": "1Gi" } });
    let pod = json!({
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": { CAPACITY_POOL: POOL },
        "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
        "containers": [{ "name": "app", "image": "app", "resources": requests }],
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": POOL, "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod },
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &deployment.to_string()).await.map(drop)
}
