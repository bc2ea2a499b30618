//! Nodes that have just come: what they lack then is no fault of what was ordered.

use plimsoll_api::v1alpha1::OrderPhase;
use plimsoll_core::{
    cluster::{Capacity, Labels, Offering, Resources},
    time::Span,
};
use pretty_assertions::assert_eq;

use super::{
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

/// The cloud takes its taint away, and the plugin reports the device, after the node has registered.
#[tokio::test]
async fn an_offering_is_not_avoided_for_what_a_node_lacks_while_it_starts() {
    let spec = serde_json::from_value::<CapacityPool>(pool()).unwrap().spec;
    let of_cloud = json!({ "key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule" });
    for (taints, gpus, minutes, phase, avoided) in [
        (json!([of_cloud]), "1", 1, OrderPhase::Registered, 0),
        (json!([]), "0", 1, OrderPhase::Registered, 0),
        (json!([]), "1", 1, OrderPhase::Ready, 0),
        (json!([]), "0", 15, OrderPhase::Ready, 1),
    ] {
        let mut bench = Bench::new(cloud);
        bench.pool();
        let seen = plimsoll_observe::cluster::observe_pool("general", &spec, vec![with_gpu()]);
        bench.planner.world.change(plimsoll_core::placement::Change::Pool(seen));
        let asked = json!({ "phase": "Creating", "accepted": 1, "askedAt": "2026-11-23T10:00:00Z" });
        bench.order(recorded("general-1", &asked));
        let mut young = node("n", &json!({ "spec": { "providerID": "kwok://n", "taints": taints } }));
        young["metadata"]["creationTimestamp"] = json!("2026-11-23T10:00:00Z");
        young["status"]["allocatable"]["example.com/gpu"] = json!(gpus);
        bench.node(young);
        let now = NOW + Span::from_secs(minutes * 60);
        bench.planner.orders(now).await;
        let status = bench.planner.world.orders["general-1"].status.as_ref().unwrap();
        let found = (status.phase, bench.planner.backoffs.count("general", now));
        assert_eq!(found, (Some(phase), avoided), "{taints}, {gpus} devices, {minutes} minutes");
    }
}
