use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Load, Operator, Total, eventually, operator::OperatorProcess};

use crate::{
    stage::{self, FAST, PATIENCE, Scene, Target, utilization},
    workload,
};

/// A leader is killed while a window and a budget are used up. Under Plimsoll-1 the next one goes on with both; under
/// HPA-1.37 both begin anew, as they do when kube-controller-manager restarts.
#[tokio::test]
async fn windows_and_budgets_survive_a_killed_leader() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let lease = "--set=leaderElection.leaseDurationSeconds=20,leaderElection.renewSeconds=1";
    let mut operator = Operator::install(&cluster, &[FAST, lease]).await?;
    let scene = Scene::new(&cluster, "survive").await?;

    let falls = |algorithm| falls(&scene, algorithm);
    let grows = |algorithm| grows(&scene, algorithm);
    let (ours, theirs, our_growth, their_growth) =
        tokio::try_join!(falls("Plimsoll-1"), falls("HPA-1.37"), grows("Plimsoll-1"), grows("HPA-1.37"))?;
    for (_, load) in [&ours, &theirs] {
        // 70 m at 50 m a pod are 1.4 pods.
        load.set(Total { cpu_milli: 70, memory_mib: 64 });
    }
    for name in ["falls-plimsoll-1", "falls-hpa-1.37"] {
        scene.condition(name, "AbleToScale=True ScaleDownStabilized").await?;
    }
    // It says once a second what is not saved.
    scene.looks(12).await?;
    let leader = operator.leader().await?;
    saved(leader).await?;
    // Three, unless somebody else has led before.
    let reached = scene.replicas(&their_growth.0).await?;
    leader.kill()?;

    // HPA's budget is there again, so the new leader has looked; ours is not.
    eventually("HPA's budget to be given again", PATIENCE, async || {
        let size = scene.replicas(&their_growth.0).await?;
        ensure!(size > reached, "{size} replicas");
        Ok(())
    })
    .await?;
    scene.looks(8).await?;
    ensure!(scene.replicas(&our_growth.0).await? == 3, "the budget was given twice");
    scene.condition("grows-plimsoll-1", "ScalingLimited=True ScaleUpLimit").await?;

    scene.reaches(&ours.0, 2).await?;
    scene.reaches(&theirs.0, 2).await?;
    let [ours, theirs] =
        [scaled_at(&scene, "falls-plimsoll-1").await?, scaled_at(&scene, "falls-hpa-1.37").await?];
    // As much later as the failover took, in which the window went on.
    let later = ours.until(theirs)?.get_seconds();
    ensure!(later >= 4, "the window was begun anew: HPA's twin shrank {later} s later");
    stage::no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}

/// Four pods that need to be four. The window is long beside all that happens before the leader is killed.
async fn falls(scene: &Scene<'_>, algorithm: &str) -> Result<(Target, Load)> {
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 120}});
    let began = begin(scene, "falls", algorithm, (4, 190), behavior).await?;
    let name = format!("falls-{}", algorithm.to_lowercase());
    scene.condition(&name, "ScalingActive=True ValidMetricFound").await?;
    Ok(began)
}

/// Two pods that need to be ten, and may be three.
async fn grows(scene: &Scene<'_>, algorithm: &str) -> Result<(Target, Load)> {
    let one = json!({"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1800}]});
    let began = begin(scene, "grows", algorithm, (2, 500), json!({"scaleUp": one})).await?;
    scene.reaches(&began.0, 3).await?;
    Ok(began)
}

async fn begin(
    scene: &Scene<'_>,
    story: &str,
    algorithm: &str,
    (pods, cpu_milli): (usize, u64),
    behavior: Value,
) -> Result<(Target, Load)> {
    let name = format!("{story}-{}", algorithm.to_lowercase());
    let target = Target::deployment(&name);
    workload::deploy(scene.cluster, &scene.namespace, &name, pods, 100).await?;
    let total = Total { cpu_milli, memory_mib: 64 };
    let load = Load::start(scene.cluster, &scene.namespace, &format!("app={name}"), total).await?;
    let spec = json!({
        "maxReplicas": 10, "metrics": [utilization("cpu", 50)], "behavior": behavior, "algorithm": algorithm,
    });
    scene.scale(&name, &target, spec).await?;
    Ok((target, load))
}

/// Waits until nothing that the leader remembers is unsaved.
async fn saved(leader: &OperatorProcess) -> Result<()> {
    eventually("all that is remembered to be saved", PATIENCE, async || {
        let metrics = leader.get("/metrics").await?.body;
        let shown = metrics.lines().find(|line| line.starts_with("plimsoll_memory_unsaved_seconds"));
        ensure!(shown == Some("plimsoll_memory_unsaved_seconds 0"), "{shown:?}");
        Ok(())
    })
    .await
}

async fn scaled_at(scene: &Scene<'_>, name: &str) -> Result<jiff::Timestamp> {
    let scaler = scene.until(name, |scaler| scaler["status"]["currentReplicas"] == 2).await?;
    Ok(scaler["status"]["lastScaleTime"].as_str().context("no lastScaleTime")?.parse()?)
}
