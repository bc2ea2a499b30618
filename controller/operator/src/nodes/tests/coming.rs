//! Pods are planned onto nodes that are still to come, and onto no others.

use plimsoll_core::time::Span;
use pretty_assertions::assert_eq;

use super::{orders::recorded, *};

/// Its record stays until its provider can be asked what there is of it, and its pods are planned anew meanwhile.
#[tokio::test]
async fn nothing_is_counted_on_of_an_order_that_has_failed() {
    for (phase, coming) in [("Creating", 1), ("Failed", 0)] {
        let mut bench = Bench::new(stored);
        let status = json!({ "phase": phase, "askedAt": "2026-11-23T10:00:00Z", "accepted": 1 });
        bench.order(recorded("general-1", &status));
        bench.planner.orders_that_come(NOW);
        assert_eq!(bench.planner.world.view.orders().count(), coming, "{phase}");
    }
}

#[tokio::test]
async fn nothing_is_counted_on_of_a_machine_that_its_provider_deletes_before_it_joins() {
    for (phase, coming) in [("Creating", 1), ("Deleting", 0)] {
        let mut bench = Bench::new(stored);
        let nodes = json!([{ "providerID": "kwok://a", "phase": phase }]);
        let status =
            json!({ "phase": phase, "askedAt": "2026-11-23T10:00:00Z", "accepted": 1, "nodes": nodes });
        bench.order(recorded("general-1", &status));
        bench.planner.orders_that_come(NOW);
        assert_eq!(bench.planner.world.view.orders().count(), coming, "{phase}");
    }
}

/// What was ordered later from the same node group is asked for only once it is known what became of the first.
#[tokio::test]
async fn what_waits_behind_an_order_that_nobody_answers_is_not_counted_on() {
    let mut bench = Bench::new(stored);
    bench.pool();
    let spec: CapacityPool = serde_json::from_value(pool()).unwrap();
    let takes = bench.planner.polls.provider("general", &spec.spec).unwrap().time_out();
    let patience = Span::from_millis(i64::try_from(takes.as_millis()).unwrap()).times(3);
    let asked = json!({ "phase": "Asked", "askedAt": "2026-11-23T10:00:00Z" });
    bench.order(recorded("general-1", &asked));
    bench.order(recorded("general-2", &json!({})));
    let mut elsewhere = recorded("general-3", &json!({}));
    elsewhere.spec.offering.node_group = Some("m-4.zone-b.on-demand".to_owned());
    bench.order(elsewhere);
    let mut coming = |now: Timestamp| {
        bench.planner.orders_that_come(now);
        bench.planner.world.view.orders().map(|order| order.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(coming(NOW + patience - Span::from_millis(1)), ["general-1", "general-2", "general-3"]);
    assert_eq!(coming(NOW + patience), ["general-3"]);
}

/// It is given up, and its provider may be too far away to be told.
#[tokio::test]
async fn nothing_is_counted_on_once_its_time_to_join_is_over() {
    let mut bench = Bench::new(stored);
    bench.pool();
    let status = json!({
        "phase": "Creating", "askedAt": "2026-11-23T10:00:00Z", "accepted": 2,
        "nodes": [{ "name": "a", "providerID": "kwok://a", "phase": "Ready" }],
    });
    let mut order = recorded("general-1", &status);
    order.spec.count = 2;
    bench.order(order);
    let mut coming = |seconds: i64| {
        bench.planner.orders_that_come(NOW + Span::from_secs(seconds));
        bench.planner.world.view.orders().map(|order| order.missing).sum::<u32>()
    };
    assert_eq!([coming(899), coming(900)], [1, 0]);
}
