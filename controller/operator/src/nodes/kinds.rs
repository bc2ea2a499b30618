//! What a watch has shown of each kind, and what the world makes of it.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::{
        Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, PodTemplateSpec,
        ResourceQuota, Toleration,
    },
    policy::v1::PodDisruptionBudget,
    scheduling::v1::PriorityClass,
    storage::v1::{CSINode, StorageClass},
};
use kube::{ResourceExt, core::DeserializeGuard};
use plimsoll_api::{CapacityBuffer, CapacityPool, NodeOrder};
use plimsoll_core::{
    cluster::{Daemon, Name, Node as CoreNode},
    placement::Change,
};
use plimsoll_observe::cluster::{
    attach_limits, observe_budget, observe_labels, observe_node, observe_quota, observe_template,
};

use super::{drains::DRAIN, feed::Shown, world::World};

impl Shown for Pod {
    fn key(&self) -> String {
        self.uid().unwrap_or_default()
    }

    fn apply(self, world: &mut World) {
        world.set_pod(self);
    }

    fn forget(key: &str, world: &mut World) {
        world.drop_pod(&key.into());
    }
}

impl Shown for Node {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        if world.is_older(&self) {
            return;
        }
        let attached = world.csi_nodes.get(&self.name_any());
        let node = observe_node(&self, attached.map(Arc::as_ref));
        let (record, ordered) = (world.record_of(&node), world.ordered_with(&node));
        let (interrupted, given_back) = (world.is_interrupted(&node), world.given_back(&node));
        let node = CoreNode { record, ordered, interrupted, given_back, ..node };
        let id = self.spec.as_ref().and_then(|spec| spec.provider_id.as_deref()).unwrap_or_default();
        world.provider_ids.insert(node.name.clone(), id.into());
        match self.annotations().get(DRAIN).and_then(|drain| serde_json::from_str(drain).ok()) {
            Some(drain) => drop(world.noted.insert(node.name.clone(), drain)),
            None => drop(world.noted.remove(&node.name)),
        }
        world.change(Change::Node(node));
    }

    fn forget(key: &str, world: &mut World) {
        world.node_versions.remove(key);
        world.provider_ids.remove(key);
        world.noted.remove(key);
        world.change(Change::NodeGone(key.into()));
    }
}

impl Shown for CSINode {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        let (name, limits) = (self.name_any(), attach_limits(&self));
        world.csi_nodes.insert(name.clone(), Arc::new(self));
        set_attach_limits(world, &name, limits);
    }

    fn forget(key: &str, world: &mut World) {
        world.csi_nodes.remove(key);
        set_attach_limits(world, key, BTreeMap::new());
    }
}

fn set_attach_limits(world: &mut World, node: &str, limits: BTreeMap<Name, i64>) {
    if let Some(node) = world.view.node(node).cloned() {
        world.change(Change::Node(CoreNode { attach_limits: limits, ..node }));
    }
}

impl Shown for PersistentVolumeClaim {
    fn key(&self) -> String {
        full_name(self)
    }

    fn apply(self, world: &mut World) {
        let claims = world.storage.apply_claim(&self);
        world.storage_changed(&claims);
    }

    fn forget(key: &str, world: &mut World) {
        let (namespace, name) = key.split_once('/').unwrap_or_default();
        let claims = world.storage.remove_claim(namespace, name);
        world.storage_changed(&claims);
    }
}

impl Shown for PriorityClass {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        world.priorities.apply(&self);
        world.workloads.priorities_changed();
    }

    fn forget(key: &str, world: &mut World) {
        world.priorities.forget(key);
        world.workloads.priorities_changed();
    }
}

impl Shown for PersistentVolume {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        let claims = world.storage.apply_volume(&self);
        world.storage_changed(&claims);
    }

    fn forget(key: &str, world: &mut World) {
        let claims = world.storage.remove_volume(key);
        world.storage_changed(&claims);
    }
}

impl Shown for StorageClass {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        let claims = world.storage.apply_class(&self);
        world.storage_changed(&claims);
    }

    fn forget(key: &str, world: &mut World) {
        let claims = world.storage.remove_class(key);
        world.storage_changed(&claims);
    }
}

impl Shown for PodDisruptionBudget {
    fn key(&self) -> String {
        full_name(self)
    }

    fn apply(self, world: &mut World) {
        world.change(Change::Budget(observe_budget(&self)));
    }

    fn forget(key: &str, world: &mut World) {
        let (namespace, name) = key.split_once('/').unwrap_or_default();
        world.change(Change::BudgetGone(namespace.into(), name.into()));
    }
}

impl Shown for DaemonSet {
    fn key(&self) -> String {
        self.uid().unwrap_or_default()
    }

