//! The counted form of a view, and how it follows changes.

mod alike;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::alike::{Alike, Waiting};
use super::class::{self, ClassId, ClassKey};
use super::packing::{NodeIx, Packing};
use super::view::View;
use super::young::planned_as;
use crate::cluster::{Labels, Name, Node, OwnerKind, Pod, PodShape, PodState, Pool};
use crate::placement::amounts::Amounts;

/// Counts, and what is needed to keep them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dense {
    pub(crate) packing: Packing,
    by_name: BTreeMap<Name, NodeIx>,
    vacant: Vec<NodeIx>,
    /// Labels of pods that selectors read.
    read: Arc<BTreeSet<Name>>,
    /// Volumes that several pods have, or had.
    shared: Arc<BTreeSet<Name>>,
    /// How many pods have each volume.
    users: BTreeMap<Name, u32>,
    /// With more classes than this the counts are made anew, without those that no pod is of any more.
    most_classes: usize,
    /// Shapes that many pods share are normalised once. The shape is kept so that its address stays its own.
    residing: BTreeMap<(usize, bool), (Arc<PodShape>, ClassId)>,
    seeking: BTreeMap<usize, (Arc<PodShape>, ClassId)>,
    /// Pods that wait for room and that we plan for, by class and whether a daemon made them, and uid.
    pub(crate) waiting: BTreeMap<(ClassId, bool), BTreeMap<Name, Arc<Pod>>>,
    /// Pods that wait for room and that we do not plan for, by uid.
    pub(crate) left_alone: BTreeMap<Name, Arc<Pod>>,
}

impl Dense {
    pub(crate) fn of(view: &View) -> Self {
        let mut dense = Self::default();
        let alike = dense.look_at(view);
        let mut read = BTreeSet::new();
        let pods = alike.iter().map(|of| of.first).chain(dense.left_alone.values()).map(|pod| &pod.shape);
        let announced = view.announced.values().map(|announced| &announced.shape);
        let daemons = view.daemons.values().map(|daemon| &daemon.shape);
        for shape in pods.chain(announced).chain(daemons) {
            read.extend(class::reads(shape).cloned());
        }
        let shared = dense.users.iter().filter(|(_, pods)| **pods > 1);
        dense.shared = Arc::new(shared.map(|(id, _)| id.clone()).collect());
        dense.read = Arc::new(read);
        dense.set_namespaces(&view.namespaces);
        // Classes first, so that no tally has to look back at what was counted before it.
        let mut waiting: BTreeMap<_, Waiting> = BTreeMap::new();
        for Alike { first, waiting: of_others, waiting_daemons: of_daemons } in alike {
            if first.state.node().is_some() {
                dense.residing(first);
                continue;
            }
            let class = dense.seeking(&first.shape);
            for (pods, are_daemons) in [(of_others, false), (of_daemons, true)] {
                if !pods.is_empty() {
                    waiting.entry((class, are_daemons)).or_default().extend(pods);
                }
            }
        }
        // At once: those of each shape are in the order of their uids already.
        dense.waiting = waiting.into_iter().map(|(key, pods)| (key, pods.into_iter().collect())).collect();
        for announced in view.announced.values() {
            dense.seeking(&announced.shape);
        }
        for node in view.nodes.values() {
            dense.node_came(node, &view.pools, view.pods_on(&node.name));
        }
        dense.most_classes = dense.packing.tables.classes.len() * 2 + 1000;
        dense
    }

    /// The node of this name.
    pub(crate) fn node(&self, name: &str) -> Option<NodeIx> {
        self.by_name.get(name).copied()
    }

