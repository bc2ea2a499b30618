//! A simulated cloud, a pool of its machines and pods for them, on a cluster that such stories share.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use cloud::{Cloud, Joining, Machine, MachineState, Rpc, Serving};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};
use plimsoll_api::{CapacityPool, NodeOrder, marks::CAPACITY_POOL};
use plimsoll_providers::{Catalogue, InstanceType, OfferingId, Rule};
use serde_json::{Value, json};
use testbed::{Cluster, Operator, eventually};
use tokio::sync::{OnceCell, RwLock};

use crate::nodes_stage::small_cluster;

/// What scales nodes and nothing else; one process, so that a test can kill it.
const NODES: &str = "--set=replicas=0,nodes.enabled=true,nodes.replicas=1,nodes.secrets={cloud-tls},\
                     nodes.leaderElection.leaseDurationSeconds=60,nodes.leaderElection.renewSeconds=3";

/// Many stories share one operator, and when it dies its lease has to pass first.
pub(crate) const PATIENCE: Duration = Duration::from_mins(6);

/// How many pods of these stories fit on one of its machines.
pub(crate) const PODS_PER_NODE: usize = 4;

type Shared = RwLock<Operator<'static>>;

/// The cluster and the operator. Who kills the operator takes it alone.
pub(crate) async fn bed() -> Result<(&'static Cluster, &'static Shared)> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    static OPERATOR: OnceCell<Shared> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_try_init(small_cluster).await?;
    let operator = OPERATOR
        .get_or_try_init(async || Operator::install(cluster, &[NODES]).await.map(RwLock::new))
        .await?;
    Ok((cluster, operator))
}

/// One type of machine in three zones, with room for four pods of these stories.
pub(crate) fn catalogue(rules: Vec<Rule>) -> Catalogue {
    Catalogue {
        zones: ["zone-a", "zone-b", "zone-c"].map(str::to_owned).to_vec(),
        instance_types: vec![InstanceType::plain("m-4", 4, 16)],
        rules,
        ..Catalogue::default()
    }
}

/// What is different in one zone.
pub(crate) fn in_zone(zone: &str, rule: Rule) -> Rule {
    Rule { zone: Some(zone.to_owned()), ..rule }
}

/// The node group of the machines of a zone.
pub(crate) fn group(zone: &str) -> OfferingId {
    OfferingId(format!("m-4.{zone}.on-demand"))
}

/// A cloud and its pool.
pub(crate) struct CloudStory {
    pub(crate) cluster: &'static Cluster,
    pub(crate) pool: &'static str,
    pub(crate) cloud: Cloud,
    pub(crate) client: Client,
    pub(crate) nodes: Api<Node>,
    pods: Api<Pod>,
    serving: Serving,
    _joining: Joining,
}

impl CloudStory {
    /// A cloud whose machines take so long to boot, without a pool yet.
    pub(crate) async fn cloud(
        cluster: &'static Cluster,
        pool: &'static str,
        catalogue: Catalogue,
        boot: Duration,
    ) -> Result<Self> {
        let client = cluster.client().await?;
        let cloud = Cloud::new(catalogue, boot)?;
        let (serving, joining) = (cloud.serve().await?, cloud.join(client.clone(), pool));
        Ok(Self {
            cluster,
            pool,
            cloud,
            nodes: Api::all(client.clone()),
            pods: Api::namespaced(client.clone(), "default"),
            client,
            serving,
            _joining: joining,
        })
    }

    /// A cloud whose machines boot for two seconds, and a pool of its machines on demand, with more in the pool's spec.
    pub(crate) async fn new(
        cluster: &'static Cluster,
        pool: &'static str,
        catalogue: Catalogue,
        more: Value,
    ) -> Result<Self> {
        let story = Self::cloud(cluster, pool, catalogue, Duration::from_secs(2)).await?;
        story.create_pool(story.provider(5), more).await?;
        Ok(story)
    }

