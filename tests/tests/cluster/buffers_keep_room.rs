use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use plimsoll_api::{CapacityBuffer, CapacityPool, NodeOrder, marks::CAPACITY_POOL};
use serde_json::{Value, json};
use testbed::{Cluster, Operator, eventually, tools::repository};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::{
    nodes_stage::{NODES, small_cluster},
    stage::{PATIENCE, no_defects},
};

/// A cluster that has no CRD of buffers when the operator starts.
async fn bed() -> Result<(&'static Cluster, MutexGuard<'static, Operator<'static>>)> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    static OPERATOR: OnceCell<Mutex<Operator<'static>>> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_try_init(small_cluster).await?;
    let operator = OPERATOR
        .get_or_try_init(async || {
            let operator = Operator::install(cluster, &[NODES]).await?;
            let crd = repository().join("charts/plimsoll/files/upstream-crds").display().to_string();
            cluster.kubectl(["apply", "-f", &crd]).await?;
            cluster.serves_what_is_defined().await?;
            anyhow::Ok(Mutex::new(operator))
        })
        .await?;
    Ok((cluster, operator.lock().await))
}

/// A namespace and a pool of the same name.
struct Story {
    cluster: &'static Cluster,
    name: &'static str,
    client: Client,
}

impl Story {
    async fn new(cluster: &'static Cluster, name: &'static str, headroom: Value) -> Result<Self> {
        let story = Self { cluster, name, client: cluster.client().await? };
        cluster.kubectl(["create", "namespace", name]).await?;
        // One large node is cheaper than two small ones by more than the tenth from which nodes are replaced.
        let types = json!([
            { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" },
            { "name": "m-8", "capacity": { "cpu": "8", "memory": "32Gi" }, "price": "0.17" },
        ]);
        let spec = json!({
            "provider": { "kwok": { "zones": ["zone-a", "zone-b", "zone-c"], "instanceTypes": types } },
            "headroom": headroom,
            "scaleDown": {
                "unneededSeconds": 0,
                "delayAfterAddSeconds": 0,
                "budgets": [{ "name": "all", "nodes": "100%" }],
            },
        });
        story.create("plimsoll.dev/v1alpha1", "CapacityPool", name, spec).await?;
        Ok(story)
    }

    async fn create(&self, api_version: &str, kind: &str, name: &str, spec: Value) -> Result<()> {
        let object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": { "name": name, "namespace": self.name }, "spec": spec,
        });
        self.apply(&object).await
    }

    async fn apply(&self, object: &Value) -> Result<()> {
        self.cluster.kubectl_with(["apply", "-f", "-"], &object.to_string()).await.map(drop)
    }

    /// Changes the pool's spec, and waits until a plan was made with it.
    async fn heeds(&self, spec: Value) -> Result<()> {
        let pools: Api<CapacityPool> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({ "spec": spec }));
        let changed = pools.patch(self.name, &PatchParams::default(), &patch).await?;
        eventually(&format!("the change of {} to be heeded", self.name), PATIENCE, async || {
            let status = pools.get(self.name).await?.status.context("no status yet")?;
            ensure!(status.observed_generation >= changed.metadata.generation, "{status:?}");
            Ok(())
        })
        .await
    }

    async fn buffer(&self, name: &str, spec: Value) -> Result<()> {
        self.create("autoscaling.x-k8s.io/v1beta1", "CapacityBuffer", name, spec).await
    }

    /// A pod of 900 m that runs on nodes of the pool only.
    fn pod(&self) -> Value {
        json!({ "metadata": { "labels": { "app": self.name } }, "spec": {
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": { CAPACITY_POOL: self.name },
            "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
            "containers": [
                { "name": "app", "image": "app", "resources": { "requests": { "cpu": "900m", "memory": "1Gi" } } },
            ],
        } })
    }

    async fn template(&self) -> Result<()> {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "PodTemplate",
            "metadata": { "name": "chunk", "namespace": self.name }, "template": self.pod(),
        }))
        .await
    }

    async fn workload(&self, api_version: &str, kind: &str, replicas: i32) -> Result<()> {
        let labels = json!({ "app": self.name });
        let selector =
            if kind == "ReplicationController" { labels } else { json!({ "matchLabels": labels }) };
        let spec = json!({ "replicas": replicas, "selector": selector, "template": self.pod() });
        self.create(api_version, kind, "web", spec).await
    }

    async fn resize(&self, replicas: i32) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        self.cluster.kubectl(["scale", "-n", self.name, "deployment/web", &replicas]).await.map(drop)
    }

    /// The nodes of the pool.
    async fn nodes(&self) -> Result<BTreeSet<String>> {
        let of_pool = ListParams::default().labels(&format!("{CAPACITY_POOL}={}", self.name));
        let nodes: Api<Node> = Api::all(self.client.clone());
        Ok(nodes.list(&of_pool).await?.items.iter().map(ResourceExt::name_any).collect())
    }

    async fn orders(&self) -> Result<Vec<NodeOrder>> {
        let orders: Api<NodeOrder> = Api::all(self.client.clone());
        let orders = orders.list(&ListParams::default()).await?.items;
        Ok(orders.into_iter().filter(|order| order.spec.pool == self.name).collect())
    }

    /// The pods of the namespace; an error while there are more or fewer.
    async fn made(&self, pods: usize) -> Result<Vec<Pod>> {
        let there =
            Api::<Pod>::namespaced(self.client.clone(), self.name).list(&ListParams::default()).await?;
        ensure!(there.items.len() == pods, "{} of {pods} pods", there.items.len());
        Ok(there.items)
    }

    /// The nodes that the pods of the namespace are bound to; an error while one is not.
    async fn bound(&self, pods: usize) -> Result<Vec<String>> {
        let node = |pod: Pod| pod.spec.and_then(|spec| spec.node_name).context("a pod is not bound");
        self.made(pods).await?.into_iter().map(node).collect()
    }

    /// The status of a buffer, and a condition of it.
    async fn status(&self, buffer: &str, condition: &str) -> Result<(Value, Value)> {
        let buffers: Api<CapacityBuffer> = Api::namespaced(self.client.clone(), self.name);
        let status = serde_json::to_value(buffers.get(buffer).await?.status.context("no status yet")?)?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|found| found["type"] == condition);
        let found = found.with_context(|| format!("no condition {condition}: {status}"))?;
        Ok((status, found))
    }

    /// Waits until a buffer says that it has so many replicas, and why its condition is as it is.
    async fn says(
        &self,
        buffer: &str,
        replicas: Option<i32>,
        condition: &str,
        reason: &str,
    ) -> Result<String> {
        eventually(&format!("buffer {buffer} to be {reason}"), PATIENCE, async || {
            let (status, found) = self.status(buffer, condition).await?;
            ensure!(status["replicas"] == json!(replicas) && found["reason"] == reason, "{status}");
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    async fn shrinks_to(&self, count: usize) -> Result<()> {
        eventually("nodes that nobody needs to go", PATIENCE, async || {
            let nodes = self.nodes().await?;
            ensure!(nodes.len() == count, "{nodes:?}");
            Ok(())
        })
        .await
    }
}

/// Room is ordered without a pod that holds it; pods take it at once, and it is filled again.
#[tokio::test]
async fn a_buffer_is_room_that_pods_take_and_that_is_filled_again() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "filled", json!([])).await?;
    story.template().await?;
    story.buffer("room", json!({ "podTemplateRef": { "name": "chunk" }, "replicas": 8 })).await?;
    story.says("room", Some(8), "Provisioning", "RoomReady").await?;
    let (status, _) = story.status("room", "ReadyForProvisioning").await?;
    ensure!(status["podTemplateRef"]["name"] == "chunk" && status["podTemplateGeneration"] == 1, "{status}");
    let first = story.nodes().await?;
    ensure!(!first.is_empty() && first.len() <= 2, "{first:?} for 8 pods of which 8 fit on a node");
    ensure!(story.bound(0).await.is_ok(), "a pod was created");
    let orders = story.orders().await?;
    let order = orders.first().context("no order")?;
    let created_for = &order.spec.created_for[0];
    ensure!(created_for.kind == "CapacityBuffer" && created_for.name == "room", "{created_for:?}");

    // What is to fill the room again may be there before the last of the pods is made, and take some of them.
    story.heeds(json!({ "limits": { "nodes": first.len() } })).await?;
    story.workload("apps/v1", "Deployment", 8).await?;
    let on = eventually("the pods to be bound", PATIENCE, async || story.bound(8).await).await?;
    ensure!(on.iter().all(|node| first.contains(node)), "{on:?} and not on {first:?}");
    story.heeds(json!({ "limits": null })).await?;
    eventually("the buffer to be filled again", PATIENCE, async || {
        let nodes = story.nodes().await?;
        ensure!(nodes.len() > first.len(), "{nodes:?}");
        Ok(())
    })
    .await?;
    story.says("room", Some(8), "Provisioning", "RoomReady").await?;

    cluster.kubectl(["delete", "capacitybuffer", "-n", story.name, "room"]).await?;
    story.shrinks_to(first.len()).await?;
    story.resize(0).await?;
    story.shrinks_to(0).await?;
    no_defects(&operator)
}

