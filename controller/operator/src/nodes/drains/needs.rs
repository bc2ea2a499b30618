//! What a drain waits for: nodes that were ordered in place of its own.
//!
//! An order keeps its promise once as many of its nodes take pods as were ordered. From then on the drain no longer needs it,
//! which is stored with the drain: that its nodes go again, later, is no reason to give the drain up. It breaks its promise
//! as soon as it is known that fewer will come, even if some do.

use std::collections::BTreeSet;

use plimsoll_api::{NodeOrder, v1alpha1::OrderPhase};
use plimsoll_core::{
    cluster::Name,
    nodes::drain::Drain,
    orders::{Answer, NodePhase, OrderNode},
    time::Timestamp,
};

use crate::nodes::{planner::Planner, record};

/// What has become of what an order promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// All of it may still come.
    Open,
    /// All of it has come.
    Kept,
    /// Not all of it will come.
    Broken,
}

/// Orders that drains need, by what has become of them.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// Those whose nodes do not all take pods yet.
    pub(super) coming: BTreeSet<Name>,
    /// Those whose nodes will not all come, or that are gone without their nodes being there.
    pub(super) failed: BTreeSet<Name>,
    /// Those whose nodes all take pods, or have done so.
    came: BTreeSet<Name>,
}

impl Needed {
    /// A drain that needs no more what has come.
    pub(super) fn left_of(&self, drain: &Drain) -> Drain {
        Drain { needs: drain.needs.difference(&self.came).cloned().collect(), ..drain.clone() }
    }
}

impl Planner {
    /// What has become of the orders that drains need.
    pub(super) fn needed(&self, now: Timestamp) -> Needed {
        let mut needed = Needed::default();
        for name in self.world.drains.values().flat_map(|drain| &drain.needs) {
            let alike = match self.promise_of(name, now) {
                Promise::Open => &mut needed.coming,
                Promise::Kept => &mut needed.came,
                Promise::Broken => &mut needed.failed,
            };
            alike.insert(name.clone());
        }
        needed
    }

    fn promise_of(&self, order: &Name, now: Timestamp) -> Promise {
        if let Some(record) = self.world.orders.get(&**order) {
            return promise(record);
        }
        let mut nodes = self.world.view.nodes().filter(|node| node.order.as_ref() == Some(order)).peekable();
        if nodes.peek().is_none() {
            return Promise::Broken;
        }
        if nodes.all(|node| self.world.view.takes_pods(node, now)) { Promise::Kept } else { Promise::Open }
    }
}

/// What has become of what an order promised, as its record says.
fn promise(order: &NodeOrder) -> Promise {
    let state = record::state(order);
    if count(&state.nodes, |phase| phase == NodePhase::Ready) >= state.count {
        return Promise::Kept;
    }
    let lost = count(&state.nodes, |phase| phase.is_over() || phase == NodePhase::Deleting);
    let possible = match &state.answer {
        // What the provider seemed not to have taken may have come all the same.
        Some(Answer::Accepted(_)) => state.expected().max(count(&state.nodes, |_| true)).saturating_sub(lost),
        Some(Answer::Refused(_)) => 0,
        None => state.count,
    };
    let has_failed = order.status.as_ref().and_then(|status| status.phase) == Some(OrderPhase::Failed);
    if state.deleted || has_failed || possible < state.count { Promise::Broken } else { Promise::Open }
}

fn count(nodes: &[OrderNode], which: impl Fn(NodePhase) -> bool) -> u32 {
    u32::try_from(nodes.iter().filter(|node| which(node.phase)).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, from_value, json};

    use super::*;

    /// An order of two nodes, of which the provider took so many, and whose nodes are so far; with more in its status.
    fn order(accepted: u32, phases: &[&str], more: &Value) -> NodeOrder {
        let node =
            |(at, phase): (usize, &&str)| json!({ "providerID": format!("cloud://{at}"), "phase": phase });
        let nodes: Vec<Value> = phases.iter().enumerate().map(node).collect();
        let mut status = json!({
            "phase": "Creating", "askedAt": "2026-11-23T09:59:00Z", "accepted": accepted, "nodes": nodes,
        });
        for (field, value) in more.as_object().unwrap() {
            status[field.as_str()] = value.clone();
        }
        from_value(json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeOrder",
            "metadata": { "name": "general-2" },
            "spec": {
                "pool": "general", "count": 2, "reason": "it comes in place of nodes that go", "fencingToken": 1,
                "offering": { "instanceType": "m-4", "zone": "zone-a", "capacityType": "on-demand", "price": "0.1" },
            },
            "status": status,
        }))
        .unwrap()
    }

    fn of(accepted: u32, phases: &[&str]) -> Promise {
        promise(&order(accepted, phases, &json!({})))
    }

    #[test]
    fn an_order_is_waited_for_until_as_many_of_its_nodes_are_ready_as_were_ordered() {
        let unasked = json!({ "phase": "Recorded", "askedAt": null, "accepted": null });
        assert_eq!(promise(&order(0, &[], &unasked)), Promise::Open);
        assert_eq!(of(2, &[]), Promise::Open);
        assert_eq!(of(2, &["Ready", "Registered"]), Promise::Open);
        assert_eq!(of(2, &["Ready", "Ready"]), Promise::Kept);
    }

    #[test]
    fn an_order_of_which_the_provider_took_a_part_will_not_come() {
        assert_eq!(of(1, &["Creating"]), Promise::Broken);
        assert_eq!(of(1, &["Ready"]), Promise::Broken);
        assert_eq!(of(1, &["Creating", "Creating"]), Promise::Open, "it came whole all the same");
    }

    #[test]
    fn an_order_will_not_come_once_fewer_of_its_nodes_are_left_than_were_ordered() {
        for lost in ["Deleting", "GivenBack", "Failed"] {
            assert_eq!(of(2, &["Ready", lost]), Promise::Broken, "{lost}");
        }
        assert_eq!(promise(&order(2, &["Ready"], &json!({ "takenBack": 1 }))), Promise::Broken);
        let surplus = order(2, &["Ready", "Creating", "Failed"], &json!({ "surplus": 1 }));
        assert_eq!(promise(&surplus), Promise::Open, "another is left");
    }

    #[test]
    fn an_order_that_was_refused_will_not_come() {
        let refused = json!({ "phase": "Failed", "accepted": null });
        assert_eq!(promise(&order(0, &[], &refused)), Promise::Broken);
    }

    #[test]
    fn an_order_that_was_deleted_will_not_come_unless_it_has() {
        let deleted = |phases: &[&str]| {
            let mut order = order(2, phases, &json!({}));
            order.metadata.deletion_timestamp = Some(from_value(json!("2026-11-23T10:00:00Z")).unwrap());
            promise(&order)
        };
        assert_eq!(
            (deleted(&["Ready", "Creating"]), deleted(&["Ready", "Ready"])),
            (Promise::Broken, Promise::Kept)
        );
    }
}
