use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    groups_stage::{condition, delete, gone, group, object, ready, referring, with_template},
    stage, workload,
};

const GROUP: (&str, &str) = ("plimsoll.dev/v1alpha1", "ServiceGroup");

/// One pod may not stand under two budgets.
#[tokio::test]
async fn pods_under_a_budget_of_somebody_else_get_no_second_one() -> Result<()> {
    stage::story("budgets", async |scene| {
        let budget = ("policy/v1", "PodDisruptionBudget");
        scene.create(group("store", &[with_template("get", 2)])).await?;
        condition(scene, "store", "get", "DisruptionBudget=True Kept").await?;
        let theirs = json!({"apiVersion": budget.0, "kind": budget.1, "metadata": {"name": "theirs"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"plimsoll.dev/service": "get"}}}});
        scene.create(theirs).await?;
        let why = condition(scene, "store", "get", "DisruptionBudget=False OtherBudget").await?;
        ensure!(why.contains("theirs"), "{why}");
        gone(scene, budget, "store-get").await?;
        ready(scene, "store", "1/1").await?;

        delete(scene, budget, "theirs").await?;
        condition(scene, "store", "get", "DisruptionBudget=True Kept").await?;
        let ours = object(scene, budget, "store-get", |_| true).await?;
        ensure!(ours["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow", "{ours}");
        Ok(())
    })
    .await
}

/// Of two groups that refer to one workload the first has it, and the second gets it once the first is gone.
#[tokio::test]
async fn two_groups_do_not_share_a_workload() -> Result<()> {
    stage::story("shared", async |scene| {
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        scene.create(group("first", &[referring("get", "Deployment", "web", 2)])).await?;
        ready(scene, "first", "1/1").await?;
        scene.create(group("a-second", &[referring("get", "Deployment", "web", 3)])).await?;
        let why = condition(scene, "a-second", "get", "Ready=False WorkloadTaken").await?;
        ensure!(why.contains("ServiceGroup first"), "{why}");
        ready(scene, "first", "1/1").await?;
        let found = scene.api("v1", "Service").get_opt("a-second-get").await?;
        ensure!(found.is_none(), "half of it was made");

        delete(scene, GROUP, "first").await?;
        ready(scene, "a-second", "1/1").await.map(drop)
    })
    .await
}
