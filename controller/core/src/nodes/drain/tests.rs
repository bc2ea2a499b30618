mod turns;

use std::sync::Arc;

use super::*;
use crate::cluster::{Breaker, DisruptionBudget, OwnerKind, Selector, UnhealthyPods};
use crate::nodes::drainability::Blocker;
use crate::nodes::fixtures::{draining, owner, pod};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// A node that is drained, and what is around it.
struct World {
    node: Option<Node>,
    pods: Vec<Pod>,
    workloads: BTreeMap<Name, Workload>,
    budgets: Vec<DisruptionBudget>,
    coming: BTreeSet<Name>,
    failed: BTreeSet<Name>,
    surging: BTreeSet<(Name, Name)>,
    held: Option<Tripped>,
    unreturnable: Option<Unreturnable>,
    settings: cluster::Drain,
    drain: Drain,
    now: Timestamp,
}

impl World {
    fn new(pods: &[(&str, i32)]) -> Self {
        let with_priority = |(name, priority): &(&str, i32)| {
            let mut pod = pod(name, "n");
            Arc::make_mut(&mut pod.shape).priority = *priority;
            pod
        };
        Self {
            node: Some(draining("n", "a")),
            pods: pods.iter().map(with_priority).collect(),
            workloads: BTreeMap::new(),
            budgets: Vec::new(),
            coming: BTreeSet::new(),
            failed: BTreeSet::new(),
            surging: BTreeSet::new(),
            held: None,
            unreturnable: None,
            settings: cluster::Drain::default(),
            drain: Drain { tainted: true, ..Drain::new(NOW, false, BTreeSet::new()) },
            now: NOW + Span::from_secs(10),
        }
    }

    fn budget(mut self, allowed: i32) -> Self {
        self.budgets.push(DisruptionBudget {
            namespace: "shop".into(),
            name: "web".into(),
            selector: Some(Selector::default()),
            allowed,
            healthy: 1,
            desired: 2,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: BTreeSet::new(),
        });
        self
    }

    /// The Deployment of all pods, which may surge.
    fn workload(mut self, replicas: i32) -> Self {
        self.settings.max_surge = 1;
        self.deployed(replicas, replicas);
        self
    }

    fn deployed(&mut self, replicas: i32, available: i32) {
        self.deployed_as("web", replicas, available);
    }

    fn deployed_as(&mut self, name: &str, replicas: i32, available: i32) {
        let owner = Name::from(format!("uid-{name}"));
        let workload = Workload {
            owner: owner.clone(),
            namespace: "shop".into(),
            deployment: Some(name.into()),
            replicas,
            available,
            in_rollout: false,
        };
        self.workloads.insert(owner, workload);
    }

    /// A pod is of a Deployment `api` with so many replicas.
    fn of_api(mut self, pod: &str, replicas: i32) -> Self {
        self.deployed_as("api", replicas, replicas);
        for pod in self.pods.iter_mut().filter(|of| &*of.name == pod) {
            pod.owner = Some(owner(OwnerKind::ReplicaSet, "api"));
        }
        self
    }

    fn step(&mut self) -> Step {
        let pods: Vec<&Pod> = self.pods.iter().collect();
        let seen = Seen {
            node: self.node.as_ref(),
            pods: &pods,
            workloads: &self.workloads,
            coming: &self.coming,
            failed: &self.failed,
            surging: &self.surging,
            held: self.held.as_ref(),
            unreturnable: self.unreturnable.as_ref(),
            settings: &self.settings,
            cut_off: None,
            now: self.now,
        };
        let step = step(&self.drain, &seen, &mut Ledger::new(&self.budgets));
        if let Some(drain) = &step.drain {
            self.drain = drain.clone();
        }
        step
    }

    fn waits(&mut self) -> String {
        self.step().waits.map_or_else(String::new, |waits| waits.to_string())
    }

    fn evicted(&mut self) -> Vec<String> {
        let evicted = |action: &Action| match action {
            Action::Evict { name, .. } => Some(name.to_string()),
            _ => None,
        };
        self.step().actions.iter().filter_map(evicted).collect()
    }

    fn ends(&mut self, name: &str) {
        for pod in self.pods.iter_mut().filter(|pod| &*pod.name == name) {
            let until = self.now + Span::from_secs(30);
            pod.state = PodState::Terminating { node: "n".into(), until };
        }
    }

    fn is_gone(&mut self, name: &str) {
        self.pods.retain(|pod| &*pod.name != name);
    }

    /// Whether the provider says so of the node.
    fn is_taken_away(&mut self, interrupted: bool) {
        self.node.iter_mut().for_each(|node| node.interrupted = interrupted);
    }

    /// Somebody takes the taint of the drain away.
    fn is_untainted(&mut self) {
        self.node.iter_mut().for_each(|node| node.taints.clear());
    }
}

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
fn a_taint_is_put_back_on_a_node_that_its_provider_takes_away() {
    let mut world = World::new(&[("web", 0)]);
    world.is_taken_away(true);
    world.is_untainted();
    assert_eq!(world.step().actions, [Action::Taint]);
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
fn the_scheduler_has_time_to_see_the_taint() {
    let mut world = World::new(&[]);
    world.now = NOW + Span::from_secs(4);
    assert_eq!(world.waits(), "waits until the taint is seen everywhere");
    world.now = NOW + Span::from_secs(5);
    assert_eq!(world.step().actions, [Action::Delete]);
}

fn surge(replicas: i32) -> Action {
    surge_for(replicas, "uid-web")
}

fn surge_for(replicas: i32, pod: &str) -> Action {
    Action::Surge { namespace: "shop".into(), deployment: "web".into(), replicas, pod: pod.into() }
}

fn back(replicas: i32, pods: &[&str]) -> Action {
    let pods = pods.iter().map(|pod| Name::from(*pod)).collect();
    Action::GiveBack { namespace: "shop".into(), deployment: "web".into(), replicas, pods }
}

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
    world.deployed(1, 1);
    assert_eq!(world.step().actions, [back(1, &["uid-web"])]);
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
fn a_node_that_is_taken_away_is_emptied_though_we_could_not_give_it_back_as_long_as_it_is_ours() {
    let mut world = World::new(&[("web", 0)]);
    world.is_taken_away(true);
    world.unreturnable = Some(Unreturnable::NoPool("p".into()));
    assert_eq!(world.evicted(), ["web"]);
    world.unreturnable = Some(Unreturnable::NotOurs);
    let untaint = Action::Untaint(GivenUp::Unreturnable(Unreturnable::NotOurs));
    assert_eq!(world.step().actions, [untaint]);
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
