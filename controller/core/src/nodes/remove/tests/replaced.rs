//! Sets of nodes whose pods fit on fewer or cheaper new ones.

use super::*;
use crate::cluster::{Expander, ScaleDownMode};

/// Type `s` with three cores at half the price, in this zone.
fn cheap(zone: &'static str) -> impl Fn(&mut Pool) {
    move |pool| pool.offerings.push(offering("s", zone, 3, 100_000))
}

fn one_at_a_time(pool: &mut Pool) {
    pool.scale_down.budgets = at_most(1);
}

/// Which nodes go, and as what.
fn replaced(world: &mut World) -> Vec<(String, WhyRemoved)> {
    world.plan().remove.into_iter().map(|removal| (removal.node.to_string(), removal.why)).collect()
}

fn alone(saving: i64) -> WhyRemoved {
    WhyRemoved::Replaced { nodes: 1, by: 1, saving }
}

#[test]
fn sets_are_replaced_by_cheaper_nodes_where_that_saves_enough() {
    let cheaper = |price| move |pool: &mut Pool| pool.offerings.push(offering("s", "b", 3, price));
    let world = |price| World::new().pool(cheaper(price)).node("n1", "a", &[2500]);
    assert_eq!(world(181_000).stays("n1"), "to move its pods saves 9.5 %, less than 10 %");
    let plan = world(180_000).plan();
    assert_eq!(plan.remove[0].why, WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 });
    assert_eq!((plan.add[0].count, plan.add[0].price), (1, 180_000));
    let mut worth = world(180_000).pool(|pool| pool.scale_down.savings_per_eviction = 20_001);
    assert_eq!(
        worth.stays("n1"),
        "removing it saves 20000 millionths per hour and eviction, less than 20001"
    );
}

#[test]
fn three_nodes_become_two_larger_ones_where_these_are_cheaper() {
    let mut world = World::new().pool(|pool| pool.offerings.push(offering("l", "a", 8, 220_000)));
    for (name, zone) in [("n1", "a"), ("n2", "b"), ("n3", "c"), ("n4", "a")] {
        world = world.node(name, zone, &[1300, 1300, 1300]);
    }
    let plan = world.plan();
    let count: u32 = plan.add.iter().map(|new| new.count).sum();
    assert_eq!((plan.remove.len(), count), (4, 2), "{plan:?}");
}

#[test]
fn a_node_is_replaced_once_that_was_so_for_long_enough() {
    let mut world = World::new()
        .pool(cheap("b"))
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
        .node("n1", "a", &[2500]);
    assert_eq!(world.stays("n1"), "it is not needed since 1970-01-12T13:46:40Z, and has to be for 10m");
    goes_after_ten_minutes(&mut world, "n1");
}

#[test]
fn nodes_are_replaced_together_where_that_saves_more() {
    let mut world = World::new().pool(cheap("c")).node("n1", "a", &[2500]).node("n2", "b", &[2400]);
    let why = WhyRemoved::Replaced { nodes: 2, by: 2, saving: 500 };
    assert_eq!(replaced(&mut world), [("n2".to_owned(), why.clone()), ("n1".to_owned(), why)]);
}

#[test]
fn a_set_is_no_larger_than_it_takes_to_save_as_much() {
    let mut world = World::new().pool(cheap("c")).node("n1", "a", &[2500]).node("n2", "b", &[3500]);
    assert_eq!(replaced(&mut world), [("n1".to_owned(), alone(500))]);
}

#[test]
fn that_node_is_replaced_first_of_which_most_is_paid_for_nothing() {
    let mut world = World::new()
        .pool(cheap("c"))
        .pool(one_at_a_time)
        .pool(|pool| pool.offerings[0].price = 210_000)
        .node("n1", "a", &[2800])
        .node("n2", "b", &[2400]);
    assert_eq!(world.goes(), ["n2"], "0.2 × 40 % is more than 0.21 × 30 %");
}

/// What is cheaper has little memory, which the pods of `n1` need, and the set of both saves too little.
fn only_the_second_is_worth_it() -> World {
    let needs_memory = |pod: &mut Pod| Arc::make_mut(&mut pod.shape).requests.memory = 2 << 30;
    World::new()
        .pool(|pool| {
            let mut small = offering("s", "c", 4, 100_000);
            small.allocatable.memory = 1 << 30;
            pool.offerings.push(small);
            pool.scale_down.savings_at_least = 300;
        })
        .node("n1", "a", &[])
        .pod_as("n1", "x", 3000, needs_memory)
        .node("n2", "b", &[3300])
}

#[test]
fn a_single_node_is_replaced_where_no_set_saves_enough() {
    assert_eq!(replaced(&mut only_the_second_is_worth_it()), [("n2".to_owned(), alone(500))]);
}

