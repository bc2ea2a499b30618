//! Drains that are given up, and taints that somebody takes away.

use super::*;
use crate::nodes::drainability::Blocker;

#[test]
fn why_a_drain_was_given_up_is_said() {
    for (why, said) in [
        (GivenUp::TimedOut(Span::from_secs(1800)), "it was not empty after 30m"),
        (GivenUp::TaintRemoved, "somebody took the taint away"),
        (GivenUp::Recalled, "its provider no longer takes it away"),
        (GivenUp::OrderFailed("order-1".into()), "the nodes of order-1 will not come"),
        (
            GivenUp::Unreturnable(Unreturnable::NotOurs),
            "it cannot be given back: it carries no mark of an order",
        ),
        (
            GivenUp::Unreturnable(Unreturnable::NoOrder("o".into())),
            "it cannot be given back: its order o is gone",
        ),
        (
            GivenUp::Unreturnable(Unreturnable::NoPool("p".into())),
            "it cannot be given back: its pool p is gone",
        ),
        (
            GivenUp::Pod { pod: "shop/web".to_owned(), why: Blocker::Bare },
            "pod shop/web has no controller that would make it anew",
        ),
    ] {
        assert_eq!(why.to_string(), said);
    }
}

#[test]
fn a_drain_that_takes_too_long_is_undone() {
    let mut world = World::new(&[("web", 0)]).budget(0);
    let ends = NOW + Span::from_secs(1800);
    assert_eq!(world.step().next_look, Some(ends));
    world.now = ends;
    let last = world.step();
    assert_eq!(last.actions, [Action::Untaint(GivenUp::TimedOut(Span::from_secs(1800)))]);
    assert_eq!(last.drain, None);
    world.is_taken_away(true);
    assert!(world.step().drain.is_some(), "one that goes anyway is never given up");
}

#[test]
fn a_taint_that_somebody_took_away_is_a_veto() {
    let mut world = World::new(&[("web", 0)]);
    world.is_untainted();
    assert_eq!(world.step().actions, [Action::Untaint(GivenUp::TaintRemoved)]);
}

#[test]
fn a_taint_that_somebody_took_away_is_a_veto_as_soon_as_the_node_is_not_taken_away_any_more() {
    for deleted in [None, Some(NOW - Span::from_secs(20))] {
        let mut world = World::new(&[("web", 0)]);
        world.is_taken_away(true);
        world.step();
        world.is_taken_away(false);
        world.drain.deleted = deleted;
        world.is_untainted();
        assert_eq!(world.step().actions, [Action::Untaint(GivenUp::TaintRemoved)], "{deleted:?}");
    }
}

#[test]
fn a_taint_that_somebody_took_away_is_a_veto_where_the_provider_did_not_take_the_node_in_half_a_minute() {
    let mut world = World::new(&[]);
    assert_eq!(world.step().actions, [Action::Delete]);
    let asked = world.now;
    world.is_untainted();
    for (after, actions) in [(29, vec![]), (30, vec![Action::Untaint(GivenUp::TaintRemoved)])] {
        world.now = asked + Span::from_secs(after);
        assert_eq!(world.step().actions, actions, "after {after} s");
    }
}

#[test]
fn a_node_that_its_provider_was_just_asked_to_take_is_waited_for_though_somebody_took_the_taint_away() {
    let mut world = World::new(&[]);
    world.step();
    let asked = world.now;
    world.is_untainted();
    let step = world.step();
    assert_eq!((step.waits, step.next_look), (Some(WaitsFor::Provider), Some(asked + Span::from_secs(30))));
    world.node = None;
    assert_eq!(world.step().actions, [Action::Done]);
}

#[test]
fn a_pod_that_may_not_be_evicted_any_more_ends_the_drain_unless_the_node_goes_anyway() {
    let mut world = World::new(&[("job", 0), ("web", 0)]);
    world.pods[0].eviction.safe = Some(false);
    let last = world.step();
    assert!(matches!(last.actions[..], [Action::Untaint(GivenUp::Pod { .. })]), "{last:?}");
    world.is_taken_away(true);
    assert_eq!(world.evicted(), ["web"]);
    world.is_gone("web");
    assert_eq!(world.waits(), "pod shop/job has cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"");
}
