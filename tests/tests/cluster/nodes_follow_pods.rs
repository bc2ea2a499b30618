use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use plimsoll_api::{
    CapacityPool, NodeOrder,
    marks::{CAPACITY_POOL, NODE_ORDER},
};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Operator, eventually};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::stage::{PATIENCE, no_defects};

/// What scales nodes and nothing else; one process, so that a test can kill it.
const NODES: &str = "--set=replicas=0,nodes.enabled=true,nodes.replicas=1";

/// The cluster of these stories: without nodes of its own that could take their pods.
async fn bed() -> Result<(&'static Cluster, MutexGuard<'static, Operator<'static>>)> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    static OPERATOR: OnceCell<Mutex<Operator<'static>>> = OnceCell::const_new();
    let cluster = CLUSTER
        .get_or_try_init(|| Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }))
        .await?;
    let operator =
        OPERATOR.get_or_try_init(async || Operator::install(cluster, &[NODES]).await.map(Mutex::new)).await?;
    Ok((cluster, operator.lock().await))
}

/// A pool and its pods.
struct Story {
    cluster: &'static Cluster,
    pool: &'static str,
    nodes: Api<Node>,
    pods: Api<Pod>,
    orders: Api<NodeOrder>,
    pools: Api<CapacityPool>,
}

impl Story {
    async fn new(cluster: &'static Cluster, pool: &'static str, more: Value) -> Result<Self> {
        let client = cluster.client().await?;
        let story = Self {
            cluster,
            pool,
            nodes: Api::all(client.clone()),
            pods: Api::namespaced(client.clone(), "default"),
            orders: Api::all(client.clone()),
            pools: Api::all(client),
        };
        let mut spec = json!({
            "provider": { "kwok": {
                "zones": ["zone-a", "zone-b", "zone-c"],
                "instanceTypes": [
                    { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" },
                    { "name": "m-8", "capacity": { "cpu": "8", "memory": "32Gi" }, "price": "0.19" },
                ],
            } },
            "scaleDown": {
                "unneededSeconds": 0,
                "delayAfterAddSeconds": 0,
                "budgets": [{ "name": "all", "nodes": "100%" }],
            },
        });
        merge(&mut spec, more);
        let kind = "CapacityPool";
        let pool = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": kind, "metadata": { "name": pool }, "spec": spec });
        cluster.kubectl_with(["create", "-f", "-"], &pool.to_string()).await?;
        Ok(story)
    }

    /// A Deployment whose pods ask for 900 m each and run on nodes of the pool only.
    async fn deploy(&self, replicas: usize, more: Value) -> Result<()> {
        let labels = json!({ "app": self.pool });
        let mut pod = json!({
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": { CAPACITY_POOL: self.pool },
            "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
            "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "900m", "memory": "1Gi" } } }],
        });
        merge(&mut pod, more);
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": self.pool, "namespace": "default" },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        });
        self.cluster.kubectl_with(["create", "-f", "-"], &deployment.to_string()).await.map(drop)
    }

    async fn resize(&self, replicas: usize) -> Result<()> {
        let (name, replicas) = (format!("deployment/{}", self.pool), format!("--replicas={replicas}"));
        self.cluster.kubectl(["scale", &name, &replicas]).await.map(drop)
    }

    /// Waits until so many pods are bound: how many of them in each zone.
    async fn bound(&self, replicas: usize) -> Result<BTreeMap<String, usize>> {
        eventually("every pod to be bound", PATIENCE, async || {
            let pods =
                self.pods.list(&ListParams::default().labels(&format!("app={}", self.pool))).await?.items;
            let nodes = self.pods_nodes().await?;
            let mut zones = BTreeMap::new();
            for pod in &pods {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
                let node = node.with_context(|| format!("{} is not bound", pod.name_any()))?;
                let zone = nodes.get(node).with_context(|| format!("{node} is not of the pool"))?;
                *zones.entry(zone.clone()).or_insert(0) += 1;
            }
            ensure!(pods.len() == replicas, "{} of {replicas} pods", pods.len());
            Ok(zones)
        })
        .await
    }

    /// The pool's nodes and their zones.
    async fn pods_nodes(&self) -> Result<BTreeMap<String, String>> {
        let nodes =
            self.nodes.list(&ListParams::default().labels(&format!("{CAPACITY_POOL}={}", self.pool))).await?;
        let zone =
            |node: &Node| node.labels().get("topology.kubernetes.io/zone").cloned().unwrap_or_default();
        Ok(nodes.items.iter().map(|node| (node.name_any(), zone(node))).collect())
    }

    async fn orders(&self) -> Result<Vec<NodeOrder>> {
        let orders = self.orders.list(&ListParams::default()).await?.items;
        Ok(orders.into_iter().filter(|order| order.spec.pool == self.pool).collect())
    }

    /// Waits until the pool's orders are served, and no more nodes are there than were ordered.
    async fn settled(&self) -> Result<usize> {
        eventually("the orders to be served", PATIENCE, async || {
            let orders = self.orders().await?;
            let ordered: i32 = orders.iter().map(|order| order.spec.count).sum();
            let nodes = self.pods_nodes().await?.len();
            let ready = |order: &NodeOrder| {
                order
                    .status
                    .as_ref()
                    .and_then(|status| status.phase)
                    .is_some_and(|phase| phase.as_str() == "Ready")
            };
            ensure!(orders.iter().all(ready), "not all orders are ready");
            ensure!(i32::try_from(nodes)? == ordered, "{nodes} nodes of {ordered}");
            Ok(nodes)
        })
        .await
    }

    /// Waits until the pool has so many nodes.
    async fn shrinks_to(&self, count: usize) -> Result<()> {
        eventually("nodes that nobody needs to go", PATIENCE, async || {
            let nodes = self.pods_nodes().await?;
            ensure!(nodes.len() == count, "{nodes:?}");
            Ok(())
        })
        .await
    }

    async fn status(&self) -> Result<Value> {
        let pool = self.pools.get(self.pool).await?;
        Ok(serde_json::to_value(pool.status.context("no status yet")?)?)
    }
}

fn merge(to: &mut Value, from: Value) {
    match (to, from) {
        (Value::Object(to), Value::Object(from)) => {
            for (key, value) in from {
                merge(to.entry(key).or_insert(Value::Null), value);
            }
        }
        (to, from) => *to = from,
    }
}

fn spread_over_zones(app: &str) -> Value {
    json!({ "topologySpreadConstraints": [{
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": app } },
    }] })
}

/// From nothing, in one plan: 300 pods spread over three zones; and back to nothing.
#[tokio::test]
async fn nodes_come_in_three_zones_and_go_when_nobody_needs_them() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "spread", json!({})).await?;
    story.deploy(60, spread_over_zones("spread")).await?;
    let zones = story.bound(60).await?;
    ensure!(zones.values().all(|pods| *pods == 20), "{zones:?}");
    let nodes = story.settled().await?;
    // 8 pods of 900 m fit on a node of 8 cores, and 20 of them take two and a half.
    ensure!(nodes <= 9, "{nodes} nodes for 60 pods");
    let ours = story.nodes.list(&ListParams::default().labels(NODE_ORDER)).await?.items;
    ensure!(ours.iter().all(|node| node.labels().contains_key(CAPACITY_POOL)), "a node without its pool");
    let status = eventually("the status to say so", PATIENCE, async || {
        let status = story.status().await?;
        ensure!(status["nodes"] == format!("{nodes}/{nodes}"), "{status}");
        Ok(status)
    })
    .await?;
    ensure!(status["conditions"][0]["status"] == "True", "{status}");

    story.resize(0).await?;
    story.shrinks_to(0).await?;
    no_defects(&operator)
}

