use anyhow::Result;
use serde_json::{Value, json};
use testbed::{Load, Total};

use crate::{
    stage::{self, Target, utilization},
    workload,
};

/// Beside the two pods of web there are two with the same label that are not its own: one of another
/// Deployment and one of nobody. Web is at its target of 50 %. With the load of the others the average is
/// (2 x 50 + 2 x 150) / 400 = 100 %, so HPA wants twice four pods, and
/// grows to double its size, four, at first.
#[tokio::test]
async fn pods_of_others_do_not_count() -> Result<()> {
    stage::story("others", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        let requests = json!({"requests": {"cpu": "100m", "memory": "64Mi"}});
        let pod = json!({"containers": [{"name": "app", "image": "app", "resources": requests}]});
        let labels = json!({"app": "web", "role": "batch"});
        let metadata = json!({"name": "batch", "labels": labels});
        scene.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod})).await?;
        let template = json!({"metadata": {"labels": labels}, "spec": pod});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
        let batch = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec});
        scene.create(batch).await?;
        workload::ready(scene.cluster, &scene.namespace, "web", 4).await?;
        let load = |selector: &'static str, cpu_milli| {
            Load::start(scene.cluster, &scene.namespace, selector, Total { cpu_milli, memory_mib: 64 })
        };
        let _loads = [load("app=web,!role", 100).await?, load("role=batch", 300).await?];

        // Both only recommend, so that neither stands in the other's way.
        let spec = |algorithm: &str| json!({"maxReplicas": 20, "mode": "Recommend", "algorithm": algorithm, "metrics": [utilization("cpu", 50)]});
        scene.scale("as-the-hpa", &web, spec("HPA-1.37")).await?;
        // A scrape that comes late may show too much once, which is not to be held against it.
        let mut by_owner = spec("Plimsoll-1");
        by_owner["behavior"] = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        scene.scale("by-owner", &web, by_owner).await?;
        scene.until("as-the-hpa", |scaler| scaler["status"]["desiredReplicas"] == 4).await?;
        let is_its_own = |scaler: &Value| {
            let current = &scaler["status"]["currentMetrics"][0]["resource"]["current"];
            let percent = current["averageUtilization"].as_i64().unwrap_or_default();
            (40..=60).contains(&percent) && scaler["status"]["desiredReplicas"] == 2
        };
        scene.until("by-owner", is_its_own).await.map(drop)
    })
    .await
}
