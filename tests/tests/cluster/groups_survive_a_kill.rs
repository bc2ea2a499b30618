use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Operator};

use crate::{
    groups_stage::{condition, group, object, ready, referring, replace, with_template},
    stage::{FAST, Scene, Target},
    workload,
};

/// A new leader has forgotten what was applied. It finds all of it as it should be, changes nothing of it, and goes on
/// with what has changed meanwhile. One of the services is a StatefulSet that was there before.
#[tokio::test]
async fn a_new_leader_goes_on_with_a_group_as_it_is() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let mut operator = Operator::install(&cluster, &[FAST]).await?;
    let scene = Scene::new(&cluster, "kept").await?;
    workload::create(&cluster, &scene.namespace, "StatefulSet", "legacy", 2, 100).await?;
    let legacy = referring("old", "StatefulSet", "legacy", 3);
    scene.create(group("store", &[with_template("get", 2), legacy.clone()])).await?;
    ready(&scene, "store", "2/2").await?;
    let stateful_set = Target::new("apps/v1", "StatefulSet", "legacy");
    scene.reaches(&stateful_set, 3).await?;
    let before = applied(&scene).await?;

    operator.leader().await?.kill()?;
    replace(&scene, "store", &[with_template("get", 2), legacy, with_template("new", 1)]).await?;
    ready(&scene, "store", "3/3").await?;
    condition(&scene, "store", "old", "DisruptionBudget=True Kept").await?;
    ensure!(applied(&scene).await? == before, "{before:?} became {:?}", applied(&scene).await?);
    ensure!(scene.replicas(&stateful_set).await? == 3, "its size was moved");
    drop(operator);
    cluster.stop().await
}

/// When the objects of a service were last changed by an apply, by the API server's own account, and what they are.
async fn applied(scene: &Scene<'_>) -> Result<Vec<Value>> {
    let mut applied = Vec::new();
    for (of, name) in [
        (("apps/v1", "Deployment"), "store-get"),
        (("v1", "Service"), "store-get"),
        (("policy/v1", "PodDisruptionBudget"), "store-old"),
        (("plimsoll.dev/v1alpha1", "PodScaler"), "store-old"),
    ] {
        let object = object(scene, of, name, |_| true).await?;
        let entries = object["metadata"]["managedFields"].as_array().context("nobody set anything")?;
        let ours = entries.iter().find(|entry| entry["manager"] == "plimsoll-servicegroups");
        let ours = ours.with_context(|| format!("nothing of {name} is ours"))?;
        applied.push(json!([name, object["metadata"]["generation"], object["spec"], ours["time"]]));
    }
    Ok(applied)
}
