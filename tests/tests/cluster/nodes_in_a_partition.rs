//! What looks like a partition: nothing is removed or replaced until the nodes are back.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testbed::{Cluster, Operator, eventually};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::{
    nodes_stage::{NODES, PATIENCE, Story, merge, small_cluster, stays},
    stage::no_defects,
};

/// Nodes with this label say what a test lets them say; kwok leaves them alone.
pub(crate) const CUT: &str = "example.com/cut";

/// Heartbeats are missed only some minutes after they have stopped.
const SILENCE: Duration = Duration::from_mins(10);

/// A cluster of their own, one after the other: what these stories do to nodes is seen by all pools.
async fn bed() -> Result<(&'static Cluster, MutexGuard<'static, Operator<'static>>)> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    static OPERATOR: OnceCell<Mutex<Operator<'static>>> = OnceCell::const_new();
    let cluster = CLUSTER
        .get_or_try_init(async || {
            let cluster = small_cluster().await?;
            leave_cut_nodes_alone(&cluster).await?;
            anyhow::Ok(cluster)
        })
        .await?;
    let operator =
        OPERATOR.get_or_try_init(async || Operator::install(cluster, &[NODES]).await.map(Mutex::new)).await?;
    Ok((cluster, operator.lock().await))
}

/// From now on kwok leaves nodes with the label alone.
pub(crate) async fn leave_cut_nodes_alone(cluster: &Cluster) -> Result<()> {
    let condition = json!({ "key": format!(".metadata.labels[\"{CUT}\"]"), "operator": "DoesNotExist" });
    let patch = json!([{ "op": "add", "path": "/spec/selector/matchExpressions/-", "value": condition }]);
    let stage = ["patch", "stage", "node-initialize", "--type=json", "-p", &patch.to_string()];
    cluster.kubectl(stage).await.map(drop)
}

/// Makes nodes say that they are not ready.
pub(crate) async fn cut(story: &Story<'_>, nodes: &[String]) -> Result<()> {
    for node in nodes {
        let label = Patch::Merge(json!({ "metadata": { "labels": { CUT: "" } } }));
        let labelled = story.nodes.patch(node, &PatchParams::default(), &label).await?;
        let came = labelled.metadata.creation_timestamp.context("each was created")?.0;
        // A node that has said nothing else since it came would be starting.
        let now = jiff::Timestamp::now().max(came + jiff::SignedDuration::from_secs(11)).to_string();
        let condition = json!({
            "type": "Ready", "status": "False", "reason": "Cut", "message": "by the test",
            "lastTransitionTime": now, "lastHeartbeatTime": now,
        });
        let status = Patch::Strategic(json!({ "status": { "conditions": [condition] } }));
        story.nodes.patch_status(node, &PatchParams::default(), &status).await?;
    }
    Ok(())
}

/// Lets them say again what kwok has them say.
async fn mend(story: &Story<'_>) -> Result<()> {
    let of_pool = format!("plimsoll.dev/capacity-pool={},{CUT}", story.pool);
    story.cluster.kubectl(["label", "nodes", "-l", &of_pool, &format!("{CUT}-")]).await.map(drop)
}

/// Waits until the plan says of every node of a pool that it stays because of the breaker.
async fn all_stay(story: &Story<'_>, operator: &Operator<'_>) -> Result<()> {
    let nodes = story.pods_nodes().await?;
    eventually("every node to stay because of the breaker", PATIENCE, async || {
        for node in nodes.keys() {
            let why = stays(operator, node).await?;
            ensure!(why.contains("Breaker"), "{node}: {why}");
        }
        Ok(())
    })
    .await?;
    ensure!(story.pods_nodes().await? == nodes, "a node is gone");
    ensure!(story.draining().await?.is_empty(), "a node is being drained");
    Ok(())
}

/// Pods that keep to themselves: one on each node of four cores.
fn large() -> Value {
    json!({ "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "3" } } }] })
}

/// Half of the nodes are not ready at once: nothing goes, although nearly nothing runs any more, and the pool says why. When
/// they return what is not needed goes.
#[tokio::test]
async fn half_of_the_nodes_not_ready_at_once_deletes_nothing() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "half", json!({ "scaleDown": { "policy": "Never" } })).await?;
    let mut pod = large();
    merge(&mut pod, crate::nodes_stage::spread_over_zones("half"));
    story.deploy(6, pod).await?;
    story.bound(6).await?;
    let nodes: Vec<String> = story.pods_nodes().await?.into_keys().collect();
    let (orders, half) = (story.orders().await?.len(), &nodes[..nodes.len() / 2]);
    cut(&story, half).await?;
    let why = format!("{} of {} nodes of pool half are not ready", half.len(), nodes.len());
    story.condition_says("Disruptable", "False", "TooManyNotReady", &[why.as_str()], PATIENCE).await?;
    story.edit(json!({ "scaleDown": { "policy": "WhenUnderutilized" } })).await?;
    story.resize(1).await?;
    all_stay(&story, &operator).await?;
    ensure!(story.orders().await?.len() == orders, "something was ordered in their place");

    mend(&story).await?;
    story.condition("Disruptable", "True", "NothingSuspicious").await?;
    story.shrinks_to(1).await?;
    story.end("half").await?;
    no_defects(&operator)
}

