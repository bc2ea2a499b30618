use std::time::Duration;

use anyhow::{Result, ensure};
use cloud::{Faults, Lie, Rpc};
use plimsoll_providers::{Failure, Price, Rule};
use serde_json::json;
use testbed::eventually;

use crate::{
    cloud_story::{CloudStory, PATIENCE, PODS_PER_NODE, bed, catalogue, group, in_zone},
    stage::no_defects,
};

/// What one zone does not have or may not give, another one gives at once; what failed is told.
#[tokio::test]
async fn a_quota_and_a_zone_out_of_capacity_send_the_order_elsewhere_at_once() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let cheap = |micros| Some(Price::from_micros(micros));
    let rules = vec![
        in_zone("zone-a", Rule { capacity: Some(0), price: cheap(10), ..Rule::default() }),
        in_zone("zone-b", Rule { failure: Some(Failure::Quota), price: cheap(20), ..Rule::default() }),
    ];
    let story =
        CloudStory::new(cluster, "short-of", catalogue(rules), json!({ "balanceZones": false })).await?;
    story.deploy(2 * PODS_PER_NODE, &["short-of"]).await?;
    story.bound(2 * PODS_PER_NODE).await?;
    ensure!(story.cloud.machines(&group("zone-c")).len() == 2, "{:?}", story.machines());
    eventually("what failed to be told", PATIENCE, async || {
        let status = story.status().await?;
        let avoided = status["avoided"].as_array().cloned().unwrap_or_default();
        let mut reasons: Vec<_> =
            avoided.iter().map(|of| (of["zone"].as_str(), of["reason"].as_str())).collect();
        reasons.sort();
        let told = [(Some("zone-a"), Some("OutOfCapacity")), (Some("zone-b"), Some("QuotaReached"))];
        ensure!(reasons == told, "{status}");
        Ok(())
    })
    .await?;
    no_defects(&operator)
}

/// A cloud that takes calls and never answers holds up nobody else, and is asked for nothing twice when it is back.
#[tokio::test]
async fn a_cloud_that_hangs_stops_no_other_pool() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let boot = Duration::from_secs(2);
    let hangs = CloudStory::cloud(cluster, "hangs", catalogue(Vec::new()), boot).await?;
    hangs.create_pool(hangs.provider(1), json!({ "weight": 100 })).await?;
    let works = CloudStory::new(cluster, "works", catalogue(Vec::new()), json!({})).await?;
    hangs.is_told("Offered", "3 offerings").await?;
    works.is_told("Offered", "3 offerings").await?;
    let silent = [Rpc::NodeGroupIncreaseSize, Rpc::NodeGroupTargetSize, Rpc::Refresh];
    hangs.cloud.misbehave(Faults { hangs: silent.into(), ..Faults::default() });
    works.deploy(2 * PODS_PER_NODE, &["hangs", "works"]).await?;
    works.bound(2 * PODS_PER_NODE).await?;
    works.has(2).await?;
    ensure!(hangs.size() == 0, "{:?}", hangs.machines());
    hangs.cloud.misbehave(Faults::default());
    eventually("it to be found out what became of each order", PATIENCE, async || {
        let told = hangs.told().await?;
        ensure!(!told.contains("Asked") && !told.contains("Recorded"), "{told}");
        Ok(())
    })
    .await?;
    hangs.has(0).await?;
    no_defects(&operator)
}

/// Each call is carried out twice: what was not ordered is given back before it joins.
#[tokio::test]
async fn what_a_cloud_makes_beyond_the_order_is_given_back() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    // A surplus is told of only as long as the machines boot.
    let boot = Duration::from_secs(40);
    let story = CloudStory::cloud(cluster, "twice", catalogue(Vec::new()), boot).await?;
    story.create_pool(story.provider(5), json!({})).await?;
    story.is_told("Offered", "3 offerings").await?;
    story.cloud.misbehave(Faults { grows_by_more: 1, ..Faults::default() });
    story.deploy(3 * PODS_PER_NODE, &["twice"]).await?;
    story.an_order_says("Surplus").await?;
    story.bound(3 * PODS_PER_NODE).await?;
    story.has(3).await?;
    no_defects(&operator)
}

/// What is said to be made and never joins is given back after its time; other zones are asked meanwhile.
#[tokio::test]
async fn machines_that_never_join_are_given_back_after_their_time() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let never = Rule {
        failure: Some(Failure::NeverRegisters),
        price: Some(Price::from_micros(10)),
        ..Rule::default()
    };
    let soon = json!({ "provisionTimeoutSeconds": 60, "balanceZones": false });
    let story = CloudStory::new(cluster, "never", catalogue(vec![in_zone("zone-a", never)]), soon).await?;
    story.deploy(2 * PODS_PER_NODE, &["never"]).await?;
    eventually("the machines that never join", PATIENCE, async || {
        ensure!(story.cloud.machines(&group("zone-a")).len() == 2, "{}", story.told().await?);
        Ok(())
    })
    .await?;
    story.an_order_says("NeverJoined").await?;
    story.bound(2 * PODS_PER_NODE).await?;
    story.has(2).await?;
    ensure!(story.cloud.target(&group("zone-a")) == 0, "{:?}", story.machines());
    no_defects(&operator)
}

/// Whatever a cloud says of the machines that we have, none is deleted; when it says the truth again, all goes on.
#[tokio::test]
async fn a_cloud_that_lies_loses_no_node() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let story = CloudStory::new(cluster, "lies", catalogue(Vec::new()), json!({})).await?;
    story.deploy(3 * PODS_PER_NODE, &["lies"]).await?;
    let before = story.bound(3 * PODS_PER_NODE).await?;
    story.has(3).await?;
    let zone = ["zone-a", "zone-b", "zone-c"]
        .into_iter()
        .find(|zone| story.cloud.target(&group(zone)) > 0)
        .expect("a zone with a machine");
    let (there, other) = (group(zone), group(if zone == "zone-c" { "zone-a" } else { "zone-c" }));
    let lies = [
        Lie::UnknownInstance(there.clone()),
        Lie::InstancesTwice(there.clone()),
        Lie::UnknownState(there.clone()),
        Lie::ClaimsInstancesOf(there.clone(), other),
        Lie::GroupTwice(there.clone()),
        Lie::GrowingSize(there.clone()),
        Lie::Garbage(there.clone()),
    ];
    story.cloud.misbehave(Faults { lies: lies.into(), ..Faults::default() });
    story.cloud.take_calls();
    story.resize(4 * PODS_PER_NODE).await?;
    let more = story.bound(4 * PODS_PER_NODE).await?;
    ensure!(before.keys().all(|node| more.contains_key(node)), "{before:?} became {more:?}");
    story.cloud.misbehave(Faults::lying(Lie::NegativeSize(there)));
    story.is_looked_at().await?;
    let deletions = story.deletions();
    ensure!(deletions == 0, "{deletions} deletions");
    ensure!(story.machines().len() == 4, "{:?}", story.machines());

    story.cloud.misbehave(Faults::default());
    story.resize(5 * PODS_PER_NODE).await?;
    story.bound(5 * PODS_PER_NODE).await?;
    story.has(5).await?;
    no_defects(&operator)
}
