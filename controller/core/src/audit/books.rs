//! What the audit knows of the cluster, with sums of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{
    Announced, Daemon, DisruptionBudget, Labels, Name, Node, OfferingKey, Order, Pod, PodShape, PodState,
    Pool, Resources, Shapes,
};
use crate::lookup::Lookup;
use crate::placement::Change;

/// Everything that is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) nodes: BTreeMap<Name, Node>,
    pub(super) pods: Lookup<Name, Pod>,
    pub(super) sums: BTreeMap<Name, Sum>,
    /// Pods by the address of their shape, and how many of them hold room on which node. Pods that are being deleted are
    /// counted apart, since spread constraints do not see them.
    pub(super) shapes: BTreeMap<(usize, bool), Spread>,
    pub(super) orders: BTreeMap<Name, Order>,
    pub(super) pools: BTreeMap<Name, Pool>,
    /// How many of which devices come with what pools offer; without what brings none.
    pub(super) devices: BTreeMap<Name, BTreeMap<OfferingKey, BTreeMap<Name, i64>>>,
    pub(super) daemons: BTreeMap<Name, Daemon>,
    pub(super) announced: BTreeMap<Name, Announced>,
    pub(super) budgets: BTreeMap<(Name, Name), DisruptionBudget>,
    pub(super) namespaces: BTreeMap<Name, Labels>,
    kept: Shapes,
}

/// A shape, and how many of its pods hold room on which node.
pub(super) type Spread = (Arc<PodShape>, BTreeMap<Name, u32>);

/// What pods hold on a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub(super) used: Resources,
    pub(super) pods: BTreeSet<Name>,
}

impl Books {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Pod(pod) => {
                self.drop_pod(&pod.uid);
                let shape = self.kept.share(&pod.shape);
                self.add_pod(Pod { shape, ..pod.clone() });
            }
            Change::PodGone(uid) => self.drop_pod(uid),
            Change::Node(node) => drop(self.nodes.insert(node.name.clone(), node.clone())),
            Change::NodeGone(name) => drop(self.nodes.remove(name)),
            Change::Order(order) => drop(self.orders.insert(order.name.clone(), order.clone())),
            Change::OrderGone(name) => drop(self.orders.remove(name)),
            Change::Pool(pool) => {
                self.devices.remove(&pool.name);
                for offering in pool.offerings.iter().filter(|of| !of.allocatable.extended.is_empty()) {
                    let of_pool = self.devices.entry(pool.name.clone()).or_default();
                    of_pool.insert(offering.key.clone(), offering.allocatable.extended.clone());
                }
                self.pools.insert(pool.name.clone(), pool.clone());
            }
            Change::PoolGone(name) => {
                self.pools.remove(name);
                self.devices.remove(name);
            }
            Change::Daemon(daemon) => drop(self.daemons.insert(daemon.uid.clone(), daemon.clone())),
            Change::DaemonGone(uid) => drop(self.daemons.remove(uid)),
            Change::Announced(announced) if announced.count == 0 => {
                self.announced.remove(&announced.key);
            }
            Change::Announced(announced) => {
                self.announced.insert(announced.key.clone(), announced.clone());
            }
            // Room that nobody has taken breaks nothing, nor does a pod for which a plan looks for none.
            Change::Buffer(_) | Change::BufferGone(_) | Change::Surplus(_) => {}
            Change::Budget(budget) => {
                self.budgets.insert((budget.namespace.clone(), budget.name.clone()), budget.clone());
            }
            Change::BudgetGone(namespace, name) => {
                self.budgets.remove(&(namespace.clone(), name.clone()));
            }
            Change::Namespace(name, labels) => {
                self.namespaces.insert(name.clone(), labels.clone());
            }
            Change::NamespaceGone(name) => drop(self.namespaces.remove(name)),
        }
    }

    /// Pods that hold room on a node.
    pub(super) fn pods_on(&self, node: &str) -> impl Iterator<Item = &Pod> {
        let uids = self.sums.get(node).into_iter().flat_map(|sum| &sum.pods);
        uids.filter_map(|uid| self.pods.get(uid))
    }

    fn add_pod(&mut self, pod: Pod) {
        if let Some(node) = pod.state.node() {
            let sum = self.sums.entry(node.clone()).or_default();
            sum.used.add(&pod.shape.requests);
            sum.pods.insert(pod.uid.clone());
            let shape = self
                .shapes
                .entry(shape_key(&pod))
                .or_insert_with(|| (Arc::clone(&pod.shape), BTreeMap::new()));
            *shape.1.entry(node.clone()).or_default() += 1;
        }
        self.pods.insert(pod.uid.clone(), pod);
    }

    fn drop_pod(&mut self, uid: &Name) {
        let Some(pod) = self.pods.remove(uid) else { return };
        let Some(node) = pod.state.node() else { return };
        if let Some(sum) = self.sums.get_mut(node) {
            sum.used.subtract(&pod.shape.requests);
            sum.pods.remove(uid);
            if sum.pods.is_empty() {
                self.sums.remove(node);
            }
        }
        let key = shape_key(&pod);
        if let Some((_, nodes)) = self.shapes.get_mut(&key) {
            if let Some(count) = nodes.get_mut(node) {
                *count -= 1;
                if *count == 0 {
                    nodes.remove(node);
                }
            }
            if nodes.is_empty() {
                self.shapes.remove(&key);
            }
        }
    }
}

/// A shape is kept for as long as a pod of it is, so its address stays its own.
fn shape_key(pod: &Pod) -> (usize, bool) {
    (Arc::as_ptr(&pod.shape).addr(), matches!(pod.state, PodState::Terminating { .. }))
}
