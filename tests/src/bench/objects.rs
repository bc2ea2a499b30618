//! What is scaled: Deployments with their `ReplicaSet`s and pods, and what scales them.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use anyhow::{Context, Result, anyhow};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Namespace, Node, Pod, ServiceAccount},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind, NamespaceResourceScope},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::kubelets::{Kubelets, PlayedPod};
use crate::eventually;

/// Targets in one namespace.
const PER_NAMESPACE: usize = 50;
/// Pods of one target.
pub(super) const PODS: usize = 2;
/// The one container of a pod.
const CONTAINER: &str = "app";
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
    /// An hour before the run: no pod is starting up any more.
    running_since: Timestamp,
}

impl Objects {
    pub(super) fn new(client: Client, size: usize, nodes: Vec<String>) -> Self {
        let running_since = Timestamp::now() - SignedDuration::from_hours(1);
        Self { client, size, nodes, running_since }
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
        let container = json!({"name": CONTAINER, "image": "app",
            "resources": {"requests": {"cpu": format!("{REQUEST_MILLI}m"), "memory": "64Mi"}}});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
        let spec = json!({"replicas": PODS, "selector": {"matchLabels": labels}, "template": template});
        let deployment = json!({"metadata": {"name": name, "labels": labels}, "spec": spec});
        let deployment: Deployment = self.create(&namespace, deployment).await?;
        let status = json!({"observedGeneration": 1, "replicas": PODS, "readyReplicas": PODS,
            "updatedReplicas": PODS, "availableReplicas": PODS});
        self.set_status::<Deployment>(&namespace, &name, status).await?;
        let set_name = format!("{name}-1");
        let owners = owned_by("Deployment", &name, deployment.metadata.uid.as_ref());
        let set = json!({"metadata": {"name": set_name, "labels": labels, "ownerReferences": owners}, "spec": spec});
        let set: ReplicaSet = self.create(&namespace, set).await?;
        let owners = owned_by("ReplicaSet", &set_name, set.metadata.uid.as_ref());
        for pod in 0..PODS {
            let name = pod_name(&name, pod);
            let object = json!({
                "metadata": {"name": name, "labels": labels, "ownerReferences": owners},
                "spec": {"nodeName": self.node_of(number, pod), "containers": [container]},
            });
            let _: Pod = self.create(&namespace, object).await?;
            self.set_status::<Pod>(&namespace, &name, self.running()).await?;
        }
        Ok(())
    }

    /// The status of a pod that has been ready for long.
    fn running(&self) -> Value {
        let since = &self.running_since;
        let is_true = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": since});
        let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(is_true);
        json!({
            "phase": "Running", "hostIP": "127.0.0.1", "startTime": since,
            "conditions": conditions,
            "containerStatuses": [{"name": CONTAINER, "image": "app", "imageID": "", "ready": true, "started": true,
                "restartCount": 0, "state": {"running": {"startedAt": since}}}],
        })
    }

    async fn set_status<K>(&self, namespace: &str, name: &str, status: Value) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch).await.context("a status of the bench")?;
        Ok(())
    }

    fn node_of(&self, number: usize, pod: usize) -> &str {
        &self.nodes[(number * PODS + pod) % self.nodes.len()]
    }

    /// The pods of each node.
    fn by_node(&self) -> BTreeMap<String, Vec<PlayedPod>> {
        let mut nodes: BTreeMap<String, Vec<PlayedPod>> = BTreeMap::new();
        for number in 0..self.size {
            let (namespace, target) = Self::place(number);
            for pod in 0..PODS {
                let pods = nodes.entry(self.node_of(number, pod).to_owned()).or_default();
                let name = pod_name(&target, pod);
                pods.push(PlayedPod { namespace: namespace.clone(), name, container: CONTAINER });
            }
        }
        nodes
    }

    /// Takes the nodes over from kwok, which must have ended: they say from now on what the pods to be made use.
    pub(super) async fn play_kubelets(&self) -> Result<Kubelets> {
        let kubelets = Kubelets::start(self.by_node(), REQUEST_MILLI.into()).await?;
        let api: Api<Node> = Api::all(self.client.clone());
        let endpoint = json!({"kubeletEndpoint": {"Port": kubelets.port()}});
        let patch = Patch::Merge(json!({"status": {"daemonEndpoints": endpoint}}));
        for node in &self.nodes {
            api.patch_status(node, &PatchParams::default(), &patch).await?;
        }
        Ok(kubelets)
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
}

fn pod_name(target: &str, pod: usize) -> String {
    format!("{target}-1-{pod}")
}

fn owned_by(kind: &str, name: &str, uid: Option<&String>) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}])
}
