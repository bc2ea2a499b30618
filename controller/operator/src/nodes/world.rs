//! What is seen of the cluster, kept up to date change by change, by one task alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::{
    core::v1::{Node, Pod},
    storage::v1::CSINode,
};
use kube::ResourceExt;
use plimsoll_api::{CapacityPool, NodeOrder};
use plimsoll_core::{
    audit::Audit,
    cluster::{Name, OfferingKey, PodState},
    nodes::drain::{Drain, Surge},
    placement::{Change, View},
    time::Timestamp,
};
use plimsoll_observe::cluster::{ClaimKey, Storage, observe_cluster_pod};
use plimsoll_providers::{OfferingId, ProviderError};
use tokio::time::Instant;

use super::{
    buffers::BufferSources, claimants::Claimants, daemons::Daemons, nominations, polls::Said,
    priorities::Priorities, record, workloads::Workloads,
};

/// Kinds that must have been listed before anything is planned.
pub(crate) const KINDS: [&str; 18] = [
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
    "priorities",
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
    /// Pools whose provider has neither answered nor failed since we lead, each with how often something had been asked of
    /// it by then.
    pub(super) unheard: BTreeMap<String, u64>,
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
    /// What runs on every node.
    pub(super) daemons: Daemons,
    /// The uid and version of each node as it was seen or written last.
    pub(super) node_versions: BTreeMap<String, (Option<String>, u64)>,
    /// What templates name in place of a priority.
    pub(super) priorities: Priorities,
    pub(super) storage: Storage,
    pub(super) csi_nodes: BTreeMap<String, Arc<CSINode>>,
    claimants: Claimants,
    /// Pods by their uids that were found by asking, and that no watch has shown yet.
    unshown: BTreeSet<Name>,
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

    /// Waits for what the providers of all pools say from now on.
    pub(crate) fn await_providers(&mut self) {
        self.unheard = self.pools.keys().map(|pool| (pool.clone(), self.asked(pool))).collect();
    }

    /// Takes in what a provider says that had been asked for something so often when it was asked for this. What was asked
    /// for since outdates it.
    pub(crate) fn hear(&mut self, pool: String, said: Said, asked_before: u64) {
        let holds = self.asked(&pool) == asked_before;
        // That it fails is known, whatever was asked for meanwhile.
        let fails = said.error().is_some()
            && self.unheard.get(&pool).is_some_and(|asked_by_then| asked_before >= *asked_by_then);
        if holds || fails {
            self.unheard.remove(&pool);
        }
        if holds {
            self.said.insert(pool, said);
        }
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
            *name != but
                && order.spec.pool == pool
                && order.spec.offering.node_group.as_deref() == Some(offering.0.as_str())
                && record::unanswered_since(order).is_some()
        };
        self.calls.iter().any(grows) || self.orders.iter().any(is_unanswered)
    }

    /// Remembers that all objects of a kind were shown.
    pub(crate) fn listed(&mut self, kind: &'static str) {
        if kind == "pods" {
            // No watch will ever say that they are gone.
            for uid in std::mem::take(&mut self.unshown) {
                self.drop_pod(&uid);
            }
        }
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

    /// Announces the pods that workloads are about to get.
    pub(crate) fn announce(&mut self, now: Timestamp) {
        let view = &self.view;
        let stays =
            |name: &Name| view.node(name).is_some_and(|node| !node.interrupted && !node.is_draining());
        for announced in self.workloads.announcements(&self.priorities, stays, now) {
            self.change(Change::Announced(announced));
        }
    }

    /// Notes which pods of nodes that are being drained go without another coming in their place.
    pub(crate) fn note_surplus(&mut self) {
        let surges: Vec<_> = self.drains.values().flat_map(|drain| &drain.surges).collect();
        // There are many workloads, and mostly no surge.
        let workloads = if surges.is_empty() { BTreeMap::new() } else { self.workloads.of_replica_sets() };
        let is_surplus = |(owner, surge): &(&Name, &Surge)| {
            workloads.get(*owner).is_some_and(|workload| surge.is_surplus(workload))
                && self.workloads.will_have_more_than(owner, surge.from)
        };
        let surplus: BTreeSet<Name> =
            surges.into_iter().filter(is_surplus).map(|(_, surge)| surge.pod.clone()).collect();
        if surplus != *self.view.surplus() {
            self.change(Change::Surplus(surplus));
        }
    }

    /// Takes an order in, as a watch or our own write has shown it. What is older than what is known is left out: a watch
    /// may be behind our writes.
    pub(crate) fn set_order(&mut self, order: NodeOrder) {
        let name = order.name_any();
        let same = self.orders.get(&name).filter(|known| known.uid() == order.uid());
        if same.is_some_and(|known| version(known.as_ref()) > version(&order)) {
            return;
        }
        self.orders.insert(name, Arc::new(order));
    }

    /// Whether a node is older than it is known: a watch may be behind our writes.
    pub(super) fn is_older(&mut self, node: &Node) -> bool {
        let Some(version) = version(node) else { return false };
        let seen = (node.uid(), version);
        let known = self.node_versions.get(&node.name_any());
        if known.is_some_and(|known| known.0 == seen.0 && known.1 > version) {
            return true;
        }
        self.node_versions.insert(node.name_any(), seen);
        false
    }

    /// Takes in a pod that was found by asking, maybe before the watch shows it.
    pub(super) fn pod_found(&mut self, pod: Pod) {
        let uid = Name::from(pod.uid().unwrap_or_default());
        let is_unshown = self.view.pod(&uid).is_none() || self.unshown.contains(&uid);
        self.set_pod(pod);
        if is_unshown && self.view.pod(&uid).is_some() {
            self.unshown.insert(uid);
        }
    }

    pub(super) fn set_pod(&mut self, pod: Pod) {
        let uid = Name::from(pod.uid().unwrap_or_default());
        self.unshown.remove(&uid);
        match observe_cluster_pod(&pod, &self.storage) {
            Some(seen) => {
                match &seen.state {
                    PodState::Nominated { node } if nominations::is_ours(&pod) => {
                        self.nominated.insert(uid.clone(), node.clone());
                    }
                    _ => drop(self.nominated.remove(&uid)),
                }
                self.workloads.pod_came(&seen);
                if let Some(daemon) = self.daemons.pod_came(&seen) {
                    self.change(Change::Daemon(daemon));
                }
                self.claimants.note(&uid, pod);
                self.change(Change::Pod(seen));
            }
            None => self.drop_pod(&uid),
        }
    }

    pub(super) fn drop_pod(&mut self, uid: &Name) {
        self.claimants.forget(uid);
        self.unshown.remove(uid);
        self.nominated.remove(uid);
        self.workloads.pod_went(uid);
        self.change(Change::PodGone(uid.clone()));
    }

    /// Claims, volumes or classes have changed so that something else may be said of these claims, and of pods that name them.
    pub(super) fn storage_changed(&mut self, claims: &BTreeSet<ClaimKey>) {
        self.claimants.touch(claims);
        self.workloads.touch_claims(claims);
    }

    /// Looks again at what something else may be said of since it was shown, each once.
    pub(crate) fn look_again(&mut self) {
        for pod in self.claimants.take_touched() {
            let seen = observe_cluster_pod(&pod, &self.storage);
            if let Some(seen) = seen.filter(|seen| self.view.pod(&seen.uid) != Some(seen)) {
                self.change(Change::Pod(seen));
            }
        }
        self.workloads.look_again(&self.storage);
    }
}

/// Versions of one object grow.
fn version(object: &impl ResourceExt) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests;
