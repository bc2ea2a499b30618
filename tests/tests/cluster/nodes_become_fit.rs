//! Nodes that have joined and are Ready, and are not fit for pods yet.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud::Faults;
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::api::resource::Quantity};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use plimsoll_core::quantity::{Format, Quantity as Amount};
use serde_json::json;
use testbed::eventually;

use crate::{
    cloud_story::{self, CloudStory},
    nodes_stage::{self, PATIENCE, Story, is_ready, phase},
    stage::no_defects,
};

const DEVICE: &str = "example.com/gpu";

/// A node reports its device well after it is Ready: it is waited for, nothing more is ordered meanwhile, and what offers
/// such machines is not avoided.
#[tokio::test]
async fn a_node_whose_device_comes_late_is_waited_for() -> Result<()> {
    let (cluster, operator) = cloud_story::bed().await?;
    let operator = operator.read().await;
    let mut catalogue = cloud_story::catalogue(Vec::new());
    let one = Amount::from_milli(1000, Format::DecimalSI);
    catalogue.instance_types[0].capacity.insert(DEVICE.to_owned(), one);
    let story = CloudStory::cloud(cluster, "late-device", catalogue, Duration::from_secs(1)).await?;
    story.cloud.misbehave(Faults { come_late: [DEVICE.to_owned()].into(), ..Faults::default() });
    story.create_pool(story.provider(5), json!({})).await?;
    story.is_told("Offered", "3 offerings").await?;
    story.deploy_with(1, &["late-device"], json!({ "cpu": "900m", DEVICE: "1" })).await?;
    let node = eventually("the node to be Ready without its device", cloud_story::PATIENCE, async || {
        let node = story.marked().await?.pop().context("no node")?;
        ensure!(is_ready(&node) && !has_device(&node), "{:?}", node.status);
        Ok(node.name_any())
    })
    .await?;
    for _ in 0..3 {
        story.is_looked_at().await?;
    }
    ensure!(story.size() == 1, "{}", story.told().await?);
    let reported =
        Patch::Merge(json!({ "status": { "capacity": { DEVICE: "1" }, "allocatable": { DEVICE: "1" } } }));
    story.nodes.patch_status(&node, &PatchParams::default(), &reported).await?;
    let on = story.bound(1).await?;
    ensure!(on.contains_key(&node), "{on:?} and not {node}");
    story.has(1).await?;
    let ordered: i32 = story.orders().await?.iter().map(|order| order.spec.count).sum();
    let avoided = story.status().await?["avoided"].clone();
    ensure!(
        ordered == 1 && avoided.as_array().is_none_or(Vec::is_empty),
        "{}, {avoided}",
        story.told().await?
    );
    let deletions = story.deletions();
    ensure!(deletions == 0, "{deletions} deletions");
    no_defects(&operator)
}

fn has_device(node: &Node) -> bool {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    allocatable
        .and_then(|amounts| amounts.get(DEVICE))
        .is_some_and(|amount| *amount != Quantity("0".to_owned()))
}

/// A node is replaced because its pool has changed. Its replacement is Ready and has its startup taint still: until that is
/// gone no pod leaves the old one, and nothing more is ordered.
#[tokio::test]
async fn pods_stay_until_their_new_node_has_lost_its_startup_taint() -> Result<()> {
    let (cluster, operator) = nodes_stage::bed().await?;
    let starts = json!([{ "key": "example.com/network", "effect": "NoSchedule" }]);
    let spec = |release: &str| json!({ "template": { "startupTaints": starts, "labels": { "example.com/release": release } } });
    let story = Story::new(cluster, "young", spec("one")).await?;
    story.deploy(2, json!({})).await?;
    let first = starts_up(&story, "one").await?;
    ready_for_pods(&story, &first).await?;
    let before = story.bound_as("young", 2).await?;
    ensure!(before.iter().all(|on| *on == first), "{before:?} and not {first}");
    story.settled().await?;

    story.edit(spec("two")).await?;
    let second = starts_up(&story, "two").await?;
    eventually("the order to say that its node has joined", PATIENCE, async || {
        let orders = story.orders().await?;
        ensure!(orders.iter().any(|order| phase(order) == "Registered"), "{}", story.why_ordered().await?);
        Ok(())
    })
    .await?;
    story.heeds(json!({ "scaleDown": { "delayAfterAddSeconds": 1 } })).await?;
    let there = story.bound_as("young", 2).await?;
    ensure!(there.iter().all(|on| *on == first), "{there:?} and not {first}");
    let orders = story.orders().await?;
    let ordered: i32 = orders.iter().map(|order| order.spec.count).sum();
    ensure!(ordered == 2, "{ordered} nodes ordered: {}", story.why_ordered().await?);

    ready_for_pods(&story, &second).await?;
    eventually("the pods to move", PATIENCE, async || {
        let on = story.bound_as("young", 2).await?;
        ensure!(on.iter().all(|on| *on == second), "{on:?}");
        Ok(())
    })
    .await?;
    story.shrinks_to(1).await?;
    // The record of the first may have gone with its node.
    let known: Vec<String> = orders.iter().map(ResourceExt::name_any).collect();
    let is_known = story.orders().await?.iter().all(|order| known.contains(&order.name_any()));
    ensure!(is_known, "more than {known:?} was ordered: {}", story.why_ordered().await?);
    story.end("young").await?;
    no_defects(&operator)
}

/// Waits for the node of a release that is Ready and has the startup taint.
async fn starts_up(story: &Story<'_>, release: &str) -> Result<String> {
    eventually(&format!("the node of release {release}"), PATIENCE, async || {
        let nodes = story.own_nodes().await?;
        let is_of = |node: &&Node| node.labels().get("example.com/release").is_some_and(|of| of == release);
        let node = nodes.iter().find(is_of).context("no node")?;
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        ensure!(
            is_ready(node) && taints.iter().any(|taint| taint.key == "example.com/network"),
            "{taints:?}"
        );
        Ok(node.name_any())
    })
    .await
}

/// The network plugin is done with a node.
async fn ready_for_pods(story: &Story<'_>, node: &str) -> Result<()> {
    story.cluster.kubectl(["taint", "node", node, "example.com/network:NoSchedule-"]).await.map(drop)
}
