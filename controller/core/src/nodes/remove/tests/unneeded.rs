//! Nodes that are empty, under-used, or used and not worth their price.

use super::*;
use crate::cluster::ScaleDownMode;

/// Node `n1` with these pods, and `n2` with room for them.
fn beside_room(cpus: &[i64]) -> World {
    World::new().node("n1", "a", cpus).node("n2", "b", &[2000])
}

fn why(world: &mut World, node: &str) -> Option<WhyRemoved> {
    world.plan().remove.into_iter().find(|removal| &*removal.node == node).map(|removal| removal.why)
}

fn dear(zone: &'static str, price: i64) -> impl Fn(&mut Pool) {
    offered_in(zone, move |offering| offering.price = price)
}

#[test]
fn an_empty_node_goes_once_it_was_unneeded_for_long_enough() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
        .node("n1", "a", &[])
        .node("n2", "b", &[3000]);
    assert_eq!(
        world.stays("n1"),
        "it is not needed since 1970-01-12T13:46:40Z, and has to be for 10m",
        "its time begins with the first look"
    );
    assert_eq!(world.plan().next_look, Some(NOW + Span::from_secs(600)));
    goes_after_ten_minutes(&mut world, "n1");
}

#[test]
fn the_time_of_a_node_that_was_needed_again_begins_anew() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
        .node("n1", "a", &[])
        .node("n2", "b", &[3000]);
    world.plan();
    world = world.pod_as("n1", "x", 3000, |_| ());
    world.now = NOW + Span::from_secs(300);
    world.plan();
    world.view.apply(Change::PodGone("uid-x".into()));
    world.now = NOW + Span::from_secs(600);
    assert!(world.goes().is_empty());
    world.now = NOW + Span::from_secs(1200);
    assert_eq!(world.goes(), ["n1"]);
}

#[test]
fn an_underused_node_goes_where_its_pods_fit_elsewhere() {
    let mut world = World::new().node("n1", "a", &[500, 400]).node("n2", "b", &[3000]);
    let plan = world.plan();
    assert_eq!(plan.remove.len(), 1);
    let removal = &plan.remove[0];
    assert_eq!(
        (&*removal.node, removal.why.to_string().as_str()),
        ("n1", "its pods ask for 22.5 % of it and fit elsewhere")
    );
    let to: Vec<_> = removal.moves.iter().map(|moved| (&*moved.pod, moved.to.clone())).collect();
    let n2 = crate::nodes::Place::Node("n2".into());
    assert_eq!(to, [("uid-n1-0", n2.clone()), ("uid-n1-1", n2)]);
}

#[test]
fn a_node_stays_where_a_pod_fits_nowhere_else() {
    let mut world = World::new().node("n1", "a", &[1500, 400]).node("n2", "b", &[3000]);
    assert_eq!(world.stays("n1"), "pod shop/n1-0 fits nowhere else: 1 nodes lack cpu");
}

#[test]
fn the_zone_with_the_most_nodes_loses_first() {
    let mut world = World::new().pool(|pool| {
        pool.scale_down.budgets = at_most(2);
    });
    for name in ["a1", "b1", "b2", "b3", "c1", "c2"] {
        world = world.node(name, &name[..1], &[]);
    }
    assert_eq!(world.goes(), ["b1", "b2"]);
    world.pool.balance = crate::cluster::Balance::Off;
    assert_eq!(world.goes(), ["a1", "b1"]);
}

#[test]
fn a_node_is_empty_under_used_or_used_by_what_its_pods_ask_for() {
    let replaced = WhyRemoved::Replaced { nodes: 2, by: 1, saving: 500 };
    for (cpus, expected) in [
        (&[][..], WhyRemoved::Empty),
        (&[1999], WhyRemoved::Underutilized { utilization: 499 }),
        (&[2000], replaced),
    ] {
        assert_eq!(why(&mut beside_room(cpus), "n1"), Some(expected), "{cpus:?}");
    }
}