#[test]
fn the_time_of_a_node_that_could_be_replaced_goes_on_while_a_budget_holds_it() {
    let mut world = only_the_second_is_worth_it().pool(|pool| {
        pool.scale_down.unneeded_for = Span::from_secs(600);
        pool.scale_down.budgets = at_most(0);
    });
    for node in ["uid-n1", "uid-n2"] {
        world.memory.unneeded.insert(node.into(), NOW - Span::from_secs(600));
    }
    assert!(world.goes().is_empty());
    world.pool.scale_down.budgets.clear();
    assert_eq!(replaced(&mut world), [("n2".to_owned(), alone(500))]);
}

#[test]
fn a_set_of_which_nodes_are_held_goes_without_them() {
    let mut world = World::new()
        .pool(cheap("c"))
        .budget("web", 1)
        .node("n1", "a", &[2500])
        .node("n2", "b", &[2400])
        .node("n3", "b", &[2600])
        .node("n4", "c", &[2700]);
    assert_eq!(replaced(&mut world), [("n2".to_owned(), alone(500))]);
    assert_eq!(
        world.stays("n1"),
        "pod shop/n1-0 has to wait: all 1 disruptions that PodDisruptionBudget web allows are taken by other \
         nodes"
    );
}

#[test]
fn each_eviction_of_a_set_has_to_save_enough() {
    let world = |at_least| {
        World::new()
            .pool(|pool| {
                pool.offerings.push(offering("s", "b", 3, 180_000));
                pool.scale_down.savings_per_eviction = at_least;
            })
            .node("n1", "a", &[1250, 1250])
    };
    assert_eq!(world(10_000).goes(), ["n1"]);
    assert_eq!(
        world(10_001).stays("n1"),
        "removing it saves 10000 millionths per hour and eviction, less than 10001"
    );
}

#[test]
fn a_zone_keeps_its_least_size_when_nodes_are_replaced() {
    let world = |zone| {
        World::new()
            .pool(cheap(zone))
            .pool(|pool| pool.limits.min_per_zone.extend([("a".into(), 1)]))
            .node("n1", "a", &[2500])
            .node("n2", "a", &[2500])
    };
    let both = WhyRemoved::Replaced { nodes: 2, by: 2, saving: 500 };
    let in_place = [("n1".to_owned(), both.clone()), ("n2".to_owned(), both)];
    assert_eq!(replaced(&mut world("a")), in_place, "what comes in their place counts");
    assert_eq!(replaced(&mut world("b")), [("n1".to_owned(), alone(500))]);
}

#[test]
fn the_last_node_of_a_zone_that_needs_one_is_replaced_in_its_place() {
    let world = |zones: &[&'static str]| {
        let world = World::new().pool(|pool| pool.limits.min_per_zone.extend([("a".into(), 1)]));
        zones.iter().fold(world, |world, zone| world.pool(cheap(zone)))
    };
    assert_eq!(replaced(&mut world(&["a"]).node("n1", "a", &[2500])), [("n1".to_owned(), alone(500))]);
    assert_eq!(replaced(&mut world(&["a"]).node("n1", "a", &[])), [("n1".to_owned(), alone(500))]);
    let why = "zone a has to keep 1 nodes of its pool";
    assert_eq!(world(&["b"]).node("n1", "a", &[2500]).stays("n1"), why, "what is cheaper is in another zone");
    let mut dear = world(&["a"]).pool(|pool| pool.scale_down.savings_at_least = 501).node("n1", "a", &[2500]);
    assert_eq!(dear.stays("n1"), why, "it saves too little");
    let mut many = world(&["a"]).pool(|pool| pool.scale_down.savings_per_eviction = 100_001);
    many = many.node("n1", "a", &[2500]);
    assert_eq!(many.stays("n1"), why, "it saves too little for an eviction");
}

/// A node like the old one would take the most pods.
#[test]
fn what_costs_as_much_as_the_nodes_that_go_is_no_way_to_replace_them() {
    let mut world = World::new()
        .pool(|pool| {
            pool.expander = Expander::MostPods;
            pool.offerings.push(offering("s", "b", 3, 60_000));
        })
        .node("n1", "a", &[1300, 1300, 1300]);
    assert_eq!(
        replaced(&mut world),
        [("n1".to_owned(), WhyRemoved::Replaced { nodes: 1, by: 2, saving: 400 })]
    );
}

#[test]
fn a_pool_that_lets_only_empty_nodes_go_replaces_none() {
    let only_empty = |pool: &mut Pool| pool.scale_down.mode = ScaleDownMode::WhenEmpty;
    let mut world = World::new().pool(cheap("b")).pool(only_empty).node("n1", "a", &[2500]);
    assert!(world.goes().is_empty());
}