    fn apply(self, world: &mut World) {
        let namespace = Name::from(self.namespace().unwrap_or_default());
        let template = with_tolerations_of_daemons(self.spec.template.clone());
        let seen = observe_template(&namespace, &template, &world.storage).map(|(shape, _)| shape);
        let uid = Name::from(self.uid().unwrap_or_default());
        let generation = self.annotations().get(DEPRECATED_TEMPLATE_GENERATION);
        let generation = generation.map(|generation| Name::from(generation.as_str()));
        match seen {
            Some(shape) => {
                let daemon = Daemon { uid, name: self.name_any().into(), shape: Arc::new(shape) };
                let planned = world.daemons.apply(daemon, generation);
                world.change(Change::Daemon(planned));
            }
            None => Self::forget(&uid, world),
        }
    }

    fn forget(key: &str, world: &mut World) {
        world.daemons.gone(key);
        world.change(Change::DaemonGone(key.into()));
    }
}

/// Which version its template is.
const DEPRECATED_TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// What the controller of `DaemonSet`s lets its pods tolerate on top.
fn with_tolerations_of_daemons(mut template: PodTemplateSpec) -> PodTemplateSpec {
    const TOLERATED: [(&str, &str); 6] = [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    if let Some(spec) = &mut template.spec {
        let on_host = spec.host_network == Some(true);
        let network = on_host.then_some(("node.kubernetes.io/network-unavailable", "NoSchedule"));
        let more = TOLERATED.into_iter().chain(network).map(|(key, effect)| Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        });
        spec.tolerations.get_or_insert_default().extend(more);
    }
    template
}

impl Shown for Namespace {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        let labels = observe_labels(self.metadata.labels.as_ref());
        let name = Name::from(self.name_any());
        world.workloads.namespace(&name, self.metadata.deletion_timestamp.is_some());
        world.change(Change::Namespace(name, labels));
    }

    fn forget(key: &str, world: &mut World) {
        world.workloads.namespace(&key.into(), false);
        world.change(Change::NamespaceGone(key.into()));
    }
}

impl Shown for Deployment {
    fn key(&self) -> String {
        self.uid().unwrap_or_default()
    }

    fn apply(self, world: &mut World) {
        world.workloads.deployment(&self, &world.storage);
    }

    fn forget(key: &str, world: &mut World) {
        world.workloads.gone(key);
    }
}

impl Shown for ReplicaSet {
    fn key(&self) -> String {
        self.uid().unwrap_or_default()
    }

    fn apply(self, world: &mut World) {
        world.workloads.replica_set(&self, &world.storage);
    }

    fn forget(key: &str, world: &mut World) {
        world.workloads.gone(key);
    }
}

impl Shown for StatefulSet {
    fn key(&self) -> String {
        self.uid().unwrap_or_default()
    }

    fn apply(self, world: &mut World) {
        world.workloads.stateful_set(&self, &world.storage);
    }

    fn forget(key: &str, world: &mut World) {
        world.workloads.gone(key);
    }
}

impl Shown for DeserializeGuard<CapacityPool> {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        let name = self.name_any();
        let pool = self.0.map_err(|invalid| invalid.error);
        world.pools.insert(name, Arc::new(pool));
    }

    fn forget(key: &str, world: &mut World) {
        world.pools.remove(key);
    }
}

impl Shown for PodTemplate {
    fn key(&self) -> String {
        full_name(self)
    }

    fn apply(self, world: &mut World) {
        world.buffers.templates.insert(full_name(&self), Arc::new(self));
    }

    fn forget(key: &str, world: &mut World) {
        world.buffers.templates.remove(key);
    }
}

impl Shown for ResourceQuota {
    fn key(&self) -> String {
        full_name(self)
    }

    fn apply(self, world: &mut World) {
        let key = full_name(&self);
        match observe_quota(&self) {
            Some(quota) => drop(world.buffers.quotas.insert(key, quota)),
            None => drop(world.buffers.quotas.remove(&key)),
        }
    }

    fn forget(key: &str, world: &mut World) {
        world.buffers.quotas.remove(key);
    }
}

impl Shown for DeserializeGuard<CapacityBuffer> {
    fn key(&self) -> String {
        full_name(self)
    }

    fn apply(self, world: &mut World) {
        let key = full_name(&self);
        match self.0 {
            Ok(buffer) => drop(world.buffers.asked.insert(key, Arc::new(buffer))),
            // What it said before still holds.
            Err(invalid) => tracing::warn!(buffer = key, error = invalid.error, "a buffer cannot be read"),
        }
    }

    fn forget(key: &str, world: &mut World) {
        world.buffers.asked.remove(key);
    }
}

/// Namespace and name, with a slash between.
fn full_name(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

impl Shown for NodeOrder {
    fn key(&self) -> String {
        self.name_any()
    }

    fn apply(self, world: &mut World) {
        world.set_order(self);
    }

    fn forget(key: &str, world: &mut World) {
        world.orders.remove(key);
    }
}