/// A share of what a workload has, whether a watch shows its size or it has to be asked for.
#[tokio::test]
async fn a_percentage_follows_what_is_scaled() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "share", json!([])).await?;
    story.workload("apps/v1", "Deployment", 10).await?;
    let deployment = json!({ "apiGroup": "apps", "kind": "Deployment", "name": "web" });
    story.buffer("watched", json!({ "scalableRef": deployment, "percentage": 15 })).await?;
    story.says("watched", Some(2), "Provisioning", "RoomReady").await?;
    story.resize(20).await?;
    story.says("watched", Some(3), "Provisioning", "RoomReady").await?;

    let other = Story::new(cluster, "asked", json!([])).await?;
    other.workload("v1", "ReplicationController", 3).await?;
    let controller = json!({ "kind": "ReplicationController", "name": "web" });
    other.buffer("asked", json!({ "scalableRef": controller, "percentage": 50 })).await?;
    other.says("asked", Some(2), "Provisioning", "RoomReady").await?;
    no_defects(&operator)
}

/// Limits and quotas bound a buffer, and what makes no sense names its field.
#[tokio::test]
async fn buffers_are_bounded_and_told_what_is_wrong() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "bounded", json!([])).await?;
    story.template().await?;
    let chunk = json!({ "name": "chunk" });
    story
        .buffer("limited", json!({ "podTemplateRef": chunk, "limits": { "cpu": "3", "memory": "9Gi" } }))
        .await?;
    story.says("limited", Some(3), "LimitedByQuotas", "WithinQuotas").await?;
    story
        .buffer("cut", json!({ "podTemplateRef": chunk, "replicas": 9, "limits": { "memory": "2Gi" } }))
        .await?;
    story.says("cut", Some(2), "Provisioning", "RoomReady").await?;
    let small = json!({ "podTemplateRef": chunk, "replicas": 9, "limits": { "cpu": "500m" } });
    let missing = json!({ "podTemplateRef": { "name": "nowhere" }, "replicas": 1 });
    let daemons = json!({ "apiGroup": "apps", "kind": "DaemonSet", "name": "agent" });
    let nobody = json!({ "apiGroup": "apps", "kind": "Deployment", "name": "nobody" });
    for (name, spec, reason, field) in [
        ("small", small, "LimitTooSmall", "spec.limits.cpu is 500m, less than the 900m"),
        ("missing", missing, "PodTemplateNotFound", "spec.podTemplateRef.name"),
        (
            "nothing",
            json!({ "replicas": 1 }),
            "NoReference",
            "neither spec.podTemplateRef nor spec.scalableRef",
        ),
        ("daemons", json!({ "scalableRef": daemons, "replicas": 1 }), "NotScalable", "spec.scalableRef"),
        (
            "nobody",
            json!({ "scalableRef": nobody, "percentage": 5 }),
            "ScalableNotFound",
            "spec.scalableRef.name",
        ),
    ] {
        story.buffer(name, spec).await?;
        let message = story.says(name, None, "ReadyForProvisioning", reason).await?;
        ensure!(message.contains(field), "{message} does not name {field}");
    }
    let both = json!({ "podTemplateRef": chunk, "scalableRef": nobody, "replicas": 1 });
    let Err(refused) = story.buffer("both", both).await else { bail!("both references were accepted") };
    ensure!(refused.to_string().contains("keep one of them"), "{refused:#}");

    let quota = json!({ "hard": { "requests.cpu": "1" } });
    story.create("v1", "ResourceQuota", "team", quota).await?;
    // The first by name takes what there is.
    for (name, count) in [("cut", 1), ("limited", 0)] {
        let message = story.says(name, Some(count), "LimitedByQuotas", "ResourceQuotasAllocated").await?;
        ensure!(message.contains("quotas team"), "{message}");
    }

    let foreign = json!({ "spec": { "provisioningStrategy": "example.com/other" } }).to_string();
    let patch = ["patch", "capacitybuffer", "-n", story.name, "limited", "--type=merge", "-p", &foreign];
    cluster.kubectl(patch).await?;
    eventually("what was said of another's buffer to be taken back", PATIENCE, async || {
        let buffers: Api<CapacityBuffer> = Api::namespaced(story.client.clone(), story.name);
        let status = buffers.get("limited").await?.status.unwrap_or_default();
        ensure!(status.conditions.is_empty() && status.replicas.is_none(), "{status:?}");
        Ok(())
    })
    .await?;
    no_defects(&operator)
}

