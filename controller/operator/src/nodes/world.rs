//! What is seen of the cluster, kept up to date change by change, by one task alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::{core::v1::Pod, storage::v1::CSINode};
use kube::ResourceExt as _;
use plimsoll_api::{CapacityPool, NodeOrder, v1alpha1::OrderPhase};
use plimsoll_core::{
    audit::Audit,
    cluster::{Name, Node, OfferingKey, Pod as CorePod, PodState, Record},
    nodes::drain::Drain,
    placement::{Change, View},
};
use plimsoll_observe::cluster::{INTERRUPTED, Storage, observe_cluster_pod};
use plimsoll_providers::{InstanceState, OfferingId, ProviderError};
use tokio::time::Instant;

use super::{
    buffers::BufferSources, calls::of_node, claims, nominations, polls::Said, record::offering,
    workloads::Workloads,
};

/// Kinds that must have been listed before anything is planned.
pub(crate) const KINDS: [&str; 17] = [
    "pods",
    "nodes",
    "csinodes",
    "claims",
    "volumes",
    "classes",
    "budgets",
    "daemonsets",
    "namespaces",
    "deployments",
    "replicasets",
    "statefulsets",
    "pools",
    "orders",
    "templates",
    "quotas",
    "buffers",
];

/// How long what failed is left alone.
const REST: Duration = Duration::from_secs(10);

/// A call to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Of which pool.
    pub(crate) pool: String,
    /// About which of its offerings.
    pub(crate) offering: OfferingId,
    /// Whether it asks for more.
    pub(crate) grows: bool,
}

/// Something that a provider did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Of which pool.
    pub(crate) pool: String,
    /// What was asked for.
    pub(crate) offering: OfferingKey,
    /// Why.
    pub(crate) error: ProviderError,
    /// Whether it was only asked what became of an order, as it is again and again until that is known.
    pub(crate) asks_after: bool,
}

impl Call {
    fn is_about(&self, pool: &str, offering: &OfferingId) -> bool {
        self.pool == pool && self.offering == *offering
    }
}

/// What is seen of the cluster.
#[derive(Default)]
pub(crate) struct World {
    /// What the planner looks at.
    pub(crate) view: View,
    /// The same, as the audit knows it.
    pub(crate) audit: Audit,
    /// What nodes say of their drains. Whoever may write a node may write it.
    pub(crate) noted: BTreeMap<Name, Drain>,
    /// How far the drains are that are believed, by node.
    pub(crate) drains: BTreeMap<Name, Drain>,
    /// Pools by name; one that does not decode is an error.
    pub(crate) pools: BTreeMap<String, Arc<Result<CapacityPool, String>>>,
    /// Orders by name.
    pub(crate) orders: BTreeMap<String, Arc<NodeOrder>>,
    /// What buffers are made of.
    pub(crate) buffers: BufferSources,
    /// Nodes for which we have nominated pods that are not bound yet, by the pod's uid.
    pub(crate) nominated: BTreeMap<Name, Name>,
    /// `spec.providerID` of nodes, by their name.
    pub(crate) provider_ids: BTreeMap<Name, Name>,
    /// Calls to providers that are under way, by the order or the node that they are about.
    pub(crate) calls: BTreeMap<String, Call>,
    /// How often something was asked of each provider.
    asked: BTreeMap<String, u64>,
    /// Nodes whose instances are to be deleted and could not be until now.
    pub(crate) to_give_back: BTreeSet<Name>,
    /// What is left alone until then, since it failed.
    rests: BTreeMap<String, Instant>,
    /// What providers refused since the last pass.
    pub(crate) failures: Vec<Failure>,
    /// What providers said last, by pool.
    pub(crate) said: BTreeMap<String, Said>,
    /// What owns pods.
    pub(crate) workloads: Workloads,
    pub(super) storage: Storage,
    pub(super) csi_nodes: BTreeMap<String, Arc<CSINode>>,
    /// Pods that wait and name claims: what is said of them changes with the claims.
    claimants: BTreeMap<String, Arc<Pod>>,
    /// The lowest priority that is planned for.
    pub(super) cut_off: i32,
    listed: BTreeSet<&'static str>,
}