/// Pods that fit on fewer nodes are moved there; each eviction goes by the API that budgets guard.
#[tokio::test]
async fn nodes_that_are_hardly_used_are_emptied() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "shrink", json!({})).await?;
    story.deploy(32, json!({})).await?;
    story.bound(32).await?;
    let before = story.settled().await?;
    story.resize(8).await?;
    let after = eventually("the pods to be on fewer nodes", PATIENCE, async || {
        let nodes = story.pods_nodes().await?.len();
        ensure!(nodes * 2 <= before, "{nodes} of {before} nodes");
        Ok(nodes)
    })
    .await?;
    story.bound(8).await?;
    ensure!(after >= 1, "eight pods need a node");
    no_defects(&operator)
}

/// A zone that has none left does not stop the others, and is remembered.
#[tokio::test]
async fn a_zone_that_is_out_of_capacity_stops_nobody() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let sold_out = json!([
        { "zone": "zone-a", "capacityType": "on-demand", "nodes": 0 },
        { "zone": "zone-b", "capacityType": "on-demand", "nodes": 0 },
    ]);
    let types = json!({ "provider": { "kwok": { "instanceTypes": [
        { "name": "m-8", "capacity": { "cpu": "8", "memory": "32Gi" }, "price": "0.19", "offerings": sold_out },
    ] } } });
    let story = Story::new(cluster, "short", types).await?;
    story.deploy(8, json!({})).await?;
    let zones = story.bound(8).await?;
    ensure!(zones.keys().eq(["zone-c"]), "{zones:?}");
    let status = story.status().await?;
    let avoided = status["avoided"].as_array().cloned().unwrap_or_default();
    ensure!(avoided.iter().all(|avoided| avoided["reason"] == "OutOfCapacity"), "{status}");
    ensure!(!avoided.is_empty(), "what failed is not told: {status}");
    no_defects(&operator)
}

/// Whenever the operator dies, nothing is ordered twice and nothing is lost.
#[tokio::test]
async fn an_operator_that_is_killed_orders_nothing_twice() -> Result<()> {
    let (cluster, mut operator) = bed().await?;
    let story =
        Story::new(cluster, "killed", json!({ "provider": { "kwok": { "bootDelaySeconds": 3 } } })).await?;
    story.deploy(40, json!({})).await?;
    eventually("an order to be recorded", PATIENCE, async || {
        ensure!(!story.orders().await?.is_empty(), "no order yet");
        Ok(())
    })
    .await?;
    operator.leader_of_nodes().await?.kill()?;
    operator.follow_pods().await?;
    story.bound(40).await?;
    let nodes = story.settled().await?;
    ensure!(nodes <= 6, "{nodes} nodes for 40 pods of which 8 fit on one");
    no_defects(&operator)
}

/// Pods that no offering can take are told why, on themselves.
#[tokio::test]
async fn pods_that_fit_no_offering_are_told_why() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "small", json!({})).await?;
    let large = json!({ "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "64" } } }] });
    story.deploy(3, large).await?;
    eventually("an event that says why", Duration::from_mins(1), async || {
        let events = ["get", "events", "-n", "default", "--field-selector=reason=NoNodeForPod", "-o", "json"];
        let events: Value = serde_json::from_str(&cluster.kubectl(events).await?.stdout)?;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let mut notes = events.iter().filter_map(|event| event["message"].as_str());
        let says_why =
            |note: &str| note.contains("/small") && note.contains("pool small: 6 offerings lack cpu");
        notes.any(says_why).then_some(()).ok_or_else(|| anyhow!("{events:?}"))
    })
    .await?;
    ensure!(story.orders().await?.is_empty(), "nothing would have helped");
    no_defects(&operator)
}
