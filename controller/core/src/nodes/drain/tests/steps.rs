//! What comes after what, and what is waited for in between.

use super::*;
use crate::cluster::Breaker;

#[test]
fn the_taint_comes_first_and_nothing_else_with_it() {
    let mut world = World::new(&[("web", 0)]);
    world.drain.tainted = false;
    world.node.iter_mut().for_each(|node| node.taints.clear());
    assert_eq!(world.step().actions, [Action::Taint]);
    assert_eq!(world.step().actions, [Action::Taint], "until it is seen");
}

#[test]
fn less_important_pods_go_first_and_the_others_when_they_are_gone() {
    let mut world = World::new(&[("high", 10), ("low-0", 0), ("low-1", 0)]);
    assert_eq!(world.evicted(), ["low-0", "low-1"]);
    world.ends("low-0");
    world.is_gone("low-1");
    assert_eq!(world.waits(), "waits for 1 pods to end");
    world.is_gone("low-0");
    assert_eq!(world.evicted(), ["high"]);
    world.is_gone("high");
    assert_eq!(world.step().actions, [Action::Delete]);
    assert_eq!(world.waits(), "waits for the provider to take it");
    world.node = None;
    let last = world.step();
    assert_eq!((last.actions, last.drain), (vec![Action::Done], None));
}

#[test]
fn only_as_many_are_evicted_at_once_as_budgets_allow() {
    let mut world = World::new(&[("web-0", 0), ("web-1", 0), ("web-2", 0)]).budget(2);
    assert_eq!(world.evicted(), ["web-0", "web-1"]);
    let mut world = World::new(&[("web-0", 0)]).budget(0);
    assert_eq!(
        world.waits(),
        "pod shop/web-0 may not be evicted: PodDisruptionBudget web allows no disruption"
    );
}

#[test]
fn a_long_grace_period_is_cut() {
    for (has, gets) in [(599, None), (600, None), (601, Some(600)), (3600, Some(600))] {
        let mut world = World::new(&[("web", 0)]);
        world.pods[0].eviction.grace = Span::from_secs(has);
        let Some(Action::Evict { grace, .. }) = world.step().actions.pop() else { panic!("evicts nothing") };
        assert_eq!(grace, gets.map(Span::from_secs), "{has} s");
    }
}

#[test]
fn the_nodes_that_its_pods_go_to_have_to_be_ready_first() {
    let mut world = World::new(&[("web", 0)]);
    world.drain.needs.insert("order-1".into());
    world.coming.insert("order-1".into());
    assert_eq!(world.waits(), "waits for the nodes of order-1");
    world.failed.insert("order-1".into());
    let last = world.step();
    assert_eq!(last.actions, [Action::Untaint(GivenUp::OrderFailed("order-1".into()))]);
    world.coming.clear();
    world.failed.clear();
    assert_eq!(world.evicted(), ["web"]);
}

#[test]
fn nothing_is_evicted_or_deleted_while_the_breaker_is_open() {
    let mut world = World::new(&[("web", 0)]);
    world.held =
        Some(Tripped::NotReady { pool: "p".into(), not_ready: 1, of: 2, breaker: Breaker::Share(200) });
    assert!(world.step().actions.is_empty());
    world.pods.clear();
    assert!(world.step().actions.is_empty());
    world.is_taken_away(true);
    assert_eq!(world.step().actions, [Action::Delete]);
}

#[test]
fn the_scheduler_has_time_to_see_the_taint() {
    let mut world = World::new(&[]);
    world.now = NOW + Span::from_secs(4);
    assert_eq!(world.waits(), "waits until the taint is seen everywhere");
    world.now = NOW + Span::from_secs(5);
    assert_eq!(world.step().actions, [Action::Delete]);
}

/// Whatever was done before the crash, the stored drain leads on.
#[test]
fn a_stored_drain_goes_on_where_it_was() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    let stored = serde_json::to_string(&world.drain).expect("can be stored");
    world.drain = serde_json::from_str(&stored).expect("can be read");
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
}

#[test]
fn a_pod_that_is_not_there_yet_is_neither_evicted_nor_waited_for() {
    let mut world = World::new(&[("web", 0)]);
    world.pods[0].state = PodState::Nominated { node: "n".into() };
    assert_eq!(world.step().actions, [Action::Delete]);
}

#[test]
fn a_node_is_empty_when_all_that_is_left_goes_with_it_or_is_not_there_yet() {
    let until = NOW + Span::from_secs(30);
    let is_empty = |change: &dyn Fn(&mut Pod)| {
        let mut pod = pod("web", "n");
        change(&mut pod);
        is_empty([&pod], None, &Ledger::new([]), NOW)
    };
    assert!(!is_empty(&|_| {}), "it has to move");
    assert!(!is_empty(&|pod| pod.state = PodState::Terminating { node: "n".into(), until }), "it ends");
    assert!(!is_empty(&|pod| pod.owner = None), "it keeps its node");
    assert!(is_empty(&|pod| pod.state = PodState::Nominated { node: "n".into() }), "it is not there yet");
    assert!(
        is_empty(&|pod| pod.owner.as_mut().unwrap().kind = OwnerKind::DaemonSet),
        "it goes with its node"
    );
}

#[test]
fn nothing_is_waited_for_where_all_that_is_left_is_evicted() {
    assert_eq!(World::new(&[("web", 0)]).waits(), "");
}

/// The clock was set back by an hour, or another leads whose clock is behind.
#[test]
fn what_lies_in_the_future_counts_from_now_on() {
    let hour = Span::from_secs(3600);
    let mut begun = World::new(&[("web", 0)]).budget(0);
    begun.drain.started = NOW + hour;
    let mut asked = World::new(&[]);
    asked.drain.deleted = Some(NOW + hour);
    let mut recalled = World::new(&[("web", 0)]).budget(0);
    (recalled.drain.interrupted, recalled.drain.recalled) = (true, Some(NOW + hour));
    let time_out = Action::Untaint(GivenUp::TimedOut(Span::from_secs(1800)));
    for (mut world, seconds, action) in [
        (begun, 1800, time_out),
        (asked, 30, Action::Delete),
        (recalled, 120, Action::Untaint(GivenUp::Recalled)),
    ] {
        assert_eq!(world.step().actions, []);
        world.now = world.now + Span::from_secs(seconds);
        assert_eq!(world.step().actions, [action]);
    }
}
