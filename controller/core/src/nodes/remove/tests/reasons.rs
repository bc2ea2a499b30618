//! What each gate says of a node when it is asked alone.

use super::*;
use crate::cluster::{BudgetReason, Readiness, ScaleDownMode};
use crate::nodes::fixtures::drain;

fn asked(world: &mut World, node: &str) -> Vec<String> {
    let why = world.with_input(|input, memory| reasons(input, memory, node));
    why.iter().map(ToString::to_string).collect()
}

fn no_budget(reason: BudgetReason) -> NodeBudget {
    NodeBudget { nodes: Some(0), share: None, reasons: [reason].into(), ..NodeBudget::default() }
}

#[test]
fn every_gate_is_asked_in_the_order_of_a_plan() {
    let mut world = World::new()
        .pool(|pool| {
            pool.limits.min_per_zone.extend([("a".into(), 1)]);
            let scale_down = &mut pool.scale_down;
            scale_down.mode = ScaleDownMode::WhenEmpty;
            scale_down.unneeded_for = Span::from_secs(600);
            scale_down.delay_after_add = Span::from_secs(600);
            scale_down.savings_per_eviction = 200_001;
            scale_down.budgets = vec![no_budget(BudgetReason::Underutilized)];
        })
        .budget("web", 0)
        .node_as("n1", "a", &[400], |node| {
            node.scale_down_disabled = true;
            node.created = NOW - Span::from_secs(1);
        })
        .node_as("n2", "b", &[3900], |node| node.readiness = Readiness::NotReady { since: NOW })
        .pod_as("n1", "bare", 100, |pod| pod.owner = None)
        .pod_as("n1", "held", 100, |pod| pod.state = PodState::Nominated { node: "n1".into() });
    world.memory.gave_up("uid-n1".into(), NOW - Span::from_secs(60), "it took too long".to_owned());
    world.memory.unneeded.insert("uid-n1".into(), NOW - Span::from_secs(599));
    assert_eq!(
        asked(&mut world, "n1"),
        [
            "it has cluster-autoscaler.kubernetes.io/scale-down-disabled",
            "nothing is removed: 1 of 2 nodes of pool p are not ready, more than 20 %",
            "its drain was given up and is tried again at 1970-01-12T13:55:40Z: it took too long",
            "1 pods that wait for a node have room on it",
            "pod shop/bare has no controller that would make it anew",
            "pod shop/n1-0 may not be evicted: PodDisruptionBudget web allows no disruption",
            "it has 1 pods to move, and its pool lets only empty nodes go",
            "zone a has to keep 1 nodes of its pool",
            "removing it saves 200000 millionths per hour and eviction, less than 200001",
            "pod shop/n1-0 fits nowhere else: there is no other node",
            "it is not needed since 1970-01-12T13:36:41Z, and has to be for 10m",
            "its pool has grown lately, nothing goes until 1970-01-12T13:56:39Z",
            "budget 0 nodes of pool p allows no node to go",
        ]
    );
}

#[test]
fn a_gate_that_lets_a_node_pass_says_nothing() {
    let mut world = World::new().node("n1", "a", &[400]).node("n2", "b", &[3000]);
    world.memory.unneeded.insert("uid-n1".into(), NOW);
    assert!(asked(&mut world, "n1").is_empty());
    let mut waited = World::new()
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
        .node("n1", "a", &[])
        .pool(|pool| pool.scale_down.mode = ScaleDownMode::WhenEmpty);
    waited.memory.unneeded.insert("uid-n1".into(), NOW - Span::from_secs(600));
    assert!(asked(&mut waited, "n1").is_empty());
}

#[test]
fn a_node_that_is_on_its_way_or_not_there_has_no_reasons() {
    let mut world = World::new()
        .node_as("n1", "a", &[400], |node| {
            drain(node);
            node.scale_down_disabled = true;
        })
        .node_as("n2", "a", &[400], kept);
    assert!(asked(&mut world, "n1").is_empty());
    assert!(asked(&mut world, "n3").is_empty());
    assert!(!asked(&mut world, "n2").is_empty());
}

/// Room for its pods is looked for by the plan for new nodes.
#[test]
fn a_node_that_is_taken_away_is_not_asked_for_room_elsewhere() {
    let mut world = World::new().node_as("n1", "a", &[400], interrupted);
    assert!(asked(&mut world, "n1").is_empty());
}

#[test]
fn a_pod_that_may_not_be_evicted_is_no_reason_where_its_deployment_can_surge() {
    let mut world = World::new().budget("web", 0).node("n1", "a", &[400]).node("n3", "b", &[3000]);
    world.add_deployment();
    let forbidden = "pod shop/n1-0 may not be evicted: PodDisruptionBudget web allows no disruption";
    assert_eq!(asked(&mut world, "n1"), [forbidden]);
    world.pool.scale_down.drain.max_surge = 1;
    assert!(asked(&mut world, "n1").is_empty());
    let mut under_two = world.budget("all", 1);
    assert_eq!(
        asked(&mut under_two, "n1"),
        ["pod shop/n1-0 is under 2 PodDisruptionBudgets (all, web), and the Eviction API refuses such pods"]
    );
}

#[test]
fn a_budget_for_empty_nodes_is_no_reason_for_one_with_pods() {
    let pool = |pool: &mut Pool| pool.scale_down.budgets = vec![no_budget(BudgetReason::Empty)];
    let mut world =
        World::new().pool(pool).node("n1", "a", &[]).node("n2", "b", &[400]).node("n3", "b", &[3000]);
    assert_eq!(asked(&mut world, "n1"), ["budget 0 nodes of pool p allows no node to go"]);
    assert!(asked(&mut world, "n2").is_empty());
}

#[test]
fn the_first_pod_of_each_kind_that_has_no_room_is_named() {
    let mut world = World::new().node("n1", "a", &[1500, 1500, 700]).node("n2", "b", &[3500]);
    assert_eq!(
        asked(&mut world, "n1"),
        [
            "pod shop/n1-0 fits nowhere else: 1 nodes lack cpu",
            "pod shop/n1-2 fits nowhere else: 1 nodes lack cpu",
        ]
    );
}
