use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud::{Faults, Rpc};
use k8s_openapi::api::core::v1::Node;
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use plimsoll_api::marks::{CAPACITY_POOL, CAPACITY_TYPE, NODE_ORDER};
use serde_json::{Value, json};
use testbed::eventually;

use crate::{
    cloud_story::{CloudStory, PATIENCE, PODS_PER_NODE, bed, catalogue, group},
    stage::no_defects,
};

fn id(node: &Node) -> String {
    node.spec.as_ref().and_then(|spec| spec.provider_id.clone()).unwrap_or_default()
}

/// The machines of a cloud know nothing of us: those that we ordered get our marks and what the pool's template says, pods
/// run there, and they are drained and given back. One that somebody else has is left alone and told of once.
#[tokio::test]
async fn nodes_that_join_by_themselves_are_marked_used_and_given_back() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let template = json!({ "template": { "labels": { "team": "shop" }, "annotations": { "note": "bought" },
                           "taints": [{ "key": "shop", "effect": "PreferNoSchedule" }] } });
    let story = CloudStory::new(cluster, "joined", catalogue(Vec::new()), template).await?;
    let of_others = story.cloud.add(&group("zone-a"))?;
    story.is_told("Offered", "3 offerings").await?;
    story.deploy(3 * PODS_PER_NODE, &["joined"]).await?;
    let used = story.bound(3 * PODS_PER_NODE).await?;
    let marked = story.marked().await?;
    ensure!(used.len() == 3 && marked.len() == 3, "{used:?}");
    let mut recorded = Vec::new();
    for order in story.orders().await? {
        let nodes = order.status.map(|status| status.nodes).unwrap_or_default();
        recorded.extend(nodes.into_iter().map(|node| (order.metadata.name.clone(), node.provider_id)));
    }
    for node in &marked {
        let labels = node.labels();
        ensure!(labels[CAPACITY_POOL] == "joined" && labels[CAPACITY_TYPE] == "on-demand", "{labels:?}");
        ensure!(labels["team"] == "shop" && node.annotations()["note"] == "bought", "{node:?}");
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        ensure!(taints.iter().any(|taint| taint.key == "shop"), "{taints:?}");
        let mark = (labels.get(NODE_ORDER).cloned(), Some(id(node)));
        ensure!(recorded.contains(&mark), "{mark:?} is on no record: {recorded:?}");
    }

    let stray = eventually("the machine of others to join", PATIENCE, async || {
        let nodes = story.nodes.list(&ListParams::default()).await?.items;
        nodes.into_iter().find(|node| id(node) == of_others).context("no such node")
    })
    .await?;
    ensure!(!stray.labels().contains_key(NODE_ORDER), "it is marked as ours");
    eventually("an event about the node that nobody ordered", PATIENCE, async || {
        let about = format!("--field-selector=reason=NotOrdered,involvedObject.name={}", stray.name_any());
        let events: Value = serde_json::from_str(
            &cluster.kubectl(["get", "events", "-n", "default", &about, "-o", "json"]).await?.stdout,
        )?;
        let told = events["items"].as_array().map_or(0, Vec::len);
        ensure!(told == 1, "told {told} times");
        Ok(())
    })
    .await?;

    story.resize(0).await?;
    eventually("our machines to go", PATIENCE, async || {
        let left: Vec<String> = story.machines().into_iter().map(|machine| machine.id).collect();
        ensure!(left == [of_others.clone()], "{left:?}");
        ensure!(story.marked().await?.is_empty(), "a node of ours is left");
        Ok(())
    })
    .await?;
    ensure!(story.nodes.get_opt(&stray.name_any()).await?.is_some(), "the node of others has gone");
    no_defects(&operator)
}

/// The protocol has no key for a call. Whoever comes after a crash compares sizes, and asks for nothing twice.
#[tokio::test]
async fn an_operator_killed_before_the_answer_was_recorded_orders_exactly_what_was_wanted() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let mut operator = operator.write().await;
    let boot = Duration::from_secs(2);
    let story = CloudStory::cloud(cluster, "crashed", catalogue(Vec::new()), boot).await?;
    story.create_pool(story.provider(5), json!({})).await?;
    story.is_told("Offered", "3 offerings").await?;
    let silent = || Faults { never_answers: [Rpc::NodeGroupIncreaseSize].into(), ..Faults::default() };
    story.cloud.misbehave(silent());
    story.deploy(3 * PODS_PER_NODE, &["crashed"]).await?;
    eventually("the cloud to do what it was asked", PATIENCE, async || {
        ensure!(story.size() > 0, "it was not asked yet");
        // What became of it is not found out before the operator dies, however long that takes.
        story.cloud.misbehave(Faults { hangs: [Rpc::Refresh].into(), ..silent() });
        Ok(())
    })
    .await?;
    operator.leader_of_nodes().await?.kill()?;
    let unanswered = story.orders().await?.into_iter().any(|order| {
        order.status.is_some_and(|status| status.asked_at.is_some() && status.accepted.is_none())
    });
    ensure!(unanswered, "the answer was recorded: {}", story.told().await?);
    story.cloud.misbehave(Faults::default());
    operator.follow_pods().await?;
    story.bound(3 * PODS_PER_NODE).await?;
    story.has(3).await?;
    no_defects(&operator)
}

/// Somebody deletes a Node: its pods get another one, and its machine is given back unless it joins again.
#[tokio::test]
async fn the_machine_of_a_node_that_was_deleted_by_hand_is_given_back() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let soon = json!({ "provisionTimeoutSeconds": 60 });
    let story = CloudStory::new(cluster, "deleted", catalogue(Vec::new()), soon).await?;
    story.deploy(PODS_PER_NODE, &["deleted"]).await?;
    story.bound(PODS_PER_NODE).await?;
    story.has(1).await?;
    let node = story.marked().await?.pop().context("no node")?;
    story.cloud.cut_off(&id(&node));
    story.nodes.delete(&node.name_any(), &DeleteParams::default()).await?;
    story.bound_elsewhere(PODS_PER_NODE, &node.name_any()).await?;
    story.an_order_says("NodeDeleted").await?;
    story.has(1).await?;
    no_defects(&operator)
}

/// A machine is gone without a word: its order notices, and its pods get another one.
#[tokio::test]
async fn a_machine_that_the_cloud_lost_is_replaced() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let story = CloudStory::new(cluster, "lost", catalogue(Vec::new()), json!({})).await?;
    story.deploy(2 * PODS_PER_NODE, &["lost"]).await?;
    story.bound(2 * PODS_PER_NODE).await?;
    let node = story.marked().await?.pop().context("no node")?;
    story.cloud.lose(&id(&node));
    eventually("the order of the lost machine to notice", PATIENCE, async || {
        let orders = story.orders().await?;
        let nodes = orders.into_iter().filter_map(|order| order.status).flat_map(|status| status.nodes);
        let mut lost = nodes.filter(|of| of.provider_id.as_deref() == Some(&id(&node)));
        let phase = lost.next().context("it is on no record")?.phase;
        ensure!(phase.as_str() == "GivenBack", "{}", phase.as_str());
        Ok(())
    })
    .await?;
    story.bound_elsewhere(2 * PODS_PER_NODE, &node.name_any()).await?;
    story.has(2).await?;
    no_defects(&operator)
}
