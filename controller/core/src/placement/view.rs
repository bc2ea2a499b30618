//! The cluster as it was last seen, kept up to date change by change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::dense::Dense;
use super::packing::Packing;
use super::young::{self, Devices};
use crate::cluster::{
    Announced, Buffer, Daemon, DisruptionBudget, Labels, Name, Node, Order, Pod, PodState, Pool, Shapes,
    Unplannable,
};

/// One thing that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A pod is there, or is different. One that has ended is gone.
    Pod(Pod),
    /// The pod with this uid is gone.
    PodGone(Name),
    /// A node is there, or is different.
    Node(Node),
    /// The node of this name is gone.
    NodeGone(Name),
    /// An order is there, or is different.
    Order(Order),
    /// The order of this name is gone.
    OrderGone(Name),
    /// A pool is there, or is different.
    Pool(Pool),
    /// The pool of this name is gone.
    PoolGone(Name),
    /// A `DaemonSet` is there, or is different.
    Daemon(Daemon),
    /// The `DaemonSet` with this uid is gone.
    DaemonGone(Name),
    /// Pods are announced, in place of what was announced under the same key. None of them ends the announcement.
    Announced(Announced),
    /// Room for pods is to be kept free, or other room than before.
    Buffer(Buffer),
    /// The buffer of this key is gone.
    BufferGone(Name),
    /// A namespace is there, or has other labels.
    Namespace(Name, Labels),
    /// The namespace of this name is gone.
    NamespaceGone(Name),
    /// A disruption budget is there, or is different.
    Budget(DisruptionBudget),
    /// The disruption budget of this namespace and name is gone.
    BudgetGone(Name, Name),
    /// The pods with these uids, and no others, go without another coming in their place: their Deployment has one replica
    /// more for the drain of their node.
    Surplus(BTreeSet<Name>),
}

/// The whole cluster. What counts pods per class, node and domain is made when it is first asked for, and then follows each
/// change; while nothing changes it costs nothing.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub(crate) nodes: BTreeMap<Name, Node>,
    pub(crate) pods: BTreeMap<Name, Arc<Pod>>,
    /// The pods that hold room on a node, by node and uid.
    pub(crate) by_node: BTreeMap<Name, BTreeMap<Name, Arc<Pod>>>,
    pub(crate) orders: BTreeMap<Name, Order>,
    pub(crate) pools: BTreeMap<Name, Pool>,
    /// Pools that offer devices.
    pub(super) devices: BTreeMap<Name, Devices>,
    pub(crate) daemons: BTreeMap<Name, Daemon>,
    pub(crate) announced: BTreeMap<Name, Announced>,
    pub(crate) buffers: BTreeMap<Name, Buffer>,
    pub(crate) namespaces: BTreeMap<Name, Labels>,
    pub(crate) budgets: BTreeMap<(Name, Name), DisruptionBudget>,
    pub(crate) surplus: BTreeSet<Name>,
    shapes: Shapes,
    dense: OnceLock<Dense>,
}

