//! Drains: what is ordered in the place of a node has to be there before anything is evicted.

use std::collections::BTreeSet;

use plimsoll_core::nodes::drain::Drain;
use pretty_assertions::assert_eq;

use super::{
    drains::{EVICTION, NODE, drain, with_web},
    orders::recorded,
    *,
};

/// A drain that waits for the two nodes of order `general-2`.
fn waiting() -> Drain {
    Drain { needs: BTreeSet::from(["general-2".into()]), ..drain() }
}

/// A planner that drains node `a`, which has a pod, once the nodes of order `general-2` are there.
fn replacing() -> Bench {
    let mut bench = Bench::new(with_web(1));
    bench.pool();
    bench.drains(&waiting());
    bench.pod(pod("web-a", "a"));
    bench
}

/// Order `general-2` of two nodes, which are so far.
fn replacement(phases: [&str; 2]) -> NodeOrder {
    let nodes = phases.map(|phase| json!({ "providerID": format!("kwok://{phase}"), "phase": phase }));
    let mut order = recorded("general-2", &json!({ "phase": phases[0], "accepted": 2, "nodes": nodes }));
    order.spec.count = 2;
    order
}

#[tokio::test]
async fn a_drain_is_given_up_when_not_all_of_its_replacement_will_come() {
    let mut bench = replacing();
    bench.order(replacement(["Ready", "Failed"]));
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(bench.planner.world.drains.is_empty() && !lines.contains(&EVICTION.to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_drain_whose_order_has_no_record_is_given_up_unless_its_node_is_there() {
    for is_there in [false, true] {
        let mut bench = replacing();
        if is_there {
            let mut other = node("b", &json!({}));
            other["metadata"]["labels"]["plimsoll.dev/node-order"] = json!("general-2");
            bench.node(other);
        }
        bench.planner.drains(NOW).await;
        assert_eq!(bench.log.lines().contains(&EVICTION.to_owned()), is_there);
        assert_eq!(bench.planner.world.drains.is_empty(), !is_there);
    }
}

/// An API server that keeps what is written of orders, too.
fn with_orders(asked: &Asked) -> (u16, Value) {
    let orders = "/apis/plimsoll.dev/v1alpha1/nodeorders/";
    let Some(name) = asked.path.strip_prefix(orders).and_then(|path| path.strip_suffix("/status")) else {
        return with_web(1)(asked);
    };
    let mut order = serde_json::to_value(recorded(name, &json!({}))).unwrap();
    order["status"] = asked.body["status"].clone();
    (200, order)
}

/// With and without the record of its order. A node with such a taint is Ready.
#[tokio::test]
async fn a_drain_waits_until_its_replacement_has_lost_its_startup_taints() {
    let taint = json!({ "key": "example.com/agent", "effect": "NoSchedule" });
    for is_recorded in [true, false] {
        let mut bench = Bench::new(with_orders);
        bench.pool();
        let mut with_taint = pool();
        with_taint["spec"]["template"] = json!({ "startupTaints": [taint] });
        with_taint["spec"]["drain"] = json!({ "maxSurge": 0 });
        let with_taint: CapacityPool = serde_json::from_value(with_taint).unwrap();
        let seen = plimsoll_observe::cluster::observe_pool("general", &with_taint.spec, Vec::new());
        bench.planner.world.change(plimsoll_core::placement::Change::Pool(seen));
        bench.drains(&waiting());
        bench.pod(pod("web-a", "a"));
        let asked = json!({ "phase": "Creating", "accepted": 1, "askedAt": "2026-11-23T09:59:00Z" });
        let mut going = asked.clone();
        going["nodes"] = json!([{ "name": "a", "phase": "Draining" }]);
        bench.order(recorded("general-1", &going));
        if is_recorded {
            bench.order(recorded("general-2", &asked));
        }
        for (taints, goes_on) in [(json!([taint]), false), (json!([]), true)] {
            let mut other = node("b", &json!({ "spec": { "providerID": "kwok://b", "taints": taints } }));
            other["metadata"]["labels"]["plimsoll.dev/node-order"] = json!("general-2");
            bench.node(other);
            bench.planner.orders(NOW).await;
            bench.planner.drains(NOW).await;
            let lines = bench.log.lines();
            assert_eq!(lines.contains(&EVICTION.to_owned()), goes_on, "{is_recorded}: {lines:?}");
        }
    }
}

#[tokio::test]
async fn that_a_drain_needs_an_order_no_more_is_stored_before_anything_is_evicted() {
    let mut bench = replacing();
    bench.order(replacement(["Ready", "Ready"]));
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    assert_eq!(
        asked.iter().map(Asked::line).collect::<Vec<_>>(),
        [format!("PATCH {NODE}"), EVICTION.to_owned()]
    );
    let stored: Drain = serde_json::from_str(
        asked[0].body["metadata"]["annotations"]["plimsoll.dev/drain"].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!(stored, drain());
}

#[tokio::test]
async fn a_drain_whose_replacement_came_goes_on_when_that_goes_again() {
    let mut bench = replacing();
    bench.order(replacement(["Ready", "Ready"]));
    bench.planner.drains(NOW).await;
    bench.log.take();
    bench.planner.world.orders.remove("general-2");
    bench.planner.drains(NOW).await;
    assert_eq!(bench.log.lines(), [EVICTION]);
}
