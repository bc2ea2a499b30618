//! Pods that are being deleted and still hold their room. A `ReplicaSet` makes the next one at once; a `StatefulSet`, and a
//! Deployment that is recreated, only when the old one is gone: then its room is free, unless its node goes as well.

use std::collections::BTreeMap;

use plimsoll_core::cluster::Name;

use super::grouped::Grouped;

/// Pods by uid, by the uid of their controller, each with its node.
#[derive(Default)]
pub(super) struct Ending {
    pods: Grouped<Name>,
    nodes: BTreeMap<Name, Name>,
}

impl Ending {
    /// A pod of a controller ends on a node.
    pub(super) fn note(&mut self, pod: &Name, controller: &Name, node: &Name) {
        self.pods.insert(pod, controller);
        self.nodes.insert(pod.clone(), node.clone());
    }

    /// A pod is gone; says whose it was.
    pub(super) fn forget(&mut self, pod: &Name) -> Option<Name> {
        self.nodes.remove(pod);
        self.pods.remove(pod)
    }

    /// The nodes of the pods of a controller, once for each pod.
    pub(super) fn nodes_of(&self, controller: &Name) -> impl Iterator<Item = &Name> {
        self.pods.of(controller).filter_map(|pod| self.nodes.get(pod))
    }

    /// Who has such pods.
    pub(super) fn controllers(&self) -> impl Iterator<Item = &Name> {
        self.pods.groups()
    }
}
