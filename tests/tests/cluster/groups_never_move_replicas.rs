use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::WatchParams};
use serde_json::{Value, json};

use crate::{
    groups_stage::{edit, group, object, ready, replace, with_template},
    stage::{self, Scene, Target},
};

/// Sizes are written to /scale under another field manager. What groups apply names no replicas: not the first time, and
/// not when the template changes while somebody else has set the size.
#[tokio::test]
async fn no_apply_of_a_group_moves_replicas() -> Result<()> {
    stage::story("sizes", async |scene| {
        scene.create(group("store", &[with_template("get", 3)])).await?;
        ready(scene, "store", "1/1").await?;
        let deployment = object(scene, ("apps/v1", "Deployment"), "store-get", |_| true).await?;
        ensure!(owners_of_replicas(&deployment).is_empty(), "{deployment}");

        // Nobody scales it now but a person.
        let mut paused = with_template("get", 3);
        paused["scaling"]["mode"] = json!("Paused");
        replace(scene, "store", &[paused.clone()]).await?;
        let scaler = ("plimsoll.dev/v1alpha1", "PodScaler");
        object(scene, scaler, "store-get", |scaler| scaler["spec"]["mode"] == "Paused").await?;
        scene
            .cluster
            .kubectl(["scale", "deployment/store-get", "--replicas=5", "--namespace", &scene.namespace])
            .await?;
        let from = version(scene).await?;
        for image in ["web:2", "web:3"] {
            paused["template"]["spec"]["containers"][0]["image"] = json!(image);
            replace(scene, "store", &[paused.clone()]).await?;
            let rolled = |deployment: &Value| {
                deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image
                    && deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
                    && deployment["status"]["updatedReplicas"] == 5
                    && deployment["status"]["readyReplicas"] == 5
            };
            object(scene, ("apps/v1", "Deployment"), "store-get", rolled).await?;
        }
        let sizes = sizes_since(scene, &from).await?;
        ensure!(sizes.len() > 4 && sizes.iter().all(|size| *size == Some(5)), "{sizes:?}");

        // A user who changes what is ours has it restored, and the size stays.
        let deployments = scene.api("apps/v1", "Deployment");
        edit(&deployments, "store-get", json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1}}}}))
            .await?;
        let restored =
            |deployment: &Value| deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == "25%";
        object(scene, ("apps/v1", "Deployment"), "store-get", restored).await?;
        ensure!(scene.replicas(&Target::deployment("store-get")).await? == 5, "the size was moved");
        let deployment = serde_json::to_value(deployments.get("store-get").await?)?;
        ensure!(owners_of_replicas(&deployment).is_empty(), "{deployment}");
        Ok(())
    })
    .await
}

/// Who has set the replicas otherwise than through /scale, by the API server's own account.
fn owners_of_replicas(deployment: &Value) -> Vec<Value> {
    let entries = deployment["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owners = entries.filter(|entry| {
        !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null() && entry["subresource"] != "scale"
    });
    owners.map(|entry| entry["manager"].clone()).collect()
}

async fn version(scene: &Scene<'_>) -> Result<String> {
    let found = scene.api("apps/v1", "Deployment").get("store-get").await?;
    found.metadata.resource_version.context("no version")
}

/// The sizes that the Deployment was given since this version, one for each write.
async fn sizes_since(scene: &Scene<'_>, version: &str) -> Result<Vec<Option<i32>>> {
    use futures::{StreamExt as _, TryStreamExt as _};
    use kube::core::WatchEvent;
    let api: Api<Deployment> = Api::namespaced(scene.client.clone(), &scene.namespace);
    // The server ends it after a second; all that has happened comes first.
    let params = WatchParams::default().fields("metadata.name=store-get").timeout(1);
    let events: Vec<_> = api.watch(&params, version).await?.boxed().try_collect().await?;
    let sizes = events.into_iter().filter_map(|event| match event {
        WatchEvent::Added(deployment) | WatchEvent::Modified(deployment) => Some(deployment.spec.replicas),
        _ => None,
    });
    Ok(sizes.collect())
}
