//! Pods are planned onto nodes that are still to come, and onto no others.

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
