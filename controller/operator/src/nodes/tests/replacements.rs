//! Drains: what is ordered in the place of a node has to be there before anything is evicted.

use std::collections::BTreeSet;

use plimsoll_core::nodes::{drain::Drain, remove::RemovalPlan};
use pretty_assertions::assert_eq;

use super::{
    drains::{EVICTION, NODE, drain, removal, with_web},
    orders::{ORDERS, plan, recorded},
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
        bench.plans_with(&with_taint.spec, Vec::new());
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

/// A plan by which node `a` goes once so many orders have come in its place.
fn replacing_a(orders: u32) -> RemovalPlan {
    let mut replacing = RemovalPlan { add: (0..orders).flat_map(|_| plan(1).add).collect(), ..removal() };
    replacing.remove[0].needs = (0..orders).collect();
    replacing
}

/// What comes takes no pods of it before it is there, so more would be ordered in every pass.
#[tokio::test]
async fn a_node_whose_drain_cannot_begin_though_another_may_come_in_its_place_is_let_be() {
    let (marks, order) = (format!("PATCH {NODE}"), format!("POST {ORDERS}"));
    for (refused, code, needs, is_let_be) in
        [(&marks, 500, 1, true), (&marks, 500, 0, false), (&order, 504, 1, true), (&order, 403, 1, false)]
    {
        let (line, mut answer) = (refused.clone(), with_web(1));
        let script = move |asked: &Asked| {
            if asked.line() == line { failure(code, "Refused", "a") } else { answer(asked) }
        };
        let mut bench = Bench::new(script);
        bench.pool();
        bench.node(node("a", &json!({})));
        let plan = replacing_a(needs);
        let orders = bench.planner.order_replacements(&plan, NOW).await;
        bench.planner.begin_drains(&plan, &orders, NOW).await;
        let is_given_up = bench.planner.memory.given_up.contains_key("uid-a");
        assert_eq!(is_given_up, is_let_be, "{refused} {code}, it needs {needs}");
    }
}

#[tokio::test]
async fn a_node_is_let_be_when_only_a_part_of_what_is_to_come_in_its_place_was_ordered() {
    let (mut answer, order, mut ordered) = (with_web(1), format!("POST {ORDERS}"), 0);
    let script = move |asked: &Asked| {
        ordered += u32::from(asked.line() == order);
        if ordered > 1 { failure(403, "Forbidden", "general") } else { answer(asked) }
    };
    let mut bench = Bench::new(script);
    bench.pool();
    bench.node(node("a", &json!({})));
    let plan = replacing_a(2);
    let orders = bench.planner.order_replacements(&plan, NOW).await;
    assert_eq!(orders.iter().filter(|order| order.is_some()).count(), 1, "{orders:?}");
    bench.planner.begin_drains(&plan, &orders, NOW).await;
    assert!(bench.planner.world.drains.is_empty());
    assert!(bench.planner.memory.given_up.contains_key("uid-a"));
}
