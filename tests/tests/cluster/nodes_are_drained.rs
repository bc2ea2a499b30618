//! What keeps a node that is not needed, and in which order it is emptied.

use anyhow::{Context, Result, ensure};
use kube::api::{Api, Patch, PatchParams};
use plimsoll_api::marks::NODE_ORDER;
use serde_json::{Value, json};
use testbed::{Operator, eventually};

use crate::{
    nodes_stage::{PATIENCE, Story, bed, stays},
    requests::Requests,
    stage::no_defects,
};

/// Two pods on a node that nobody needs: what comes later has room for them, and cannot be moved itself.
async fn beside_room(story: &Story<'_>, before: impl AsyncFnOnce() -> Result<()>) -> Result<String> {
    story.deploy(2, json!({})).await?;
    let nodes = story.bound_as(story.pool, 2).await?;
    ensure!(nodes[0] == nodes[1], "both fit on one: {nodes:?}");
    before().await?;
    story.make_room().await?;
    Ok(nodes[0].clone())
}

fn budget(name: &str, app: &str, max_unavailable: u32) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "maxUnavailable": max_unavailable, "selector": { "matchLabels": { "app": app } } },
    })
}

/// Waits until the plan says of a node that it stays, in these words.
async fn stays_because(story: &Story<'_>, operator: &Operator<'_>, node: &str, words: &str) -> Result<()> {
    eventually(&format!("{node} to stay because of {words}"), PATIENCE, async || {
        let why = stays(operator, node).await?;
        ensure!(why.contains(words), "{why}");
        Ok(())
    })
    .await?;
    ensure!(story.draining().await?.is_empty(), "a node that stays carries a mark");
    ensure!(story.pods_nodes().await?.len() == 2, "a node is gone");
    Ok(())
}

/// Waits until a node is gone and its pods are on the other.
async fn goes(story: &Story<'_>, node: &str) -> Result<()> {
    story.shrinks_to(1).await?;
    let on = story.bound_as(story.pool, 2).await?;
    ensure!(on.iter().all(|on| on != node), "{on:?}");
    story.end(story.pool).await?;
    story.end(&format!("{}-room", story.pool)).await
}

/// A budget that allows nothing keeps the node, with that reason; when it allows something the node goes.
#[tokio::test]
async fn a_budget_that_forbids_keeps_the_node() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "forbidden", json!({})).await?;
    let node = beside_room(&story, async || story.create(budget("forbids", "forbidden", 0)).await).await?;
    stays_because(&story, &operator, &node, "\"Exhausted\"").await?;
    cluster
        .kubectl(["patch", "pdb", "forbids", "--type=merge", "-p", r#"{"spec":{"maxUnavailable":1}}"#])
        .await?;
    goes(&story, &node).await?;
    no_defects(&operator)
}

/// A pod under two budgets cannot be evicted, and that is the reason.
#[tokio::test]
async fn a_pod_under_two_budgets_keeps_the_node() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "twice", json!({})).await?;
    let node = beside_room(&story, async || {
        story.create(budget("one", "twice", 1)).await?;
        story.create(budget("another", "twice", 1)).await
    })
    .await?;
    stays_because(&story, &operator, &node, "\"Several\"").await?;
    cluster.kubectl(["delete", "pdb", "another"]).await?;
    goes(&story, &node).await?;
    no_defects(&operator)
}

/// What must not be disrupted is not, until nobody says so any more.
#[tokio::test]
async fn a_pod_that_must_not_be_disrupted_keeps_the_node() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "precious", json!({})).await?;
    let annotate = async |value: &str| {
        let all = ["annotate", "pods", "-l", "app=precious", "--overwrite", value];
        cluster.kubectl(all).await.map(drop)
    };
    let node = beside_room(&story, async || annotate("karpenter.sh/do-not-disrupt=true").await).await?;
    stays_because(&story, &operator, &node, "DoNotDisrupt").await?;
    annotate("karpenter.sh/do-not-disrupt-").await?;
    goes(&story, &node).await?;
    no_defects(&operator)
}

