//! What every node has to pass before it goes.

use super::*;
use crate::cluster::{Limits, Order, OwnerKind, Readiness, VolumeNeed};
use crate::nodes::fixtures::{drain, key, owner};

/// Each pod is of a Deployment that is named after it, up to the dash, and of which so many run.
fn of_deployments(replicas: i32, nodes: &[(&str, &[&str])]) -> World {
    let mut world = World::new().node_as("n9", "c", &[], kept);
    for (node, pods) in nodes {
        world = world.node(node, "a", &[]);
        for pod in *pods {
            let app = pod.split('-').next().unwrap();
            world = world.pod_as(node, pod, 100, |pod| {
                pod.owner = Some(owner(OwnerKind::ReplicaSet, app));
                pod.eviction.grace = Span::ZERO;
            });
            let workload = Workload {
                owner: format!("uid-{app}").into(),
                namespace: "shop".into(),
                deployment: Some(app.into()),
                replicas,
                available: replicas,
                in_rollout: false,
            };
            world.workloads.insert(format!("uid-{app}").into(), workload);
        }
    }
    world
}

fn surges(most: u32) -> impl Fn(&mut Pool) {
    move |pool| pool.scale_down.drain.max_surge = most
}

#[test]
fn a_zone_keeps_its_least_size() {
    let mut world = World::new()
        .pool(|pool| {
            pool.limits = Limits { min_per_zone: BTreeMap::from([("a".into(), 1)]), ..Limits::default() };
        })
        .node("n1", "a", &[])
        .node("n2", "a", &[])
        .node("n3", "b", &[]);
    assert_eq!(world.goes(), ["n1", "n3"]);
    assert_eq!(world.stays("n2"), "zone a has to keep 1 nodes of its pool");
}

#[test]
fn budgets_count_nodes_that_are_going() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.budgets = vec![NodeBudget { share: Some(500), ..NodeBudget::default() }])
        .node("n1", "a", &[])
        .node("n2", "b", &[])
        .node_as("n3", "c", &[], drain);
    assert_eq!(world.goes(), ["n1"]);
    assert_eq!(world.stays("n2"), "budget 50 % of pool p is used by 2 nodes");
    assert_eq!(world.stays("n3"), "it is being drained");
}

#[test]
fn a_pool_that_has_grown_lately_keeps_its_nodes() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.delay_after_add = Span::from_secs(600))
        .node("n1", "a", &[])
        .node_as("n2", "b", &[3000], |node| node.created = NOW - Span::from_secs(599));
    assert_eq!(world.stays("n1"), "its pool has grown lately, nothing goes until 1970-01-12T13:46:41Z");
    world.now = NOW + Span::from_secs(1);
    assert_eq!(world.goes(), ["n1"]);
}

#[test]
fn pods_claim_their_budgets_once_for_all_nodes() {
    let mut world = World::new().budget("web", 1).node("n1", "a", &[400]).node("n2", "a", &[400]).node(
        "n3",
        "b",
        &[2000],
    );
    assert_eq!(world.goes(), ["n1"]);
    assert_eq!(
        world.stays("n2"),
        "pod shop/n2-0 has to wait: all 1 disruptions that PodDisruptionBudget web allows are taken by other nodes"
    );
}

#[test]
fn a_budget_that_forbids_keeps_the_node_unless_its_deployment_can_surge() {
    let mut world = World::new().budget("web", 0).node("n1", "a", &[400]).node("n3", "b", &[3000]);
    assert_eq!(
        world.stays("n1"),
        "pod shop/n1-0 may not be evicted: PodDisruptionBudget web allows no disruption"
    );
    world.add_deployment();
    assert!(world.goes().is_empty(), "no surge is allowed");
    world.pool.scale_down.drain.max_surge = 1;
    let plan = world.plan();
    assert_eq!((plan.remove.len(), &plan.remove[0].surges), (1, &vec![Name::from("uid-web")]));
    for workload in world.workloads.values_mut() {
        workload.in_rollout = true;
    }
    assert!(world.goes().is_empty());
}

#[test]
fn nothing_goes_while_much_of_the_pool_is_not_ready() {
    let not_ready = |node: &mut Node| node.readiness = Readiness::Unknown { since: NOW };
    let mut world =
        World::new().node("n1", "a", &[]).node_as("n2", "b", &[500], not_ready).node("n3", "c", &[3000]);
    assert_eq!(world.stays("n1"), "nothing is removed: 1 of 3 nodes of pool p are not ready, more than 20 %");
}

#[test]
fn a_drain_that_was_given_up_is_not_tried_again_at_once() {
    let mut world = World::new().node("n1", "a", &[]).node("n2", "a", &[3000]);
    world.memory.gave_up("uid-n1".into(), NOW, "it took too long".to_owned());
    assert_eq!(
        world.stays("n1"),
        "its drain was given up and is tried again at 1970-01-12T13:56:40Z: it took too long"
    );
    world.now = NOW + Span::from_secs(600);
    assert_eq!(world.goes(), ["n1"]);
}

