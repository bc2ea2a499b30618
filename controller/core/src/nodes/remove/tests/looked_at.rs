//! What is said of nodes before anything is tried, and which take pods.

use super::*;
use crate::cluster::{Breaker, OwnerKind, Readiness, ScaleDownMode};
use crate::nodes::Place;
use crate::nodes::fixtures::{drain, owner};

fn not_ready(node: &mut Node) {
    node.readiness = Readiness::NotReady { since: NOW };
}

fn patient(pool: &mut Pool) {
    pool.scale_down.breaker = Breaker::Share(1000);
}

#[test]
fn a_node_that_is_taken_away_goes_at_once_whatever_holds_others() {
    let mut world = World::new()
        .pool(|pool| {
            pool.scale_down.unneeded_for = Span::from_secs(600);
            pool.scale_down.budgets = at_most(0);
        })
        .budget("web", 0)
        .node_as("n1", "a", &[400], interrupted)
        .node_as("n2", "b", &[], |node| node.readiness = Readiness::NotReady { since: NOW })
        .node("n3", "c", &[3000]);
    let plan = world.plan();
    assert_eq!(plan.remove.len(), 1);
    assert_eq!((&*plan.remove[0].node, &plan.remove[0].why), ("n1", &WhyRemoved::Interrupted));
    assert_eq!(plan.remove[0].moves.len(), 1, "the plan for new nodes has found room for its pod");
}

#[test]
fn a_node_with_room_that_was_promised_stays() {
    let mut world = World::new().node("n1", "a", &[]);
    world = world.pod_as("n1", "new", 500, |pod| pod.state = PodState::Pending);
    assert_eq!(world.stays("n1"), "1 pods that wait for a node have room on it");
}

#[test]
fn a_node_that_is_not_ready_goes_only_when_it_is_empty() {
    let world = |cpus: &[i64]| {
        World::new().pool(patient).node_as("n1", "a", cpus, not_ready).node("n2", "b", &[3000])
    };
    assert_eq!(world(&[]).goes(), ["n1"]);
    assert_eq!(world(&[400]).stays("n1"), "it is not ready, and its pods cannot be told to end");
}

#[test]
fn pods_are_moved_only_to_nodes_that_are_ready_and_stay() {
    let world = |cpus: &[i64], change: fn(&mut Node)| {
        World::new().pool(patient).node("n1", "a", &[400]).node_as("n2", "b", cpus, change)
    };
    assert_eq!(world(&[], kept).goes(), ["n1"]);
    let no_other = "pod shop/n1-0 fits nowhere else: there is no other node";
    assert_eq!(world(&[500], not_ready).stays("n1"), no_other);
    assert_eq!(world(&[], interrupted).stays("n1"), no_other);
    assert_eq!(world(&[], drain).stays("n1"), no_other);
}

#[test]
fn a_node_that_is_not_ours_stays_even_when_it_is_taken_away() {
    let foreign = |node: &mut Node| {
        node.interrupted = true;
        node.order = None;
    };
    let mut world = World::new().node_as("n1", "a", &[400], foreign).node("n2", "b", &[3000]);
    assert!(world.goes().is_empty());
}

#[test]
fn a_node_that_is_drained_or_taken_away_is_not_counted_where_pods_are_spread() {
    for change in [interrupted, drain] {
        let mut world = World::of_apps(&[("a", &[("db", 500)]), ("b", &[("db", 500), ("job", 2000)])])
            .node_as("n2", "c", &[], change);
        assert!(world.goes().contains(&"n0".to_owned()));
    }
    let mut world = World::of_apps(&[("a", &[("db", 500)]), ("b", &[("db", 500), ("job", 2000)])])
        .node_as("n2", "c", &[], kept)
        .pod_as("n2", "full", 3900, |_| ());
    assert_eq!(
        world.stays("n0"),
        "pod shop/n0-0 fits nowhere else: 1 nodes lack cpu, 1 nodes would spread the pods unevenly over \
         kubernetes.io/hostname"
    );
}

#[test]
fn a_zone_does_not_count_nodes_that_are_drained() {
    let mut world = World::new()
        .pool(|pool| pool.limits.min_per_zone.extend([("a".into(), 1)]))
        .node("n1", "a", &[])
        .node_as("n2", "a", &[], drain)
        .node("n3", "b", &[3000]);
    assert_eq!(world.stays("n1"), "zone a has to keep 1 nodes of its pool");
}

