//! The planner of nodes, request by request, against an API server that answers by a script.

mod believed;
mod coming;
pub(super) mod drains;
mod evictions;
mod going;
mod last_look;
mod lost;
pub(super) mod orders;
mod pools;
mod replacements;
mod replica_more;
mod reports;
mod surges;
mod young;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Node, Pod},
};
use kube::Client;
use plimsoll_api::{CapacityPool, NodeOrder, v1alpha1::CapacityPoolSpec};
use plimsoll_core::{
    cluster::{Offering, OfferingKey},
    time::Timestamp,
};
use plimsoll_providers::{Bounds, Group, Instance, InstanceState, Inventory, OfferingId, ProviderSeries};
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{
    feed::{Change, Shown as _},
    kept::Kept,
    keys::offering_key,
    metrics::NodeMetrics,
    planner::{Parts, Planner},
    polls::{Polls, Said},
    scalables::Scalables,
    script::{Asked, Log, failure, server},
    shown::Shown,
};
use crate::leadership::Leadership;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_795_428_000);
const GROUP: &str = "m-4.zone-a.on-demand";
const MEMORY: &str = "/api/v1/namespaces/plimsoll-system/configmaps/memory-0";

/// A planner, what it asks of the API server, and what its calls to providers change.
struct Bench {
    planner: Planner,
    log: Log,
    changes: mpsc::UnboundedReceiver<Change>,
}

impl Bench {
    /// One that leads for ever.
    fn new(answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        Self::led(Leadership::alone(), answer)
    }

    /// One whose lease ends before any write would.
    fn deposed(answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        Self::led(Leadership::lasting(Duration::from_millis(500)), answer)
    }

    fn led(leadership: Leadership, answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        let (client, log) = server(answer);
        let (send, changes) = mpsc::unbounded_channel();
        let planner = planner(client, leadership, send);
        Self { planner, log, changes }
    }

    fn node(&mut self, node: Value) {
        serde_json::from_value::<Node>(node).unwrap().apply(&mut self.planner.world);
    }

    fn pod(&mut self, pod: Value) {
        serde_json::from_value::<Pod>(pod).unwrap().apply(&mut self.planner.world);
    }

    /// The Deployment `web` of so many replicas, so many of them available, and its ReplicaSet.
    fn deployed(&mut self, replicas: i32, available: i32) {
        let template = json!({ "spec": { "containers": [{ "name": "app" }] } });
        let metadata =
            |name: &str| json!({ "name": name, "namespace": "shop", "uid": format!("uid-{name}") });
        let mut deployment = json!({
            "metadata": metadata("web"),
            "spec": { "replicas": replicas, "selector": {}, "template": template },
            "status": { "replicas": replicas, "updatedReplicas": replicas, "availableReplicas": available },
        });
        deployment["metadata"]["generation"] = json!(1);
        deployment["status"]["observedGeneration"] = json!(1);
        serde_json::from_value::<Deployment>(deployment).unwrap().apply(&mut self.planner.world);
        let mut set = json!({
            "metadata": metadata("web-1"),
            "spec": { "replicas": replicas, "selector": {}, "template": template },
        });
        let owner = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-web", "controller": true });
        set["metadata"]["ownerReferences"] = json!([owner]);
        serde_json::from_value::<ReplicaSet>(set).unwrap().apply(&mut self.planner.world);
    }

    /// The pool `general`, whose provider has been heard.
    /// The planner plans with a pool of this spec, which offers this.
    fn plans_with(&mut self, spec: &CapacityPoolSpec, offered: Vec<Offering>) {
        let seen = plimsoll_observe::cluster::observe_pool("general", spec, offered);
        self.planner.world.change(plimsoll_core::placement::Change::Pool(seen));
    }

    fn pool(&mut self) {
        let pool: CapacityPool = serde_json::from_value(pool()).unwrap();
        self.planner.world.pools.insert("general".to_owned(), Arc::new(Ok(pool)));
        let ids = BTreeMap::from([(key(), OfferingId(GROUP.to_owned()))]);
        self.planner.ids.insert("general".to_owned(), ids);
        let said = Said { asked: NOW, offerings: None, inventory: Some(Ok(Arc::default())) };
        self.planner.world.said.insert("general".to_owned(), said);
    }

    /// The provider of pool `general` says that it deletes this instance.
    fn provider_deletes(&mut self, id: &str) {
        let said = listing(&[(id, InstanceState::Deleting)]);
        self.planner.world.said.insert("general".to_owned(), said);
    }

