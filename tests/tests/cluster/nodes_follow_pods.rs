//! Nodes are ordered for pods that are wanted, and go with them.

use anyhow::{Context as _, Result, anyhow, ensure};
use kube::{ResourceExt as _, api::ListParams};
use plimsoll_api::marks::{CAPACITY_POOL, NODE_ORDER};
use serde_json::{Value, json};
use testbed::eventually;

use crate::{
    nodes_stage::{PATIENCE, Story, bed, bed_alone, spread_over_zones},
    stage::no_defects,
};

/// From nothing, for pods that are spread over three zones; and back to nothing.
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
    eventually("what failed to be told", PATIENCE, async || {
        let status = story.status().await?;
        let avoided = status["avoided"].as_array().cloned().unwrap_or_default();
        ensure!(avoided.iter().all(|avoided| avoided["reason"] == "OutOfCapacity"), "{status}");
        ensure!(!avoided.is_empty(), "what failed is not told: {status}");
        Ok(())
    })
    .await?;
    no_defects(&operator)
}

/// Whenever the operator dies, nothing is ordered twice and nothing is lost.
#[tokio::test]
async fn an_operator_that_is_killed_orders_nothing_twice() -> Result<()> {
    let (cluster, mut operator) = bed_alone().await?;
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

/// Whoever deletes an order gives its nodes back, though they are needed: their pods get another first.
#[tokio::test]
async fn the_node_of_an_order_that_is_deleted_is_given_back() -> Result<()> {
    let (cluster, operator) = bed().await?;
    // Without the deletion it would stay for long.
    let story = Story::new(cluster, "revoked", json!({ "scaleDown": { "unneededSeconds": 3600 } })).await?;
    story.deploy(2, json!({})).await?;
    let node = story.bound_as("revoked", 2).await?.pop().context("a node")?;
    ensure!(story.settled().await? == 1, "two pods of 900 m fit on one node");
    let order = story.orders().await?.pop().context("an order")?.name_any();
    cluster.kubectl(["delete", "nodeorder", &order, "--wait=false"]).await?;
    eventually("the order and its node to be gone", PATIENCE, async || {
        let orders = story.orders().await?;
        ensure!(orders.iter().all(|other| other.name_any() != order), "{order} is still there");
        let nodes = story.pods_nodes().await?;
        ensure!(!nodes.contains_key(&node), "{nodes:?}");
        Ok(())
    })
    .await?;
    let on = story.bound_as("revoked", 2).await?;
    ensure!(on.iter().all(|on| *on != node) && story.pods_nodes().await?.len() == 1, "{on:?}");
    story.edit(json!({ "scaleDown": { "unneededSeconds": 0 } })).await?;
    story.end("revoked").await?;
    no_defects(&operator)
}

/// Pods that no offering can take are told why, on themselves.
#[tokio::test]
async fn pods_that_fit_no_offering_are_told_why() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "small", json!({})).await?;
    let large = json!({ "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": "64" } } }] });
    story.deploy(3, large).await?;
    eventually("an event that says why", PATIENCE, async || {
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
