use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Operator, eventually};

use crate::{
    stage::{FAST, PATIENCE, STEADY, Scene, Target, pod_scaler},
    workload,
};

const CRD: &str = "podscalers.plimsoll.dev";

/// An object that was stored before the rules were what they are stops nobody, and works once corrected.
#[tokio::test]
async fn objects_that_do_not_decode_stop_nobody() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let mut operator = Operator::install(&cluster, &[FAST, STEADY, "--set=replicas=1"]).await?;
    let scene = Scene::new(&cluster, "foreign").await?;
    let (broken, healthy) = (Target::deployment("broken"), Target::deployment("healthy"));
    for target in [&broken, &healthy] {
        workload::deploy(&cluster, &scene.namespace, &target.name, 2, 100).await?;
    }

    let strict = schema(&cluster).await?;
    let mut lax = strict.clone();
    let spec = lax.pointer_mut("/openAPIV3Schema/properties/spec").context("no schema of the spec")?;
    spec["properties"]["maxReplicas"] = json!({"x-kubernetes-int-or-string": true});
    spec["x-kubernetes-validations"] = json!([]);
    set_schema(&cluster, &lax).await?;
    let bad = json!({"minReplicas": 3, "maxReplicas": "many"});
    eventually("the API server to take anything", PATIENCE, async || {
        scene.scale("broken", &broken, bad.clone()).await
    })
    .await?;
    // While the API server takes it, the status says so.
    let message = scene.condition("broken", "AbleToScale=False InvalidSpec").await?;
    ensure!(message.contains("\"many\""), "{message}");
    told(&scene, 1).await?;

    // Once it would not, it writes no status to it either: there is the event, and it is told once.
    set_schema(&cluster, &strict).await?;
    eventually("the API server to refuse it", PATIENCE, async || {
        let again = pod_scaler("again", &broken, bad.clone());
        ensure!(scene.dry_run(again).await.is_err(), "it is accepted");
        Ok(())
    })
    .await?;
    operator.upgrade(&[FAST, STEADY, "--set=replicas=1", "--set=podLabels.restarted=yes"]).await?;
    told(&scene, 2).await?;

    scene.scale("healthy", &healthy, json!({"minReplicas": 3, "maxReplicas": 9})).await?;
    scene.reaches(&healthy, 3).await?;
    scene.looks(5).await?;
    ensure!(scene.replicas(&broken).await? == 2, "scaled on a spec that does not decode");
    told(&scene, 2).await?;

    scene.edit("broken", json!({"spec": {"maxReplicas": 9}})).await?;
    scene.reaches(&broken, 3).await?;
    scene.condition("broken", "AbleToScale=True SucceededGetScale").await?;
    drop(operator);
    cluster.stop().await
}

/// Waits until there are this many events, all of them about what does not decode.
async fn told(scene: &Scene<'_>, count: usize) -> Result<()> {
    eventually(&format!("{count} events"), PATIENCE, async || {
        let events = scene.events("broken").await?;
        let fit = |event: &String| event.starts_with("InvalidSpec: ") && event.contains("\"many\"");
        ensure!(events.len() == count && events.iter().all(fit), "{events:?}");
        Ok(())
    })
    .await
}

async fn schema(cluster: &Cluster) -> Result<Value> {
    let get = ["get", "crd", CRD, "-o", "jsonpath={.spec.versions[0].schema}"];
    Ok(serde_json::from_str(&cluster.kubectl(get).await?.stdout)?)
}

async fn set_schema(cluster: &Cluster, schema: &Value) -> Result<()> {
    let patch = json!([{"op": "replace", "path": "/spec/versions/0/schema", "value": schema}]).to_string();
    cluster.kubectl(["patch", "crd", CRD, "--type=json", "--patch", &patch]).await?;
    Ok(())
}
