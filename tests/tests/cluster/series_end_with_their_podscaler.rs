use anyhow::{Result, anyhow, ensure};
use kube::api::DeleteParams;
use serde_json::json;
use testbed::{Operator, eventually};

use crate::{
    stage::{self, PATIENCE, Target},
    workload,
};

/// What no longer exists is no longer counted, by neither of the two processes.
#[tokio::test]
async fn series_end_with_their_podscaler() -> Result<()> {
    let (operator, _tail) = stage::operator().await?;
    stage::story("series", async |scene| {
        let of_scene = format!("namespace=\"{}\"", scene.namespace);
        for name in ["stays", "goes"] {
            workload::deploy(scene.cluster, &scene.namespace, name, 2, 100).await?;
            scene.scale(name, &Target::deployment(name), json!({"maxReplicas": 9})).await?;
            scene.condition(name, "AbleToScale=True SucceededGetScale").await?;
        }
        for series in ["min_replicas", "max_replicas", "current_replicas", "ready_replicas", "condition"] {
            let line = |name: &str| format!("plimsoll_podscaler_{series}{{name=\"{name}\",{of_scene}");
            let shown = scrape(operator).await?;
            ensure!(["stays", "goes"].iter().all(|name| shown.contains(&line(name))), "no {series}: {shown}");
        }
        scene.scalers().delete("goes", &DeleteParams::default()).await?;
        eventually("the series of a deleted PodScaler to end", PATIENCE, async || {
            let shown = scrape(operator).await?;
            let left: Vec<_> = shown
                .lines()
                .filter(|line| line.contains(&of_scene) && line.contains("name=\"goes\""))
                .collect();
            if left.is_empty() { Ok(()) } else { Err(anyhow!("{left:?}")) }
        })
        .await?;
        let shown = scrape(operator).await?;
        let stays = shown.lines().any(|line| line.contains(&of_scene) && line.contains("name=\"stays\""));
        ensure!(stays, "the series of the other ended too");
        Ok(())
    })
    .await
}

/// What both processes show.
async fn scrape(operator: &Operator<'_>) -> Result<String> {
    let mut shown = String::new();
    for process in operator.processes() {
        shown += &process.get("/metrics").await?.body;
    }
    Ok(shown)
}
