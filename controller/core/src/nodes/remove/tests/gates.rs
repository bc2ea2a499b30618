//! What every node has to pass before it goes.

use super::*;
use crate::cluster::{Order, OwnerKind, VolumeNeed};
use crate::nodes::fixtures::{key, owner};

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
