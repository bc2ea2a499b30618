//! Nodes that their provider takes away, and notices that are gone again.

use super::*;
use crate::cluster::Breaker;

#[test]
fn a_taint_is_put_back_on_a_node_that_its_provider_takes_away() {
    let mut world = World::new(&[("web", 0)]);
    world.is_taken_away(true);
    world.is_untainted();
    assert_eq!(world.step().actions, [Action::Taint]);
}

#[test]
fn a_drain_is_given_up_when_its_provider_has_not_said_for_two_minutes_that_it_takes_the_node() {
    let mut world = World::new(&[("web", 0)]).budget(0);
    world.is_taken_away(true);
    world.step();
    world.is_taken_away(false);
    let ends = world.now + Span::from_secs(120);
    assert_eq!(world.step().next_look, Some(ends));
    world.now = ends;
    assert_eq!(world.step().actions, [Action::Untaint(GivenUp::Recalled)]);
}

/// It could not be asked for a while.
#[test]
fn a_provider_that_says_again_that_it_takes_the_node_has_taken_nothing_back() {
    let mut world = World::new(&[("web", 0)]).budget(0);
    for (after, is_said) in [(0, true), (1, false), (120, true), (121, false)] {
        world.now = NOW + Span::from_secs(after);
        world.is_taken_away(is_said);
        assert!(world.step().drain.is_some(), "after {after} s");
    }
}

#[test]
fn a_notice_that_is_gone_takes_nothing_back_from_a_provider_that_was_asked_to_take_the_node() {
    let mut world = World::new(&[]);
    world.is_taken_away(true);
    assert_eq!(world.step().actions, [Action::Delete]);
    world.is_taken_away(false);
    world.step();
    world.now = world.now + Span::from_secs(120);
    assert_eq!(world.step().actions, [Action::Delete]);
}

/// Whatever the drain waited for, it has no more time than the provider gives.
#[test]
fn a_drain_whose_node_is_taken_away_meanwhile_goes_on_at_once() {
    let mut waits = World::new(&[("web", 0)]);
    waits.drain.needs.insert("order-1".into());
    waits.coming.insert("order-1".into());
    let mut fails = World::new(&[("web", 0)]);
    fails.drain.needs.insert("order-1".into());
    fails.failed.insert("order-1".into());
    let mut held = World::new(&[("web", 0)]);
    held.held =
        Some(Tripped::NotReady { pool: "p".into(), not_ready: 1, of: 2, breaker: Breaker::Share(200) });
    let mut late = World::new(&[("web", 0)]);
    late.now = NOW + Span::from_secs(1800);
    for (what, mut world) in [("orders", waits), ("failed", fails), ("breaker", held), ("time-out", late)] {
        world.node.iter_mut().for_each(|node| node.interrupted = true);
        assert_eq!(world.evicted(), ["web"], "{what}");
        assert!(world.drain.interrupted, "{what}: it is stored");
    }
}

#[test]
fn a_node_that_is_taken_away_is_emptied_though_we_could_not_give_it_back_as_long_as_it_is_ours() {
    let mut world = World::new(&[("web", 0)]);
    world.is_taken_away(true);
    world.unreturnable = Some(Unreturnable::NoPool("p".into()));
    assert_eq!(world.evicted(), ["web"]);
    world.unreturnable = Some(Unreturnable::NotOurs);
    let untaint = Action::Untaint(GivenUp::Unreturnable(Unreturnable::NotOurs));
    assert_eq!(world.step().actions, [untaint]);
}

/// It is not given up then, so there is nothing to see.
#[test]
fn the_end_of_its_time_is_not_waited_for_where_the_node_goes_anyway() {
    let mut world = World::new(&[("web", 0)]);
    world.is_taken_away(true);
    assert_eq!(world.step().next_look, None);
    for past in [0, 1] {
        let mut world = World::new(&[]);
        world.drain.deleted = Some(NOW);
        world.now = NOW + world.settings.time_out + Span::from_secs(past);
        assert_eq!(world.step().next_look, None, "{past} s past its time");
    }
}
