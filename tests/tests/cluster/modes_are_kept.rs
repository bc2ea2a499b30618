use anyhow::{Result, ensure};
use serde_json::json;
use testbed::{Load, Total};

use crate::{
    stage::{self, Target, utilization},
    workload,
};

/// `Recommend` says what it would do, `Paused` does not even look, and both act once they are `Active`.
#[tokio::test]
async fn modes_recommend_and_pause() -> Result<()> {
    stage::story("modes", async |scene| {
        let load = |name: &'static str| {
            let total = Total { cpu_milli: 190, memory_mib: 64 };
            Load::start(scene.cluster, &scene.namespace, name, total)
        };
        // 190 m at 50 m a pod are 3.8 pods. No sample that is too high for a moment makes five.
        let spec = |mode| json!({"maxReplicas": 4, "mode": mode, "metrics": [utilization("cpu", 50)]});
        // The size of a ReplicaSet is asked for, so that a look at it would be seen.
        let (advised, paused) =
            (Target::deployment("advised"), Target::new("apps/v1", "ReplicaSet", "paused"));
        for target in [&advised, &paused] {
            let Target { kind, name, .. } = target;
            workload::create(scene.cluster, &scene.namespace, kind, name, 2, 100).await?;
        }
        let _loads = [load("app=advised").await?, load("app=paused").await?];
        let mut requests = scene.requests()?;
        scene.scale("advised", &advised, spec("Recommend")).await?;
        scene.scale("paused", &paused, spec("Paused")).await?;

        let why = scene.condition("paused", "ScalingActive=False Paused").await?;
        ensure!(why.contains("spec.mode"), "{why}");
        scene.until("advised", |scaler| scaler["status"]["desiredReplicas"] == 4).await?;
        scene.looks(3).await?;
        ensure!(scene.replicas(&advised).await? == 2, "a recommendation was written");
        ensure!(scene.replicas(&paused).await? == 2, "a paused target was scaled");
        ensure!(scene.events("paused").await?.is_empty(), "{:?}", scene.events("paused").await?);
        let looked = requests.all()?.iter().any(|request| request.reads_scale("paused"));
        ensure!(!looked, "a paused target was looked at");
        // Nothing recommended is told as done.
        let rescales = scene.rescales("advised", 0).await?;
        ensure!(rescales.is_empty(), "{rescales:?}");

        for target in [&advised, &paused] {
            scene.edit(&target.name, json!({"spec": {"mode": "Active"}})).await?;
            scene.reaches(target, 4).await?;
        }
        Ok(())
    })
    .await
}
