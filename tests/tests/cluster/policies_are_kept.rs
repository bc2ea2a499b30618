use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::{Load, Total};

use crate::{
    stage::{self, Target, utilization},
    workload,
};

/// A schedule raises the minimum, a fallback answers for a metric that nobody serves, a formula decides over metrics,
/// and one that cannot be read is named, while the others go on.
#[tokio::test]
async fn schedules_fallbacks_and_formulas_decide() -> Result<()> {
    stage::story("policies", async |scene| {
        let names = ["scheduled", "fallen-back", "by-formula", "misspelled"];
        for name in names {
            workload::deploy(scene.cluster, &scene.namespace, name, 2, 100).await?;
        }
        let total = Total { cpu_milli: 170, memory_mib: 64 };
        let _load = Load::start(scene.cluster, &scene.namespace, "app=by-formula", total).await?;
        let scale = async |name: &str, spec: Value| {
            scene.scale(name, &Target::deployment(name), spec).await.map(|()| Target::deployment(name))
        };

        // Open since it last closed, on 29 February: at any moment a test may run.
        let always = json!({
            "name": "always", "start": "* * * * *", "end": "0 0 29 2 *", "timeZone": "Europe/Berlin", "minReplicas": 4,
        });
        let scheduled = scale("scheduled", json!({"maxReplicas": 9, "schedules": [always]})).await?;
        let nobody = json!({
            "type": "External",
            "external": {"metric": {"name": "nobody-serves-this"}, "target": {"type": "Value", "value": "5"}},
        });
        let fallback = json!({"afterFailures": 2, "behavior": "Static", "replicas": 3});
        let fallen_back =
            json!({"maxReplicas": 9, "metrics": [nobody], "fallback": fallback, "syncPeriodSeconds": 1});
        let fallen_back = scale("fallen-back", fallen_back).await?;
        // 170 m of cpu over pods that request 100 m need 4 at 50 %.
        let mut cpu = utilization("cpu", 50);
        cpu["name"] = json!("cpu");
        // A scrape that comes late may show more once, which the maximum cuts off.
        let formula = |formula: &str| json!({"maxReplicas": 6, "metrics": [cpu.clone()], "formula": formula});
        let by_formula = scale("by-formula", formula("min(cpu.replicas, 8) + 2")).await?;
        let misspelled = scale("misspelled", formula("cpu.pods + 1")).await?;

        scene.reaches(&scheduled, 4).await?;
        let events = scene.rescales("scheduled", 1).await?;
        ensure!(events[0].ends_with("below the minimum of schedule always"), "{events:?}");

        scene.reaches(&fallen_back, 3).await?;
        // Told last, so that what was told before it is there too.
        scene.rescales("fallen-back", 1).await?;
        let events = scene.events("fallen-back").await?;
        let told = "FallbackApplied: spec.fallback.afterFailures (2) is reached";
        ensure!(events.iter().any(|event| event.starts_with(told)), "{events:?}");

        scene.reaches(&by_formula, 6).await?;
        let is_computed = |scaler: &Value| {
            let last = &scaler["status"]["lastDecision"];
            let replicas = last["proposals"][0]["replicas"].as_i64();
            replicas.is_some_and(|replicas| last["recommendation"] == replicas.min(8) + 2)
        };
        scene.until("by-formula", is_computed).await?;

        let why = scene.condition("misspelled", "AbleToScale=False InvalidSpec").await?;
        ensure!(why.contains("spec.formula: a metric has no .pods"), "{why}");
        ensure!(scene.replicas(&misspelled).await? == 2, "a formula that cannot be read has decided");
        scene.edit("misspelled", json!({"spec": {"formula": "3"}})).await?;
        scene.reaches(&misspelled, 3).await
    })
    .await
}