/// The least important pods are evicted first, and the others when those are gone.
#[tokio::test]
async fn the_least_important_pods_are_evicted_first() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "ranks", json!({})).await?;
    for (rank, value) in [("ranks-low", -1), ("ranks-high", 1000)] {
        story
            .create(json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": { "name": rank }, "value": value,
            }))
            .await?;
        story.deploy_as(rank, 2, json!({ "priorityClassName": rank })).await?;
    }
    let mut nodes = story.bound_as("ranks-low", 2).await?;
    nodes.extend(story.bound_as("ranks-high", 2).await?);
    ensure!(story.settled().await? == 1, "four pods of 900 m fit on one node: {nodes:?}");
    let mut requests = Requests::from_now(cluster, "\"subresource\":\"eviction\"")?;
    story.make_room().await?;
    let evicted = eventually("the four to be evicted", PATIENCE, async || {
        let evicted: Vec<String> = requests
            .all()?
            .iter()
            .filter(|request| request.event.response_status.as_ref().is_some_and(|status| status.code == 201))
            .filter_map(|request| request.event.object_ref.as_ref()?.name.clone())
            .filter(|name| name.starts_with("ranks-"))
            .collect();
        ensure!(evicted.len() >= 4, "{evicted:?}");
        Ok(evicted)
    })
    .await?;
    let is_low = |name: &String| name.starts_with("ranks-low");
    ensure!(evicted.len() == 4 && evicted[..2].iter().all(is_low), "{evicted:?}");
    for app in ["ranks-low", "ranks-high", "ranks-room"] {
        story.end(app).await?;
    }
    no_defects(&operator)
}

/// A taint that says that the provider takes a node: its pods get another before it is gone, and it is emptied at once.
#[tokio::test]
async fn an_interrupted_node_is_emptied_early() -> Result<()> {
    let (cluster, operator) = bed().await?;
    // Nothing goes by itself, and no budget lets anything go.
    let never = json!({ "scaleDown": { "policy": "Never", "budgets": [{ "name": "none", "nodes": 0 }] } });
    let spot = json!({ "provider": { "kwok": { "instanceTypes": [
        { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1", "spotPrice": "0.03" },
    ] } } });
    let mut spec = never;
    crate::nodes_stage::merge(&mut spec, spot);
    let story = Story::new(cluster, "spot", spec).await?;
    story.deploy(4, json!({})).await?;
    let node = story.bound_as("spot", 4).await?.pop().context("a node")?;
    let is_spot = story.own_nodes().await?.iter().all(|node| {
        let labels = node.metadata.labels.as_ref();
        labels.is_some_and(|labels| {
            labels.get("plimsoll.dev/capacity-type").is_some_and(|kind| kind == "spot")
                && labels.contains_key(NODE_ORDER)
        })
    });
    ensure!(is_spot, "spot is cheaper");
    cluster.kubectl(["taint", "node", &node, "plimsoll.dev/interrupted=:NoSchedule"]).await?;
    eventually("the interrupted node to be gone", PATIENCE, async || {
        let nodes = story.pods_nodes().await?;
        ensure!(!nodes.contains_key(&node), "{nodes:?}");
        Ok(())
    })
    .await?;
    story.bound_as("spot", 4).await?;
    ensure!(story.pods_nodes().await?.len() == 1, "one node comes for the one that went");
    story.end("spot").await?;
    no_defects(&operator)
}

/// A taint of a drain that belongs to none, for whatever reason, is taken away: a node is never left tainted by accident.
#[tokio::test]
async fn a_drain_that_nobody_can_read_is_undone() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let story = Story::new(cluster, "orphan", json!({ "scaleDown": { "policy": "Never" } })).await?;
    story.deploy(1, json!({})).await?;
    let node = story.bound_as("orphan", 1).await?.pop().context("a node")?;
    let marks = json!({
        "metadata": { "labels": { "plimsoll.dev/draining": "" }, "annotations": { "plimsoll.dev/drain": "{}" } },
        "spec": { "taints": [
            { "key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule" },
            { "key": "plimsoll.dev/draining", "effect": "NoSchedule" },
        ] },
    });
    let nodes: &Api<_> = &story.nodes;
    nodes.patch(&node, &PatchParams::default(), &Patch::Merge(marks)).await?;
    eventually("the marks to be gone", PATIENCE, async || {
        let draining = story.draining().await?;
        ensure!(draining.is_empty(), "{draining:?}");
        Ok(())
    })
    .await?;
    let left = nodes.get(&node).await?;
    let annotations = left.metadata.annotations.unwrap_or_default();
    ensure!(!annotations.contains_key("plimsoll.dev/drain"), "{annotations:?}");
    story.end("orphan").await?;
    no_defects(&operator)
}
