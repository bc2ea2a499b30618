use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::cluster::{OwnerKind, PodState, Readiness, Record, ScaleDownMode};
use crate::nodes::fixtures::{node, owner, pod, pool};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const FOREVER: Span = Span::from_millis(i64::MAX);

fn verdict(pod: &Pod, covered: bool) -> Verdict {
    of_pod(&Question { pod, covered, cut_off: Some(-10), now: NOW })
}

fn web() -> Pod {
    pod("web", "n")
}

fn with(change: impl FnOnce(&mut Pod)) -> Pod {
    let mut pod = web();
    change(&mut pod);
    pod
}

#[test]
fn pods_of_any_controller_move() {
    for kind in [OwnerKind::ReplicaSet, OwnerKind::StatefulSet, OwnerKind::Job, OwnerKind::Other] {
        assert_eq!(verdict(&with(|pod| pod.owner = Some(owner(kind, "x"))), false), Verdict::Moves);
    }
    assert_eq!(verdict(&with(|pod| pod.owner = None), false), Verdict::Blocks(Blocker::Bare));
}

#[test]
fn pods_of_the_node_go_with_it() {
    for kind in [OwnerKind::DaemonSet, OwnerKind::Node] {
        let mut pod = with(|pod| pod.owner = Some(owner(kind, "x")));
        pod.eviction.local_volumes.insert("cache".into());
        pod.eviction.safe = Some(false);
        assert_eq!(verdict(&pod, false), Verdict::Goes, "rules for others come after");
        pod.eviction.do_not_disrupt = Some(FOREVER);
        assert_eq!(verdict(&pod, false), Verdict::Blocks(Blocker::DoNotDisrupt { until: None }));
    }
}

#[test]
fn a_pod_that_ends_is_waited_for_until_it_is_stuck() {
    for (seconds, expected) in
        [(30, Verdict::Ends), (-60, Verdict::Ends), (-61, Verdict::Goes), (i64::MAX, Verdict::Ends)]
    {
        let mut pod = with(|pod| pod.owner = None);
        pod.eviction.do_not_disrupt = Some(FOREVER);
        pod.state = PodState::Terminating { node: "n".into(), until: NOW + Span::from_secs(seconds) };
        assert_eq!(verdict(&pod, false), expected, "{seconds} s left");
    }
}

#[test]
fn do_not_disrupt_holds_for_its_time() {
    let hour = Span::from_secs(3600);
    for (age, expected) in [
        (3599, Verdict::Blocks(Blocker::DoNotDisrupt { until: Some(NOW + Span::from_secs(1)) })),
        (3600, Verdict::Moves),
    ] {
        let mut pod = with(|pod| pod.created = NOW - Span::from_secs(age));
        pod.eviction.do_not_disrupt = Some(hour);
        pod.eviction.safe = Some(true);
        assert_eq!(verdict(&pod, false), expected, "after {age} s");
    }
}

#[test]
fn safe_to_evict_overrules_what_comes_after_it() {
    let mut pod = with(|pod| pod.owner = None);
    pod.eviction.local_volumes.insert("cache".into());
    pod.eviction.safe = Some(true);
    assert_eq!(verdict(&pod, false), Verdict::Moves);
    pod.eviction.safe = Some(false);
    assert_eq!(verdict(&pod, false), Verdict::Blocks(Blocker::NotSafeToEvict));
    pod.eviction.safe = Some(true);
    pod.unplannable = Some(Unplannable::Gang);
    assert_eq!(verdict(&pod, false), Verdict::Blocks(Blocker::LeftAlone(Unplannable::Gang)));
}

#[test]
fn below_the_cut_off_nobody_plans_a_place() {
    let of_priority = |priority| with(|pod| Arc::make_mut(&mut pod.shape).priority = priority);
    assert_eq!(verdict(&of_priority(-10), false), Verdict::Moves);
    let mut pod = of_priority(-11);
    assert_eq!(verdict(&pod, false), Verdict::Expendable);
    pod.owner = None;
    assert_eq!(verdict(&pod, false), Verdict::Expendable, "preemption would end it as well");
    pod.eviction.safe = Some(true);
    assert_eq!(verdict(&pod, false), Verdict::Expendable);
    pod.eviction.safe = Some(false);
    assert_eq!(verdict(&pod, false), Verdict::Blocks(Blocker::NotSafeToEvict));
}

#[test]
fn a_system_pod_without_a_budget_keeps_its_node_for_an_hour() {
    for (namespace, covered, age, keeps) in [
        ("kube-system", false, 3599, true),
        ("kube-system", false, 3600, false),
        ("kube-system", true, 0, false),
        ("shop", false, 0, false),
    ] {
        let mut pod = with(|pod| pod.created = NOW - Span::from_secs(age));
        Arc::make_mut(&mut pod.shape).namespace = namespace.into();
        let blocks = matches!(verdict(&pod, covered), Verdict::Blocks(Blocker::System { .. }));
        assert_eq!(blocks, keeps, "{namespace} {covered} {age}");
    }
}

