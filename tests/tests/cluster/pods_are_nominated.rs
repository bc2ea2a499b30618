use std::collections::BTreeMap;

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
    deploy(&cluster, 12).await?;
    let planned = eventually("every pod to be nominated for a node of the pool", PATIENCE, async || {
        let planned = nominated(&client).await?;
        ensure!(planned.len() == 12, "{planned:?}");
        Ok(planned)
    })
    .await?;
    let there = nodes.list(&ListParams::default().labels(&format!("{CAPACITY_POOL}={POOL}"))).await?.items;
    ensure!(there.len() == 3, "{} nodes for 12 pods of which 4 fit on one", there.len());
    ensure!(planned.values().all(|node| there.iter().any(|of| of.name_any() == *node)), "{planned:?}");

    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    // A node that goes loses its pods to others.
    let gone = planned.values().next().context("a node")?;
    nodes.delete(gone, &DeleteParams::default()).await?;
    let planned = eventually("its pods to be nominated for others", PATIENCE, async || {
        let planned = nominated(&client).await?;
        let on_it = planned.values().filter(|node| *node == gone).count();
        ensure!(planned.len() == 12 && on_it == 0, "{planned:?}");
        Ok(planned)
    })
    .await?;

    let of_pool = format!("{CAPACITY_POOL}={POOL}");
    cluster.kubectl(["taint", "nodes", "-l", &of_pool, &format!("{STARTS}-")]).await?;
    let bound = eventually("every pod to be bound", PATIENCE, async || {
        let list = pods.list(&ListParams::default()).await?.items;
        let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let bound: BTreeMap<_, _> =
            list.iter().filter_map(|pod| Some((pod.name_any(), node(pod)?))).collect();
        ensure!(bound.len() == 12, "{bound:?}");
        Ok(bound)
    })
    .await?;
    // The scheduler may clear one while the nodes lose their taints; by chance four pods would be where they were to be.
    let as_planned = planned.iter().filter(|(pod, node)| bound.get(*pod) == Some(node)).count();
    ensure!(as_planned >= 10, "{as_planned} of 12 as planned: {bound:?} and not {planned:?}");
    no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}

/// Nominations of pods that are not bound, by the pod's name.
async fn nominated(client: &Client) -> Result<BTreeMap<String, String>> {
    let pods = Api::<Pod>::namespaced(client.clone(), "default").list(&ListParams::default()).await?;
    let node = |pod: &Pod| pod.status.as_ref().and_then(|status| status.nominated_node_name.clone());
    Ok(pods.items.iter().filter_map(|pod| Some((pod.name_any(), node(pod)?))).collect())
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
