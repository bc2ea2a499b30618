//! HPAs, as a person has them.

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use testbed::eventually;

use crate::stage::{PATIENCE, Scene, Target};

/// Creates an HPA with the name of its target. `spec` is all of its spec but the target.
pub(crate) async fn create(scene: &Scene<'_>, target: &Target, mut spec: Value) -> Result<()> {
    spec["scaleTargetRef"] =
        json!({"apiVersion": target.api_version, "kind": target.kind, "name": target.name});
    let hpa = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target.name},
        "spec": spec,
    });
    scene.create(hpa).await.map(drop)
}

/// An HPA.
pub(crate) async fn get(scene: &Scene<'_>, name: &str) -> Result<Value> {
    let hpa = scene.api("autoscaling/v2", "HorizontalPodAutoscaler").get(name).await?;
    Ok(serde_json::to_value(hpa)?)
}

/// Waits until an HPA is as wanted, and returns it.
pub(crate) async fn until(scene: &Scene<'_>, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(&format!("the HPA {name}"), PATIENCE, async || {
        let hpa = get(scene, name).await?;
        if wanted(&hpa) { Ok(hpa) } else { Err(anyhow!("{}", hpa["status"])) }
    })
    .await
}

/// The status without what differs from run to run: times, and the exact usage.
pub(crate) fn comparable(hpa: &Value) -> Result<Value> {
    let mut status = hpa["status"].clone();
    let fields = status.as_object_mut().context("no status")?;
    if let Some(at) = fields.get_mut("lastScaleTime") {
        *at = json!("then");
    }
    for condition in fields.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        let field = condition.as_object_mut().context("no condition")?;
        field.insert("lastTransitionTime".to_owned(), json!("then"));
    }
    for metric in fields.get_mut("currentMetrics").and_then(Value::as_array_mut).into_iter().flatten() {
        for value in metric["resource"]["current"].as_object_mut().into_iter().flatten() {
            *value.1 = json!("some");
        }
    }
    Ok(status)
}
