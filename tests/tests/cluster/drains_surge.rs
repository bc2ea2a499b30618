//! A Deployment whose availability a drain would break gets one replica more first.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use testbed::{Cluster, ClusterSpec, Operator, eventually};

use crate::{
    pooled::Pooled,
    stage::{FAST, PATIENCE, no_defects, utilization},
};

/// Sizes of a Deployment and how many of its pods were available, as a watch shows them.
struct Seen {
    sizes: Arc<Mutex<Vec<(i32, i32)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Seen {
    async fn of(cluster: &Cluster, name: &str) -> Result<Self> {
        let api: Api<Deployment> = Api::namespaced(cluster.client().await?, "default");
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sizes);
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher(api, config));
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(shown) | Event::InitApply(shown)) = event {
                    let size = shown.spec.replicas.unwrap_or(0);
                    let available = shown.status.and_then(|status| status.available_replicas).unwrap_or(0);
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push((size, available));
                }
            }
        });
        Ok(Self { sizes, task })
    }

    /// All so far.
    fn all(&self) -> Vec<(i32, i32)> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One replica under a budget that lets none go: it is two for a while, never none, and one again, and a PodScaler whose
/// maximum is one does not take the second away before its time. No node is ordered for that.
#[tokio::test]
async fn the_only_pod_of_a_deployment_is_replaced_before_it_goes() -> Result<()> {
    let spec = ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() };
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(spec).await?));
    let operator =
        Operator::install(cluster, &["--set=replicas=1,nodes.enabled=true,nodes.replicas=1", FAST]).await?;
    let more = json!({ "drain": { "maxSurge": 1 }, "scaleDown": { "policy": "Never" } });
    let pool = Pooled::new(cluster, "surging", more).await?;
    pool.budget(1).await?;
    pool.deploy(1, "1").await?;
    let before = pool.ready(1).await?;
    let (first, node) = before.first().context("no pod")?.clone();
    let scaler = json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "PodScaler",
        "metadata": { "name": "surging", "namespace": "default" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "surging" },
            "maxReplicas": 1,
            "metrics": [utilization("cpu", 50)],
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &scaler.to_string()).await?;

    // Another node, which has room for one more of them.
    cluster.kubectl(["cordon", &node]).await?;
    let other = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "large", "namespace": "default", "annotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false" } },
        "spec": {
            "nodeSelector": { "plimsoll.dev/capacity-pool": "surging" },
            "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
            "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "2500m" } } }],
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &other.to_string()).await?;
    eventually("the large pod to be bound", PATIENCE, async || {
        let nodes = pool.nodes().await?;
        let bound = cluster
            .kubectl(["get", "pod", "large", "-n", "default", "-o", "jsonpath={.spec.nodeName}"])
            .await?;
        ensure!(nodes.len() == 2 && nodes.contains(&bound.stdout), "{nodes:?}, on {:?}", bound.stdout);
        Ok(())
    })
    .await?;
    cluster.kubectl(["uncordon", &node]).await?;

    let ordered = orders(&pool).await?;
    let seen = Seen::of(cluster, "surging").await?;
    let goes = json!({ "spec": { "scaleDown": { "policy": "WhenUnderutilized" } } }).to_string();
    cluster.kubectl(["patch", "capacitypool", "surging", "--type=merge", "-p", &goes]).await?;
    eventually("the node to go", PATIENCE, async || {
        let nodes = pool.nodes().await?;
        ensure!(nodes.len() == 1 && !nodes.contains(&node), "{nodes:?}, {:?}", seen.all());
        Ok(())
    })
    .await?;
    let after = pool.ready(1).await?;
    ensure!(after[0].0 != first && after[0].1 != node, "{after:?} after {before:?}");
    let seen = eventually("the size to return", PATIENCE, async || {
        let seen = seen.all();
        ensure!(seen.last().is_some_and(|(size, _)| *size == 1), "{seen:?}");
        Ok(seen)
    })
    .await?;
    let mut sizes: Vec<i32> = seen.iter().map(|(size, _)| *size).collect();
    sizes.dedup();
    ensure!(sizes == [1, 2, 1], "somebody fought: {seen:?}");
    ensure!(seen.iter().all(|(_, available)| *available >= 1), "none was available: {seen:?}");
    // The other node has room for one, which is the one more; a place for the pod that goes would be one too many.
    let after = orders(&pool).await?;
    ensure!(after.is_subset(&ordered), "{after:?} are ordered, and were {ordered:?} before the drain");
    no_defects(&operator)
}

/// The orders of a pool, without some of those whose nodes have gone.
async fn orders(pool: &Pooled) -> Result<BTreeSet<String>> {
    let orders = pool.items(&["get", "nodeorders"]).await?;
    let ours = orders.iter().filter(|order| order["spec"]["pool"] == pool.name);
    Ok(ours.filter_map(|order| order["metadata"]["name"].as_str()).map(str::to_owned).collect())
}