    /// The pool `general`, whose provider asks for the credentials of the Secret `cloud`.
    fn pool_with_tls(&mut self) {
        let mut pool = pool();
        let tls = json!({ "secret": "cloud" });
        pool["spec"]["provider"] = json!({ "externalGrpc": { "address": "cloud:8086", "tls": tls } });
        let pool: CapacityPool = serde_json::from_value(pool).unwrap();
        self.planner.world.pools.insert("general".to_owned(), Arc::new(Ok(pool)));
    }

    fn order(&mut self, order: NodeOrder) {
        self.planner.world.set_order(order);
    }

    /// Takes in what a call or a read that is under way has found.
    async fn call_ends(&mut self) {
        let change = self.changes.recv().await.unwrap();
        change(&mut self.planner.world);
    }
}

/// A planner that has seen everything and nothing.
pub(super) fn planner(
    client: Client,
    leadership: Leadership,
    changes: mpsc::UnboundedSender<Change>,
) -> Planner {
    let registry = Registry::new();
    let series = ProviderSeries::register(&registry).unwrap();
    let namespace = "plimsoll-system".to_owned();
    Planner::new(Parts {
        client: client.clone(),
        leadership,
        pod_name: "plimsoll-nodes-1".to_owned(),
        lease: Duration::from_secs(50),
        kept: Kept::new(client.clone(), &namespace, "memory"),
        polls: Polls::new(client.clone(), namespace, vec!["memory-1".to_owned()], series, changes.clone()),
        scalables: Scalables::new(client, changes.clone()),
        most_nodes: None,
        metrics: NodeMetrics::new(&registry).unwrap(),
        shown: Shown::default(),
        changes,
        incoming: mpsc::unbounded_channel().1,
        questions: mpsc::channel(1).1,
        whole: watch::channel(true).0,
    })
}

/// What the provider of pool `general` says at [`NOW`] that has these instances, by their ids, and no others.
pub(super) fn listing(instances: &[(&str, InstanceState)]) -> Said {
    let offering = OfferingId(GROUP.to_owned());
    let instance = |(id, state): &(&str, InstanceState)| Instance {
        id: (*id).to_owned(),
        node_name: None,
        state: *state,
        failure: None,
        offering: offering.clone(),
        order: None,
    };
    let group =
        Group { target: 0, bounds: Bounds::default(), instances: instances.iter().map(instance).collect() };
    let inventory = Inventory { groups: BTreeMap::from([(offering, Ok(group))]), ..Inventory::default() };
    Said { asked: NOW, offerings: None, inventory: Some(Ok(Arc::new(inventory))) }
}

fn key() -> OfferingKey {
    offering_key("m-4", "zone-a", plimsoll_api::v1alpha1::CapacityType::OnDemand)
}

pub(super) fn pool() -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "CapacityPool",
        "metadata": { "name": "general", "uid": "uid-general", "generation": 2, "resourceVersion": "5" },
        "spec": {
            "provider": { "kwok": { "zones": ["zone-a"], "instanceTypes": [
                { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" },
            ] } },
            "drain": { "maxSurge": 1 },
        },
    })
}

/// A node of pool `general` by order `general-1`, ready, with more in its metadata.
pub(super) fn node(name: &str, more: &Value) -> Value {
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": format!("uid-{name}"),
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-23T08:00:00Z",
            "labels": {
                "plimsoll.dev/node-order": "general-1",
                "plimsoll.dev/capacity-pool": "general",
                "plimsoll.dev/capacity-type": "on-demand",
                "node.kubernetes.io/instance-type": "m-4",
                "topology.kubernetes.io/zone": "zone-a",
                "kubernetes.io/hostname": name,
            },
        },
        "spec": {},
        "status": {
            "allocatable": { "cpu": "4", "memory": "16Gi", "pods": "110" },
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    for (field, value) in more.as_object().cloned().unwrap_or_default() {
        node[field.as_str()] = value;
    }
    node
}

/// A ready pod of the ReplicaSet `web-1` on a node.
pub(super) fn pod(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-11-23T08:00:00Z",
            "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "uid-web-1", "controller": true },
            ],
        },
        "spec": { "nodeName": node, "containers": [{ "name": "app", "resources": { "requests": { "cpu": "1" } } }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

/// Answers a write with what was written, under a new version.
fn stored(asked: &Asked) -> (u16, Value) {
    let mut body = asked.body.clone();
    body["metadata"]["resourceVersion"] = json!("8");
    if let Some(data) = body["data"].as_object_mut() {
        // What a merge patch sets to null is gone.
        data.retain(|_, value| !value.is_null());
    }
    (200, body)
}
