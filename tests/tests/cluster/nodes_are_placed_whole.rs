//! Pods with wishes about nodes and zones get their nodes in one plan, as many as they need and where they need them.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use testbed::{Operator, eventually};

use crate::{
    nodes_stage::{PATIENCE, Story, bed, phase, spread_over_zones},
    stage::no_defects,
};

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// 300 pods under `maxSkew: 1`: one batch of orders for all zones, and every pod is bound.
#[tokio::test]
async fn three_hundred_pods_over_three_zones_are_one_plan() -> Result<()> {
    let (cluster, operator) = bed().await?;
    // Where the API server is slow to answer, pods come over seconds, and some too many that are deleted again.
    let at_first = json!({ "limits": { "nodes": 0 }, "scaleDown": { "policy": "Never" } });
    let story = Story::new(cluster, "many", at_first).await?;
    story.deploy(300, spread_over_zones("many")).await?;
    story.made("many", 300).await?;
    let before = cut_short(&operator)?;
    story.edit(json!({ "limits": null })).await?;
    let zones = story.bound(300).await?;
    ensure!(zones.len() == 3 && zones.values().all(|pods| *pods == 100), "{zones:?}");
    let (failed, orders): (Vec<_>, Vec<_>) =
        story.orders().await?.into_iter().partition(|order| phase(order) == "Failed");
    // The name of an order: its pool, the moment of its plan, its number in that.
    let plans: BTreeSet<String> = orders
        .iter()
        .filter_map(|order| order.name_any().rsplit_once('-').map(|(plan, _)| plan.to_owned()))
        .collect();
    // 8 fit on a node of 8 cores, so 100 take 12 of them and one of 4 cores.
    let (mut nodes, mut pods) = (0, 0);
    for order in &orders {
        nodes += order.spec.count;
        pods += order.spec.created_for.iter().map(|planned| planned.pods).sum::<i32>();
    }
    let why = story.why_ordered().await?;
    ensure!((nodes, pods) == (39, 300), "{nodes} nodes for {pods} pods: {why}");
    let again = cut_short(&operator)? - before + failed.len();
    ensure!(plans.len() <= 1 + again, "{plans:?}, of which {again} had to be made again: {why}");
    story.edit(json!({ "scaleDown": { "policy": "WhenUnderutilized" } })).await?;
    story.end("many").await?;
    no_defects(&operator)
}

/// How often an order was not recorded, or it was not known whether it was: the rest of its plan is made again.
fn cut_short(operator: &Operator<'_>) -> Result<usize> {
    let words = ["an order was not recorded", "an order was recorded", "an order is recorded already"];
    let mut count = 0;
    for process in operator.processes() {
        let log = fs::read_to_string(process.log())?;
        count += log.lines().filter(|line| words.iter().any(|words| line.contains(words))).count();
    }
    Ok(count)
}

/// As many nodes as pods that keep apart, and not one more.
#[tokio::test]
async fn pods_that_keep_apart_get_a_node_each() -> Result<()> {
    let (cluster, operator) = bed().await?;
    // As above: the plan is for seven pods.
    let story = Story::new(cluster, "apart", json!({ "limits": { "nodes": 0 } })).await?;
    let apart = json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": { "matchLabels": { "app": "apart" } },
    }] } } });
    story.deploy(7, apart).await?;
    story.made("apart", 7).await?;
    story.edit(json!({ "limits": null })).await?;
    let nodes: BTreeSet<String> = story.bound_as("apart", 7).await?.into_iter().collect();
    ensure!(nodes.len() == 7, "{nodes:?}");
    let ordered = story.settled().await?;
    ensure!(ordered == 7, "{ordered} nodes for 7 pods: {}", story.why_ordered().await?);
    story.end("apart").await?;
    no_defects(&operator)
}

/// Volumes are made where their pods go first; when a node is lost, the pod gets another in the zone of its volume.
#[tokio::test]
async fn pods_of_a_stateful_set_follow_their_volumes() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "volumes", json!({ "scaleDown": { "policy": "Never" } })).await?;
    storage(&story).await?;
    // Also while there is no node yet in one of them.
    let mut over_three_zones = spread_over_zones("volumes");
    over_three_zones["topologySpreadConstraints"][0]["minDomains"] = 3.into();
    story
        .create(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": "volumes", "namespace": "default" },
            "spec": {
                "replicas": 3, "serviceName": "volumes", "podManagementPolicy": "Parallel",
                "selector": { "matchLabels": { "app": "volumes" } },
                "template": story.template("volumes", over_three_zones),
                "volumeClaimTemplates": [{
                    "metadata": { "name": "data" },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
                        "resources": { "requests": { "storage": "1Gi" } },
                    },
                }],
            },
        }))
        .await?;
    let zones = story.bound(3).await?;
    ensure!(zones.keys().eq(ZONES), "one in each zone: {zones:?}");
    story.settled().await?;

    let before = pod(&story, "volumes-1").await?;
    let zone = story.pods_nodes().await?[&before.1].clone();
    ensure!(volume_zone(&story, "data-volumes-1").await? == zone, "its volume is elsewhere");
    cluster.kubectl(["delete", "node", &before.1]).await?;
    cluster.kubectl(["delete", "pod", "volumes-1", "--force", "--grace-period=0"]).await?;
    let after = eventually("the pod to come back", PATIENCE, async || {
        let after = pod(&story, "volumes-1").await?;
        ensure!(after.0 != before.0, "it is still there");
        Ok(after)
    })
    .await?;
    ensure!(after.1 != before.1, "the node was deleted");
    let nodes = story.pods_nodes().await?;
    ensure!(nodes.get(&after.1) == Some(&zone), "{after:?} is not in {zone}: {nodes:?}");
    ensure!(nodes.len() == 3, "one node for the one that is gone: {nodes:?}");
    cluster.kubectl(["delete", "statefulset", "volumes", "--wait=false"]).await?;
    no_defects(&operator)
}

/// A class whose volumes wait for their first consumer, and two volumes for it in each zone: kwok brings no provisioner.
async fn storage(story: &Story<'_>) -> Result<()> {
    story
        .create(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "by-hand" },
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
        }))
        .await?;
    for zone in ZONES {
        let in_zone = json!({ "key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone] });
        for number in 0..2 {
            story
                .create(json!({
                    "apiVersion": "v1", "kind": "PersistentVolume",
                    "metadata": { "name": format!("{zone}-{number}"), "labels": { "zone": zone } },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
                        "capacity": { "storage": "1Gi" }, "persistentVolumeReclaimPolicy": "Retain",
                        "csi": { "driver": "disk.example.com", "volumeHandle": format!("{zone}-{number}") },
                        "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [in_zone] }] } },
                    },
                }))
                .await?;
        }
    }
    Ok(())
}

/// The uid of a pod, and its node.
async fn pod(story: &Story<'_>, name: &str) -> Result<(String, String)> {
    let pod = story.pods.get(name).await?;
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    Ok((pod.uid().context("a pod without a uid")?, node.context("it is not bound")?))
}

/// In which zone the volume of a claim is.
async fn volume_zone(story: &Story<'_>, claim: &str) -> Result<String> {
    let found = ["get", "pvc", claim, "-o", "jsonpath={.spec.volumeName}"];
    let volume = story.cluster.kubectl(found).await?.stdout;
    let found: Value =
        serde_json::from_str(&story.cluster.kubectl(["get", "pv", &volume, "-o", "json"]).await?.stdout)?;
    Ok(found["metadata"]["labels"]["zone"].as_str().unwrap_or_default().to_owned())
}
