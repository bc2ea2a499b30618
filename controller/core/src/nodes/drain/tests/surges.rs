//! A Deployment has one replica more before a pod of it goes, and its own size again after that.

use super::*;

#[test]
fn a_deployment_gets_one_replica_more_before_its_only_pod_goes() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    assert_eq!(world.step().actions, [surge(2)]);
    assert_eq!(world.step().actions, [surge(2)], "again until it is seen");
    world.deployed(2, 1);
    assert_eq!(world.waits(), "waits for one replica more of shop/web");
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
    world.ends("web");
    world.deployed(1, 1);
    assert_eq!(world.waits(), "waits for 1 pods to end");
    world.is_gone("web");
    assert_eq!(world.step().actions, [Action::Delete]);
    assert!(world.drain.surges.is_empty());
}

#[test]
fn a_budget_that_allows_nothing_is_kept_by_a_surge() {
    let mut world = World::new(&[("web-0", 0), ("web-1", 0)]).budget(0).workload(2);
    assert_eq!(world.step().actions, [surge_for(3, "uid-web-0")], "one after the other");
    world.deployed(3, 3);
    assert_eq!(world.step().actions, [back(2, &["uid-web-0"])]);
    world.is_gone("web-0");
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [surge_for(3, "uid-web-1")]);
}

#[test]
fn a_replica_is_given_back_again_until_the_pod_ends() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
    world.deployed(1, 2);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])], "none of them has gone yet");
}

/// One that was not ready went in its place.
#[test]
fn a_pod_that_stays_though_the_replica_more_has_gone_gets_one_more_again() {
    let mut world = World::new(&[("web", 0)]).budget(0).workload(2);
    world.step();
    world.deployed(3, 3);
    assert_eq!(world.step().actions, [back(2, &["uid-web"])]);
    world.deployed(2, 1);
    assert_eq!(world.step().actions, [back(2, &["uid-web"])], "the next one may not be ready either");
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [surge(3)]);
    world.deployed(3, 2);
    assert_eq!(world.waits(), "waits for one replica more of shop/web");
    world.deployed(3, 3);
    assert_eq!(world.step().actions, [back(2, &["uid-web"])]);
    world.is_gone("web");
    world.deployed(2, 2);
    assert_eq!(world.step().actions, [Action::Delete]);
    assert!(world.drain.surges.is_empty());
}

#[test]
fn a_replica_whose_pod_went_by_itself_is_given_back_with_the_next_of_its_deployment() {
    let mut world =
        World::new(&[("api", 0), ("web-0", 0), ("web-1", 0)]).budget(0).workload(2).of_api("api", 2);
    world.workloads.remove("uid-api");
    assert_eq!(world.step().actions, [surge_for(3, "uid-web-0")]);
    world.deployed_as("api", 2, 2);
    world.deployed(3, 3);
    world.is_gone("web-0");
    assert_eq!(world.step().actions, [back(2, &["uid-web-1"])]);
}

#[test]
fn as_many_deployments_surge_at_once_as_are_allowed() {
    let deployments = |max_surge, surging| {
        let mut world = World::new(&[("api", 0), ("web", 0)]).workload(1).of_api("api", 1);
        world.settings.max_surge = max_surge;
        let others = (0..surging).map(|number| Name::from(format!("other-{number}")));
        world.surging = others.map(|other| (Name::from("shop"), other)).collect();
        let surges = world.step().actions.into_iter().filter(|action| matches!(action, Action::Surge { .. }));
        surges.count()
    };
    for (max_surge, surging, surges) in [(0, 0, 0), (1, 0, 1), (2, 0, 2), (1, 1, 0), (2, 1, 1), (3, 1, 2)] {
        assert_eq!(deployments(max_surge, surging), surges, "{surging} of {max_surge} elsewhere");
    }
}

