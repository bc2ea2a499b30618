use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::{api::WatchParams, core::WatchEvent};
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
        let mut version =
            scene.api("apps/v1", "Deployment").get("store-get").await?.metadata.resource_version;
        let mut sizes = Vec::new();
        for image in ["web:2", "web:3"] {
            paused["template"]["spec"]["containers"][0]["image"] = json!(image);
            replace(scene, "store", &[paused.clone()]).await?;
            let rolled = |deployment: &Value| {
                deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image
                    && deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
                    && deployment["status"]["updatedReplicas"] == 5
                    && deployment["status"]["readyReplicas"] == 5
            };
            let from = version.context("no version")?;
            let (given, reached) = sizes_until(scene, &from, rolled).await.context(image)?;
            sizes.extend(given);
            version = reached;
        }
        ensure!(sizes.len() > 4 && sizes.iter().all(|size| *size == 5), "{sizes:?}");

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

/// The sizes that the Deployment was given from this version on until it is as wanted, one for each write, and its
/// version then.
async fn sizes_until(
    scene: &Scene<'_>,
    version: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<(Vec<Value>, Option<String>)> {
    let params = WatchParams::default().fields("metadata.name=store-get");
    let deployments = scene.api("apps/v1", "Deployment");
    let mut events = deployments.watch(&params, version).await?.boxed();
    let mut sizes = Vec::new();
    loop {
        match events.try_next().await?.with_context(|| format!("not as wanted after {sizes:?}"))? {
            WatchEvent::Added(seen) | WatchEvent::Modified(seen) => {
                sizes.push(seen.data["spec"]["replicas"].clone());
                if wanted(&serde_json::to_value(&seen)?) {
                    return Ok((sizes, seen.metadata.resource_version));
                }
            }
            WatchEvent::Bookmark(_) => {}
            other => bail!("{other:?}"),
        }
    }
}
