use std::sync::Arc;

use plimsoll_api::{CapacityPool, NodeOrder};
use plimsoll_providers::{Bounds, Group, Inventory};
use pretty_assertions::assert_eq;
use serde_json::{Value, from_value, json};

use super::*;
use crate::nodes::{
    polls::Said,
    script::{Asked, Log, failure, server},
    tests::planner,
};

const NOW: Timestamp = Timestamp::from_secs(1_795_428_000);
const GROUP: &str = "m-4.zone-a.on-demand";

/// A planner of the pool `general` that is about to lead again, and what its provider answers.
fn again() -> (Planner, mpsc::UnboundedReceiver<Change>, Log) {
    let (client, log) = server(answer);
    let (send, changes) = mpsc::unbounded_channel();
    let mut planner = planner(client, Leadership::alone(), send);
    let kwok = json!({ "zones": ["zone-a"], "instanceTypes": [
        { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1" },
    ] });
    let pool: CapacityPool = from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool",
        "metadata": { "name": "general" }, "spec": { "provider": { "kwok": kwok } },
    }))
    .unwrap();
    planner.world.pools.insert("general".to_owned(), Arc::new(Ok(pool)));
    (planner, changes, log)
}

/// An API server without nodes, memory or anything else.
fn answer(asked: &Asked) -> (u16, Value) {
    if asked.line() == "GET /api/v1/nodes" {
        return (200, json!({ "kind": "NodeList", "metadata": {}, "items": [] }));
    }
    failure(404, "NotFound", "memory-0")
}

/// An order of which one machine is being made.
fn being_made() -> NodeOrder {
    from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeOrder",
        "metadata": { "name": "general-1", "uid": "uid-general-1", "resourceVersion": "3" },
        "spec": {
            "pool": "general", "count": 1, "reason": "1 pod has no room", "fencingToken": 4,
            "offering": {
                "instanceType": "m-4", "zone": "zone-a", "capacityType": "on-demand", "price": "0.1",
                "nodeGroup": GROUP,
            },
        },
        "status": {
            "phase": "Creating", "askedAt": "2026-11-23T09:59:00Z", "accepted": 1,
            "nodes": [{ "providerID": "kwok://general-1-0", "phase": "Creating" }],
        },
    }))
    .unwrap()
}

/// The other leader has ordered it meanwhile.
#[tokio::test]
async fn a_machine_of_which_a_provider_knew_nothing_in_an_earlier_term_is_not_taken_for_gone() {
    let (mut planner, _changes, log) = again();
    let group = Group { target: 0, bounds: Bounds::default(), instances: Vec::new() };
    let groups = BTreeMap::from([(OfferingId(GROUP.to_owned()), Ok(group))]);
    let inventory = Inventory { groups, ..Inventory::default() };
    let said = Said { offerings: None, inventory: Some(Ok(Arc::new(inventory))) };
    planner.world.said.insert("general".to_owned(), said);
    planner.world.set_order(being_made());
    planner.begin_term().await;
    log.take();
    planner.orders(NOW).await;
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test]
async fn an_answer_to_what_was_asked_in_an_earlier_term_is_none() {
    let (mut planner, mut changes, _log) = again();
    planner.pools(NOW);
    planner.begin_term().await;
    let answered = changes.recv().await.unwrap();
    answered(&mut planner.world);
    assert!(planner.world.said.is_empty());
}
