//! New nodes are planned with as many volumes as those of their type were seen to take.

use anyhow::{Context, Result, ensure};
use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::eventually;

use crate::{
    nodes_stage::{PATIENCE, Story, bed},
    stage::no_defects,
};

const DRIVER: &str = "few.example.com";

/// A node says that it takes one volume. Of three small pods with a volume each it gets one; the others would share a node
/// for all that is known of it but that.
#[tokio::test]
async fn nodes_of_a_type_that_takes_one_volume_are_ordered_for_a_volume_each() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let kwok = json!({ "kwok": {
        "zones": ["zone-a"],
        "instanceTypes": [{ "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" }],
    } });
    let more = json!({ "provider": kwok, "scaleDown": { "policy": "Never" } });
    let story = Story::new(cluster, "few-volumes", more).await?;
    story.deploy_as("few-first", 1, json!({})).await?;
    let nodes = story.bound_as("few-first", 1).await?;
    let node = nodes.first().context("a node")?;
    story
        .create(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": { "name": node },
            "spec": { "drivers": [{
                "name": DRIVER, "nodeID": node, "topologyKeys": [], "allocatable": { "count": 1 },
            }] },
        }))
        .await?;
    // No more nodes until the scheduler has seen it too, and what is planned is planned for all three.
    story.heeds(json!({ "limits": { "nodes": 1 } })).await?;
    volumes(&story, 3).await?;
    pods(&story, 3).await?;
    eventually("two pods to have no room for their volumes", PATIENCE, async || {
        let pods = story.pods.list(&ListParams::default().labels("app=few-volumes")).await?.items;
        let words = pods.iter().filter_map(|pod| {
            let conditions = pod.status.as_ref()?.conditions.as_ref()?;
            conditions.iter().find(|of| of.type_ == "PodScheduled" && of.status == "False")?.message.clone()
        });
        let refused = words.filter(|words| words.contains("exceed max volume count")).count();
        ensure!(refused == 2, "{refused} pods");
        Ok(())
    })
    .await?;
    story.edit(json!({ "limits": null })).await?;
    story.bound(3).await?;
    let nodes = story.settled().await?;
    ensure!(nodes == 3, "{nodes} nodes for three volumes");
    story.end("few-first").await?;
    cluster.kubectl(["delete", "pods", "--selector=app=few-volumes", "--wait=false"]).await?;
    no_defects(&operator)
}

/// Volumes that are bound, each with its claim: kwok brings no provisioner.
async fn volumes(story: &Story<'_>, count: usize) -> Result<()> {
    for number in 0..count {
        let name = format!("few-{number}");
        let size = json!({ "storage": "1Gi" });
        story
            .create(json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "", "capacity": size,
                    "claimRef": { "name": name, "namespace": "default" },
                    "csi": { "driver": DRIVER, "volumeHandle": name },
                },
            }))
            .await?;
        let spec = json!({
            "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": name,
            "resources": { "requests": size },
        });
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": "default" }, "spec": spec,
        });
        story.create(claim).await?;
    }
    Ok(())
}

/// A small pod for each volume, all of one Deployment's labels.
async fn pods(story: &Story<'_>, count: usize) -> Result<()> {
    for number in 0..count {
        let requests = json!({ "cpu": "100m" });
        let template = story.template(
            story.pool,
            json!({
                "containers": [{ "name": "app", "image": "app", "resources": { "requests": requests } }],
                "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": format!("few-{number}") } }],
            }),
        );
        let metadata = json!({
            "name": format!("few-{number}"), "namespace": "default", "labels": template["metadata"]["labels"],
        });
        let pod: Value =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] });
        story.create(pod).await?;
    }
    Ok(())
}