impl World {
    /// Forgets what a provider said: something has been asked of it since, or is being asked.
    pub(crate) fn outdate(&mut self, pool: &str) {
        self.said.remove(pool);
        *self.asked.entry(pool.to_owned()).or_default() += 1;
    }

    /// How often something was asked of a provider: what it said before says nothing of now.
    pub(crate) fn asked(&self, pool: &str) -> u64 {
        self.asked.get(pool).copied().unwrap_or(0)
    }

    /// Leaves something alone for a while.
    pub(crate) fn rest(&mut self, key: String) {
        self.rests.retain(|_, until| Instant::now() < *until);
        self.rests.insert(key, Instant::now() + REST);
    }

    /// Whether something is left alone.
    pub(crate) fn rests(&self, key: &str) -> bool {
        self.rests.get(key).is_some_and(|until| Instant::now() < *until)
    }

    /// Whether anything about an offering is being changed: then no more of it is asked for, since two changes at once could
    /// not be told apart. An order does not stand in its own way.
    pub(crate) fn is_changing(&self, pool: &str, offering: &OfferingId, but: &str) -> bool {
        let shrinks = |(key, call): (&String, &Call)| *key != but && call.is_about(pool, offering);
        self.calls.iter().any(shrinks) || self.is_growing(pool, offering, but)
    }

    /// Whether more of an offering was asked for and it is not known what became of it: then nothing of it is given back.
    pub(crate) fn is_growing(&self, pool: &str, offering: &OfferingId, but: &str) -> bool {
        let grows =
            |(key, call): (&String, &Call)| *key != but && call.grows && call.is_about(pool, offering);
        let is_unanswered = |(name, order): (&String, &Arc<NodeOrder>)| {
            let status = order.status.as_ref();
            *name != but
                && order.spec.pool == pool
                && order.spec.offering.node_group.as_deref() == Some(offering.0.as_str())
                && status.is_some_and(|status| status.asked_at.is_some() && status.accepted.is_none())
                && status.and_then(|status| status.phase) != Some(OrderPhase::Failed)
        };
        self.calls.iter().any(grows) || self.orders.iter().any(is_unanswered)
    }

    /// Remembers that all objects of a kind were shown.
    pub(crate) fn listed(&mut self, kind: &'static str) {
        if self.listed.insert(kind) && self.is_whole() {
            tracing::info!("every node, pod, pool and order was seen");
        }
    }

    /// Whether everything was seen.
    pub(crate) fn is_whole(&self) -> bool {
        KINDS.iter().all(|kind| self.listed.contains(kind))
    }

    /// Takes a change in, for the planner and for the audit.
    pub(crate) fn change(&mut self, change: Change) {
        self.audit.apply(&change);
        self.view.apply(change);
    }

    /// What has become of the record of a node's order.
    pub(crate) fn record_of(&self, node: &Node) -> Record {
        match node.order.as_ref().map(|order| self.orders.get(&**order)) {
            Some(None) => Record::Gone,
            Some(Some(order)) if order.metadata.deletion_timestamp.is_some() => Record::Deleted,
            Some(Some(_)) | None => Record::Kept,
        }
    }

    /// What was ordered with a node, where the record of its order is there.
    pub(crate) fn ordered_with(&self, node: &Node) -> Option<OfferingKey> {
        node.order.as_ref().and_then(|order| self.orders.get(&**order)).map(|order| offering(order))
    }

    /// Whether a node will be taken away: its taint says so, or its provider deletes it though no drain of ours has asked for
    /// that.
    pub(crate) fn is_interrupted(&self, node: &Node) -> bool {
        node.taints.iter().any(|taint| &*taint.key == INTERRUPTED) || self.is_reclaimed(node)
    }

