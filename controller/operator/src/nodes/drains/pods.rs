//! What a drain does to pods and their Deployments: it evicts, and lets one replica more be ready elsewhere before.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::Status,
};
use plimsoll_core::{cluster::Name, time::Span};
use plimsoll_observe::{DELETION_COST, DRAIN_MANAGER};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    in_time::{Unanswered, in_time},
    nodes::{drains::LOWEST_COST, planner::Planner},
    targets::WRITE_TIME,
};

/// Why the Eviction API refuses what a budget does not allow.
const OF_BUDGET: &str = "DisruptionBudget";

impl Planner {
    /// Evicts a pod, and no other that came after it under the same name. One that was refused is left alone for a while.
    /// False where no answer came in time.
    pub(super) async fn evict(
        &mut self,
        uid: &Name,
        namespace: &Name,
        name: &Name,
        grace: Option<Span>,
    ) -> bool {
        let key = of_eviction(uid);
        if self.world.rests(&key) {
            return true;
        }
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
        match in_time(evicted).await {
            Ok(_) => {
                self.metrics.evicted.inc();
                tracing::info!(%namespace, pod = %name, "a pod was evicted");
                true
            }
            Err(Unanswered::Failed(kube::Error::Api(status))) if may_pass(&status) => {
                tracing::debug!(%namespace, pod = %name, %status, "a pod was not evicted");
                true
            }
            Err(error) => {
                let why = error.words();
                tracing::warn!(%namespace, pod = %name, why, "a pod was not evicted, and will be tried again");
                self.refusals.insert(uid.clone(), format!("pod {namespace}/{name} is not evicted: {why}"));
                self.world.rest(key);
                !matches!(error, Unanswered::Late)
            }
        }
    }

    /// Asks a Deployment for so many replicas, one more or one less, over the version that was read. False where that failed,
    /// or where one more cannot be added since it has another size than was seen: then it is looked at again.
    pub(super) async fn resize(&self, namespace: &Name, deployment: &Name, replicas: i32, why: &str) -> bool {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let surges = self.world.drains.values().flat_map(|drain| drain.surges.values());
        let ours = surges.filter(|surge| {
            surge.namespace == *namespace && surge.deployment == *deployment && !surge.absorbed
        });
        let had: Vec<i32> = ours.map(|surge| surge.from).collect();
        let resized = timeout(WRITE_TIME, async {
            let scale = api.get_scale(deployment).await?;
            let now = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
            if now == replicas {
                return Ok(true);
            }
            // Between what it had and one more only: any other size is what somebody has asked for.
            if now.abs_diff(replicas) > 1 || !had.contains(&now.min(replicas)) {
                tracing::info!(%namespace, %deployment, now, replicas, "somebody else has resized a Deployment meanwhile");
                // The replica more is part of that, so that none is left to give back.
                return Ok(had.contains(&replicas));
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
            all &= self.write_cost(pod, cost).await.is_some();
        }
        all
    }

    /// Makes a pod the first to go when its Deployment shrinks. False where that failed, and where it goes already, whatever the
    /// watch shows: then one more in its place would be one too many.
    pub(super) async fn put_first(&self, pod: &Name) -> bool {
        let Some(pod) = self.world.view.pod(pod) else { return false };
        self.write_cost(pod, Some(LOWEST_COST)).await == Some(true)
    }

    /// Whether the pod is there and stays, if its cost could be written.
    async fn write_cost(&self, pod: &plimsoll_core::cluster::Pod, cost: Option<&str>) -> Option<bool> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.shape.namespace);
        let patch = json!({ "metadata": { "uid": &*pod.uid, "annotations": { DELETION_COST: cost } } });
        let params = PatchParams { field_manager: Some(DRAIN_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        match timeout(WRITE_TIME, api.patch_metadata(&pod.name, &params, &patch)).await {
            Ok(Ok(written)) => Some(written.metadata.deletion_timestamp.is_none()),
            // It is gone, or another pod has its name.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => Some(false),
            Ok(Err(error)) => {
                tracing::warn!(pod = %pod.name, %error, "the deletion cost of a pod was not written for a drain");
                None
            }
            Err(_) => None,
        }
    }
}

/// What is noted of a pod whose eviction was refused.
pub(super) fn of_eviction(uid: &Name) -> String {
    format!("evict/{uid}")
}

/// Whether a pod that was not evicted is gone already, another one by now, or held by a budget that has changed meanwhile: it
/// is looked at again.
fn may_pass(status: &Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    let is_held = status.code == 429 && causes.any(|cause| cause.reason == OF_BUDGET);
    is_held || matches!(status.code, 404 | 409)
}