#[test]
fn every_node_goes_or_has_a_reason_to_stay() {
    let mut world = World::new()
        .node("n1", "a", &[])
        .node_as("n2", "a", &[], drain)
        .node("n3", "b", &[3000])
        .node_as("n4", "c", &[], interrupted);
    let plan = world.plan();
    let goes: Vec<&str> = plan.remove.iter().map(|removal| &*removal.node).collect();
    let stays: Vec<&str> = plan.stays.iter().map(|stays| &*stays.node).collect();
    assert_eq!((goes, stays), (vec!["n4", "n1"], vec!["n2", "n3"]));
}

#[test]
fn a_pod_for_which_room_is_held_keeps_its_node() {
    let mut world = World::new().node("n1", "a", &[]).node("n2", "b", &[3000]);
    for name in ["new-1", "new-2"] {
        let held = |pod: &mut Pod| pod.state = PodState::Nominated { node: "n1".into() };
        world = world.pod_as("n1", name, 500, held);
    }
    assert_eq!(world.stays("n1"), "2 pods that wait for a node have room on it");
}

#[test]
fn a_young_pod_of_kube_system_keeps_its_node_unless_a_budget_covers_it() {
    let world = |namespace: &'static str, age| {
        World::new().node("n2", "b", &[3000]).node("n1", "a", &[]).pod_as("n1", "dns", 100, move |pod| {
            Arc::make_mut(&mut pod.shape).namespace = namespace.into();
            pod.created = NOW - Span::from_secs(age);
        })
    };
    let kept = "pod kube-system/dns is of kube-system without a PodDisruptionBudget and keeps its node until \
                1970-01-12T14:46:39Z";
    assert_eq!(world("kube-system", 1).stays("n1"), kept);
    assert_eq!(world("kube-system", 3600).goes(), ["n1"]);
    assert_eq!(world("shop", 1).goes(), ["n1"]);
    let mut covered = world("kube-system", 1);
    covered.view.apply(Change::Budget(DisruptionBudget {
        namespace: "kube-system".into(),
        name: "dns".into(),
        selector: Some(Selector::default()),
        allowed: 1,
        healthy: 2,
        desired: 1,
        unhealthy: UnhealthyPods::IfHealthyBudget,
        disrupted: std::collections::BTreeSet::new(),
    }));
    assert_eq!(covered.goes(), ["n1"]);
}

#[test]
fn pods_that_need_no_place_are_evicted_too() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.mode = ScaleDownMode::WhenEmpty)
        .node("n1", "a", &[100, 100])
        .node("n2", "b", &[3000])
        .pod_as("n1", "batch", 100, |pod| {
            Arc::make_mut(&mut pod.shape).priority = -20;
        });
    assert_eq!(world.stays("n1"), "it has 3 pods to move, and its pool lets only empty nodes go");
}

#[test]
fn what_daemons_ask_for_is_no_use_of_a_node() {
    let mut world =
        World::new()
            .node("n1", "a", &[400])
            .node("n2", "b", &[3000])
            .pod_as("n1", "log", 3000, |pod| pod.owner = Some(owner(OwnerKind::DaemonSet, "log")));
    let why = &world.plan().remove[0].why;
    assert_eq!(why.to_string(), "its pods ask for 10 % of it and fit elsewhere");
}

/// What a node that goes took from another goes on with its own pods, and the first drain waits for what that needs.
#[test]
fn a_node_waits_for_what_is_ordered_for_pods_that_were_moved_on() {
    let mut world = World::new()
        .pool(|pool| pool.offerings.push(offering("s", "b", 3, 100_000)))
        .node("n1", "a", &[400])
        .node("n2", "b", &[2200]);
    let plan = world.plan();
    let needs: Vec<_> =
        plan.remove.iter().map(|removal| (&*removal.node, removal.needs.as_slice())).collect();
    assert_eq!(needs, [("n1", &[0][..]), ("n2", &[0])]);
    assert_eq!(plan.remove[0].replaced_by, [0; 0]);
    assert_eq!(plan.remove[0].moves[0].to, Place::New(0, 0));
}
