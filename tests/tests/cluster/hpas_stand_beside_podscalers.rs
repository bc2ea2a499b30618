use anyhow::{Result, ensure};
use serde_json::json;
use testbed::{Load, Total, eventually};

use crate::{
    hpas, hpas_are_shadowed,
    stage::{self, PATIENCE, Target, conditions, utilization},
    workload,
};

/// The way from an HPA to a PodScaler: refused while both would write, in step while one of them recommends, and no
/// size is lost when the HPA goes, although the load fell meanwhile.
#[tokio::test]
async fn podscalers_stand_beside_hpas() -> Result<()> {
    stage::story("beside", async |scene| {
        let total = |cpu_milli| Total { cpu_milli, memory_mib: 64 };
        let target = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 4, 100).await?;
        let load = Load::start(scene.cluster, &scene.namespace, "app=web", total(190)).await?;
        // No sample that is too high for a moment makes five of them.
        let spec = |mode| json!({"maxReplicas": 4, "mode": mode, "metrics": [utilization("cpu", 50)]});
        hpas::create(scene, &target, json!({"maxReplicas": 4, "metrics": [utilization("cpu", 50)]})).await?;
        let mut requests = scene.requests()?;
        eventually("the HPA to be seen", PATIENCE, async || hpas_are_shadowed::shadow(scene).await).await?;

        scene.scale("web", &target, spec("Active")).await?;
        let told = scene.condition("web", "AbleToScale=False Conflicting").await?;
        ensure!(told.contains("a HorizontalPodAutoscaler has the same target: web"), "{told}");
        ensure!(told.contains("deleted") && told.contains("spec.mode Recommend"), "{told}");
        scene.looks(2).await?;
        let events = scene.events("web").await?;
        ensure!(events.len() == 1 && events[0].starts_with("Conflicting: "), "{events:?}");

        scene.edit("web", json!({"spec": {"mode": "Recommend"}})).await?;
        let told = scene.condition("web", "Recommending=True Recommend").await?;
        ensure!(told.contains("no replicas are written"), "{told}");
        scene.until("web", |scaler| scaler["status"]["desiredReplicas"] == 4).await?;
        hpas::until(scene, "web", |hpa| hpa["status"]["desiredReplicas"] == 4).await?;

        // 70 m at 50 m a pod are 1.4 pods.
        load.set(total(70));
        let held = "AbleToScale=True ScaleDownStabilized";
        scene.condition("web", held).await?;
        scene.cluster.kubectl(["delete", "hpa", "web", "--namespace", &scene.namespace]).await?;
        scene.edit("web", json!({"spec": {"mode": "Active"}})).await?;
        let is_active = |told: &str| told == held;
        let active = scene
            .until("web", |scaler| {
                let told = conditions(scaler);
                told.iter().any(|(told, _)| is_active(told))
                    && !told.iter().any(|(told, _)| told.starts_with("Recommending"))
            })
            .await?;
        ensure!(active["status"]["desiredReplicas"] == 4, "{active}");
        ensure!(scene.replicas(&target).await? == 4, "the size fell when the HPA went");
        let writes =
            requests.all()?.iter().filter(|request| request.is("patch", "deployments/scale")).count();
        ensure!(writes == 0, "{writes} writes of a size that was right all the time");

        // 400 m at 50 m a pod are 8 pods.
        load.set(total(400));
        scene.edit("web", json!({"spec": {"maxReplicas": 6}})).await?;
        scene.reaches(&target, 6).await
    })
    .await
}
