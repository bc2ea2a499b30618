//! Which drains are believed.
//!
//! A drain is an annotation, and whoever may write a node, such as its kubelet, may write it. It is believed of nodes whose
//! mark names an order that is on record; and which Deployments have one replica more is not read from it, but from our own
//! record, which is written before anything is asked for. Otherwise a forged annotation could resize any Deployment.

use std::collections::BTreeMap;

use plimsoll_core::{
    cluster::{DRAINING, Name, Node},
    nodes::drain::Drain,
};

use crate::nodes::planner::Planner;

impl Planner {
    /// Takes in what nodes say of their drains, as far as it is believed. Drains of nodes that are gone stay.
    pub(in crate::nodes) fn believe(&mut self) {
        let there = self.world.view.nodes();
        let believed: BTreeMap<Name, Drain> =
            there.filter_map(|node| Some((node.name.clone(), self.believed(node)?))).collect();
        let view = &self.world.view;
        self.world.drains.retain(|node, _| view.node(node).is_none());
        self.world.drains.extend(believed);
    }

    /// The drain of a node that is there, if it has one.
    fn believed(&self, node: &Node) -> Option<Drain> {
        let on_record = self.kept.surges.get(&node.name);
        let Some(noted) = self.world.noted.get(&node.name) else {
            // Somebody took the annotation away, and the replicas more are still to be given back.
            let drain = on_record?;
            if node.is_draining() {
                return Some(drain.clone());
            }
            // The taint is gone too, as after a Node that was made anew: all that is left is to give back.
            let is_owed = drain.surges.values().any(|surge| !surge.is_over());
            return is_owed.then(|| Drain { deleted: None, ..drain.clone() });
        };
        let is_ours = node.order.as_ref().is_some_and(|order| self.world.orders.contains_key(&**order));
        // One that is not ours any more is let go of, if we had begun.
        let had_begun = node.is_draining() || node.labels.contains_key(DRAINING);
        // What cannot be read yet is waited for.
        let is_unknown = self.kept.unread && !noted.surges.is_empty();
        let surges = on_record.map(|drain| drain.surges.clone()).unwrap_or_default();
        ((is_ours || had_begun) && !is_unknown).then(|| Drain { surges, ..noted.clone() })
    }
}
