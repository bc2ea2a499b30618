//! What is scaled: Deployments with their `ReplicaSet`s and pods, and what scales them.

use std::{fmt::Debug, time::Duration};

use anyhow::{Context, Result, anyhow};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Namespace, Pod, ServiceAccount},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind, NamespaceResourceScope},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::eventually;

/// Targets in one namespace.
const PER_NAMESPACE: usize = 50;
/// Pods of one target.
pub(super) const PODS: usize = 2;
/// Requests to the API server at a time while objects are made.
const AT_A_TIME: usize = 16;
/// What a pod requests, in thousandths of a core; its target is half of it.
const REQUEST_MILLI: u32 = 100;

/// The objects of a bench, by number.
#[derive(Clone)]
pub(super) struct Objects {
    client: Client,
    size: usize,
    nodes: Vec<String>,
}

impl Objects {
    pub(super) fn new(client: Client, size: usize, nodes: Vec<String>) -> Self {
        Self { client, size, nodes }
    }

    fn namespaces(&self) -> Vec<String> {
        (0..self.size.div_ceil(PER_NAMESPACE)).map(|number| format!("bench-{number:03}")).collect()
    }

    fn place(number: usize) -> (String, String) {
        (format!("bench-{:03}", number / PER_NAMESPACE), format!("web-{number:05}"))
    }

    /// Makes the namespaces, while somebody gives them their service accounts.
    pub(super) async fn make_namespaces(&self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        for name in self.namespaces() {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            api.create(&PostParams::default(), &namespace).await?;
        }
        for name in self.namespaces() {
            let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &name);
            eventually("a service account", Duration::from_mins(2), async || {
                Ok(accounts.get("default").await?)
            })
            .await?;
        }
        Ok(())
    }

    /// Makes the targets and their pods, and waits until the metrics API knows all pods.
    pub(super) async fn make_targets(&self) -> Result<()> {
        self.each(async |number| self.make_target(number).await).await?;
        let kind = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics"),
            "pods",
        );
        let patience = Duration::from_secs(120 + u64::try_from(self.size / 5)?);
        for namespace in self.namespaces() {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &kind);
            let numbers = (0..self.size).filter(|number| Self::place(*number).0 == namespace).count();
            eventually(&format!("usage of all pods of {namespace}"), patience, async || {
                let known = api.list(&ListParams::default()).await?.items.len();
                if known == numbers * PODS { Ok(()) } else { Err(anyhow!("{known} of {}", numbers * PODS)) }
            })
            .await?;
        }
        Ok(())
    }

    async fn make_target(&self, number: usize) -> Result<()> {
        let (namespace, name) = Self::place(number);
        let labels = json!({"app": name});
        let container = json!({"name": "app", "image": "app",
            "resources": {"requests": {"cpu": format!("{REQUEST_MILLI}m"), "memory": "64Mi"}}});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
        let spec = json!({"replicas": PODS, "selector": {"matchLabels": labels}, "template": template});
        let owner = |kind: &str, name: &str, uid: &Option<String>| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
        let deployment = json!({"metadata": {"name": name, "labels": labels}, "spec": spec});
        let deployment: Deployment = self.create(&namespace, deployment).await?;
        let status = json!({"status": {"observedGeneration": 1, "replicas": PODS, "readyReplicas": PODS,
            "updatedReplicas": PODS, "availableReplicas": PODS}});
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &namespace);
        deployments.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
        let set_name = format!("{name}-1");
        let owners = owner("Deployment", &name, &deployment.metadata.uid);
        let set = json!({"metadata": {"name": set_name, "labels": labels, "ownerReferences": owners}, "spec": spec});
        let set: ReplicaSet = self.create(&namespace, set).await?;
        for pod in 0..PODS {
            let node = &self.nodes[(number * PODS + pod) % self.nodes.len()];
            let owners = owner("ReplicaSet", &set_name, &set.metadata.uid);
            let _: Pod = self
                .create(&namespace, json!({
                    "metadata": {"name": format!("{set_name}-{pod}"), "labels": labels, "ownerReferences": owners},
                    "spec": {"nodeName": node, "containers": [container]},
                }))
                .await?;
        }
        Ok(())
    }

    /// One PodScaler for each target.
    pub(super) async fn make_scalers(&self) -> Result<()> {
        self.make_one_each("plimsoll.dev", "v1alpha1", "PodScaler").await
    }

    /// One HPA for each target, with the same spec.
    pub(super) async fn make_hpas(&self) -> Result<()> {
        self.make_one_each("autoscaling", "v2", "HorizontalPodAutoscaler").await
    }

    /// Deletes all PodScalers.
    pub(super) async fn delete_scalers(&self) -> Result<()> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("plimsoll.dev", "v1alpha1", "PodScaler"));
        for namespace in self.namespaces() {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &kind);
            api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
        }
        Ok(())
    }

    async fn make_one_each(&self, group: &str, version: &str, kind: &str) -> Result<()> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        self.each(async |number| {
            let (namespace, name) = Self::place(number);
            let target = json!({"type": "Utilization", "averageUtilization": 50});
            let object = json!({
                "apiVersion": format!("{group}/{version}"), "kind": kind, "metadata": {"name": name},
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                    "minReplicas": 1, "maxReplicas": 10,
                    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
                },
            });
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
            api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
            Ok(())
        })
        .await
    }

    async fn each(&self, make: impl AsyncFn(usize) -> Result<()>) -> Result<()> {
        stream::iter(0..self.size).map(|number| make(number)).buffer_unordered(AT_A_TIME).try_collect().await
    }

    async fn create<K>(&self, namespace: &str, object: Value) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let object = serde_json::from_value(object)?;
        api.create(&PostParams::default(), &object).await.context("creating an object of the bench")
    }

    /// Moves the usage of all pods up and down a little, for ever: always within the tolerance, never still.
    pub(super) async fn keep_moving(self) -> Result<()> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "kwok.x-k8s.io",
            "v1alpha1",
            "ClusterResourceUsage",
        ));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        // Thousandths of what is requested: 48 to 52 %.
        for share in [480, 490, 500, 510, 520, 510, 500, 490].into_iter().cycle() {
            let cpu = format!("{}u", share * REQUEST_MILLI);
            let usage = json!({"usage": {"cpu": {"value": cpu}, "memory": {"value": "32Mi"}}});
            let object = json!({
                "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterResourceUsage", "metadata": {"name": "bench"},
                "spec": {"selector": {"matchNamespaces": self.namespaces()}, "usages": [usage]},
            });
            api.patch("bench", &PatchParams::apply("testbed").force(), &Patch::Apply(object)).await?;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        Ok(())
    }
}
