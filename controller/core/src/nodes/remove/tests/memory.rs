//! What is remembered from one plan to the next.

use super::*;
use crate::cluster::Readiness;

fn names(of: &[&'static str]) -> Vec<Name> {
    of.iter().map(|name| (*name).into()).collect()
}

/// What is left of a memory where these nodes and pools are there.
fn left(mut memory: Memory, nodes: &[&'static str], pools: &[&'static str]) -> Memory {
    let (nodes, pools) = (names(nodes), names(pools));
    memory.forget(NOW, &nodes.iter().collect(), &pools.iter().collect());
    memory
}

#[test]
fn nodes_and_pools_that_are_gone_are_forgotten() {
    let mut memory = Memory::default();
    for node in ["n1", "n2"] {
        memory.unneeded.insert(node.into(), NOW);
        memory.gave_up(node.into(), NOW, "it took too long".to_owned());
    }
    for pool in ["p", "q"] {
        memory.unbalanced.insert(pool.into(), NOW);
    }
    let left = left(memory, &["n1"], &["q"]);
    assert_eq!(left.unneeded.into_keys().collect::<Vec<_>>(), ["n1".into()]);
    assert_eq!(left.given_up.into_keys().collect::<Vec<_>>(), ["n1".into()]);
    assert_eq!(left.unbalanced.into_keys().collect::<Vec<_>>(), ["q".into()]);
}

#[test]
fn what_the_last_leader_left_goes_on_beside_what_was_noted_before_it_could_be_read() {
    let (long_ago, late) = (NOW - Span::from_secs(600), NOW - Span::from_secs(5));
    let (mut left, mut memory) = (Memory::default(), Memory::default());
    for (of, nodes, at) in [(&mut left, ["both", "left"], long_ago), (&mut memory, ["both", "new"], late)] {
        for node in nodes {
            of.unneeded.insert(node.into(), at);
            of.unbalanced.insert(node.into(), at);
            of.gave_up(node.into(), at, "it took too long".to_owned());
        }
    }
    memory.take_over(left);
    let since = BTreeMap::from([("both".into(), long_ago), ("left".into(), long_ago), ("new".into(), late)]);
    assert_eq!((memory.unneeded, memory.unbalanced), (since.clone(), since));
    let given_up: Vec<Timestamp> = memory.given_up.into_values().map(|given_up| given_up.at).collect();
    assert_eq!(given_up, [late, long_ago, late]);
}

#[test]
fn a_drain_that_was_given_up_is_remembered_for_ten_minutes() {
    let ago = |millis| NOW - Span::from_millis(millis);
    for (at, known) in [
        (NOW + Span::from_secs(60), true),
        (NOW, true),
        (ago(599_999), true),
        (ago(600_000), false),
        (ago(600_001), false),
    ] {
        let mut memory = Memory::default();
        memory.gave_up("n1".into(), at, "it took too long".to_owned());
        assert_eq!(!left(memory, &["n1"], &[]).given_up.is_empty(), known, "{at:?}");
    }
}

/// As after a clock that was set back.
#[test]
fn what_lies_in_the_future_begins_now() {
    let mut memory = Memory::default();
    for (node, at) in [("n1", NOW - Span::from_secs(1)), ("n2", NOW + Span::from_secs(1))] {
        memory.unneeded.insert(node.into(), at);
        memory.unbalanced.insert(node.into(), at);
        memory.gave_up(node.into(), at, "it took too long".to_owned());
    }
    let left = left(memory, &["n1", "n2"], &["n1", "n2"]);
    let expected = BTreeMap::from([("n1".into(), NOW - Span::from_secs(1)), ("n2".into(), NOW)]);
    assert_eq!((left.unneeded, left.unbalanced), (expected.clone(), expected.clone()));
    let given_up: BTreeMap<Name, Timestamp> =
        left.given_up.into_iter().map(|(node, given_up)| (node, given_up.at)).collect();
    assert_eq!(given_up, expected);
}

/// What holds a node back from outside says nothing about whether it is needed.
#[test]
fn the_time_of_a_node_goes_on_while_a_partition_a_budget_or_the_least_size_holds_it() {
    type Hold = fn(World) -> World;
    let partition: Hold =
        |world| world.node_as("n2", "b", &[3000], |node| node.readiness = Readiness::NotReady { since: NOW });
    let least_size: Hold = |world| world.pool(|pool| pool.limits.min_per_zone.extend([("a".into(), 1)]));
    let budget: Hold = |world| world.budget("web", 0);
    for (hold, free) in [
        (partition, (|world| world.node("n2", "b", &[])) as Hold),
        (least_size, |world| world.pool(|pool| pool.limits.min_per_zone.clear())),
        (budget, |world| world.budget("web", 1)),
    ] {
        let mut world = World::new()
            .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
            .node("n1", "a", &[400])
            .node("n2", "b", &[3000]);
        assert!(world.goes().is_empty());
        world = hold(world);
        world.now = NOW + Span::from_secs(300);
        assert!(world.goes().is_empty());
        world = free(world);
        world.now = NOW + Span::from_secs(600);
        assert_eq!(world.goes(), ["n1"]);
    }
}
