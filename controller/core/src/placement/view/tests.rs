use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::{Effect, HOSTNAME, OwnerKind, PodTerm, Selector, Taint, Unplannable, ZONE};
use crate::nodes::fixtures::{evenly, labelled, node, of_app, owner, pod, pool, term};
use crate::placement::{Refusal, fits};
use crate::time::Timestamp;

fn labels(key: &str, value: &str) -> Labels {
    Labels::from([(key.into(), value.into())])
}

/// Node n of zone a and node m of zone b, with pods, which are counted.
fn counted(pods: &[Pod]) -> View {
    let mut view = View::default();
    for (name, zone) in [("n", "a"), ("m", "b")] {
        view.apply(Change::Node(node(name, zone)));
    }
    for pod in pods {
        view.apply(Change::Pod(pod.clone()));
    }
    view.packing();
    view
}

fn on(node: &str, ready: bool) -> PodState {
    PodState::Bound { node: node.into(), ready }
}

/// What is free, who waits, who is left alone, how many pods are counted, and how many in the emptiest zone.
fn told(view: &View) -> String {
    let dense = view.dense();
    let free: Vec<_> =
        dense.nodes().map(|(name, at)| (name, dense.packing.nodes[at as usize].free.base)).collect();
    let mut waiting: Vec<_> = dense
        .waiting
        .iter()
        .map(|((_, daemons), pods)| (*daemons, pods.keys().collect::<Vec<_>>()))
        .collect();
    waiting.sort();
    let alone: Vec<_> = dense.left_alone.keys().collect();
    let tallies = dense.packing.tallies.iter().map(|tally| (tally.total(), tally.least(1), tally.least(2)));
    let mut tallies: Vec<_> = tallies.collect();
    tallies.retain(|counts| *counts != (0, 0, 0));
    tallies.sort_unstable();
    format!("{free:?} {waiting:?} {alone:?} {tallies:?}")
}

#[test]
fn what_changes_of_a_pod_is_counted() {
    let web = |state| of_app("web", "web", state);
    let mut large = web(on("n", true));
    Arc::make_mut(&mut large.shape).requests.cpu = 700;
    let mut spread = of_app("spread", "spread", PodState::Pending);
    Arc::make_mut(&mut spread.shape).spread = vec![evenly(ZONE, "web")];
    let leaves = PodState::Terminating { node: "n".into(), until: Timestamp::default() };
    let gang = Pod { unplannable: Some(Unplannable::Gang), ..web(PodState::Pending) };
    let agent = Pod { owner: Some(owner(OwnerKind::DaemonSet, "agent")), ..web(PodState::Pending) };
    let waits = web(PodState::Pending);
    for (before, after, what) in [
        (web(on("n", true)), large, "what it asks for"),
        (web(on("n", true)), web(on("m", true)), "its node"),
        (web(on("n", true)), web(leaves), "it is being deleted"),
        (web(on("n", true)), web(on("n", false)), "whether it is ready, which counts for nothing"),
        (web(on("n", true)), waits.clone(), "it waits again"),
        (waits.clone(), web(on("n", true)), "it has a node"),
        (waits.clone(), web(on("gone", true)), "it has a node that is not seen yet"),
        (waits.clone(), gang.clone(), "it is to be left alone"),
        (gang, waits.clone(), "it is not to be left alone any more"),
        (waits, agent, "whose it is"),
    ] {
        let mut followed = counted(&[spread.clone(), before]);
        followed.apply(Change::Pod(after.clone()));
        assert_eq!(told(&followed), told(&counted(&[spread.clone(), after.clone()])), "{what}");
        followed.apply(Change::PodGone(after.uid));
        assert_eq!(told(&followed), told(&counted(std::slice::from_ref(&spread))), "{what}, and it is gone");
    }
}

/// The same, counted anew.
fn anew(view: &View) -> View {
    View { dense: OnceLock::new(), ..view.clone() }
}

