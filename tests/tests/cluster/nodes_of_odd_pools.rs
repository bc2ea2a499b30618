//! Pools that the API server takes and that make little sense: each is told what is wrong with it, and holds nobody up.

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testbed::{Cluster, eventually};

use crate::{
    nodes_stage::{PATIENCE, Story, bed, merge},
    stage::{all, no_defects},
};

#[tokio::test]
async fn odd_pools_are_told_and_hold_nobody_up() -> Result<()> {
    let (cluster, operator) = bed().await?;
    all(vec![
        ("nothing matches", Box::pin(nothing_matches(cluster)) as std::pin::Pin<Box<dyn Future<Output = _>>>),
        ("a zone without offerings", Box::pin(a_zone_without_offerings(cluster))),
        ("price 0", Box::pin(machines_that_cost_nothing(cluster))),
        ("quantities at the edge", Box::pin(quantities_at_the_edge(cluster))),
        ("pools that overlap", Box::pin(pools_that_overlap(cluster))),
        ("labels at their limits", Box::pin(labels_at_their_limits(cluster))),
    ])
    .await?;
    no_defects(&operator)
}

fn types(types: &Value) -> Value {
    json!({ "provider": { "kwok": { "instanceTypes": types } } })
}

async fn nothing_matches(cluster: &'static Cluster) -> Result<()> {
    let none = json!({ "requirements": [{ "key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m-5"] }] });
    let story = Story::new(cluster, "odd-none", none).await?;
    let told = story.condition("Ready", "False", "NoOfferings").await?;
    ensure!(told.contains("spec.requirements"), "{told}");
    story.deploy(1, json!({})).await?;
    refused(&story, "pool").await?;
    ensure!(story.orders().await?.is_empty(), "nothing would have helped");
    story.end("odd-none").await
}

/// Pods that want a zone in which nothing is sold are told so; the others get their nodes.
async fn a_zone_without_offerings(cluster: &'static Cluster) -> Result<()> {
    let some = types(&json!([
        { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1", "zones": ["zone-a", "zone-b"] },
    ]));
    let story = Story::new(cluster, "odd-zone", some).await?;
    let in_zone = |zone: &str| json!({ "nodeSelector": { "topology.kubernetes.io/zone": zone } });
    story.deploy(1, in_zone("zone-c")).await?;
    story.deploy_as("odd-zone-a", 1, in_zone("zone-a")).await?;
    story.bound_as("odd-zone-a", 1).await?;
    refused(&story, "pool odd-zone").await?;
    story.end("odd-zone-a").await?;
    story.end("odd-zone").await
}

async fn machines_that_cost_nothing(cluster: &'static Cluster) -> Result<()> {
    let free =
        types(&json!([{ "name": "gift", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0" }]));
    let story = Story::new(cluster, "odd-free", free).await?;
    story.deploy(5, json!({})).await?;
    story.bound(5).await?;
    let shown = eventually("the price to be told", PATIENCE, async || {
        let shown = story.status().await?;
        ensure!(shown["nodes"] == "2/2", "{shown}");
        Ok(shown)
    })
    .await?;
    ensure!(shown["pricePerHour"] == "0", "{shown}");
    story.end("odd-free").await
}

async fn quantities_at_the_edge(cluster: &'static Cluster) -> Result<()> {
    let most = i64::MAX.to_string();
    let mut spec = types(&json!([
        { "name": "huge", "capacity": { "cpu": (i64::MAX / 1000).to_string(), "memory": most }, "price": "1" },
    ]));
    let limits = json!({ "limits": { "cpu": most, "memory": most, "nodes": 100_000 } });
    merge(&mut spec, limits);
    let dear =
        types(&json!([{ "name": "dear", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": most }]));
    let dear = Story::new(cluster, "odd-dear", dear).await?;
    let told = dear.condition("Ready", "False", "InvalidProvider").await?;
    ensure!(told.contains("instanceTypes[0].price"), "{told}");
    let nothing =
        types(&json!([{ "name": "nothing", "capacity": { "cpu": "0", "memory": "0" }, "price": "0.01" }]));
    let nothing = Story::new(cluster, "odd-nothing", nothing).await?;
    let told = nothing.condition("Ready", "False", "InvalidProvider").await?;
    ensure!(told.contains("instanceTypes[0].capacity.cpu"), "{told}");
    let story = Story::new(cluster, "odd-edge", spec).await?;
    story.deploy(2, json!({})).await?;
    story.bound(2).await?;
    story.condition("Ready", "True", "Offered").await?;
    story.end("odd-edge").await
}

/// Two pools with the same machines, and a pod that either would take: it gets one node, of the pool that weighs more.
async fn pools_that_overlap(cluster: &'static Cluster) -> Result<()> {
    let of = |weight: i32| json!({ "weight": weight, "expander": "priority", "template": { "labels": { "example.com/both": "yes" } } });
    let (light, heavy) =
        (Story::new(cluster, "odd-light", of(1)).await?, Story::new(cluster, "odd-heavy", of(2)).await?);
    for story in [&light, &heavy] {
        story.condition("Ready", "True", "Offered").await?;
    }
    let mut template = heavy.template("odd-both", json!({}));
    template["spec"]["nodeSelector"] = json!({ "example.com/both": "yes" });
    heavy.deploy_of("odd-both", 3, template).await?;
    heavy.bound_as("odd-both", 3).await?;
    ensure!(heavy.settled().await? == 1, "one node is enough");
    ensure!(light.orders().await?.is_empty(), "the other pool was asked too");
    heavy.end("odd-both").await
}

async fn labels_at_their_limits(cluster: &'static Cluster) -> Result<()> {
    const NAME: &str = "odd-name-of-63-characters-which-is-as-long-as-a-label-may-be-at";
    let (key, value) = (format!("{}.example.com/{}", "a".repeat(63), "b".repeat(63)), "c".repeat(63));
    let labels = json!({ "template": { "labels": { &key: &value } } });
    let story = Story::new(cluster, NAME, labels).await?;
    story.deploy_as("odd-long", 1, json!({ "nodeSelector": { &key: &value } })).await?;
    story.bound_as("odd-long", 1).await?;
    ensure!(story.settled().await? == 1, "one node is enough");
    story.end("odd-long").await
}

/// Waits for an event on a pod of the story that says why it gets no node.
async fn refused(story: &Story<'_>, why: &str) -> Result<()> {
    eventually("an event that says why", PATIENCE, async || {
        let events = ["get", "events", "-n", "default", "--field-selector=reason=NoNodeForPod", "-o", "json"];
        let events: Value = serde_json::from_str(&story.cluster.kubectl(events).await?.stdout)?;
        let events = events["items"].as_array().cloned().context("no list")?;
        let of_ours = |event: &&Value| {
            event["involvedObject"]["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(&format!("{}-", story.pool)))
        };
        let told: Vec<&str> =
            events.iter().filter(of_ours).filter_map(|event| event["message"].as_str()).collect();
        told.iter().any(|told| told.contains(why)).then_some(()).ok_or_else(|| anyhow!("{told:?}"))
    })
    .await
}
