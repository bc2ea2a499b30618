//! What stories of nodes share: a cluster without nodes that could take their pods, one process that scales nodes, and a
//! pool and its pods for each story.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use plimsoll_api::{
    CapacityPool, NodeOrder,
    marks::{CAPACITY_POOL, DRAINING},
};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Operator, eventually};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What scales nodes and nothing else; one process, so that a test can kill it.
pub(crate) const NODES: &str = "--set=replicas=0,nodes.enabled=true,nodes.replicas=1";

/// Many stories share one operator, and a drain takes its time.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

type Shared = (&'static Cluster, &'static RwLock<Operator<'static>>);

async fn shared() -> Result<Shared> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    static OPERATOR: OnceCell<RwLock<Operator<'static>>> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_try_init(small_cluster).await?;
    let operator = OPERATOR
        .get_or_try_init(async || Operator::install(cluster, &[NODES]).await.map(RwLock::new))
        .await?;
    Ok((cluster, operator))
}

/// A cluster for nodes that are ordered: its own take no pods of stories.
pub(crate) async fn small_cluster() -> Result<Cluster> {
    Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await
}

/// The cluster of these stories, beside others that use it.
pub(crate) async fn bed() -> Result<(&'static Cluster, RwLockReadGuard<'static, Operator<'static>>)> {
    let (cluster, operator) = shared().await?;
    Ok((cluster, operator.read().await))
}

/// The same for a story in which the operator dies: no other runs meanwhile.
pub(crate) async fn bed_alone() -> Result<(&'static Cluster, RwLockWriteGuard<'static, Operator<'static>>)> {
    let (cluster, operator) = shared().await?;
    Ok((cluster, operator.write().await))
}

/// A pool and its pods.
pub(crate) struct Story<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) pool: &'static str,
    pub(crate) nodes: Api<Node>,
    pub(crate) pods: Api<Pod>,
    orders: Api<NodeOrder>,
    pools: Api<CapacityPool>,
}

impl<'c> Story<'c> {
    /// A pool of two types of machines in three zones, from which nodes go as soon as nobody needs them; `more` of its spec.
    pub(crate) async fn new(cluster: &'c Cluster, pool: &'static str, more: Value) -> Result<Self> {
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
        story
            .create(json!({
                "apiVersion": "plimsoll.dev/v1alpha1",
                "kind": "CapacityPool",
                "metadata": { "name": pool },
                "spec": spec,
            }))
            .await?;
        Ok(story)
    }

    pub(crate) async fn create(&self, object: Value) -> Result<()> {
        self.cluster.kubectl_with(["create", "-f", "-"], &object.to_string()).await.map(drop)
    }

    /// Changes the pool's spec.
    pub(crate) async fn edit(&self, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.pools.patch(self.pool, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Changes the pool's spec, and waits until a plan was made with it.
    pub(crate) async fn heeds(&self, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let pool = self.pools.patch(self.pool, &PatchParams::default(), &patch).await?;
        eventually(&format!("the change of {} to be heeded", self.pool), PATIENCE, async || {
            let status = self.status().await?;
            ensure!(status["observedGeneration"].as_i64() >= pool.metadata.generation, "{status}");
            Ok(())
        })
        .await
    }

    /// What the pods of a workload are like: they ask for 900 m each and run on nodes of the pool only.
    pub(crate) fn template(&self, app: &str, more: Value) -> Value {
        let mut pod = json!({
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": { CAPACITY_POOL: self.pool },
            "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
            "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "900m", "memory": "1Gi" } } }],
        });
        merge(&mut pod, more);
        json!({ "metadata": { "labels": { "app": app } }, "spec": pod })
    }

    /// A Deployment named as the pool.
    pub(crate) async fn deploy(&self, replicas: usize, more: Value) -> Result<()> {
        self.deploy_as(self.pool, replicas, more).await
    }

    /// A Deployment.
    pub(crate) async fn deploy_as(&self, app: &str, replicas: usize, more: Value) -> Result<()> {
        self.deploy_of(app, replicas, self.template(app, more)).await
    }

    /// A Deployment of this template.
    pub(crate) async fn deploy_of(&self, app: &str, replicas: usize, template: Value) -> Result<()> {
        let selector = json!({ "matchLabels": { "app": app } });
        self.create(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": app, "namespace": "default" },
            "spec": { "replicas": replicas, "selector": selector, "template": template },
        }))
        .await
    }

