//! New nodes in the place of old ones.

use super::*;
use crate::cluster::{Capacity, Limits, Record, ScaleDownMode};

/// Nodes that their pool no longer offers, each with a pod that fits only a node of its own.
fn drifted(names: &[&str]) -> World {
    let mut world = World::new().pool(|pool| pool.offerings = vec![offering("m2", "b", 4, 250_000)]);
    for name in names {
        world = world.node(name, "a", &[3500]);
    }
    world
}

#[test]
fn a_drifted_node_is_replaced_by_a_new_one_where_its_pods_fit_nowhere() {
    let mut world = World::new()
        .pool(|pool| {
            pool.offerings = vec![offering("m2", "a", 4, 300_000), offering("m2", "b", 4, 250_000)];
        })
        .node("n1", "a", &[3500]);
    let plan = world.plan();
    assert_eq!(plan.remove[0].why.to_string(), "its pool no longer offers on-demand m in a");
    assert_eq!(
        (plan.add.len(), &*plan.add[0].offering.zone, plan.remove[0].needs.clone()),
        (1, "b", vec![0])
    );
}

/// That somebody wants it gone needs no time to prove itself; budgets and annotations hold as for every other.
#[test]
fn a_node_whose_order_was_deleted_is_replaced_at_once_within_budgets() {
    let deleted = |node: &mut Node| node.record = Record::Deleted;
    let world = |budgets: Vec<NodeBudget>| {
        let pool = |pool: &mut Pool| {
            pool.scale_down.unneeded_for = Span::from_secs(600);
            pool.scale_down.delay_after_add = Span::from_secs(2_000_000);
            pool.scale_down.budgets = budgets;
        };
        World::new().pool(pool).node_as("n1", "a", &[3500], deleted).node_as("n2", "b", &[3500], deleted)
    };
    let plan = world(at_most(1)).plan();
    let removed: Vec<_> = plan.remove.iter().map(|removal| (&*removal.node, removal.why.clone())).collect();
    assert_eq!(removed, [("n1", WhyRemoved::OrderDeleted("order-n1".into()))]);
    assert_eq!((plan.add.len(), plan.remove[0].needs.clone()), (1, vec![0]));
    assert!(world(at_most(0)).plan().remove.is_empty());
    let mut keeps = world(at_most(2)).pool(|pool| pool.scale_down.mode = ScaleDownMode::Never);
    assert_eq!(keeps.stays("n1"), "pool p keeps all its nodes");
}

#[test]
fn no_more_is_ordered_than_is_left() {
    for left in 0..3 {
        let mut world = drifted(&["n1", "n2"]).pool(|pool| pool.offerings[0].capacity = Capacity::Left(left));
        assert_eq!(world.goes().len(), left as usize, "of two with {left} left");
    }
}

#[test]
fn a_drifted_node_is_replaced_once_it_was_so_for_as_long_as_a_node_has_to_be_unneeded() {
    let mut world = drifted(&["n1"]).pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600));
    assert_eq!(world.stays("n1"), "it is not needed since 1970-01-12T13:46:40Z, and has to be for 10m");
    goes_after_ten_minutes(&mut world, "n1");
}

#[test]
fn what_is_ordered_for_pods_that_wait_is_not_left_for_a_replacement() {
    for (left, goes) in [(1, 0), (2, 1)] {
        let mut world = drifted(&["n1"]).pool(|pool| pool.offerings[0].capacity = Capacity::Left(left));
        world = world.pod_as("", "new", 3500, waits);
        assert_eq!(world.goes().len(), goes, "with {left} left");
    }
}

#[test]
fn what_is_ordered_for_pods_that_wait_counts_towards_limits() {
    let in_all = |limits: &mut Limits, nodes| limits.nodes = Some(nodes);
    let in_zone = |limits: &mut Limits, nodes| limits.nodes_per_zone.extend([("b".into(), nodes - 1)]);
    for limit in [in_all, in_zone] {
        for (nodes, goes) in [(2, 0), (3, 1)] {
            let mut world = drifted(&["n1"]).pool(|pool| limit(&mut pool.limits, nodes));
            world = world.pod_as("", "new", 3500, waits);
            assert_eq!(world.goes().len(), goes, "with {nodes} nodes");
        }
    }
}

#[test]
fn each_node_waits_for_what_is_ordered_in_its_own_place() {
    let mut world = drifted(&["n1"]).node("n2", "a", &[1700, 1700]);
    let plan = world.plan();
    let new: Vec<_> = plan.add.iter().map(|new| (&*new.pool, new.count, new.pods)).collect();
    assert_eq!(new, [("p", 1, 1), ("p", 1, 2)]);
    let needs: Vec<_> = plan
        .remove
        .iter()
        .map(|removal| (&*removal.node, removal.needs.as_slice(), removal.replaced_by.as_slice()))
        .collect();
    assert_eq!(needs, [("n1", &[0][..], &[0][..]), ("n2", &[1], &[1])]);
}

