//! A pool is what its object says, whether or not its provider answers.

use plimsoll_api::v1alpha1::ScaleDownPolicy;
use plimsoll_core::{
    cluster::{Capacity, Offering, Resources, ScaleDownMode},
    placement::Change,
};
use plimsoll_observe::cluster::observe_pool;
use pretty_assertions::assert_eq;

use super::*;

#[tokio::test]
async fn a_pool_whose_provider_does_not_answer_lets_no_node_go_that_it_no_longer_lets_go() {
    let mut bench = Bench::new(stored);
    let mut said: CapacityPool = serde_json::from_value(pool()).unwrap();
    let offering = Offering {
        key: key(),
        price: 100_000,
        allocatable: Resources { cpu: 4000, ..Resources::default() },
        labels: BTreeMap::new(),
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    };
    let seen = observe_pool("general", &said.spec, vec![offering]);
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