#[test]
fn a_node_that_changes_comes_or_goes_is_counted_with_its_pods() {
    let mut spread = of_app("spread", "spread", PodState::Pending);
    Arc::make_mut(&mut spread.shape).spread = vec![evenly(ZONE, "web")];
    let mut view = counted(&[of_app("web", "web", on("n", true)), spread]);
    let mut large = node("n", "a");
    large.allocatable.cpu = 9000;
    for (change, what) in [
        (Change::Node(large), "larger"),
        (Change::NodeGone("n".into()), "gone with its pod"),
        (Change::NodeGone("n".into()), "gone already"),
        (Change::Node(node("n", "a")), "back"),
        (Change::NodeGone("m".into()), "an empty one is gone"),
        (Change::Node(node("m", "c")), "in another zone"),
        (Change::Node(node("m", "c")), "as before"),
        (Change::Node(node("o", "d")), "new"),
    ] {
        view.apply(change);
        assert_eq!(told(&view), told(&anew(&view)), "{what}");
    }
}

/// Beside pods of db in namespaces that a selector selects.
fn beside_db(namespaces: Selector) -> Pod {
    let mut guest = of_app("guest", "guest", PodState::Pending);
    let term =
        PodTerm { namespaces: [].into(), namespace_selector: Some(namespaces), ..term(HOSTNAME, "db") };
    let shape = Arc::make_mut(&mut guest.shape);
    shape.namespace = "visitors".into();
    shape.affinity.pods = vec![term];
    guest
}

#[test]
fn labels_of_namespaces_count_as_they_are() {
    let guest = beside_db(labelled("team", "sales"));
    let mut view = counted(&[of_app("db", "db", on("n", true)), guest.clone()]);
    let alone = Err(Refusal::PodAffinity(HOSTNAME.into()));
    assert_eq!(fits(&view, &guest, "n"), alone, "nothing is known of the namespace");
    for (change, fit, what) in [
        (Change::Namespace("shop".into(), labels("team", "sales")), Ok(()), "its labels are known"),
        (Change::Namespace("shop".into(), labels("team", "sales")), Ok(()), "they are the same"),
        (Change::Namespace("shop".into(), labels("team", "it")), alone.clone(), "they are others"),
        (Change::Namespace("shop".into(), labels("team", "sales")), Ok(()), "they are the first again"),
        (Change::NamespaceGone("shop".into()), alone, "it is gone"),
    ] {
        view.apply(change);
        assert_eq!(fits(&view, &guest, "n"), fit, "{what}");
    }
}

#[test]
fn labels_of_namespaces_are_known_before_a_pod_looks_at_them() {
    let mut reader = of_app("reader", "reader", PodState::Pending);
    Arc::make_mut(&mut reader.shape).affinity.pods = vec![term(HOSTNAME, "db")];
    let mut view = counted(&[of_app("db", "db", on("n", true)), reader]);
    view.apply(Change::Namespace("shop".into(), labels("team", "sales")));
    for (namespaces, fit) in
        [(labelled("team", "sales"), true), (labelled("team", "it"), false), (Selector::default(), true)]
    {
        let guest = beside_db(namespaces);
        view.apply(Change::Pod(guest.clone()));
        assert_eq!(fits(&view, &guest, "n").is_ok(), fit, "{:?}", guest.shape.affinity);
    }
}

#[test]
fn startup_taints_of_a_pool_count_as_they_are() {
    let taint = Taint { key: "example.com/agent".into(), value: "".into(), effect: Effect::NoSchedule };
    let mut with_taint = pool();
    with_taint.template.startup_taints = vec![taint.clone()];
    let mut view = View::default();
    view.apply(Change::Node(Node { taints: vec![taint], ..node("n", "a") }));
    let mut takes = |change: Change| {
        view.apply(change);
        let (dense, mut packing) = (view.dense(), view.packing());
        let class = dense.seeking_in(&mut packing, &pod("web", "none").shape);
        packing.refusal(class, dense.node("n").unwrap()).is_none()
    };
    assert!(!takes(Change::Pool(pool())), "the taint may stay");
    assert!(takes(Change::Pool(with_taint.clone())), "it will go");
    assert!(takes(Change::Pool(with_taint)));
    assert!(!takes(Change::PoolGone("p".into())), "nobody says that it will go");
}

#[test]
fn an_announcement_of_none_ends_what_was_announced() {
    let announced = |count| {
        let shape = pod("web", "none").shape;
        Change::Announced(Announced { key: "web".into(), name: "web".into(), shape, count })
    };
    let mut view = View::default();
    for (count, is_there) in [(2, true), (3, true), (0, false)] {
        view.apply(announced(count));
        assert_eq!(view.announced().any(|of| of.count == count), is_there, "{count}");
    }
    assert_eq!(view.announced().count(), 0);
}
