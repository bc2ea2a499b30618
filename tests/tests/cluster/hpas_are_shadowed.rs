use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testbed::{Load, Total, eventually};

use crate::{
    hpas,
    stage::{self, PATIENCE, Scene, Target, utilization},
    workload,
};

/// In the shadow of the built-in controller we come to the same sizes, up and down, and write nothing.
#[tokio::test]
async fn shadow_agrees_with_the_built_in_controller() -> Result<()> {
    stage::story("shadow", async |scene| {
        let target = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        let total = |cpu_milli| Total { cpu_milli, memory_mib: 64 };
        let load = Load::start(scene.cluster, &scene.namespace, "app=web", total(170)).await?;
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 15}});
        let spec = json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)], "behavior": behavior});
        let mut requests = scene.requests()?;
        hpas::create(scene, &target, spec).await?;
        // 170 m at 50 m a pod are 3.4 pods, 70 m are 1.4.
        agrees(scene, 4).await?;
        load.set(total(70));
        agrees(scene, 2).await?;

        eventually("the series", PATIENCE, async || {
            let metrics = leader(scene, "/metrics").await?;
            for series in ["plimsoll_shadow_desired_replicas", "plimsoll_shadow_difference_replicas"] {
                let series = format!("{series}{{hpa=\"web\",namespace=\"{}\"}} ", scene.namespace);
                ensure!(metrics.contains(&series), "no {series}");
            }
            Ok(())
        })
        .await?;
        let requests = requests.all()?;
        let written = requests.iter().find(|request| request.is_of_operator() && request.event.verb != "get");
        let written = written.filter(|request| !["list", "watch"].contains(&request.event.verb.as_str()));
        ensure!(written.is_none(), "a shadow wrote {written:?}");
        Ok(())
    })
    .await
}

/// Waits until both say this size, and it is there.
async fn agrees(scene: &Scene<'_>, size: i32) -> Result<()> {
    eventually(&format!("both to say {size}"), PATIENCE, async || {
        let ours = shadow(scene).await?;
        let agree = ours["theirs"] == size && ours["ours"] == size && ours["differentSince"].is_null();
        let is_there = scene.replicas(&Target::deployment("web")).await? == size;
        if agree && is_there && ours["looks"]["equal"] != 0 { Ok(()) } else { Err(anyhow!("{ours}")) }
    })
    .await
}

/// What is shown of the HPA of this namespace, once the one who leads has seen it.
pub(crate) async fn shadow(scene: &Scene<'_>) -> Result<Value> {
    let shown: Value = serde_json::from_str(&leader(scene, "/shadow").await?)?;
    let shadows = shown["hpas"].as_array().context("no list")?;
    let ours = shadows.iter().find(|shadow| shadow["namespace"] == scene.namespace.name());
    ours.cloned().context("no shadow")
}

/// What the one who leads answers.
async fn leader(scene: &Scene<'_>, path: &str) -> Result<String> {
    let (operator, _) = stage::operator().await?;
    for process in operator.processes() {
        let shown: Value = serde_json::from_str(&process.get("/shadow").await?.body)?;
        if shown["leader"] == true {
            return Ok(process.get(path).await?.body);
        }
    }
    Err(anyhow!("nobody leads, seen from {}", scene.namespace))
}