#[test]
fn no_more_deployments_have_a_replica_more_than_the_pool_allows() {
    let two = [("n1", &["web-1", "till-1"][..])];
    assert!(of_deployments(2, &two).budget("all", 0).pool(surges(1)).goes().is_empty());
    let plan = of_deployments(2, &two).budget("all", 0).pool(surges(2)).plan();
    assert_eq!(plan.remove[0].surges, ["uid-till".into(), "uid-web".into()]);
}

#[test]
fn a_deployment_has_one_replica_more_for_all_its_pods_on_nodes_that_go() {
    let mut world = of_deployments(2, &[("n1", &["web-1", "web-2"]), ("n2", &["web-3"])])
        .budget("all", 0)
        .pool(surges(1));
    assert_eq!(world.goes(), ["n2", "n1"]);
}

#[test]
fn what_one_node_takes_of_the_surge_another_does_not_have() {
    let nodes = [("n1", &["web-1"][..]), ("n2", &["till-1"])];
    assert_eq!(of_deployments(2, &nodes).budget("all", 0).pool(surges(1)).goes(), ["n1"]);
    assert_eq!(of_deployments(2, &nodes).budget("all", 0).pool(surges(2)).goes(), ["n1", "n2"]);
}

#[test]
fn deployments_that_have_a_replica_more_for_a_drain_count() {
    for (most, goes) in [(1, 0), (2, 1)] {
        let mut world = of_deployments(2, &[("n1", &["web-1"])]).budget("all", 0).pool(surges(most));
        world.surging = 1;
        assert_eq!(world.goes().len(), goes, "with a surge of {most}");
    }
}

#[test]
fn a_single_replica_gets_another_first_where_the_pool_allows_it() {
    for (replicas, most, surging) in [(1, 1, 1), (1, 0, 0), (2, 1, 0)] {
        let plan = of_deployments(replicas, &[("n1", &["web-1"])]).pool(surges(most)).plan();
        assert_eq!(plan.remove[0].surges.len(), surging, "{replicas} replicas and a surge of {most}");
    }
}

#[test]
fn a_pod_with_a_volume_has_none_beside_it() {
    let volume =
        VolumeNeed { id: "shop/data".into(), driver: None, reachable: None, one_pod: false, bound: true };
    let mut world = of_deployments(2, &[("n1", &[])]).budget("all", 0).pool(surges(1));
    world = world.pod_as("n1", "web-1", 100, |pod| {
        Arc::make_mut(&mut pod.shape).volumes.push(volume);
    });
    assert!(world.goes().is_empty());
}

/// A change of the pool is somebody's will.
#[test]
fn a_drifted_node_does_not_wait_for_a_pool_that_has_grown() {
    let mut world = World::new()
        .pool(|pool| {
            pool.scale_down.delay_after_add = Span::from_secs(600);
            pool.template.labels.insert("team".into(), "shop".into());
        })
        .node("n1", "a", &[400])
        .node_as("n2", "b", &[3000], |node| {
            node.created = NOW - Span::from_secs(1);
            node.labels.insert("team".into(), "shop".into());
        });
    assert_eq!(world.goes(), ["n1"]);
}

#[test]
fn what_is_ordered_for_a_pool_or_to_be_lets_it_grow() {
    let order = |pool: &str, ago| {
        Change::Order(Order {
            name: "o".into(),
            pool: pool.into(),
            offering: key("m", "c"),
            missing: 1,
            asked: NOW - Span::from_secs(ago),
        })
    };
    let world = || {
        World::new()
            .pool(|pool| pool.scale_down.delay_after_add = Span::from_secs(600))
            .node("n1", "a", &[])
            .node("n2", "b", &[3000])
    };
    for (pool, ago, goes) in [("p", 599, 0), ("p", 600, 1), ("q", 599, 1)] {
        let mut world = world();
        world.view.apply(order(pool, ago));
        assert_eq!(world.goes().len(), goes, "ordered of {pool} {ago} s ago");
    }
    let large = World::new()
        .pool(|pool| {
            pool.scale_down.delay_after_add = Span::from_secs(600);
            pool.offerings.push(offering("l", "a", 8, 500_000));
        })
        .node("n1", "a", &[])
        .node("n2", "b", &[3000])
        .pod_as("", "large", 5000, waits)
        .stays("n1");
    assert_eq!(large, "its pool has grown lately, nothing goes until 1970-01-12T13:56:40Z");
}

#[test]
fn of_drifted_nodes_those_go_first_that_were_so_before_and_those_of_the_fullest_zone() {
    let one = |pool: &mut Pool| {
        pool.template.labels.insert("team".into(), "shop".into());
        pool.scale_down.budgets = at_most(1);
    };
    let world = || World::new().pool(one).node("n1", "a", &[]).node("n2", "b", &[]).node("n3", "b", &[]);
    assert_eq!(world().goes(), ["n2"]);
    let mut known = world();
    known.memory.unneeded.insert("uid-n1".into(), NOW - Span::from_secs(60));
    assert_eq!(known.goes(), ["n1"]);
}

#[test]
fn budgets_hold_drifted_nodes_back() {
    let mut world = World::new()
        .pool(|pool| {
            pool.template.labels.insert("team".into(), "shop".into());
            pool.scale_down.budgets = at_most(0);
        })
        .node("n1", "a", &[]);
    assert_eq!(world.stays("n1"), "budget 0 nodes of pool p allows no node to go");
}