    /// What a pool says of its cloud: requests are given up after so many seconds. An order may fail by one that is given
    /// up, and is made up for by another.
    pub(crate) fn provider(&self, timeout_seconds: u32) -> Value {
        json!({ "address": self.serving.address(), "timeoutSeconds": timeout_seconds,
                "nodeGroups": [{ "name": "*.on-demand" }] })
    }

    /// Makes the pool.
    pub(crate) async fn create_pool(&self, external_grpc: Value, more: Value) -> Result<()> {
        let mut spec = json!({
            "provider": { "externalGrpc": external_grpc },
            "scaleDown": {
                "unneededSeconds": 0,
                "delayAfterAddSeconds": 0,
                "budgets": [{ "name": "all", "nodes": "100%" }],
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        let pool = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool",
                           "metadata": { "name": self.pool }, "spec": spec });
        self.cluster.kubectl_with(["create", "-f", "-"], &pool.to_string()).await.map(drop)
    }

    /// Pods that fill a quarter of a machine each, and run on nodes of these pools only.
    pub(crate) async fn deploy(&self, replicas: usize, pools: &[&str]) -> Result<()> {
        self.deploy_with(replicas, pools, json!({ "cpu": "900m", "memory": "1Gi" })).await
    }

    /// Pods that request so much, on nodes of these pools only.
    pub(crate) async fn deploy_with(&self, replicas: usize, pools: &[&str], requests: Value) -> Result<()> {
        let labels = json!({ "app": self.pool });
        let expression = json!({ "key": CAPACITY_POOL, "operator": "In", "values": pools });
        let terms = json!({ "nodeSelectorTerms": [{ "matchExpressions": [expression] }] });
        let containers = json!([{ "name": "app", "image": "app",
                                  "resources": { "requests": requests.clone(), "limits": requests } }]);
        let pod = json!({
            "terminationGracePeriodSeconds": 0,
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": terms } },
            "containers": containers,
        });
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": self.pool, "namespace": "default" },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        });
        self.cluster.kubectl_with(["create", "-f", "-"], &deployment.to_string()).await.map(drop)
    }

    pub(crate) async fn resize(&self, replicas: usize) -> Result<()> {
        let (name, replicas) = (format!("deployment/{}", self.pool), format!("--replicas={replicas}"));
        self.cluster.kubectl(["scale", &name, &replicas]).await.map(drop)
    }

    /// Waits until so many pods are bound: how many of them on each node.
    pub(crate) async fn bound(&self, replicas: usize) -> Result<BTreeMap<String, usize>> {
        eventually(&format!("every pod of {} to be bound", self.pool), PATIENCE, async || {
            let selector = ListParams::default().labels(&format!("app={}", self.pool));
            let pods = self.pods.list(&selector).await?.items;
            let mut nodes = BTreeMap::new();
            for pod in &pods {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
                let node = node.with_context(|| format!("{} is not bound", pod.name_any()))?;
                *nodes.entry(node).or_insert(0) += 1;
            }
            ensure!(pods.len() == replicas, "{} of {replicas} pods", pods.len());
            Ok(nodes)
        })
        .await
    }

    /// Waits until so many pods are bound, and none of them to this node: pods of a node that is gone are swept away a minute
    /// later.
    pub(crate) async fn bound_elsewhere(&self, replicas: usize, node: &str) -> Result<()> {
        eventually(&format!("no pod of {} to be on {node}", self.pool), PATIENCE, async || {
            let used = self.bound(replicas).await?;
            ensure!(!used.contains_key(node), "{used:?}");
            Ok(())
        })
        .await
    }

    /// The nodes that are marked as the pool's.
    pub(crate) async fn marked(&self) -> Result<Vec<Node>> {
        let selector = ListParams::default().labels(&format!("{CAPACITY_POOL}={}", self.pool));
        Ok(self.nodes.list(&selector).await?.items)
    }

    /// All machines of the cloud that are there to stay.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let groups = ["zone-a", "zone-b", "zone-c"].map(|zone| self.cloud.machines(&group(zone)));
        let goes =
            |machine: &Machine| matches!(machine.state, MachineState::Reclaimed | MachineState::Leaving);
        groups.into_iter().flatten().filter(|machine| !goes(machine)).collect()
    }