#[test]
fn a_drifted_node_stays_where_its_pods_fit_on_nothing_that_is_offered() {
    let mut world = drifted(&["n1"]).pool(|pool| pool.offerings = vec![offering("s", "b", 2, 100_000)]);
    assert_eq!(world.stays("n1"), "pod shop/n1-0 fits nowhere else: there is no other node");
}

#[test]
fn what_another_pool_offers_is_no_replacement() {
    let mut world = drifted(&["n1"]);
    let cheap = Pool { name: "q".into(), offerings: vec![offering("m2", "a", 4, 100_000)], ..pool() };
    world.view.apply(Change::Pool(cheap));
    let plan = world.plan();
    assert_eq!((&*plan.add[0].pool, plan.add[0].price), ("p", 250_000));
}

/// Zone `b` needs one node, and has one that drifted.
fn needed(cpus: &[i64]) -> World {
    World::new()
        .pool(|pool| {
            pool.offerings = vec![
                offering("l", "a", 8, 240_000),
                offering("m2", "a", 4, 230_000),
                offering("l", "b", 8, 250_000),
                offering("m2", "b", 4, 300_000),
            ];
            pool.limits.min_per_zone.insert("b".into(), 1);
        })
        .node("n1", "b", cpus)
}

fn ordered(plan: &RemovalPlan) -> Vec<(&str, &str, u32, u32)> {
    plan.add
        .iter()
        .map(|new| (&*new.offering.instance_type, &*new.offering.zone, new.count, new.pods))
        .collect()
}

#[test]
fn the_last_node_of_a_zone_that_needs_one_is_replaced_there_by_the_cheapest() {
    assert_eq!(ordered(&needed(&[]).plan()), [("l", "b", 1, 0)]);
    let mut within = needed(&[]).pool(|pool| pool.limits.resources.extend([("cpu".into(), 8000)]));
    assert_eq!(ordered(&within.plan()), [("m2", "b", 1, 0)], "the cheapest is past a limit");
    let mut dear = needed(&[]).pool(|pool| pool.offerings.truncate(2));
    assert_eq!(dear.stays("n1"), "zone b has to keep 1 nodes of its pool");
}

#[test]
fn the_node_that_a_zone_needs_takes_the_pods_where_they_are_put_there_anyway() {
    let only_b = |pool: &mut Pool| pool.offerings.retain(|offering| &*offering.key.zone == "b");
    assert_eq!(ordered(&needed(&[3500]).pool(only_b).plan()), [("l", "b", 1, 1)]);
}

#[test]
fn a_zone_that_needs_a_node_gets_one_although_pods_go_to_another() {
    assert_eq!(ordered(&needed(&[3500]).plan()), [("m2", "a", 1, 1), ("l", "b", 1, 0)]);
}

/// A drifted node with pods of these sizes, where `m2` has four cores and `xl` sixteen.
fn large(cpus: &[i64]) -> World {
    World::new()
        .pool(|pool| {
            pool.offerings = vec![offering("m2", "b", 4, 200_000), offering("xl", "b", 16, 500_000)];
        })
        .node_as("n1", "a", cpus, |node| node.allocatable.cpu = 64_000)
}

/// The two pods of three cores get a node each; those of two cores then make one of these large.
#[test]
fn a_new_node_whose_pods_fit_on_the_others_after_all_is_not_ordered() {
    let plan = large(&[3000, 3000, 2000, 2000, 2000, 2000]).plan();
    assert_eq!(ordered(&plan), [("xl", "b", 1, 6)]);
    assert!(plan.remove[0].moves.iter().all(|one| one.to == crate::nodes::Place::New(0, 0)));
    assert_eq!(plan.remove[0].moves.len(), 6);
}

#[test]
fn what_is_ordered_of_one_offering_leaves_as_many_of_another() {
    let mut world = drifted(&["n1"])
        .pool(|pool| {
            pool.offerings.push(offering("l", "b", 8, 400_000));
            pool.offerings.iter_mut().for_each(|offering| offering.capacity = Capacity::Left(1));
        })
        .node_as("n2", "a", &[7000], |node| node.allocatable.cpu = 8000);
    assert_eq!(ordered(&world.plan()), [("m2", "b", 1, 1), ("l", "b", 1, 1)]);
}

/// Nobody asked for that label before.
#[test]
fn a_pod_that_asks_for_a_label_gets_what_has_it_also_after_others_that_do_not_ask() {
    let mut world = drifted(&["n1"])
        .pool(|pool| {
            let mut with_disk = offering("m3", "b", 4, 260_000);
            with_disk.labels.insert("disk".into(), "ssd".into());
            pool.offerings.push(with_disk);
        })
        .node("n2", "a", &[])
        .pod_as("n2", "db", 3500, |pod| {
            Arc::make_mut(&mut pod.shape).node_selector.insert("disk".into(), "ssd".into());
        });
    assert_eq!(ordered(&world.plan()), [("m2", "b", 1, 1), ("m3", "b", 1, 1)]);
}
