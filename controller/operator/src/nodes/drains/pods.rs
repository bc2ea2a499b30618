//! What a drain does to pods and their Deployments: it evicts, and lets one replica more be ready elsewhere before.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use plimsoll_core::{cluster::Name, time::Span};
use plimsoll_observe::{DELETION_COST, DRAIN_MANAGER};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{nodes::planner::Planner, targets::WRITE_TIME};

impl Planner {
    /// Evicts a pod, and no other that came after it under the same name.
    pub(super) async fn evict(&self, uid: &Name, namespace: &Name, name: &Name, grace: Option<Span>) {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut options = json!({ "preconditions": { "uid": &**uid } });
        if let Some(grace) = grace {
            options["gracePeriodSeconds"] = grace.as_secs().into();
        }
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": &**name, "namespace": &**namespace },
            "deleteOptions": options,
        });
        let params = PostParams::default();
        let evicted = api.create_subresource::<Value, Value>("eviction", name, &params, &eviction);
        match timeout(WRITE_TIME, evicted).await {
            Ok(Ok(_)) => {
                self.metrics.evicted.inc();
                tracing::info!(%namespace, pod = %name, "a pod was evicted");
            }
            // Gone already, another one by now, or held by a budget that has changed meanwhile: looked at again.
            Ok(Err(error)) => tracing::debug!(%namespace, pod = %name, %error, "a pod was not evicted"),
            Err(_) => {}
        }
    }

    /// Asks a Deployment for so many replicas, one more or one less, over the version that was read. False where that failed,
    /// or where it has another size than was seen: then it is looked at again.
    pub(super) async fn resize(&self, namespace: &Name, deployment: &Name, replicas: i32, why: &str) -> bool {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let resized = timeout(WRITE_TIME, async {
            let scale = api.get_scale(deployment).await?;
            let now = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
            if now == replicas {
                return Ok(true);
            }
            if now.abs_diff(replicas) > 1 {
                tracing::info!(%namespace, %deployment, now, replicas, "somebody else has resized a Deployment meanwhile");
                return Ok(false);
            }
            let patch = json!({
                "metadata": { "resourceVersion": scale.metadata.resource_version },
                "spec": { "replicas": replicas },
            });
            api.patch_scale(deployment, &PatchParams::default(), &Patch::Merge(patch)).await?;
            tracing::info!(%namespace, %deployment, replicas, why, "a Deployment was resized for a drain");
            Ok::<_, kube::Error>(true)
        });
        match resized.await {
            Ok(Ok(done)) => done,
            // Without it there is nothing to give back.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => true,
            Ok(Err(error)) => {
                tracing::warn!(%namespace, %deployment, %error, "a Deployment was not resized for a drain, and will be");
                false
            }
            Err(_) => false,
        }
    }

    /// Gives pods a deletion cost, by which they go first when their Deployment shrinks, or takes it away. False where that
    /// failed for one that is still there.
    pub(super) async fn set_cost(&self, pods: &[Name], cost: Option<&str>) -> bool {
        let mut all = true;
        for pod in pods.iter().filter_map(|uid| self.world.view.pod(uid)) {
            let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.shape.namespace);
            let patch = json!({ "metadata": { "uid": &*pod.uid, "annotations": { DELETION_COST: cost } } });
            let params =
                PatchParams { field_manager: Some(DRAIN_MANAGER.to_owned()), ..PatchParams::default() };
            let patch = Patch::Merge(patch);
            match timeout(WRITE_TIME, api.patch_metadata(&pod.name, &params, &patch)).await {
                Ok(Ok(_)) => {}
                // It is gone, or another pod has its name.
                Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => {}
                Ok(Err(error)) => {
                    tracing::warn!(pod = %pod.name, %error, "the deletion cost of a pod was not written for a drain");
                    all = false;
                }
                Err(_) => all = false,
            }
        }
        all
    }
}
