//! What a PodScaler with `availability` keeps and says beside the size.

use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use testbed::eventually;

use crate::{
    stage::{self, PATIENCE, Scene, Target, conditions, utilization},
    workload,
};

const BUDGET: (&str, &str) = ("policy/v1", "PodDisruptionBudget");

async fn scaled(scene: &Scene<'_>, name: &str, availability: Value) -> Result<()> {
    workload::deploy(scene.cluster, &scene.namespace, name, 2, 100).await?;
    let spec = json!({
        "minReplicas": 2, "maxReplicas": 6, "metrics": [utilization("cpu", 60)], "availability": availability,
    });
    scene.scale(name, &Target::deployment(name), spec).await
}

async fn budgets(scene: &Scene<'_>) -> Result<Vec<Value>> {
    let budgets = scene.api(BUDGET.0, BUDGET.1).list(&ListParams::default()).await?;
    budgets.items.into_iter().map(|budget| Ok(serde_json::to_value(budget)?)).collect()
}

async fn until_budgets(scene: &Scene<'_>, count: usize) -> Result<Vec<Value>> {
    eventually(&format!("{count} budgets"), PATIENCE, async || {
        let budgets = budgets(scene).await?;
        ensure!(budgets.len() == count, "{budgets:?}");
        Ok(budgets)
    })
    .await
}

#[tokio::test]
async fn a_budget_is_kept_and_goes_with_the_wish_for_it() -> Result<()> {
    stage::story("budget", async |scene| {
        scaled(scene, "web", json!({ "maxUnavailable": 1 })).await?;
        let message = scene.condition("web", "DisruptionBudget=True Made").await?;
        ensure!(message == "PodDisruptionBudget web is kept for the pods", "{message}");
        let [budget] = until_budgets(scene, 1).await?.try_into().map_err(|all| anyhow::anyhow!("{all:?}"))?;
        ensure!(budget["spec"]["maxUnavailable"] == 1, "{budget}");
        ensure!(budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow", "{budget}");
        ensure!(budget["spec"]["selector"]["matchLabels"] == json!({ "app": "web" }), "{budget}");
        let owner = &budget["metadata"]["ownerReferences"][0];
        ensure!(owner["kind"] == "PodScaler" && owner["name"] == "web", "{owner}");

        scene.edit("web", json!({ "spec": { "availability": { "maxUnavailable": "25%" } } })).await?;
        eventually("another number", PATIENCE, async || {
            let budgets = budgets(scene).await?;
            ensure!(budgets[0]["spec"]["maxUnavailable"] == "25%", "{budgets:?}");
            Ok(())
        })
        .await?;
        scene.edit("web", json!({ "spec": { "availability": null } })).await?;
        until_budgets(scene, 0).await?;
        let quiet = scene.until("web", |scaler| {
            let ours = ["CanLoseZone", "Spread", "DisruptionBudget"];
            conditions(scaler).iter().all(|(told, _)| !ours.iter().any(|kind| told.starts_with(kind)))
        });
        quiet.await.context("nothing is said any more").map(drop)
    })
    .await
}

#[tokio::test]
async fn pods_under_a_budget_of_somebody_else_get_none() -> Result<()> {
    stage::story("theirs", async |scene| {
        let theirs = json!({
            "apiVersion": BUDGET.0, "kind": BUDGET.1, "metadata": { "name": "theirs" },
            "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
        });
        scene.create(theirs).await?;
        scaled(scene, "web", json!({})).await?;
        let message = scene.condition("web", "DisruptionBudget=False OthersSelectThem").await?;
        ensure!(message.starts_with("PodDisruptionBudget theirs selects the pods too"), "{message}");
        until_budgets(scene, 1).await?;
        scene.api(BUDGET.0, BUDGET.1).delete("theirs", &DeleteParams::default()).await?;
        scene.condition("web", "DisruptionBudget=True Made").await?;

        // One that has the name and selects other pods is left as it is.
        let named = json!({
            "apiVersion": BUDGET.0, "kind": BUDGET.1, "metadata": { "name": "taken" },
            "spec": { "minAvailable": 7, "selector": { "matchLabels": { "app": "nobody" } } },
        });
        scene.create(named).await?;
        scaled(scene, "taken", json!({})).await?;
        scene.condition("taken", "DisruptionBudget=False NameTaken").await?;
        let kept = scene.api(BUDGET.0, BUDGET.1).get("taken").await?;
        ensure!(kept.data["spec"]["minAvailable"] == 7, "{:?}", kept.data);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_template_that_does_not_spread_is_told_what_it_lacks() -> Result<()> {
    stage::story("lacks", async |scene| {
        scaled(scene, "web", json!({ "survive": "Zone" })).await?;
        let message = scene.condition("web", "Spread=False TemplateLacks").await?;
        for words in [
            "the template of Deployment web lacks",
            "topology.kubernetes.io/zone",
            "preStop hook that sleeps 15 s",
        ] {
            ensure!(message.contains(words), "{message}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_reserve_under_the_rules_of_the_hpa_is_refused() -> Result<()> {
    stage::story("refused", async |scene| {
        let spec = json!({
            "maxReplicas": 6, "algorithm": "HPA-1.37", "metrics": [utilization("cpu", 60)],
            "availability": { "survive": "Zone" },
        });
        let refused = scene.scale("web", &Target::deployment("web"), spec.clone()).await;
        let refused = format!("{:#}", refused.err().context("it was taken")?);
        ensure!(refused.contains("survive needs algorithm Plimsoll-1"), "{refused}");
        let mut without = spec;
        without["availability"] = json!({});
        scene.scale("web", &Target::deployment("web"), without).await.context("without a reserve it is fine")
    })
    .await
}
