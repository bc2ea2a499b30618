use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::WatchParams, core::WatchEvent};
use serde_json::{Value, json};

use crate::{
    groups_stage::{group, object, ready, replace, with_template, zones},
    stage,
};

/// The present load needs the replicas that there are: none of them goes before another is ready.
#[tokio::test]
async fn a_rolling_update_never_goes_below_the_replicas_that_the_load_needs() -> Result<()> {
    stage::story("rolling", async |scene| {
        let mut service = with_template("get", 6);
        scene.create(group("store", std::slice::from_ref(&service))).await?;
        ready(scene, "store", "1/1").await?;
        let before = scene.api("apps/v1", "Deployment").get("store-get").await?;
        let version = before.metadata.resource_version.context("no version")?;

        service["template"]["spec"]["containers"][0]["image"] = json!("web:2");
        replace(scene, "store", &[service]).await?;
        let rolled = |deployment: &Value| {
            let status = &deployment["status"];
            deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
                && status["observedGeneration"] == deployment["metadata"]["generation"]
                && status["updatedReplicas"] == 6
                && status["replicas"] == 6
                && status["readyReplicas"] == 6
        };
        object(scene, ("apps/v1", "Deployment"), "store-get", rolled).await?;

        let api: Api<Deployment> = Api::namespaced(scene.client.clone(), &scene.namespace);
        // The server ends it after a second; all that has happened comes first.
        let params = WatchParams::default().fields("metadata.name=store-get").timeout(1);
        let events: Vec<_> = api.watch(&params, &version).await?.boxed().try_collect().await?;
        let ready = events.iter().filter_map(|event| match event {
            WatchEvent::Modified(deployment) => Some(deployment.status.as_ref()?.ready_replicas.unwrap_or(0)),
            _ => None,
        });
        let ready: Vec<i32> = ready.collect();
        ensure!(ready.len() > 2 && ready.iter().all(|ready| *ready >= 6), "{ready:?}");
        // Pods of the new version are spread among themselves, whatever those of the old one left free.
        let zones = zones(scene, "get").await?;
        ensure!(zones == ["zone-a", "zone-a", "zone-b", "zone-b", "zone-c", "zone-c"], "{zones:?}");
        Ok(())
    })
    .await
}
