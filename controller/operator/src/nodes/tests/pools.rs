//! A pool is what its object says, whether or not its provider answers.

use plimsoll_api::v1alpha1::ScaleDownPolicy;
use plimsoll_core::{
    cluster::{Capacity, Offering, Resources, ScaleDownMode},
    placement::Change,
    time::Span,
};
use plimsoll_observe::cluster::observe_pool;
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