#[test]
fn memory_counts_as_cpu_does() {
    let mut world = beside_room(&[]).pod_as("n1", "x", 400, |pod| {
        Arc::make_mut(&mut pod.shape).requests.memory = 4 << 30;
    });
    assert_eq!(why(&mut world, "n1"), Some(WhyRemoved::Underutilized { utilization: 250 }));
}

#[test]
fn a_used_node_goes_where_that_saves_enough_of_what_it_and_those_that_take_its_pods_cost() {
    let world = |at_least| {
        World::new()
            .pool(dear("b", 600_000))
            .pool(|pool| pool.scale_down.savings_at_least = at_least)
            .node("n1", "a", &[2000])
            .node_as("n2", "b", &[2000], kept)
    };
    assert_eq!(
        why(&mut world(250), "n1"),
        Some(WhyRemoved::Replaced { nodes: 2, by: 1, saving: 250 }),
        "0.2 of 0.8"
    );
    assert_eq!(world(251).stays("n1"), "to move its pods saves 25 %, less than 25.1 %");
}

#[test]
fn all_that_take_pods_of_a_node_count() {
    let mut world =
        World::new().node("n1", "a", &[1500, 1500]).node("n2", "b", &[2400]).node("n3", "c", &[2400]);
    assert_eq!(why(&mut world, "n1"), Some(WhyRemoved::Replaced { nodes: 3, by: 2, saving: 333 }));
}

#[test]
fn a_used_node_that_costs_nothing_saves_nothing() {
    let free = |pool: &mut Pool| {
        pool.offerings.iter_mut().for_each(|offering| offering.price = 0);
        pool.scale_down.savings_at_least = 0;
    };
    assert_eq!(beside_room(&[2000]).pool(free).stays("n1"), "to move its pods saves 0 %, less than 0 %");
}

#[test]
fn each_eviction_has_to_save_enough() {
    let world = |cpus: &[i64], at_least| {
        beside_room(cpus).pool(|pool| pool.scale_down.savings_per_eviction = at_least)
    };
    assert_eq!(world(&[400, 400], 100_000).goes(), ["n1"]);
    assert_eq!(
        world(&[400, 400], 100_001).stays("n1"),
        "removing it saves 100000 millionths per hour and eviction, less than 100001"
    );
    assert_eq!(world(&[], i64::MAX).goes(), ["n1"], "nobody is evicted");
    assert_eq!(world(&[400, 400], -1).goes(), ["n1"]);
}

#[test]
fn a_pool_can_let_only_empty_nodes_go() {
    let only_empty = |pool: &mut Pool| pool.scale_down.mode = ScaleDownMode::WhenEmpty;
    assert_eq!(beside_room(&[]).pool(only_empty).goes(), ["n1"]);
    for cpus in [&[400, 400], &[1200, 800]] {
        assert_eq!(
            beside_room(cpus).pool(only_empty).stays("n1"),
            "it has 2 pods to move, and its pool lets only empty nodes go"
        );
    }
}

/// Their time would be lost if another went in their place.
#[test]
fn of_equal_nodes_that_goes_first_which_was_not_needed_before() {
    let one = |pool: &mut Pool| {
        pool.scale_down.budgets = at_most(1);
    };
    let world = || World::new().pool(one).node("n1", "a", &[]).node("n2", "a", &[]);
    assert_eq!(world().goes(), ["n1"]);
    let mut known = world();
    known.memory.unneeded.insert("uid-n2".into(), NOW - Span::from_secs(60));
    assert_eq!(known.goes(), ["n2"]);
}

#[test]
fn a_node_that_took_pods_of_another_is_judged_by_what_it_has_then() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.savings_at_least = 501)
        .node("n1", "a", &[1500])
        .node("n2", "b", &[1500])
        .node("n3", "c", &[1100]);
    assert_eq!(world.goes(), ["n1"]);
    assert_eq!(world.stays("n2"), "pod shop/n2-0 fits nowhere else: 1 nodes lack cpu");
}