    /// A node of 8 cores of which half is free, with a pod that keeps it: what is on smaller nodes is better off there.
    pub(crate) async fn make_room(&self) -> Result<()> {
        let app = format!("{}-room", self.pool);
        let large = json!({ "containers": [
            { "name": "app", "image": "app", "resources": { "requests": { "cpu": "4100m" } } },
        ] });
        let mut template = self.template(&app, large);
        template["metadata"]["annotations"] = json!({ "karpenter.sh/do-not-disrupt": "true" });
        self.deploy_of(&app, 1, template).await?;
        self.bound_as(&app, 1).await.map(drop)
    }

    pub(crate) async fn resize(&self, replicas: usize) -> Result<()> {
        let (name, replicas) = (format!("deployment/{}", self.pool), format!("--replicas={replicas}"));
        self.cluster.kubectl(["scale", &name, &replicas]).await.map(drop)
    }

    /// Waits until a Deployment has exactly so many pods, bound or not.
    pub(crate) async fn made(&self, app: &str, replicas: usize) -> Result<()> {
        eventually(&format!("{replicas} pods of {app} to be made"), PATIENCE, async || {
            let pods =
                self.pods.list(&ListParams::default().labels(&format!("app={app}"))).await?.items.len();
            ensure!(pods == replicas, "{pods} of {replicas} pods");
            Ok(())
        })
        .await
    }

    /// Waits until so many pods are bound: how many of them in each zone.
    pub(crate) async fn bound(&self, replicas: usize) -> Result<BTreeMap<String, usize>> {
        let nodes = self.bound_as(self.pool, replicas).await?;
        let zones = self.pods_nodes().await?;
        let mut counts = BTreeMap::new();
        for node in nodes {
            *counts.entry(zones.get(&node).cloned().unwrap_or_default()).or_insert(0) += 1;
        }
        Ok(counts)
    }

    /// Waits until so many pods of an app are bound to nodes of the pool: to which, once for each pod.
    pub(crate) async fn bound_as(&self, app: &str, replicas: usize) -> Result<Vec<String>> {
        eventually(&format!("every pod of {app} to be bound"), PATIENCE, async || {
            let pods = self.pods.list(&ListParams::default().labels(&format!("app={app}"))).await?.items;
            let nodes = self.pods_nodes().await?;
            let mut on = Vec::new();
            for pod in &pods {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
                let node = node.with_context(|| format!("{} is not bound", pod.name_any()))?;
                ensure!(nodes.contains_key(node), "{node} is not of the pool");
                on.push(node.clone());
            }
            ensure!(pods.len() == replicas, "{} of {replicas} pods", pods.len());
            Ok(on)
        })
        .await
    }

    /// The pool's nodes and their zones.
    pub(crate) async fn pods_nodes(&self) -> Result<BTreeMap<String, String>> {
        let zone =
            |node: &Node| node.labels().get("topology.kubernetes.io/zone").cloned().unwrap_or_default();
        Ok(self.own_nodes().await?.iter().map(|node| (node.name_any(), zone(node))).collect())
    }

    /// The pool's nodes.
    pub(crate) async fn own_nodes(&self) -> Result<Vec<Node>> {
        let of_pool = format!("{CAPACITY_POOL}={}", self.pool);
        Ok(self.nodes.list(&ListParams::default().labels(&of_pool)).await?.items)
    }

    /// The pool's nodes that carry the taint or the label of a drain.
    pub(crate) async fn draining(&self) -> Result<Vec<String>> {
        let is_marked = |node: &Node| {
            let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
            taints.any(|taint| taint.key == DRAINING) || node.labels().contains_key(DRAINING)
        };
        Ok(self.own_nodes().await?.iter().filter(|node| is_marked(node)).map(ResourceExt::name_any).collect())
    }

    pub(crate) async fn orders(&self) -> Result<Vec<NodeOrder>> {
        let orders = self.orders.list(&ListParams::default()).await?.items;
        Ok(orders.into_iter().filter(|order| order.spec.pool == self.pool).collect())
    }

