//! A pool is what its object says, whether or not its provider answers.

use plimsoll_api::v1alpha1::ScaleDownPolicy;
use plimsoll_core::{
    cluster::{Capacity, Offering, Resources, ScaleDownMode},
    nodes::backoff::OfferingError,
    placement::Change,
    time::Span,
};
use plimsoll_observe::cluster::observe_pool;
use plimsoll_providers::Offerings;
use pretty_assertions::assert_eq;

use super::{orders::recorded, *};

/// What the provider of pool `general` offers.
fn offering() -> Offering {
    Offering {
        key: key(),
        price: 100_000,
        allocatable: Resources { cpu: 4000, ..Resources::default() },
        labels: BTreeMap::new(),
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    }
}

#[tokio::test]
async fn a_pool_whose_provider_does_not_answer_lets_no_node_go_that_it_no_longer_lets_go() {
    let mut bench = Bench::new(stored);
    let mut said: CapacityPool = serde_json::from_value(pool()).unwrap();
    let seen = observe_pool("general", &said.spec, vec![offering()]);
    let before = seen.offerings.clone();
    bench.planner.world.change(Change::Pool(seen));
    said.spec.scale_down.policy = ScaleDownPolicy::Never;
    bench.planner.world.pools.insert("general".to_owned(), Arc::new(Ok(said)));
    bench.planner.pools(NOW);
    let pool = bench.planner.world.view.pool("general").unwrap();
    assert_eq!((pool.scale_down.mode, &pool.offerings), (ScaleDownMode::Never, &before));
}

#[tokio::test]
async fn a_pool_is_what_its_object_says_before_its_provider_was_heard() {
    let mut bench = Bench::new(stored);
    bench.pool_with_tls();
    bench.planner.pools(NOW);
    let pool = bench.planner.world.view.pool("general").unwrap();
    assert_eq!((pool.scale_down.drain.max_surge, pool.offerings.len()), (1, 0));
}

/// What would be ordered could not be asked for, and would be ordered again and again.
#[tokio::test]
async fn nothing_more_is_ordered_of_a_group_that_gives_no_answer_to_an_order() {
    let mut bench = Bench::new(stored);
    bench.pool();
    let said: CapacityPool = serde_json::from_value(pool()).unwrap();
    bench.planner.world.change(Change::Pool(observe_pool("general", &said.spec, vec![offering()])));
    let asked = json!({ "phase": "Asked", "askedAt": "2026-11-23T10:00:00Z" });
    bench.order(recorded("general-1", &asked));
    let mut capacity = |seconds: i64| {
        bench.planner.pools(NOW + Span::from_secs(seconds));
        bench.planner.world.view.pool("general").unwrap().offerings[0].capacity
    };
    assert_eq!(capacity(0), Capacity::Unknown);
    let until = capacity(600);
    assert!(
        matches!(until, Capacity::AvoidedUntil(until) if until > NOW + Span::from_secs(600)),
        "{until:?}"
    );
}

/// What the provider says of its one group: so many of ten nodes are there.
fn said(target: u32) -> Said {
    let bounds = Bounds { min: 0, max: 10 };
    let id = OfferingId(GROUP.to_owned());
    let offering = plimsoll_providers::Offering {
        id: id.clone(),
        instance_type: "m-4".to_owned(),
        zone: Some("zone-a".to_owned()),
        capacity_type: plimsoll_providers::CapacityType::OnDemand,
        price: None,
        capacity: BTreeMap::new(),
        allocatable: BTreeMap::new(),
        labels: BTreeMap::new(),
        taints: Vec::new(),
        available: true,
        bounds,
    };
    let group = Group { target, bounds, instances: Vec::new() };
    let inventory = Inventory { groups: BTreeMap::from([(id, Ok(group))]), ..Inventory::default() };
    let offerings = Offerings { offerings: vec![offering], oddities: Vec::new() };
    Said {
        offerings: Some(Ok(Arc::new(offerings))),
        inventory: Some(Ok(Arc::new(inventory))),
        ..Said::default()
    }
}

/// An order of so many nodes, with this status.
fn ordered(name: &str, count: i32, status: &Value) -> NodeOrder {
    let mut order = recorded(name, status);
    order.spec.count = count;
    order
}

/// What is left of its one offering when pools are brought up to date.
fn left(bench: &mut Bench) -> Capacity {
    bench.planner.pools(NOW);
    bench.planner.world.view.pool("general").unwrap().offerings[0].capacity
}

#[tokio::test]
async fn what_is_ordered_and_not_counted_by_the_provider_yet_is_not_left() {
    let asked = json!({ "phase": "Asked", "askedAt": "2026-11-23T10:00:00Z" });
    let accepted = json!({ "phase": "Creating", "askedAt": "2026-11-23T10:00:00Z", "accepted": 2 });
    let refused = json!({ "phase": "Failed", "askedAt": "2026-11-23T10:00:00Z" });
    for (is_heard, status, then) in [
        (true, json!({}), 0),
        (true, asked.clone(), 0),
        // It is in the size: what was said before the answer is forgotten.
        (true, accepted.clone(), 2),
        (true, refused.clone(), 2),
        (false, json!({}), 0),
        (false, asked, 0),
        (false, accepted, 0),
        (false, refused, 2),
    ] {
        let mut bench = Bench::new(stored);
        bench.pool();
        bench.planner.world.said.insert("general".to_owned(), said(8));
        assert_eq!(left(&mut bench), Capacity::Left(2));
        bench.order(ordered("general-1", 2, &status));
        if !is_heard {
            bench.planner.world.outdate("general");
        }
        for _ in 0..2 {
            assert_eq!(left(&mut bench), Capacity::Left(then), "heard: {is_heard}, {status}");
        }
    }
}

/// It was taken off while it was under way, and the provider has not been heard since.
#[tokio::test]
async fn what_is_ordered_is_taken_off_once() {
    let mut bench = Bench::new(stored);
    bench.pool();
    bench.planner.world.said.insert("general".to_owned(), said(5));
    bench.order(ordered("general-1", 2, &json!({})));
    assert_eq!(left(&mut bench), Capacity::Left(3));
    bench.planner.world.outdate("general");
    let accepted = json!({ "phase": "Creating", "askedAt": "2026-11-23T10:00:00Z", "accepted": 2 });
    bench.order(ordered("general-1", 2, &accepted));
    bench.order(ordered("general-2", 1, &json!({})));
    assert_eq!(left(&mut bench), Capacity::Left(2));
    bench.planner.world.said.insert("general".to_owned(), said(7));
    assert_eq!(left(&mut bench), Capacity::Left(2));
}

#[tokio::test]
async fn what_failed_of_a_pool_that_was_deleted_is_not_avoided_in_another_of_its_name() {
    let mut bench = Bench::new(stored);
    bench.pool();
    let why = "a quota is used up".to_owned();
    bench.planner.backoffs.failed("general", &key(), OfferingError::Quota, why, NOW);
    bench.planner.pools(NOW);
    assert_eq!(bench.planner.backoffs.count("general", NOW), 1);
    bench.planner.world.pools.clear();
    bench.planner.pools(NOW);
    bench.pool();
    bench.planner.pools(NOW);
    assert_eq!(bench.planner.backoffs.count("general", NOW), 0);
}
