use std::collections::BTreeMap;
use std::sync::Arc;

use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::{
    Affinity, DRAINING, Effect, HOSTNAME, Labels, Order, Pod, PodShape, PodState, PodTerm, Policy, Resources,
    Spread, Taint, Toleration, TolerationOperator, WhenUnsatisfiable, ZONE,
};
use crate::nodes::Place;
use crate::nodes::fixtures::{key, labelled, node, offering, pod, pool};
use crate::placement::Change;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn view(changes: impl IntoIterator<Item = Change>) -> View {
    let mut view = View::default();
    changes.into_iter().for_each(|change| view.apply(change));
    view
}

fn planned(changes: impl IntoIterator<Item = Change>) -> NodePlan {
    plan(&view(changes), &Settings::default(), NOW)
}

/// A pod of an app that asks for so much cpu, on a node.
fn running(name: &str, app: &str, cpu: i64, on: &str) -> Pod {
    let mut pod = pod(name, on);
    let shape = Arc::make_mut(&mut pod.shape);
    shape.labels = Labels::from([("app".into(), app.into())]);
    shape.requests = Resources { cpu, pods: 1, ..Resources::default() };
    pod
}

/// As [`running`], but one that waits.
fn waiting(name: &str, app: &str, cpu: i64) -> Pod {
    Pod { state: PodState::Unschedulable { since: NOW }, ..running(name, app, cpu, "") }
}

fn with(mut pod: Pod, change: impl FnOnce(&mut PodShape)) -> Pod {
    change(Arc::make_mut(&mut pod.shape));
    pod
}

/// Only where pods of this app are.
fn beside(topology_key: &str, app: &str) -> Affinity {
    let term = PodTerm {
        selector: Some(labelled("app", app)),
        namespaces: ["shop".into()].into(),
        namespace_selector: None,
        topology_key: topology_key.into(),
    };
    Affinity { pods: vec![term], ..Affinity::default() }
}

/// Evenly with all pods of this app over zones.
fn evenly(app: &str) -> Spread {
    Spread {
        max_skew: 1,
        topology_key: ZONE.into(),
        selector: Some(labelled("app", app)),
        min_domains: None,
        node_affinity: Policy::Honor,
        node_taints: Policy::Ignore,
        when: WhenUnsatisfiable::DoNotSchedule,
    }
}

fn places(plan: &NodePlan) -> BTreeMap<String, Place> {
    plan.placements.iter().map(|of| (of.pod.to_string(), of.place.clone())).collect()
}

#[test]
fn a_node_that_goes_gets_no_more_pods() {
    let taint = Taint { key: DRAINING.into(), value: "".into(), effect: Effect::NoSchedule };
    let tolerates_all =
        Toleration { key: "".into(), operator: TolerationOperator::Exists, value: "".into(), effect: None };
    let web = with(waiting("web", "web", 100), |shape| shape.tolerations = vec![tolerates_all]);
    let here = Place::Node("n".into());
    for (interrupted, drained, place) in
        [(false, false, here), (true, false, Place::New(0, 0)), (false, true, Place::New(0, 0))]
    {
        let mut node = node("n", "a");
        node.interrupted = interrupted;
        node.taints.extend(drained.then(|| taint.clone()));
        let plan = planned([Change::Pool(pool()), Change::Node(node), Change::Pod(web.clone())]);
        assert_eq!(places(&plan), BTreeMap::from([("uid-web".to_owned(), place)]));
    }
}

/// The node on order is filled by the pod that the other waits for.
#[test]
fn a_pod_that_waits_for_one_on_an_ordered_node_takes_room_that_is_there() {
    let order = Order { name: "o".into(), pool: "p".into(), offering: key("m", "b"), missing: 1, asked: NOW };
    let plan = planned([
        Change::Pool(pool()),
        Change::Order(order),
        Change::Node(node("n", "b")),
        Change::Pod(running("old", "old", 3000, "n")),
        Change::Pod(waiting("db", "db", 4000)),
        Change::Pod(with(waiting("web", "web", 500), |shape| shape.affinity = beside(ZONE, "db"))),
    ]);
    let expected = [("uid-db", Place::Order("o".into(), 0)), ("uid-web", Place::Node("n".into()))];
    assert_eq!(places(&plan), expected.map(|(pod, place)| (pod.to_owned(), place)).into());
}

/// Zone c could have nodes and gets none, so that in the end two pods in zone a are no more than one too many.
#[test]
fn what_pods_wait_for_in_a_row_may_come_with_the_last_look() {
    let plan = planned([
        Change::Pool(pool()),
        Change::Node(node("n", "a")),
        Change::Pod(running("anchor", "anchor", 100, "n")),
        Change::Pod(running("old", "web", 100, "n")),
        Change::Node(node("full", "b")),
        Change::Pod(running("large", "large", 4000, "full")),
        Change::Pod(with(waiting("web-b", "web", 100), |shape| {
            shape.node_selector = Labels::from([(ZONE.into(), "b".into())]);
        })),
        Change::Pod(with(waiting("web-a", "web", 100), |shape| {
            shape.labels.insert("first".into(), "yes".into());
            shape.affinity = beside(HOSTNAME, "anchor");
            shape.spread = vec![evenly("web")];
        })),
        // The larger pods are served first, and each waits for the one before it.
        Change::Pod(with(waiting("second", "second", 200), |shape| {
            shape.affinity = beside(HOSTNAME, "web");
            shape.affinity.pods[0].selector = Some(labelled("first", "yes"));
        })),
        Change::Pod(with(waiting("third", "third", 300), |shape| {
            shape.affinity = beside(HOSTNAME, "second");
        })),
    ]);
    let expected = [
        ("uid-second", Place::Node("n".into())),
        ("uid-third", Place::Node("n".into())),
        ("uid-web-a", Place::Node("n".into())),
        ("uid-web-b", Place::New(0, 0)),
    ];
    assert_eq!(places(&plan), expected.map(|(pod, place)| (pod.to_owned(), place)).into());
}

/// The large node and a small one are all that the limit allows. The small one takes nobody, since all want to be on one
/// node; without it the large one may become huge.
#[test]
fn a_node_that_turns_out_not_to_be_needed_leaves_its_share_of_a_limit_to_others() {
    let mut pool = pool();
    pool.offerings = vec![
        offering("small", "a", 3, 320_000),
        offering("large", "a", 6, 617_000),
        offering("huge", "a", 8, 845_000),
    ];
    pool.limits.resources.insert("cpu".into(), 9000);
    let pods = (0..5).map(|index| {
        Change::Pod(with(waiting(&format!("web-{index}"), "web", 100), |shape| {
            shape.requests.memory = 6 << 30;
            shape.affinity = beside(HOSTNAME, "web");
        }))
    });
    let plan = planned([Change::Pool(pool)].into_iter().chain(pods));
    let added: Vec<_> = plan.add.iter().map(|of| (&*of.offering.instance_type, of.count, of.pods)).collect();
    assert_eq!(added, [("huge", 1, 5)]);
}
