//! How a pool grows and shrinks with its load.

use anyhow::{Result, ensure};
use kube::ResourceExt as _;
use serde_json::json;
use testbed::eventually;

use crate::{
    nodes_stage::{PATIENCE, Story, bed, merge},
    stage::no_defects,
};

/// The pods of a workload that loses 70 % end up on as few nodes as hold them, and none is without a place meanwhile.
#[tokio::test]
async fn after_a_loss_of_seventy_percent_few_nodes_are_left() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "fewer", json!({ "scaleDown": { "policy": "Never" } })).await?;
    story.deploy(80, json!({})).await?;
    story.bound(80).await?;
    let before = story.settled().await?;
    ensure!(before == 10, "{before} nodes for 80 pods of which 8 fit on one");
    story.edit(json!({ "scaleDown": { "policy": "WhenUnderutilized" } })).await?;
    story.resize(24).await?;
    // 24 pods fill three nodes of 8 cores; with two of 4 cores in place of one it costs 2 % more, which moves nobody.
    let after = eventually("nodes that nobody needs to go", PATIENCE, async || {
        let nodes = story.pods_nodes().await?;
        ensure!(nodes.len() <= 4 && story.draining().await?.is_empty(), "{nodes:?}");
        Ok(nodes.len())
    })
    .await?;
    ensure!(after >= 3, "{after} nodes do not hold 24 pods");
    story.bound(24).await?;
    story.end("fewer").await?;
    no_defects(&operator)
}

/// A load that comes and goes faster than the delays of the pool orders its nodes once, and removes none.
#[tokio::test]
async fn a_sawtooth_load_moves_no_node() -> Result<()> {
    let (cluster, operator) = bed().await?;
    // The defaults: ten minutes unneeded, ten minutes after the last growth.
    let calm = json!({ "scaleDown": { "unneededSeconds": 600, "delayAfterAddSeconds": 600 } });
    let story = Story::new(cluster, "sawtooth", calm).await?;
    story.deploy(32, json!({})).await?;
    story.bound(32).await?;
    let (nodes, orders) = (story.settled().await?, story.orders().await?.len());
    for _ in 0..3 {
        for replicas in [6, 32] {
            story.resize(replicas).await?;
            story.bound(replicas).await?;
        }
    }
    let after = (story.settled().await?, story.orders().await?.len());
    ensure!(after == (nodes, orders), "{nodes} nodes of {orders} orders became {after:?}");
    ensure!(story.draining().await?.is_empty(), "nodes are being drained");
    story.end("sawtooth").await?;
    no_defects(&operator)
}

/// What the template of a pool says is on all of its nodes in the end, also where nodes go after a time only.
#[tokio::test]
async fn nodes_that_are_not_what_their_pool_says_are_replaced() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "drift", json!({ "scaleDown": { "unneededSeconds": 5 } })).await?;
    story.deploy(4, json!({})).await?;
    story.bound(4).await?;
    let before = story.pods_nodes().await?;
    story.edit(json!({ "template": { "labels": { "example.com/release": "two" } } })).await?;
    eventually("the pods to run on nodes with the new label", PATIENCE, async || {
        for name in story.pods_nodes().await?.keys() {
            let node = story.nodes.get(name).await?;
            let release = node.labels().get("example.com/release");
            ensure!(release.is_some_and(|release| release == "two"), "{name}: {:?}", node.labels());
        }
        Ok(())
    })
    .await?;
    story.bound(4).await?;
    let after = story.pods_nodes().await?;
    ensure!(before.keys().all(|name| !after.contains_key(name)), "{before:?} became {after:?}");
    story.end("drift").await?;
    no_defects(&operator)
}

/// A zone that can be had again gets its share of the nodes, one after the other, and the pods with them.
#[tokio::test]
async fn a_zone_that_can_be_had_again_gets_its_share() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let without =
        json!([{ "key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["zone-c"] }]);
    let pool = json!({ "requirements": without, "scaleDown": { "unneededSeconds": 5 } });
    let story = Story::new(cluster, "balance", pool).await?;
    let large = json!({ "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "3500m" } } }] });
    let apart = json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
        "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": "balance" } },
    }] } } });
    let mut pod = large;
    merge(&mut pod, apart);
    story.deploy(4, pod).await?;
    let zones = story.bound(4).await?;
    ensure!(zones.values().eq(&[2, 2]) && !zones.contains_key("zone-c"), "{zones:?}");
    story.edit(json!({ "requirements": null })).await?;
    eventually("the third zone to have a node", PATIENCE, async || {
        let nodes = story.pods_nodes().await?;
        ensure!(nodes.values().any(|zone| zone == "zone-c") && nodes.len() == 4, "{nodes:?}");
        Ok(())
    })
    .await?;
    eventually("the pods to be in three zones", PATIENCE, async || {
        let zones = story.bound(4).await?;
        ensure!(zones.len() == 3, "{zones:?}");
        Ok(())
    })
    .await?;
    story.end("balance").await?;
    no_defects(&operator)
}