#[test]
fn local_volumes_keep_a_node_until_each_may_be_lost() {
    let names = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect::<BTreeSet<_>>();
    let mut pod = web();
    pod.eviction.local_volumes = names(&["cache", "scratch"]);
    pod.eviction.safe_local_volumes = names(&["cache", "other"]);
    let Verdict::Blocks(why) = verdict(&pod, true) else { panic!("does not block") };
    assert_eq!(
        why.to_string(),
        "would lose its local volumes scratch (cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes allows it)"
    );
    pod.eviction.safe_local_volumes = names(&["cache", "scratch"]);
    assert_eq!(verdict(&pod, false), Verdict::Moves);
}

#[test]
fn a_node_goes_only_where_order_pool_and_annotations_allow_it() {
    let of = |node: &Node, pool: Option<&Pool>| of_node(node, pool, NOW);
    let (mine, mut keeps) = (pool(), pool());
    keeps.scale_down.mode = ScaleDownMode::Never;
    let node = |change: &dyn Fn(&mut Node)| {
        let mut node = node("n", "a");
        change(&mut node);
        node
    };
    assert_eq!(of(&node(&|_| ()), Some(&mine)), None);
    assert_eq!(of(&node(&|node| node.order = None), Some(&mine)), Some(NodeBlocker::NotOurs));
    let gone = node(&|node| node.record = Record::Gone);
    assert_eq!(of(&gone, Some(&mine)), Some(NodeBlocker::NoOrder("order-n".into())));
    assert_eq!(of(&node(&|node| node.record = Record::Deleted), Some(&mine)), None);
    assert_eq!(of(&node(&|_| ()), None), Some(NodeBlocker::NoPool(Some("p".into()))));
    assert_eq!(of(&node(&|_| ()), Some(&keeps)), Some(NodeBlocker::Never("p".into())));
    let disabled = node(&|node| node.scale_down_disabled = true);
    assert_eq!(of(&disabled, Some(&mine)), Some(NodeBlocker::ScaleDownDisabled));
    let protected = |span| {
        move |node: &mut Node| {
            node.created = NOW - Span::from_secs(60);
            node.do_not_disrupt = Some(span);
        }
    };
    let until = NodeBlocker::DoNotDisrupt { until: Some(NOW + Span::from_secs(1)) };
    assert_eq!(of(&node(&protected(Span::from_secs(61))), Some(&mine)), Some(until));
    assert_eq!(of(&node(&protected(Span::from_secs(60))), Some(&mine)), None);
    let forever = NodeBlocker::DoNotDisrupt { until: None };
    assert_eq!(of(&node(&protected(FOREVER)), Some(&mine)), Some(forever));
    let starting = node(&|node| node.readiness = Readiness::Starting);
    assert_eq!(of(&starting, Some(&mine)), Some(NodeBlocker::Starting));
}

#[test]
fn a_node_that_its_provider_takes_away_is_kept_by_no_annotation() {
    let mut keeps = pool();
    keeps.scale_down.mode = ScaleDownMode::Never;
    let mut node = node("n", "a");
    (node.scale_down_disabled, node.do_not_disrupt, node.interrupted) = (true, Some(FOREVER), true);
    assert_eq!(of_node(&node, Some(&keeps), NOW), None);
    node.order = None;
    assert_eq!(of_node(&node, Some(&keeps), NOW), Some(NodeBlocker::NotOurs));
}

#[test]
fn what_keeps_a_pod_or_a_node_for_a_time_says_until_when() {
    let until = Some(NOW);
    for (blocker, ends) in [
        (Blocker::DoNotDisrupt { until }, until),
        (Blocker::DoNotDisrupt { until: None }, None),
        (Blocker::System { until: NOW }, until),
        (Blocker::Bare, None),
    ] {
        assert_eq!(blocker.until(), ends, "{blocker:?}");
    }
    for (blocker, ends) in [
        (NodeBlocker::DoNotDisrupt { until }, until),
        (NodeBlocker::DoNotDisrupt { until: None }, None),
        (NodeBlocker::Starting, None),
    ] {
        assert_eq!(blocker.until(), ends, "{blocker:?}");
    }
}

#[test]
fn whoever_asks_is_told_every_rule_that_keeps_a_node() {
    let mut node = node("n", "a");
    assert_eq!(all_of_node(&node, Some(&pool()), NOW), []);
    (node.scale_down_disabled, node.do_not_disrupt) = (true, Some(FOREVER));
    let all = [NodeBlocker::ScaleDownDisabled, NodeBlocker::DoNotDisrupt { until: None }];
    assert_eq!(all_of_node(&node, Some(&pool()), NOW), all);
}