impl View {
    /// Takes a change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Pod(pod) => self.set_pod(pod),
            Change::PodGone(uid) => self.drop_pod(&uid),
            Change::Node(node) => self.set_node(node),
            Change::NodeGone(name) => self.drop_node(&name),
            Change::Order(order) => drop(self.orders.insert(order.name.clone(), order)),
            Change::OrderGone(name) => drop(self.orders.remove(&name)),
            Change::Pool(pool) => {
                // Startup taints of a pool decide what its nodes are planned as.
                let old = self.pools.get(&pool.name).map(|old| &old.template.startup_taints);
                if old != Some(&pool.template.startup_taints) {
                    self.dense.take();
                }
                let devices = young::devices(&pool);
                if devices.is_empty() {
                    self.devices.remove(&pool.name);
                } else {
                    self.devices.insert(pool.name.clone(), devices);
                }
                self.pools.insert(pool.name.clone(), pool);
            }
            Change::PoolGone(name) => {
                self.dense.take();
                self.devices.remove(&name);
                self.pools.remove(&name);
            }
            Change::Daemon(daemon) => drop(self.daemons.insert(daemon.uid.clone(), daemon)),
            Change::DaemonGone(uid) => drop(self.daemons.remove(&uid)),
            Change::Announced(announced) if announced.count == 0 => {
                self.announced.remove(&announced.key);
            }
            Change::Announced(announced) => {
                self.announced.insert(announced.key.clone(), announced);
            }
            Change::Buffer(buffer) => drop(self.buffers.insert(buffer.key.clone(), buffer)),
            Change::BufferGone(key) => drop(self.buffers.remove(&key)),
            Change::Namespace(name, labels) => {
                if self.namespaces.insert(name, labels.clone()).is_none_or(|old| old != labels) {
                    self.forget_if_namespaces_matter();
                }
            }
            Change::NamespaceGone(name) => {
                self.namespaces.remove(&name);
                self.forget_if_namespaces_matter();
            }
            Change::Budget(budget) => {
                self.budgets.insert((budget.namespace.clone(), budget.name.clone()), budget);
            }
            Change::BudgetGone(namespace, name) => drop(self.budgets.remove(&(namespace, name))),
            Change::Surplus(pods) => self.surplus = pods,
        }
    }

    /// A node by its name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// A pod by its uid.
    pub fn pod(&self, uid: &str) -> Option<&Pod> {
        self.pods.get(uid).map(AsRef::as_ref)
    }

    /// All pods, in the order of their uids.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().map(AsRef::as_ref)
    }

    /// The pods that hold room on a node, in the order of their uids.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Pod> {
        self.by_node.get(node).into_iter().flat_map(BTreeMap::values).map(AsRef::as_ref)
    }

    /// The pods that hold room nowhere, in the order of their uids.
    pub fn waiting(&self) -> impl Iterator<Item = &Pod> {
        self.pods().filter(|pod| pod.state.node().is_none())
    }

    /// All orders, in the order of their names.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// All pools, in the order of their names.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.values()
    }

    /// A pool by its name.
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.get(name)
    }

    /// All daemons, in the order of their uids.
    pub fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        self.daemons.values()
    }

    /// All announcements, in the order of their keys.
    pub fn announced(&self) -> impl Iterator<Item = &Announced> {
        self.announced.values()
    }

    /// All buffers, in the order of their keys.
    pub fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.buffers.values()
    }

    /// All disruption budgets, in the order of their namespaces and names.
    pub fn budgets(&self) -> impl Iterator<Item = &DisruptionBudget> {
        self.budgets.values()
    }

    /// Uids of the pods that go without another coming in their place.
    pub fn surplus(&self) -> &BTreeSet<Name> {
        &self.surplus
    }

    /// Why pods of this priority are left alone: it is below the cut-offs of all pools.
    pub fn cuts_off(&self, priority: i32) -> Option<Unplannable> {
        let cut_off = self.pools().map(|pool| pool.priority_cutoff).min()?;
        (priority < cut_off).then_some(Unplannable::BelowCutOff { priority, cut_off })
    }

    /// The cut-off for the pods of a node: that of its pool.
    pub fn cut_off_of(&self, node: &Node) -> Option<i32> {
        Some(self.pool(node.pool.as_ref()?)?.priority_cutoff)
    }

    /// A copy of the counted state, to try things on.
    pub fn packing(&self) -> Packing {
        self.dense().packing.clone()
    }

    pub(crate) fn dense(&self) -> &Dense {
        self.dense.get_or_init(|| Dense::of(self))
    }

    fn set_pod(&mut self, mut pod: Pod) {
        pod.shape = self.shapes.share(&pod.shape);
        let pod = Arc::new(pod);
        // Nothing that is counted depends on whether a pod is ready, or on how it may be evicted.
        let counts_alike = self.pods.get(&pod.uid).is_some_and(|old| same_room(old, &pod));
        if !counts_alike {
            self.drop_pod(&pod.uid);
        }
        if let Some(node) = pod.state.node() {
            self.by_node.entry(node.clone()).or_default().insert(pod.uid.clone(), pod.clone());
        }
        if let Some(dense) = self.dense.get_mut()
            && !counts_alike
            && !dense.pod_came(&pod)
        {
            self.dense.take();
        }
        self.pods.insert(pod.uid.clone(), pod);
    }

    fn drop_pod(&mut self, uid: &Name) {
        let Some(pod) = self.pods.remove(uid) else { return };
        if let Some(node) = pod.state.node()
            && let Some(pods) = self.by_node.get_mut(node)
        {
            pods.remove(uid);
            if pods.is_empty() {
                self.by_node.remove(node);
            }
        }
        if let Some(dense) = self.dense.get_mut() {
            dense.pod_went(&pod);
        }
    }

    fn set_node(&mut self, node: Node) {
        if self.nodes.get(&node.name) == Some(&node) {
            return;
        }
        if let Some(dense) = self.dense.get_mut() {
            dense.node_went(&node.name);
            let pods = self.by_node.get(&node.name).into_iter().flat_map(BTreeMap::values);
            dense.node_came(&node, &self.pools, pods.map(AsRef::as_ref));
        }
        self.nodes.insert(node.name.clone(), node);
    }

    fn drop_node(&mut self, name: &Name) {
        self.nodes.remove(name);
        if let Some(dense) = self.dense.get_mut() {
            dense.node_went(name);
        }
    }

    fn forget_if_namespaces_matter(&mut self) {
        if self.dense.get().is_some_and(Dense::reads_namespaces) {
            self.dense.take();
        } else if let Some(dense) = self.dense.get_mut() {
            dense.set_namespaces(&self.namespaces);
        }
    }
}

/// Whether two states of a pod are counted alike.
fn same_room(one: &Pod, other: &Pod) -> bool {
    let leaving = |pod: &Pod| matches!(pod.state, PodState::Terminating { .. });
    one.shape == other.shape
        && one.state.node() == other.state.node()
        && leaving(one) == leaving(other)
        && one.unplannable == other.unplannable
        && one.owner == other.owner
}

#[cfg(test)]
mod tests;
