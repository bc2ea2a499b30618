//! Pods that are being deleted and still hold their room. A `ReplicaSet` makes the next one at once; a `StatefulSet`, and a
//! Deployment that is recreated, only when the old one is gone: then its room is free, unless its node goes as well.

use std::collections::BTreeMap;

use plimsoll_core::cluster::Name;

/// Pods by uid, each with its node, by the uid of their controller.
#[derive(Default)]
pub(super) struct Ending {
    pods: BTreeMap<Name, BTreeMap<Name, Name>>,
    controllers: BTreeMap<Name, Name>,
}

impl Ending {
    /// A pod of a controller ends on a node.
    pub(super) fn note(&mut self, pod: &Name, controller: &Name, node: &Name) {
        self.controllers.insert(pod.clone(), controller.clone());
        self.pods.entry(controller.clone()).or_default().insert(pod.clone(), node.clone());
    }

    /// A pod is gone; says whose it was.
    pub(super) fn forget(&mut self, pod: &Name) -> Option<Name> {
        let controller = self.controllers.remove(pod)?;
        if let Some(pods) = self.pods.get_mut(&controller) {
            pods.remove(pod);
            if pods.is_empty() {
                self.pods.remove(&controller);
            }
        }
        Some(controller)
    }

    /// The nodes of the pods of a controller, once for each pod.
    pub(super) fn nodes_of(&self, controller: &Name) -> impl Iterator<Item = &Name> {
        self.pods.get(controller).into_iter().flat_map(BTreeMap::values)
    }

    /// Who has such pods.
    pub(super) fn controllers(&self) -> impl Iterator<Item = &Name> {
        self.pods.keys()
    }
}
