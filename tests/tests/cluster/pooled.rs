//! A pool of kwok nodes and workloads that run on nothing else.

use anyhow::{Context, Result, ensure};
use plimsoll_api::marks::CAPACITY_POOL;
use serde_json::{Value, json};
use testbed::{Cluster, eventually};

use crate::{nodes_stage::merge, stage::PATIENCE};

/// A pool.
pub(crate) struct Pooled {
    pub cluster: &'static Cluster,
    pub name: &'static str,
}

impl Pooled {
    /// A pool of machines with four cores in three zones, which scales down at once, with what `more` says otherwise.
    pub(crate) async fn new(cluster: &'static Cluster, name: &'static str, more: Value) -> Result<Self> {
        let mut spec = json!({
            "provider": { "kwok": {
                "zones": ["zone-a", "zone-b", "zone-c"],
                "instanceTypes": [
                    { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" },
                ],
            } },
            "scaleDown": {
                "unneededSeconds": 0,
                "delayAfterAddSeconds": 0,
                "budgets": [{ "name": "all", "nodes": "100%" }],
            },
        });
        merge(&mut spec, more);
        let pool = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool", "metadata": { "name": name }, "spec": spec,
        });
        cluster.kubectl_with(["create", "-f", "-"], &pool.to_string()).await?;
        Ok(Self { cluster, name })
    }

    /// A Deployment on nodes of the pool only, whose pods ask for so much cpu, and which has the name of the pool.
    pub(crate) async fn deploy(&self, replicas: usize, cpu: &str) -> Result<()> {
        let labels = json!({ "app": self.name });
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": self.name, "namespace": "default" },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "nodeSelector": { CAPACITY_POOL: self.name },
                    "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
                    "containers": [{ "name": "app", "image": "app", "resources": { "requests": { "cpu": cpu } } }],
                } },
            },
        });
        self.cluster.kubectl_with(["create", "-f", "-"], &deployment.to_string()).await.map(drop)
    }

    /// A `PodDisruptionBudget` over its Deployment.
    pub(crate) async fn budget(&self, min_available: usize) -> Result<()> {
        let budget = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": { "name": self.name, "namespace": "default" },
            "spec": { "minAvailable": min_available, "selector": { "matchLabels": { "app": self.name } } },
        });
        self.cluster.kubectl_with(["create", "-f", "-"], &budget.to_string()).await.map(drop)
    }

    /// What kubectl shows of some objects.
    pub(crate) async fn items(&self, args: &[&str]) -> Result<Vec<Value>> {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let shown: Value = serde_json::from_str(&self.cluster.kubectl(args).await?.stdout)?;
        shown["items"].as_array().cloned().context("no list")
    }

    /// The pods of its Deployment that are not ending.
    pub(crate) async fn pods(&self) -> Result<Vec<Value>> {
        let label = format!("app={}", self.name);
        let pods = self.items(&["get", "pods", "-n", "default", "-l", &label]).await?;
        Ok(pods.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect())
    }

    /// The names of its nodes.
    pub(crate) async fn nodes(&self) -> Result<Vec<String>> {
        let nodes = self.items(&["get", "nodes", "-l", &format!("{CAPACITY_POOL}={}", self.name)]).await?;
        Ok(nodes.iter().filter_map(|node| node["metadata"]["name"].as_str()).map(str::to_owned).collect())
    }

    /// Waits until so many pods are ready, and returns the names of pods and their nodes.
    pub(crate) async fn ready(&self, replicas: usize) -> Result<Vec<(String, String)>> {
        eventually("every pod to be ready", PATIENCE, async || {
            let pods = self.pods().await?;
            let placed: Vec<_> = pods.iter().filter(|pod| is_ready(pod)).filter_map(place).collect();
            ensure!(pods.len() == replicas && placed.len() == replicas, "{placed:?} of {}", pods.len());
            Ok(placed)
        })
        .await
    }
}

/// Its name, and its node.
fn place(pod: &Value) -> Option<(String, String)> {
    Some((pod["metadata"]["name"].as_str()?.to_owned(), pod["spec"]["nodeName"].as_str()?.to_owned()))
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
}
