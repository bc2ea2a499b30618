use anyhow::Result;
use serde_json::{Value, json};
use testbed::{Load, Total};

use crate::{
    stage::{self, Scene, Target, utilization},
    workload,
};

const GROUP: &str = "bed.plimsoll.dev";

/// Two pods with 170 m of cpu on requests of 200 m, at a target of 50 %, are 3.4 pods: four.
#[tokio::test]
async fn every_kind_with_a_scale_is_scaled() -> Result<()> {
    stage::story("kinds", async |scene| {
        define_fleets(scene).await?;
        let kinds = [
            Target::deployment("deployment"),
            Target::new("apps/v1", "StatefulSet", "statefulset"),
            Target::new("apps/v1", "ReplicaSet", "replicaset"),
            Target::new(&format!("{GROUP}/v1"), "Fleet", "fleet"),
        ];
        stage::all(kinds.iter().map(|target| (target.name.as_str(), to_four(scene, target))).collect()).await
    })
    .await
}

async fn to_four(scene: &Scene<'_>, target: &Target) -> Result<()> {
    if target.kind == "Fleet" {
        // Its controller does not exist, so its pods are made here.
        scene.create(workload(&Target::new("apps/v1", "ReplicaSet", &target.name))).await?;
        fleet(scene, target).await?;
    } else {
        scene.create(workload(target)).await?;
    }
    workload::ready(scene.cluster, &scene.namespace, &target.name, 2).await?;
    let total = Total { cpu_milli: 170, memory_mib: 64 };
    let app = format!("app={}", target.name);
    let _load = Load::start(scene.cluster, &scene.namespace, &app, total).await?;
    // One sample that is read too high leads to five, which must not stay for minutes.
    let down = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    let spec = json!({"maxReplicas": 10, "metrics": [utilization("cpu", 50)], "behavior": down});
    scene.scale(&target.name, target, spec).await?;
    scene.reaches(target, 4).await
}

fn workload(target: &Target) -> Value {
    let labels = json!({"app": target.name});
    let requests = json!({"cpu": "100m", "memory": "64Mi"});
    let containers = json!([{"name": "app", "image": "app", "resources": {"requests": requests}}]);
    let mut workload = json!({
        "apiVersion": target.api_version,
        "kind": target.kind,
        "metadata": {"name": target.name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    });
    if target.kind == "StatefulSet" {
        workload["spec"]["serviceName"] = json!(target.name);
    }
    workload
}

/// A kind that nobody compiled into the operator.
async fn define_fleets(scene: &Scene<'_>) -> Result<()> {
    let integer = json!({"type": "integer"});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("fleets.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": {"kind": "Fleet", "plural": "fleets", "singular": "fleet", "listKind": "FleetList"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": integer}},
                    "status": {"type": "object", "properties": {"size": integer, "pods": {"type": "string"}}},
                }}},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.size",
                    "statusReplicasPath": ".status.size",
                    "labelSelectorPath": ".status.pods",
                }},
            }],
        },
    });
    scene.cluster.kubectl_with(["apply", "-f", "-"], &crd.to_string()).await?;
    scene.cluster.serves_what_is_defined().await
}

async fn fleet(scene: &Scene<'_>, target: &Target) -> Result<()> {
    let fleet = json!({
        "apiVersion": target.api_version,
        "kind": target.kind,
        "metadata": {"name": target.name},
        "spec": {"size": 2},
    });
    scene.create(fleet).await?;
    let status = json!({"status": {"size": 2, "pods": format!("app={}", target.name)}}).to_string();
    let patch = ["patch", "fleet", &target.name, "--namespace", &scene.namespace];
    let patch = [&patch[..], &["--subresource=status", "--type=merge", "--patch", &status]].concat();
    scene.cluster.kubectl(patch).await?;
    Ok(())
}
