//! What the records of orders, and what their providers say, tell of nodes that are there.

use plimsoll_core::{
    cluster::{Node, OfferingKey, Record},
    placement::Change,
    time::Timestamp,
};
use plimsoll_observe::cluster::INTERRUPTED;
use plimsoll_providers::{InstanceState, OfferingId};

use super::{calls::of_node, claims, record::offering, world::World};

impl World {
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
        let pool = &order.spec.pool;
        let id = self.provider_ids.get(&node.name).filter(|id| !id.is_empty());
        let offering = order.spec.offering.node_group.clone().map(OfferingId);
        let (Some(offering), Some(id)) = (offering, id) else { return false };
        let Some(group) = claims::group_of(self, pool, &offering) else {
            // Who cannot be asked has taken nothing back.
            let said = self.said.get(pool).and_then(|said| said.inventory.as_ref()?.as_ref().ok());
            let is_silent = said.is_none_or(|all| all.groups.contains_key(&offering));
            let drain = self.drains.get(&node.name);
            return is_silent
                && self.pools.contains_key(pool)
                && drain.is_some_and(|drain| drain.interrupted && drain.deleted.is_none());
        };
        let instance = group.instances.binary_search_by(|instance| instance.id.as_str().cmp(id));
        instance.is_ok_and(|at| group.instances[at].state == InstanceState::Deleting) && !is_asked_for()
    }

    /// When its provider was asked to take a node away.
    pub(crate) fn given_back(&self, node: &Node) -> Option<Timestamp> {
        self.drains.get(&node.name)?.deleted
    }

    /// Tells nodes what their orders asked for, what has become of these, and whether they will be taken away or were given
    /// back.
    pub(crate) fn note_records(&mut self) {
        let changed = self.view.nodes().filter_map(|node| {
            let record = self.record_of(node);
            let ordered = self.ordered_with(node).or_else(|| node.ordered.clone());
            let interrupted = self.is_interrupted(node);
            let given_back = self.given_back(node);
            let is_new = (record, interrupted, given_back)
                != (node.record, node.interrupted, node.given_back)
                || ordered != node.ordered;
            is_new.then(|| Node { record, ordered, interrupted, given_back, ..node.clone() })
        });
        for node in changed.collect::<Vec<_>>() {
            self.change(Change::Node(node));
        }
    }
}
