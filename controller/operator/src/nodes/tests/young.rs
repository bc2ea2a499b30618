//! Nodes that have just come: what they lack then is no fault of what was ordered.

use plimsoll_api::v1alpha1::OrderPhase;
use plimsoll_core::{
    cluster::{Capacity, Labels, Offering, Resources},
    time::Span,
};
use pretty_assertions::assert_eq;

use super::{
    super::nominations::lets_pods_on,
    orders::{cloud, recorded},
    *,
};

/// What pool `general` offers, with a device.
fn with_gpu() -> Offering {
    Offering {
        key: key(),
        price: 100_000,
        allocatable: Resources {
            cpu: 4000,
            memory: 16 << 30,
            pods: 110,
            extended: [("example.com/gpu".into(), 1)].into(),
            ..Resources::default()
        },
        labels: Labels::new(),
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    }
}

/// A Ready node of an order, so many minutes old, with these taints and so many of the devices; `offered` is what its
/// provider is known to offer.
fn young(offered: Vec<Offering>, taints: &Value, gpus: &str, minutes: i64) -> (Bench, Timestamp) {
    let spec = serde_json::from_value::<CapacityPool>(pool()).unwrap().spec;
    let mut bench = Bench::new(cloud);
    bench.pool();
    bench.plans_with(&spec, offered);
    let asked = json!({ "phase": "Creating", "accepted": 1, "askedAt": "2026-11-23T10:00:00Z" });
    bench.order(recorded("general-1", &asked));
    let mut young = node("n", &json!({ "spec": { "providerID": "kwok://n", "taints": taints } }));
    young["metadata"]["creationTimestamp"] = json!("2026-11-23T10:00:00Z");
    young["status"]["allocatable"]["example.com/gpu"] = json!(gpus);
    bench.node(young);
    (bench, NOW + Span::from_secs(minutes * 60))
}

/// How far the order is.
fn phase(bench: &Bench) -> Option<OrderPhase> {
    bench.planner.world.orders["general-1"].status.as_ref().unwrap().phase
}

/// The cloud takes its taint away, and the plugin reports the device, after the node has registered.
#[tokio::test]
async fn an_offering_is_not_avoided_for_what_a_node_lacks_while_it_starts() {
    let of_cloud = json!({ "key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule" });
    for (taints, gpus, minutes, expected, avoided) in [
        (json!([of_cloud]), "1", 1, OrderPhase::Registered, 0),
        (json!([]), "0", 1, OrderPhase::Registered, 0),
        (json!([]), "1", 1, OrderPhase::Ready, 0),
        (json!([]), "0", 15, OrderPhase::Ready, 1),
    ] {
        let (mut bench, now) = young(vec![with_gpu()], &taints, gpus, minutes);
        bench.planner.orders(now).await;
        let found = (phase(&bench), bench.planner.backoffs.count("general", now));
        assert_eq!(found, (Some(expected), avoided), "{taints}, {gpus} devices, {minutes} minutes");
    }
}

/// What a new leader does not know yet is no proof that nothing is lacking.
#[tokio::test]
async fn a_node_is_not_ready_to_its_order_before_a_new_leader_has_heard_its_provider() {
    let (mut bench, now) = young(Vec::new(), &json!([]), "0", 1);
    bench.planner.world.await_providers();
    bench.planner.orders(now).await;
    assert_eq!(phase(&bench), Some(OrderPhase::Registered));
}

/// Its pods keep their nomination: the scheduler cannot bind them before.
#[tokio::test]
async fn a_node_that_may_still_report_devices_takes_no_pods_yet() {
    for (gpus, minutes, takes) in [("0", 1, false), ("1", 1, true), ("0", 15, true)] {
        let (bench, now) = young(vec![with_gpu()], &json!([]), gpus, minutes);
        let view = &bench.planner.world.view;
        let found = lets_pods_on(view, view.node("n").unwrap(), now);
        assert_eq!(found, takes, "{gpus} devices, {minutes} minutes");
    }
}