#[test]
fn nothing_is_given_back_where_nothing_was_added_yet() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.now = NOW + Span::from_secs(1800);
    assert_eq!(world.step().actions[0], back(1, &[]), "as many as there are");
}

#[test]
fn what_was_added_is_given_back_when_the_drain_is_given_up() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(2, 1);
    world.now = NOW + Span::from_secs(1800);
    let last = world.step();
    let unmark = Action::Unmark { pods: vec!["uid-web".into()] };
    let untaint = Action::Untaint(GivenUp::TimedOut(Span::from_secs(1800)));
    assert_eq!(last.actions, [back(1, &[]), unmark, untaint]);
}

/// Its pods are gone with it, but the replica more is not.
#[test]
fn what_was_added_is_given_back_when_the_node_vanishes() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.step();
    world.deployed(2, 1);
    world.node = None;
    world.pods.clear();
    assert_eq!(world.step().actions, [back(1, &[]), Action::Done]);
}

/// Its Deployment could not be asked, and keeps the replica more.
#[test]
fn what_was_not_taken_back_when_its_pod_goes_is_given_back_with_the_next_pod_or_at_the_end() {
    let after_its_pod = |pods: &[(&str, i32)]| {
        let mut world = World::new(pods).budget(0).workload(2);
        world.step();
        world.deployed(3, 3);
        world.takes_nothing = true;
        assert_eq!(world.step().actions, [back(2, &["uid-web-0"])]);
        world.is_gone("web-0");
        world
    };
    let mut world = after_its_pod(&[("web-0", 0), ("web-1", 0)]);
    assert_eq!(world.step().actions, [back(2, &["uid-web-1"])]);
    let mut world = after_its_pod(&[("web-0", 0)]);
    assert_eq!(world.step().actions, [Action::Delete]);
    world.node = None;
    assert_eq!(world.step().actions, [back(2, &[]), Action::Done]);
}

#[test]
fn what_is_on_its_way_back_when_the_node_vanishes_is_given_back_once() {
    for (takes_nothing, replicas, gives_back) in [(true, 2, true), (true, 1, false), (false, 2, false)] {
        let mut world = World::new(&[("web", 0)]).workload(1);
        world.step();
        world.deployed(2, 2);
        world.takes_nothing = takes_nothing;
        assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
        world.deployed(replicas, replicas);
        world.node = None;
        world.pods.clear();
        let actions = world.step().actions;
        assert_eq!(actions.contains(&back(1, &[])), gives_back, "{takes_nothing}, {replicas}: {actions:?}");
    }
}

#[test]
fn nothing_surges_beyond_what_is_allowed_in_a_rollout_or_with_volumes() {
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.settings.max_surge = 0;
    assert_eq!(world.evicted(), ["web"]);
    let mut world = World::new(&[("web", 0)]).workload(1);
    world.workloads.values_mut().for_each(|workload| workload.in_rollout = true);
    assert_eq!(world.waits(), "waits for the rollout of shop/web");
    let mut world = World::new(&[("web", 0)]).workload(1);
    Arc::make_mut(&mut world.pods[0].shape).volumes.push(cluster::VolumeNeed::default());
    assert_eq!(world.evicted(), ["web"]);
}

#[test]
fn another_comes_for_a_pod_unless_its_deployment_has_one_more_or_has_given_that_back() {
    let mut world = World::new(&[("web", 0)]).budget(0).workload(2);
    world.step();
    let surge = &world.drain.surges["uid-web"];
    for (given_back, absorbed, surplus) in
        [(false, false, &[3][..]), (true, false, &[2, 3]), (true, true, &[])]
    {
        let surge = Surge { given_back, absorbed, ..surge.clone() };
        let workload = |replicas| Workload { replicas, ..world.workloads["uid-web"].clone() };
        let found: Vec<i32> = (1..=4).filter(|replicas| surge.is_surplus(&workload(*replicas))).collect();
        assert_eq!(found, surplus, "given back {given_back}, absorbed {absorbed}");
    }
}
