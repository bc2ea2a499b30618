use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    stage::{self, Scene, Target, conditions},
    workload,
};

/// A condition that somebody else sets beside the operator's stays theirs, and the operator's stay too.
#[tokio::test]
async fn conditions_of_others_are_left_alone() -> Result<()> {
    stage::story("owners", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        scene.scale("web", &web, json!({"maxReplicas": 9})).await?;
        scene.condition("web", "AbleToScale=True SucceededGetScale").await?;

        review(scene, "Pending").await?;
        // The operator writes again, and must not have taken the condition over.
        scene.edit("web", json!({"spec": {"minReplicas": 3}})).await?;
        scene.until("web", |scaler| scaler["status"]["currentReplicas"] == 3).await?;
        review(scene, "Passed").await?;
        scene.edit("web", json!({"spec": {"minReplicas": 4}})).await?;
        let scaler = scene.until("web", |scaler| scaler["status"]["currentReplicas"] == 4).await?;

        let told: Vec<_> = conditions(&scaler).into_iter().map(|(told, _)| told).collect();
        ensure!(told.iter().any(|told| told == "Reviewed=True Passed"), "{told:?}");
        ensure!(told.iter().any(|told| told.starts_with("AbleToScale=True")), "{told:?}");
        Ok(())
    })
    .await
}

/// Applies a condition without force: it would be refused if somebody else owned it.
pub(crate) async fn review(scene: &Scene<'_>, reason: &str) -> Result<()> {
    let condition = json!({
        "type": "Reviewed",
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let patch: Value = json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "PodScaler",
        "status": {"conditions": [condition]},
    });
    scene.scalers().patch_status("web", &PatchParams::apply("reviewer"), &Patch::Apply(&patch)).await?;
    Ok(())
}
