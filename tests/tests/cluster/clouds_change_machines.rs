//! Machines of a cloud that come under another name than they were promised, or that it wants back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud::{Faults, Rpc};
use serde_json::json;

use crate::{
    cloud_story::{CloudStory, PODS_PER_NODE, bed, catalogue},
    stage::no_defects,
};

/// Until it has booted a cloud lists a machine as a request: when it has its own id it is still the one that was ordered.
#[tokio::test]
async fn a_machine_that_gets_its_id_when_it_runs_is_ordered_once() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let story = CloudStory::cloud(cluster, "renames", catalogue(Vec::new()), Duration::from_secs(15)).await?;
    story.cloud.misbehave(Faults { renames_when_booted: true, ..Faults::default() });
    story.create_pool(story.provider(5), json!({})).await?;
    story.deploy(3 * PODS_PER_NODE, &["renames"]).await?;
    story.bound(3 * PODS_PER_NODE).await?;
    story.has(3).await?;
    let ordered: i32 = story.orders().await?.iter().map(|order| order.spec.count).sum();
    ensure!(ordered == 3, "{}", story.told().await?);
    let deletions = story.deletions();
    ensure!(deletions == 0, "{deletions} deletions");
    no_defects(&operator)
}

/// A machine that its cloud says is going, though nobody has asked for that, is emptied while it still runs.
#[tokio::test]
async fn a_machine_that_its_cloud_takes_back_is_emptied_before_it_goes() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let story = CloudStory::new(cluster, "takes-back", catalogue(Vec::new()), json!({})).await?;
    story.deploy(PODS_PER_NODE, &["takes-back"]).await?;
    story.bound(PODS_PER_NODE).await?;
    story.has(1).await?;
    let machine = story.machines().pop().context("a machine")?;
    story.cloud.reclaim(&machine.id);
    story.bound_elsewhere(PODS_PER_NODE, &format!("takes-back-{}", machine.name)).await?;
    // Its node was there all the time, and nobody asks a second time for what the cloud does anyhow: that might end another.
    ensure!(story.marked().await?.len() == 2, "{}", story.told().await?);
    story.cloud.lose(&machine.id);
    story.has(1).await?;
    ensure!(story.cloud.calls(Rpc::NodeGroupDeleteNodes) == 0, "{}", story.told().await?);
    no_defects(&operator)
}
