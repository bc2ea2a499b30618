use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, WatchParams},
    core::WatchEvent,
};
use serde_json::{Value, json};

use crate::{
    groups_stage::{group, object, ready, replace, with_template, zones},
    stage,
};

/// The pods of the service.
const OF_SERVICE: &str = "plimsoll.dev/service=get";

/// The present load needs the replicas that there are: none of them goes before another is ready.
#[tokio::test]
async fn a_rolling_update_never_goes_below_the_replicas_that_the_load_needs() -> Result<()> {
    stage::story("rolling", async |scene| {
        let mut service = with_template("get", 6);
        scene.create(group("store", std::slice::from_ref(&service))).await?;
        ready(scene, "store", "1/1").await?;
        // The pods themselves, in the order of their revisions: the status of the Deployment is written later.
        let api: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
        let pods = api.list(&ListParams::default().labels(OF_SERVICE)).await?;
        let version = pods.metadata.resource_version.context("no version")?;
        let mut serving: BTreeSet<_> =
            pods.items.iter().filter(|pod| serves(pod)).map(ResourceExt::name_any).collect();
        ensure!(serving.len() == 6, "{serving:?}");

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

        // What happened meanwhile, up to the pods that there are now.
        let now = api.list(&ListParams::default().labels(OF_SERVICE)).await?;
        let left: BTreeSet<_> =
            now.items.iter().filter(|pod| serves(pod)).map(ResourceExt::name_any).collect();
        let params = WatchParams::default().labels(OF_SERVICE);
        let mut events = api.watch(&params, &version).await?.boxed();
        let mut counts = Vec::new();
        while serving != left {
            match events.try_next().await?.context("the watch ended")? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) if serves(&pod) => {
                    serving.insert(pod.name_any());
                }
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => {
                    serving.remove(&pod.name_any());
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(why) => bail!("{why:?}"),
            }
            counts.push(serving.len());
        }
        let most = counts.iter().max().copied().unwrap_or_default();
        ensure!(most > 6 && counts.iter().all(|serving| *serving >= 6), "{counts:?}");
        // Pods of the new version are spread among themselves, whatever those of the old one left free.
        let zones = zones(scene, "get").await?;
        ensure!(zones == ["zone-a", "zone-a", "zone-b", "zone-b", "zone-c", "zone-c"], "{zones:?}");
        Ok(())
    })
    .await
}

/// Whether a pod is ready and stays.
fn serves(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_ready =
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}
