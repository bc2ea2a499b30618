use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{eventually, tools::repository};

use crate::{
    stage::{self, PATIENCE, Target, utilization},
    workload,
};

/// The table of `kubectl get` is that of an HPA, cell by cell but for the age.
#[tokio::test]
async fn kubectl_get_shows_what_it_shows_of_an_hpa() -> Result<()> {
    stage::story("columns", async |scene| {
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        // No load, so that neither has a value to show and neither moves.
        let spec = json!({"minReplicas": 2, "maxReplicas": 9, "metrics": [utilization("cpu", 50)]});
        let web = Target::deployment("web");
        scene.scale("web", &web, spec).await?;
        scene.condition("web", "ScalingActive=False FailedGetResourceMetric").await?;
        let mut hpa = stage::pod_scaler("web", &web, scene.scaler("web").await?["spec"].take());
        hpa["apiVersion"] = json!("autoscaling/v2");
        hpa["kind"] = json!("HorizontalPodAutoscaler");
        for field in ["algorithm", "mode"] {
            hpa["spec"].as_object_mut().context("no spec")?.remove(field);
        }
        scene.create(hpa).await?;
        let patch = ["patch", "hpa", "web", "--namespace", &scene.namespace, "--subresource=status"];
        let status = json!({"status": {"currentReplicas": 2, "desiredReplicas": 2}}).to_string();
        scene.cluster.kubectl([&patch[..], &["--type=merge", "--patch", &status]].concat()).await?;

        let mut tables = Vec::new();
        for kind in ["hpa", "ps"] {
            let get = ["get", kind, "web", "--namespace", &scene.namespace];
            let table = scene.cluster.kubectl(get).await?.stdout;
            let rows = table.lines().map(|line| {
                // Columns are at least three blanks apart.
                let mut cells: Vec<_> =
                    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
                cells.pop();
                cells.join(" | ")
            });
            tables.push(rows.collect::<Vec<_>>());
        }
        ensure!(tables[0] == tables[1], "{tables:#?}");
        ensure!(tables[0][1] == "web | Deployment/web | cpu: <unknown>/50% | 2 | 9 | 2", "{tables:?}");
        Ok(())
    })
    .await
}

/// `kubectl explain` has something to say on every field.
#[tokio::test]
async fn kubectl_explain_describes_every_field() -> Result<()> {
    stage::story("explain", async |scene| {
        // The API server publishes the schema of a new CRD a while after it serves it.
        eventually("kubectl to explain all of it", PATIENCE, async || {
            let explain = ["explain", "podscalers", "--recursive", "--output=plaintext-openapiv2"];
            let explained = scene.cluster.kubectl(explain).await?.stdout;
            ensure!(explained.contains("stabilizationWindowSeconds"), "{explained}");
            for field in [
                "spec.metrics.resource.target",
                "spec.behavior.scaleDown.policies.value",
                "status.lastDecision",
            ] {
                let path = format!("podscalers.{field}");
                let explained = scene.cluster.kubectl(["explain", &path]).await?.stdout;
                let text = explained.split_once("DESCRIPTION:").context("no description")?.1;
                ensure!(!text.contains("<empty>") && text.trim().len() > 10, "{explained}");
            }
            Ok(())
        })
        .await?;

        for kind in ["podscaler", "servicegroup"] {
            let crd = ["get", "crd", &format!("{kind}s.plimsoll.dev"), "-o", "json"];
            let crd: Value = serde_json::from_str(&scene.cluster.kubectl(crd).await?.stdout)?;
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let mut fields = BTreeMap::new();
            collect(schema, kind, &mut fields);
            ensure!(fields.len() > 60, "{}", fields.len());
            let silent: Vec<_> =
                fields.iter().filter(|(_, text)| text.len() < 5).map(|(path, _)| path).collect();
            ensure!(silent.is_empty(), "{silent:?}");
        }
        Ok(())
    })
    .await
}

/// Each field's path and description.
fn collect(schema: &Value, path: &str, fields: &mut BTreeMap<String, String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        // What Kubernetes itself describes.
        let of_every_kind = ["apiVersion", "kind", "metadata"].contains(&name.as_str());
        if !(of_every_kind && path.matches('.').count() == 1) {
            fields.insert(path.clone(), field["description"].as_str().unwrap_or_default().to_owned());
        }
        collect(field, &path, fields);
        collect(&field["items"], &path, fields);
    }
}

/// A plain `kubectl apply` notes the whole object down in an annotation of at most 256 KiB.
#[test]
fn crds_are_small_enough_for_a_plain_apply() -> Result<()> {
    let mut files = 0;
    for entry in fs::read_dir(repository().join("crds"))? {
        let path = entry?.path();
        let crd: Value = serde_saphyr::from_str(&fs::read_to_string(&path)?)?;
        let noted = crd.to_string().len();
        ensure!(noted < 256 * 1024, "{} takes {noted} bytes", path.display());
        files += 1;
    }
    ensure!(files > 0, "no CRDs");
    Ok(())
}
