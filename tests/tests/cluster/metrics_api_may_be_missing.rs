use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Load, Operator, Total, eventually};

use crate::{
    stage::{self, FAST, PATIENCE, STEADY, Scene, Target, utilization},
    workload,
};

/// Without metrics nothing is scaled by them, others go on, and when they are back so is scaling.
#[tokio::test]
async fn metrics_api_may_be_missing_for_a_while() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let operator = Operator::install(&cluster, &[FAST, STEADY, "--set=replicas=1"]).await?;
    let scene = Scene::new(&cluster, "unmetered").await?;
    let get = ["get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "json"];
    let service: Value = serde_json::from_str(&cluster.kubectl(get).await?.stdout)?;
    cluster.kubectl(["delete", "apiservice", "v1beta1.metrics.k8s.io"]).await?;
    eventually("the end of the metrics API", PATIENCE, async || {
        let answer = cluster.kubectl(["get", "--raw", "/apis/metrics.k8s.io/v1beta1"]).await;
        let refused = answer.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("NotFound"), "it is there: {refused}");
        Ok(())
    })
    .await?;

    let (web, other) = (Target::deployment("web"), Target::deployment("other"));
    for target in [&web, &other] {
        workload::deploy(&cluster, &scene.namespace, &target.name, 2, 100).await?;
    }
    let total = Total { cpu_milli: 170, memory_mib: 64 };
    let _load = Load::start(&cluster, &scene.namespace, "app=web", total).await?;
    let spec = || json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)]});
    scene.scale("web", &web, spec()).await?;
    scene.scale("other", &other, spec()).await?;
    let message = scene.condition("web", "ScalingActive=False FailedGetResourceMetric").await?;
    ensure!(message.contains("metrics.k8s.io") && message.contains("metrics-server"), "{message}");

    // Bounds need no metrics.
    scene.edit("other", json!({"spec": {"minReplicas": 3}})).await?;
    scene.reaches(&other, 3).await?;
    scene.looks(8).await?;
    ensure!(scene.replicas(&web).await? == 2, "scaled without metrics");
    let mut events = scene.events("web").await?;
    // Not at each look; a second time only if the answer to the first was lost.
    ensure!(events.len() < 3, "{events:?}");
    events.dedup();
    let [event] = &events[..] else { anyhow::bail!("not one event: {events:?}") };
    ensure!(event.starts_with("FailedGetResourceMetric: ") && event.contains("metrics-server"), "{event}");

    let again = json!({
        "apiVersion": service["apiVersion"],
        "kind": service["kind"],
        "metadata": {"name": service["metadata"]["name"]},
        "spec": service["spec"],
    });
    cluster.kubectl_with(["create", "-f", "-"], &again.to_string()).await?;
    scene.reaches(&web, 4).await?;
    let told = eventually("a success to be told", PATIENCE, async || {
        let events = scene.events("web").await?;
        events.into_iter().find(|event| event.starts_with("SuccessfulRescale")).context("none")
    });
    told.await?;
    stage::no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}
