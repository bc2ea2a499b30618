//! Zones that share the nodes of a pool evenly again.

use super::*;
use crate::cluster::{Balance, Capacity, ScaleDownMode};

/// Nodes `n0` and so on in these zones, each with a pod that fits only a node of its own.
fn full(zones: &[&str]) -> World {
    let mut world = World::new();
    for (index, zone) in zones.iter().enumerate() {
        world = world.node(&format!("n{index}"), zone, &[3500]);
    }
    world
}

/// Zone `a` has three nodes, `b` and `c` have none.
fn uneven() -> World {
    full(&["b", "c", "a", "a", "a"])
}

fn capacity(zone: &'static str, capacity: Capacity) -> impl Fn(&mut Pool) {
    offered_in(zone, move |offering| offering.capacity = capacity)
}

#[test]
fn zones_are_balanced_again_by_nodes_that_cost_no_more() {
    let world = |zones: &[&str]| {
        let mut world = World::new();
        for (index, zone) in zones.iter().enumerate() {
            world = world.node(&format!("n{index}"), zone, &[3500]);
        }
        world
    };
    assert!(world(&["a", "a", "b", "b", "c"]).goes().is_empty());
    let mut uneven = world(&["a", "a", "a", "b", "b", "c"]);
    let plan = uneven.plan();
    assert_eq!(plan.remove.len(), 1);
    assert_eq!(plan.remove[0].why.to_string(), "zone a has more nodes of its pool than zone c");
    assert_eq!(&*plan.add[0].offering.zone, "c");
    let out = |pool: &mut Pool| {
        for offering in &mut pool.offerings {
            if &*offering.key.zone == "c" {
                offering.capacity = Capacity::AvoidedUntil(NOW + Span::from_secs(60));
            }
        }
    };
    assert!(world(&["a", "a", "b", "b"]).pool(out).goes().is_empty(), "a zone that is out is nobody's goal");
}

#[test]
fn an_imbalance_has_to_last_as_long_as_a_node_has_to_be_unneeded() {
    let mut world = uneven().pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600));
    let plan = world.plan();
    assert!(plan.remove.is_empty());
    assert_eq!(plan.next_look, Some(NOW + Span::from_secs(600)));
    goes_after_ten_minutes(&mut world, "n2");
}

#[test]
fn nodes_move_until_zones_differ_by_less_than_two() {
    let mut world = full(&["b", "c", "a", "a", "a", "a", "a"]);
    let plan = world.plan();
    let moves: Vec<_> = plan.remove.iter().map(|removal| (&*removal.node, removal.why.to_string())).collect();
    let why = |to: &str| format!("zone a has more nodes of its pool than zone {to}");
    assert_eq!(moves, [("n2", why("b")), ("n3", why("c"))]);
    let zones: Vec<_> = plan.add.iter().map(|new| (&*new.offering.zone, new.count)).collect();
    assert_eq!(zones, [("b", 1), ("c", 1)]);
}

#[test]
fn nodes_that_are_still_to_come_to_a_zone_are_waited_for() {
    let mut ordered = uneven();
    ordered.view.apply(coming("b", 1));
    ordered.view.apply(coming("c", 2));
    assert!(ordered.goes().is_empty());
    let mut planned = full(&["b", "a", "a"]);
    assert_eq!(planned.goes(), ["n1"]);
    planned = planned.pod_as("", "new", 3500, waits);
    assert!(planned.goes().is_empty(), "the plan for new nodes orders one for zone c");
    planned.view.apply(coming("a", 3));
    assert_eq!(planned.goes(), ["n1"], "what comes to zone a takes the pod, and may not come");
}

#[test]
fn zones_are_balanced_only_where_their_pool_lets_nodes_with_pods_go() {
    assert_eq!(uneven().goes(), ["n2"]);
    assert!(uneven().pool(|pool| pool.balance = Balance::Off).goes().is_empty());
    let only_empty = |pool: &mut Pool| pool.scale_down.mode = ScaleDownMode::WhenEmpty;
    assert!(uneven().pool(only_empty).goes().is_empty());
}

#[test]
fn only_a_zone_in_which_nodes_can_be_had_is_a_goal() {
    for (of_c, goal) in [
        (Capacity::Unknown, "c"),
        (Capacity::Left(1), "c"),
        (Capacity::Left(0), "b"),
        (Capacity::AvoidedUntil(NOW), "c"),
        (Capacity::AvoidedUntil(NOW + Span::from_millis(1)), "b"),
    ] {
        let mut world = full(&["b", "a", "a", "a"]).pool(capacity("c", of_c));
        let why = world.plan().remove[0].why.to_string();
        assert_eq!(why, format!("zone a has more nodes of its pool than zone {goal}"), "{of_c:?}");
    }
}

#[test]
fn a_zone_that_has_to_keep_its_nodes_loses_none_to_another() {
    let at_least = |min| move |pool: &mut Pool| pool.limits.min_per_zone.extend([("a".into(), min)]);
    assert_eq!(uneven().pool(at_least(2)).goes(), ["n2"]);
    assert!(uneven().pool(at_least(3)).goes().is_empty());
}

#[test]
fn budgets_hold_back_what_is_balanced() {
    let none = |pool: &mut Pool| {
        pool.scale_down.budgets = at_most(0);
    };
    assert!(uneven().pool(none).goes().is_empty());
}

#[test]
fn the_node_with_the_fewest_pods_of_the_fullest_zone_moves() {
    let mut world = World::new()
        .node("a1", "a", &[1800, 1800])
        .node("a2", "a", &[3600])
        .node("a3", "a", &[1800, 1800])
        .node("b1", "b", &[3600]);
    assert_eq!(world.goes(), ["a2"]);
}

#[test]
fn a_node_that_costs_more_is_not_bought_for_balance() {
    let price = |price| {
        move |pool: &mut Pool| {
            for offering in pool.offerings.iter_mut().filter(|offering| &*offering.key.zone == "c") {
                offering.price = price;
            }
        }
    };
    let world = || full(&["b", "a", "a", "a"]);
    assert_eq!(world().pool(price(200_000)).goes(), ["n1"]);
    assert!(world().pool(price(200_001)).goes().is_empty());
}

#[test]
fn a_node_is_not_balanced_by_two_smaller_ones() {
    let mut world = World::new().pool(|pool| pool.offerings[2] = offering("s", "c", 2, 100_000));
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b")] {
        world = world.node(name, zone, &[1700, 1700]);
    }
    assert!(world.goes().is_empty());
}

#[test]
fn what_is_cheaper_in_another_zone_is_no_way_to_balance() {
    let mut world = full(&["b", "a", "a", "a"]).pool(|pool| {
        pool.offerings.push(offering("s", "b", 4, 100_000));
        pool.scale_down.savings_at_least = 900;
    });
    let plan = world.plan();
    let zones: Vec<_> = plan.add.iter().map(|new| (&*new.offering.zone, new.count)).collect();
    assert_eq!(zones, [("c", 1)]);
}