    /// All nodes with their names, in the order of these.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Name, NodeIx)> {
        self.by_name.iter().map(|(name, node)| (name, *node))
    }

    /// Whether the labels of namespaces matter to a rule.
    pub(crate) fn reads_namespaces(&self) -> bool {
        self.packing.tables.reads_namespaces()
    }

    pub(crate) fn set_namespaces(&mut self, namespaces: &BTreeMap<Name, Labels>) {
        Arc::make_mut(&mut self.packing.tables).namespaces.clone_from(namespaces);
    }

    /// Counts a pod that holds room. False where the counts cannot follow and have to be made anew.
    pub(crate) fn pod_came(&mut self, pod: &Arc<Pod>) -> bool {
        self.use_volumes(pod);
        let follows = self.packing.tables.classes.len() <= self.most_classes
            && class::reads(&pod.shape).all(|key| self.read.contains(key))
            && pod.shape.volumes.iter().all(|volume| {
                self.shared.contains(&volume.id) || self.users.get(&volume.id).is_none_or(|pods| *pods < 2)
            });
        if !follows {
            return false;
        }
        let node = pod.state.node().and_then(|node| self.node(node));
        if let Some(node) = node {
            let class = self.residing(pod);
            self.packing.put(node, class, 1);
            self.packing.settle();
        } else if pod.state.node().is_none()
            && let Some(key) = self.waits_as(pod)
        {
            self.waiting.entry(key).or_default().insert(pod.uid.clone(), pod.clone());
        }
        true
    }

    /// Counts a pod no longer.
    pub(crate) fn pod_went(&mut self, pod: &Pod) {
        for volume in &pod.shape.volumes {
            if let Some(users) = self.users.get_mut(&volume.id) {
                *users -= 1;
                if *users == 0 {
                    self.users.remove(&volume.id);
                }
            }
        }
        if let Some(node) = pod.state.node().and_then(|node| self.node(node)) {
            let class = self.residing(pod);
            self.packing.take(node, class, 1);
            self.packing.settle();
        } else if pod.unplannable.is_some() {
            self.left_alone.remove(&pod.uid);
        } else if pod.state.node().is_none() {
            let key = (self.seeking(&pod.shape), is_daemons(pod));
            if let Some(pods) = self.waiting.get_mut(&key) {
                pods.remove(&pod.uid);
                if pods.is_empty() {
                    self.waiting.remove(&key);
                }
            }
        }
        // The pod's, the one that is kept to be shared, and one here for each way it may be counted.
        if Arc::strong_count(&pod.shape) <= 5 {
            let at = address(&pod.shape);
            self.residing.remove(&(at, false));
            self.residing.remove(&(at, true));
            self.seeking.remove(&at);
        }
    }

    /// Counts a node with the pods on it.
    pub(crate) fn node_came<'a>(
        &mut self,
        node: &Node,
        pools: &BTreeMap<Name, Pool>,
        pods: impl Iterator<Item = &'a Pod>,
    ) {
        let extended = &mut Arc::make_mut(&mut self.packing.tables).extended;
        let free = Amounts::of(&node.allocatable, extended);
        let facts = Arc::new(planned_as(node, pools));
        let limits = node.attach_limits.iter().map(|(driver, limit)| (driver.clone(), *limit));
        let limits = Arc::new(limits.collect());
        let mut residents: BTreeMap<ClassId, u32> = BTreeMap::new();
        for pod in pods {
            *residents.entry(self.residing(pod)).or_default() += 1;
        }
        let mut state = self.packing.state(facts, free, limits, false);
        for (class, count) in &residents {
            state.free.add(&self.packing.class(*class).ask, -i64::from(*count));
        }
        state.residents = Arc::new(residents.into_iter().collect());
        let at = self.packing.come_at(state, self.vacant.pop());
        self.by_name.insert(node.name.clone(), at);
        self.packing.settle();
    }

    /// Counts a node no longer.
    pub(crate) fn node_went(&mut self, name: &str) {
        if let Some(node) = self.by_name.remove(name) {
            self.packing.remove_node(node);
            self.packing.settle();
            self.vacant.push(node);
        }
    }

    /// The class of a pod that holds room, made where it is new.
    fn residing(&mut self, pod: &Pod) -> ClassId {
        let leaving = matches!(pod.state, PodState::Terminating { .. });
        let key = (address(&pod.shape), leaving);
        if let Some((_, class)) = self.residing.get(&key) {
            return *class;
        }
        let shape = Arc::new(class::residing(&pod.shape, &self.read, &self.shared));
        let class = self.packing.intern(ClassKey { shape, leaving });
        // One is the pod's, and one is kept to be shared.
        if Arc::strong_count(&pod.shape) > 3 {
            self.residing.insert(key, (pod.shape.clone(), class));
        }
        class
    }

    /// The class of a pod that looks for room, made where it is new.
    fn seeking(&mut self, shape: &Arc<PodShape>) -> ClassId {
        if let Some((_, class)) = self.seeking.get(&address(shape)) {
            return *class;
        }
        let class = seek(&mut self.packing, shape, &self.read, &self.shared);
        self.seeking.insert(address(shape), (shape.clone(), class));
        class
    }

    /// The key under which a pod waits, if it is one that we plan for; others are noted.
    fn waits_as(&mut self, pod: &Arc<Pod>) -> Option<(ClassId, bool)> {
        if pod.unplannable.is_some() {
            self.left_alone.insert(pod.uid.clone(), pod.clone());
            return None;
        }
        Some((self.seeking(&pod.shape), is_daemons(pod)))
    }

    /// The class of a pod that looks for room, in a copy of the counts.
    pub(crate) fn seeking_in(&self, packing: &mut Packing, shape: &PodShape) -> ClassId {
        seek(packing, shape, &self.read, &self.shared)
    }

    /// The class under which a pod on a node is counted, in a copy of the counts.
    pub(crate) fn residing_in(&self, packing: &mut Packing, pod: &Pod) -> ClassId {
        let leaving = matches!(pod.state, PodState::Terminating { .. });
        let shape = Arc::new(class::residing(&pod.shape, &self.read, &self.shared));
        packing.intern(ClassKey { shape, leaving })
    }

    fn use_volumes(&mut self, pod: &Pod) {
        for volume in &pod.shape.volumes {
            *self.users.entry(volume.id.clone()).or_default() += 1;
        }
    }
}

fn seek(packing: &mut Packing, shape: &PodShape, read: &BTreeSet<Name>, shared: &BTreeSet<Name>) -> ClassId {
    let unread: BTreeSet<Name>;
    // A shape that nobody announced may read what nothing else does; it is then alone in looking at it.
    let read = if class::reads(shape).all(|key| read.contains(key)) {
        read
    } else {
        unread = read.iter().chain(class::reads(shape)).cloned().collect();
        &unread
    };
    let shape = Arc::new(class::seeking(shape, read, shared));
    packing.intern(ClassKey { shape, leaving: false })
}

fn is_daemons(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|owner| owner.kind == OwnerKind::DaemonSet)
}

fn address(shape: &Arc<PodShape>) -> usize {
    Arc::as_ptr(shape).addr()
}

#[cfg(test)]
mod tests;
