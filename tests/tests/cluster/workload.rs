//! Something to scale.

use anyhow::{Result, anyhow};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::json;
use testbed::{Cluster, eventually};

use crate::stage::PATIENCE;

/// Creates a Deployment whose pods are labelled `app=NAME` and request `cpu_milli` and 64 Mi, and waits
/// until all of them are ready.
pub(crate) async fn deploy(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    replicas: usize,
    cpu_milli: u64,
) -> Result<()> {
    create(cluster, namespace, "Deployment", name, replicas, cpu_milli).await
}

/// The same for a Deployment or a ReplicaSet.
pub(crate) async fn create(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    name: &str,
    replicas: usize,
    cpu_milli: u64,
) -> Result<()> {
    let labels = json!({"app": name});
    let requests = json!({"cpu": format!("{cpu_milli}m"), "memory": "64Mi"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app", "resources": {"requests": requests}}]},
            },
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &deployment.to_string()).await?;
    ready(cluster, namespace, name, replicas).await
}

/// Waits until exactly this many pods are labelled `app=NAME`, all of them ready.
pub(crate) async fn ready(cluster: &Cluster, namespace: &str, name: &str, replicas: usize) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client().await?, namespace);
    let params = ListParams::default().labels(&format!("app={name}"));
    eventually(&format!("{replicas} ready pods of {name}"), PATIENCE, async || {
        let pods = pods.list(&params).await?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        if (ready, pods.items.len()) == (replicas, replicas) {
            Ok(())
        } else {
            Err(anyhow!("{ready} of {} are ready", pods.items.len()))
        }
    })
    .await
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True")
}