/// A zone is lost: its nodes are not ready, and it sells none. Its pods get nodes in the others, and nothing is deleted.
#[tokio::test]
async fn pods_of_a_lost_zone_run_in_the_others() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let types = json!([{ "name": "m-8", "capacity": { "cpu": "8", "memory": "32Gi" }, "price": "0.19" }]);
    let story =
        Story::new(cluster, "lost", json!({ "provider": { "kwok": { "instanceTypes": types } } })).await?;
    let mut pod = large();
    // Spread as far as that is possible, and gone from a node that is not ready after a second.
    merge(&mut pod, crate::nodes_stage::spread_over_zones("lost"));
    pod["topologySpreadConstraints"][0]["whenUnsatisfiable"] = "ScheduleAnyway".into();
    let patience = json!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1 });
    pod["tolerations"] = json!([{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }, patience]);
    story.deploy(6, pod).await?;
    let zones = story.bound(6).await?;
    ensure!(zones.values().eq(&[2, 2, 2]), "{zones:?}");
    let before = story.pods_nodes().await?;
    let lost: Vec<String> =
        before.iter().filter(|(_, zone)| *zone == "zone-a").map(|(node, _)| node.clone()).collect();
    let sold_out = json!([{ "zone": "zone-a", "capacityType": "on-demand", "nodes": 0 }]);
    let left = json!([{ "name": "m-8", "capacity": { "cpu": "8", "memory": "32Gi" }, "price": "0.19", "offerings": sold_out }]);
    story.edit(json!({ "provider": { "kwok": { "instanceTypes": left } } })).await?;
    cut(&story, &lost).await?;
    story.condition("Disruptable", "False", "TooManyNotReady").await?;
    let zones = eventually("the pods to be in the other zones", PATIENCE, async || {
        let zones = story.bound(6).await?;
        ensure!(!zones.contains_key("zone-a"), "{zones:?}");
        Ok(zones)
    })
    .await?;
    ensure!(zones.len() == 2, "{zones:?}");
    let after: BTreeSet<String> = story.pods_nodes().await?.into_keys().collect();
    ensure!(before.keys().all(|node| after.contains(node)), "{before:?} became {after:?}");
    ensure!(after.len() <= before.len() + 2, "two pods need two nodes at the most: {after:?}");
    mend(&story).await?;
    story.end("lost").await?;
    no_defects(&operator)
}

/// Heartbeats stop in all zones together, as kubelets that cannot reach the API server let them: nothing goes until they
/// are heard again. The pool itself would let all of its nodes be not ready.
#[tokio::test]
async fn heartbeats_that_stop_in_several_zones_delete_nothing() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let patient = json!({ "maxUnavailable": "100%", "scaleDown": { "policy": "Never" } });
    let story = Story::new(cluster, "silent", patient).await?;
    let mut pod = large();
    merge(&mut pod, crate::nodes_stage::spread_over_zones("silent"));
    story.deploy(3, pod).await?;
    story.bound(3).await?;
    story.condition("Disruptable", "True", "NothingSuspicious").await?;

    let kubelets = fs::read_to_string(cluster.pids().join("kwok-controller.pid"))?;
    let kubelets = Pid::from_raw(kubelets.trim().parse()?).context("a process id of 0")?;
    kill_process(kubelets, Signal::STOP)?;
    let silence = async {
        let zones = ["zone-a", "zone-b"];
        story.condition_says("Disruptable", "False", "ZonesSilent", &zones, SILENCE).await?;
        story.edit(json!({ "scaleDown": { "policy": "WhenUnderutilized" } })).await?;
        story.resize(1).await?;
        all_stay(&story, &operator).await
    }
    .await;
    kill_process(kubelets, Signal::CONT)?;
    silence?;
    story.condition("Disruptable", "True", "NothingSuspicious").await?;
    story.shrinks_to(1).await?;
    story.end("silent").await?;
    no_defects(&operator)
}