/// Headroom of a pool is kept in its window, by the clock of its zone, and as a share of what runs on the pool.
#[tokio::test]
async fn headroom_keeps_to_its_window_and_its_share() -> Result<()> {
    let (cluster, operator) = bed().await?;
    // The present hour and the next by the clock of Kathmandu, which no other zone shares: 5 h 45 min before UTC.
    let there = jiff::Timestamp::now().in_tz("Asia/Kathmandu")?;
    let start = format!("{} {} * * *", there.minute(), there.hour());
    let window = |zone: &str| json!({ "start": start, "durationSeconds": 7200, "timeZone": zone });
    let pods = |count: i32, cpu: &str| json!({ "count": count, "requests": { "cpu": cpu, "memory": "1Gi" } });
    let in_its_window = json!({ "name": "now", "pods": pods(2, "3"), "window": window("Asia/Kathmandu") });
    let later = json!({ "name": "later", "pods": pods(9, "3"), "window": window("UTC") });
    let story = Story::new(cluster, "windows", json!([in_its_window, later])).await?;
    let before = eventually("room for two pods of three cores", PATIENCE, async || {
        let (orders, nodes) = (story.orders().await?, story.nodes().await?);
        let ordered: i32 = orders.iter().map(|order| order.spec.count).sum();
        ensure!(i32::try_from(nodes.len())? == ordered, "{nodes:?} of {ordered}");
        ensure!(nodes.len() == 1 || nodes.len() == 2, "{nodes:?}");
        Ok(nodes.len())
    })
    .await?;
    // 40 pods of 900 m need five nodes of eight; half of that again needs two or three more. One plan is for all of them:
    // what comes pod by pod takes the room each time, and that is ordered anew.
    story.heeds(json!({ "limits": { "nodes": before } })).await?;
    story.workload("apps/v1", "Deployment", 40).await?;
    eventually("the pods to be made", PATIENCE, async || story.made(40).await).await?;
    story.heeds(json!({ "limits": null })).await?;
    let on = eventually("the pods to be bound", PATIENCE, async || story.bound(40).await).await?;
    let used: BTreeSet<String> = on.into_iter().collect();
    ensure!(used.len() <= 7 && before <= 2, "{} nodes used, {before} before", used.len());
    let share = json!({ "name": "share", "percentage": 50 });
    story.heeds(json!({ "headroom": [in_its_window, later, share] })).await?;
    let nodes = eventually("room for half of them again", PATIENCE, async || {
        let nodes = story.nodes().await?;
        ensure!(nodes.len() >= 8, "{nodes:?}");
        Ok(nodes.len())
    })
    .await?;
    ensure!(nodes <= 12, "{nodes} nodes: the window of UTC is not open");
    story.resize(0).await?;
    story.shrinks_to(before).await?;
    let ordered = story.orders().await?.len();
    ensure!(ordered <= 14, "{ordered} orders: room that is there was ordered again");
    no_defects(&operator)
}
