//! Nodes that are given back, and nodes that nobody takes back.

use super::*;

#[test]
fn the_provider_is_asked_again_after_half_a_minute() {
    for (seconds, actions, next_look) in [(29, vec![], Some(40)), (30, vec![Action::Delete], None)] {
        let mut world = World::new(&[]);
        world.is_taken_away(true);
        assert_eq!(world.step().actions, [Action::Delete]);
        world.now = world.now + Span::from_secs(seconds);
        let step = world.step();
        assert_eq!(step.actions, actions, "after {seconds} s");
        assert_eq!(step.next_look, next_look.map(|seconds| NOW + Span::from_secs(seconds)));
    }
}

#[test]
fn a_drain_whose_node_nobody_would_take_is_given_up_with_what_was_added() {
    for why in
        [Unreturnable::NotOurs, Unreturnable::NoOrder("order-n".into()), Unreturnable::NoPool("p".into())]
    {
        let mut world = World::new(&[("web", 0)]).workload(1);
        world.step();
        world.deployed(2, 1);
        world.unreturnable = Some(why.clone());
        let last = world.step();
        let unmark = Action::Unmark { pods: vec!["uid-web".into()] };
        let untaint = Action::Untaint(GivenUp::Unreturnable(why));
        assert_eq!((last.actions, last.drain), (vec![back(1, &[]), unmark, untaint], None));
    }
}

#[test]
fn a_provider_that_cannot_be_used_was_not_asked() {
    let why = Unreturnable::NoProvider { pool: "p".into(), why: "no secret".to_owned() };
    let mut world = World::new(&[]);
    world.unreturnable = Some(why);
    assert_eq!(world.waits(), "it cannot be given back: the provider of pool p cannot be used: no secret");
    assert_eq!(world.drain.deleted, None);
    world.now = NOW + Span::from_secs(1800);
    let last = world.step();
    assert_eq!(last.actions, [Action::Untaint(GivenUp::TimedOut(Span::from_secs(1800)))]);
}

/// Pods that come back to a node that goes would be lost.
#[test]
fn a_node_that_was_given_back_already_is_waited_for_once_more_when_nobody_can_be_asked_again() {
    let mut world = World::new(&[]);
    assert_eq!(world.step().actions, [Action::Delete]);
    let asked = world.now;
    world.unreturnable = Some(Unreturnable::NoPool("p".into()));
    assert_eq!(world.waits(), "waits for the provider to take it");
    world.now = asked + Span::from_secs(30);
    let step = world.step();
    assert_eq!((step.actions, step.next_look), (vec![], Some(asked + Span::from_secs(1800))));
    world.now = asked + Span::from_secs(1800);
    let untaint = Action::Untaint(GivenUp::Unreturnable(Unreturnable::NoPool("p".into())));
    assert_eq!(world.step().actions, [untaint]);
}

/// What tolerates everything comes back to the emptiest node, which is hidden from the breaker all that time.
#[test]
fn a_node_that_its_provider_does_not_take_in_time_stays_where_pods_have_come_to_it() {
    let time_out = Span::from_secs(1800);
    for (pods, seconds, stays) in
        [(&[("web", 0)][..], 1799, false), (&[("web", 0)][..], 1800, true), (&[][..], 1800, false)]
    {
        let mut world = World::new(pods);
        world.drain.deleted = Some(NOW);
        world.now = NOW + Span::from_secs(seconds);
        let untaints = world.step().actions.contains(&Action::Untaint(GivenUp::TimedOut(time_out)));
        assert_eq!(untaints, stays, "{pods:?} after {seconds} s");
    }
}