    /// The sum of the sizes of the cloud's groups.
    pub(crate) fn size(&self) -> usize {
        let sizes = ["zone-a", "zone-b", "zone-c"].map(|zone| self.cloud.target(&group(zone)));
        sizes.into_iter().map(|size| usize::try_from(size).unwrap_or(usize::MAX)).sum()
    }

    /// How many requests for fewer machines the cloud got since its calls were taken last.
    pub(crate) fn deletions(&self) -> usize {
        [Rpc::NodeGroupDeleteNodes, Rpc::NodeGroupDecreaseTargetSize]
            .map(|rpc| self.cloud.calls(rpc))
            .iter()
            .sum()
    }

    /// Waits until the cloud has so many machines, each a node of the pool, and waits for no more.
    pub(crate) async fn has(&self, count: usize) -> Result<()> {
        eventually(&format!("{count} machines of {}", self.pool), PATIENCE, async || {
            let (machines, size, nodes) = (self.machines(), self.size(), self.marked().await?.len());
            ensure!(
                machines.len() == count && size == count && nodes == count,
                "{} machines, {nodes} nodes, a size of {size}: {machines:?}; {}",
                machines.len(),
                self.told().await?
            );
            Ok(())
        })
        .await
    }

    pub(crate) async fn orders(&self) -> Result<Vec<NodeOrder>> {
        let orders = Api::<NodeOrder>::all(self.client.clone()).list(&ListParams::default()).await?.items;
        Ok(orders.into_iter().filter(|order| order.spec.pool == self.pool).collect())
    }

    /// Each order as its phase, its reason and its message.
    pub(crate) async fn told(&self) -> Result<String> {
        let orders = self.orders().await?;
        let told = orders.iter().map(|order| {
            let status = order.status.clone().unwrap_or_default();
            let phase = status.phase.unwrap_or_default();
            let (reason, message) = (status.reason.unwrap_or_default(), status.message.unwrap_or_default());
            format!("{} × {}: {} {reason} {message}", order.spec.count, order.name_any(), phase.as_str())
        });
        Ok(told.collect::<Vec<_>>().join("; "))
    }

    /// Waits until an order has this reason.
    pub(crate) async fn an_order_says(&self, reason: &str) -> Result<()> {
        eventually(&format!("an order of {} to say {reason}", self.pool), PATIENCE, async || {
            let told = self.told().await?;
            ensure!(told.contains(reason), "{told}");
            Ok(())
        })
        .await
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let pool = Api::<CapacityPool>::all(self.client.clone()).get(self.pool).await?;
        Ok(serde_json::to_value(pool.status.unwrap_or_default())?)
    }

    /// Waits until the condition Ready has this reason and its message these words.
    pub(crate) async fn is_told(&self, reason: &str, words: &str) -> Result<()> {
        eventually(&format!("the pool {} to say {reason}: {words}", self.pool), PATIENCE, async || {
            let status = self.status().await?;
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
            let ready = ready.context("it says nothing yet")?;
            let message = ready["message"].as_str().unwrap_or_default();
            ensure!(ready["reason"] == reason && message.contains(words), "{ready}");
            Ok(())
        })
        .await
    }

    /// Waits until the cloud was asked once more what there is.
    pub(crate) async fn is_looked_at(&self) -> Result<()> {
        let before = self.cloud.calls(Rpc::Refresh);
        eventually(&format!("a look at the cloud of {}", self.pool), PATIENCE, async || {
            ensure!(self.cloud.calls(Rpc::Refresh) > before, "it was not looked at");
            Ok(())
        })
        .await
    }
}
