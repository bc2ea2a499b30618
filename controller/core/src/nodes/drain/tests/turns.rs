//! A Deployment has one replica more for one drain at a time.

use super::*;

/// A node with a pod of `web`, which has one replica more for another drain, under a budget that lets so many go.
fn after_another(allowed: i32) -> World {
    let mut world = World::new(&[("web", 0)]).budget(allowed).workload(3);
    world.settings.max_surge = 2;
    world.surging.insert(("shop".into(), "web".into()));
    world
}

#[test]
fn a_deployment_that_has_a_replica_more_for_another_drain_gets_its_own_after_that() {
    let mut world = after_another(0);
    assert_eq!(world.waits(), "waits its turn: shop/web has one replica more for another node");
    assert!(world.drain.surges.is_empty());
    world.surging.clear();
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [surge(3)]);
}

/// The other drain gives it back at any moment, and asks no budget for that.
#[test]
fn what_a_budget_allows_by_a_replica_more_for_another_drain_is_left_to_that() {
    let mut world = after_another(1);
    assert!(world.evicted().is_empty());
    world.is_taken_away(true);
    assert_eq!(world.evicted(), ["web"], "it cannot wait");
}

#[test]
fn a_node_that_is_taken_away_waits_its_turn_where_its_budget_allows_nothing() {
    let mut world = after_another(0);
    world.is_taken_away(true);
    assert_eq!(world.waits(), "waits its turn: shop/web has one replica more for another node");
}

#[test]
fn what_has_one_replica_more_keeps_others_waiting_until_its_pod_goes_or_somebody_scales_it() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    assert_eq!(world.drain.surging().count(), 0);
    world.step();
    assert_eq!(world.drain.surging().count(), 1);
    world.deployed(2, 2);
    world.step();
    assert_eq!(world.drain.surging().count(), 1, "given back, and its pod is there");
    let mut scaled = World { drain: world.drain.clone(), ..World::new(&[("web", 0)]).workload(3) };
    scaled.step();
    assert_eq!(scaled.drain.surging().count(), 0, "somebody has scaled it");
    world.ends("web");
    world.step();
    assert_eq!(world.drain.surging().count(), 0, "its pod ends");
}
