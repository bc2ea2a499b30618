//! Somebody scales a Deployment that has one replica more for a drain.

use super::*;

#[test]
fn whoever_scales_a_deployment_meanwhile_keeps_their_size_and_the_pod_is_evicted() {
    for replicas in [0, 3, 4] {
        let mut world = World::new(&[("web", 0)]).workload(1);
        world.step();
        world.deployed(replicas, 2);
        let actions = world.step().actions;
        assert!(matches!(actions[..], [Action::Evict { .. }]), "{replicas}: {actions:?}");
    }
}

#[test]
fn nothing_is_taken_from_whoever_asks_for_one_more_than_at_first_after_another_size() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(3, 3);
    world.step();
    world.deployed(2, 2);
    assert_eq!(world.evicted(), ["web"]);
}

#[test]
fn the_pod_of_a_deployment_that_somebody_scaled_stays_until_another_is_available() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(3, 1);
    assert_eq!(world.waits(), "waits for one replica more of shop/web");
    world.deployed(3, 2);
    assert_eq!(world.evicted(), ["web"]);
}

#[test]
fn a_deployment_of_which_somebody_asks_for_fewer_gets_one_more_than_that() {
    let mut world = World::new(&[("web", 0)]).budget(0).workload(5);
    world.step();
    world.deployed(4, 4);
    let actions = world.step().actions;
    assert!(matches!(actions[..], [Action::Surge { replicas: 5, .. }]), "{actions:?}");
    world.deployed(5, 5);
    assert_eq!(world.step().actions, [back(4, &["uid-web"])]);
}

#[test]
fn nothing_is_given_back_again_after_somebody_scaled_the_deployment() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
    world.deployed(3, 3);
    assert_eq!(world.evicted(), ["web"]);
}

#[test]
fn nothing_is_given_back_at_the_end_of_what_somebody_scaled_meanwhile() {
    for replicas in [0, 3, 4] {
        let mut world = World::new(&[("web", 0)]).workload(1);
        world.step();
        world.deployed(replicas, 1);
        world.node = None;
        world.pods.clear();
        assert_eq!(world.step().actions, [Action::Done], "{replicas}");
    }
}

#[test]
fn a_pod_that_was_to_be_evicted_instead_has_no_lowest_cost_any_more_when_the_drain_is_given_up() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(3, 3);
    world.step();
    world.is_untainted();
    let unmark = Action::Unmark { pods: vec!["uid-web".into()] };
    assert_eq!(world.step().actions, [unmark, Action::Untaint(GivenUp::TaintRemoved)]);
}