    /// Each order of the pool, with why it was made: for a test that counts nodes.
    pub(crate) async fn why_ordered(&self) -> Result<String> {
        let mut orders = self.orders().await?;
        orders.sort_by_key(ResourceExt::name_any);
        let told = orders.iter().map(|order| {
            let (spec, name, phase) = (&order.spec, order.name_any(), phase(order));
            let planned = spec.created_for.iter().map(|planned| format!("{} {}", planned.pods, planned.name));
            let planned = planned.collect::<Vec<_>>().join(" + ");
            format!(
                "{name}: {} in {} for {planned}, {phase}: {}",
                spec.count, spec.offering.zone, spec.reason
            )
        });
        Ok(told.collect::<Vec<_>>().join("; "))
    }

    /// Waits until the pool's orders are served, and no more nodes are there than were ordered. Records of what has failed
    /// or was given back stay for a while.
    pub(crate) async fn settled(&self) -> Result<usize> {
        eventually("the orders to be served", PATIENCE, async || {
            let mut orders = self.orders().await?;
            orders.retain(|order| !matches!(phase(order), "Failed" | "GivenBack"));
            let ordered: i32 = orders.iter().map(|order| order.spec.count).sum();
            let nodes = self.pods_nodes().await?.len();
            ensure!(orders.iter().all(|order| phase(order) == "Ready"), "not all orders are ready");
            ensure!(i32::try_from(nodes)? == ordered, "{nodes} nodes of {ordered}");
            Ok(nodes)
        })
        .await
    }

    /// Waits until the pool has so many nodes.
    pub(crate) async fn shrinks_to(&self, count: usize) -> Result<()> {
        eventually("nodes that nobody needs to go", PATIENCE, async || {
            let nodes = self.pods_nodes().await?;
            ensure!(nodes.len() == count, "{nodes:?}");
            Ok(())
        })
        .await
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let pool = self.pools.get(self.pool).await?;
        Ok(serde_json::to_value(pool.status.context("no status yet")?)?)
    }

    /// Waits until a condition of the pool has this status and reason; its message.
    pub(crate) async fn condition(&self, kind: &str, status: &str, reason: &str) -> Result<String> {
        self.condition_says(kind, status, reason, &[], PATIENCE).await
    }

    /// Waits until a condition of the pool has this status and reason, and all of these words in its message, which changes
    /// beside them; its message.
    pub(crate) async fn condition_says(
        &self,
        kind: &str,
        status: &str,
        reason: &str,
        words: &[&str],
        patience: Duration,
    ) -> Result<String> {
        eventually(&format!("{kind}={status} {reason} of {}", self.pool), patience, async || {
            let shown = self.status().await?;
            let conditions = shown["conditions"].as_array().context("no conditions")?;
            let found = conditions.iter().find(|condition| condition["type"] == kind);
            let found = found.with_context(|| shown.to_string())?;
            let message = found["message"].as_str().unwrap_or_default();
            let says = words.iter().all(|word| message.contains(word));
            ensure!(found["status"] == status && found["reason"] == reason && says, "{found}");
            Ok(message.to_owned())
        })
        .await
    }

    /// Takes the pods of an app away; its nodes follow by themselves.
    pub(crate) async fn end(&self, app: &str) -> Result<()> {
        self.cluster.kubectl(["delete", "deployment", app, "--wait=false"]).await.map(drop)
    }
}

/// How far an order is.
pub(crate) fn phase(order: &NodeOrder) -> &'static str {
    let phase = order.status.as_ref().and_then(|status| status.phase);
    phase.map_or("Recorded", |phase| phase.as_str())
}

/// What the last plan says of each node that stays, in its own words.
pub(crate) async fn stays(operator: &Operator<'_>, node: &str) -> Result<String> {
    let process = operator.processes().first().context("nobody plans")?;
    let plan = process.get("/plan").await?;
    let plan: Value = serde_json::from_str(&plan.body).with_context(|| plan.body.clone())?;
    let stays = plan["removal"]["stays"].as_array().context("a plan without reasons")?;
    let found = stays.iter().find(|stays| stays["node"] == node);
    Ok(found.with_context(|| format!("{node} is not said to stay"))?["why"].to_string())
}

pub(crate) fn merge(to: &mut Value, from: Value) {
    match (to, from) {
        (Value::Object(to), Value::Object(from)) => {
            for (key, value) in from {
                merge(to.entry(key).or_insert(Value::Null), value);
            }
        }
        (to, from) => *to = from,
    }
}

pub(crate) fn spread_over_zones(app: &str) -> Value {
    json!({ "topologySpreadConstraints": [{
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": app } },
    }] })
}

pub(crate) fn is_ready(node: &Node) -> bool {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