    fn is_reclaimed(&self, node: &Node) -> bool {
        let is_asked_for = || {
            self.drains.get(&node.name).is_some_and(|drain| drain.deleted.is_some() && !drain.interrupted)
                || self.calls.contains_key(&of_node(&node.name))
        };
        let Some(order) = node.order.as_ref().and_then(|order| self.orders.get(&**order)) else {
            return false;
        };
        let group = order.spec.offering.node_group.clone().map(OfferingId);
        let group = group.and_then(|group| claims::group_of(self, &order.spec.pool, &group));
        let id = self.provider_ids.get(&node.name).filter(|id| !id.is_empty());
        let (Some(group), Some(id)) = (group, id) else { return false };
        let instance = group.instances.binary_search_by(|instance| instance.id.as_str().cmp(id));
        instance.is_ok_and(|at| group.instances[at].state == InstanceState::Deleting) && !is_asked_for()
    }

    /// Tells nodes what their orders asked for, what has become of these, and whether they will be taken away.
    pub(crate) fn note_records(&mut self) {
        let changed = self.view.nodes().filter_map(|node| {
            let record = self.record_of(node);
            let ordered = self.ordered_with(node).or_else(|| node.ordered.clone());
            let interrupted = self.is_interrupted(node);
            let is_new = record != node.record || ordered != node.ordered || interrupted != node.interrupted;
            is_new.then(|| Node { record, ordered, interrupted, ..node.clone() })
        });
        for node in changed.collect::<Vec<_>>() {
            self.change(Change::Node(node));
        }
    }

    /// Announces the pods that workloads are about to get.
    pub(crate) fn announce(&mut self) {
        for announced in self.workloads.announcements() {
            self.change(Change::Announced(announced));
        }
    }

    /// Sets the lowest priority that is planned for; pods that wait are looked at anew.
    pub(crate) fn set_cut_off(&mut self, cut_off: i32) {
        self.cut_off = cut_off;
    }

    /// Takes an order in, as a watch or our own write has shown it. What is older than what is known is left out: a watch
    /// may be behind our writes.
    pub(crate) fn set_order(&mut self, order: NodeOrder) {
        let version =
            |order: &NodeOrder| order.resource_version().and_then(|version| version.parse::<u64>().ok());
        let name = order.name_any();
        let same = self.orders.get(&name).filter(|known| known.uid() == order.uid());
        if same.is_some_and(|known| version(known) > version(&order)) {
            return;
        }
        self.orders.insert(name, Arc::new(order));
    }

    pub(super) fn set_pod(&mut self, pod: Pod) {
        let uid = Name::from(pod.uid().unwrap_or_default());
        match observe_cluster_pod(&pod, &self.storage, self.cut_off) {
            Some(seen) => {
                match &seen.state {
                    PodState::Nominated { node } if nominations::is_ours(&pod) => {
                        self.nominated.insert(uid.clone(), node.clone());
                    }
                    _ => drop(self.nominated.remove(&uid)),
                }
                self.workloads.pod_came(&seen);
                self.note_claims(&uid, pod, &seen);
                self.change(Change::Pod(seen));
            }
            None => self.drop_pod(&uid),
        }
    }

    pub(super) fn drop_pod(&mut self, uid: &Name) {
        self.claimants.remove(&**uid);
        self.nominated.remove(uid);
        self.workloads.pod_went(uid);
        self.change(Change::PodGone(uid.clone()));
    }

    fn note_claims(&mut self, uid: &Name, pod: Pod, seen: &CorePod) {
        let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
        let names_claims = volumes
            .into_iter()
            .flatten()
            .any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some());
        if names_claims && seen.state.node().is_none() {
            self.claimants.insert(uid.to_string(), Arc::new(pod));
        } else {
            self.claimants.remove(&**uid);
        }
    }

    /// Claims, volumes or classes have changed: what is said of pods that wait for them may have too.
    pub(super) fn storage_changed(&mut self) {
        let pods = self.claimants.values();
        let seen: Vec<_> =
            pods.filter_map(|pod| observe_cluster_pod(pod, &self.storage, self.cut_off)).collect();
        for pod in seen {
            self.change(Change::Pod(pod));
        }
    }
}
