//! Where pods may move: room, promises to others, and rules about other pods.

use super::*;
use crate::cluster::{Effect, Taint};
use crate::nodes::Place;

fn moves(plan: &RemovalPlan) -> Vec<(&str, Place)> {
    plan.remove.iter().flat_map(|one| &one.moves).map(|one| (&*one.pod, one.to.clone())).collect()
}

fn on(node: &str) -> Place {
    Place::Node(node.into())
}

#[test]
fn pods_are_not_moved_to_nodes_that_go_as_well() {
    let mut world = World::new()
        .node("n1", "a", &[400])
        .node("n2", "a", &[400])
        .node("n3", "b", &[400])
        .node("n4", "c", &[2900]);
    let plan = world.plan();
    let gone: Vec<&str> = plan.remove.iter().map(|removal| &*removal.node).collect();
    assert_eq!(gone.len(), 2, "two fit on n4, the third has only itself: {gone:?}");
    for moved in plan.remove.iter().flat_map(|removal| &removal.moves) {
        assert_eq!(moved.to, crate::nodes::Place::Node("n4".into()));
    }
}

#[test]
fn pods_that_were_moved_are_moved_on_when_their_node_goes_too() {
    // Whoever takes first, in the end one node has all.
    let mut world = World::new();
    for (index, zone) in ["a", "b", "c", "a", "b", "c"].into_iter().enumerate() {
        world = world.node(&format!("n{index}"), zone, &[300]);
    }
    let plan = world.plan();
    assert_eq!(plan.remove.len(), 5);
    let to: std::collections::BTreeSet<_> = plan
        .remove
        .iter()
        .flat_map(|removal| removal.moves.iter().map(|moved| format!("{:?}", moved.to)))
        .collect();
    assert_eq!(to.len(), 1, "{to:?}");
}

#[test]
fn room_that_was_promised_is_not_given_to_others() {
    let world = || World::new().node("n1", "a", &[400]).node("n2", "b", &[3000]);
    assert_eq!(world().pod_as("", "new", 600, waits).goes(), ["n1"]);
    assert_eq!(
        world().pod_as("", "new", 601, waits).stays("n1"),
        "pod shop/n1-0 fits nowhere else: 1 nodes lack cpu"
    );
}

#[test]
fn pods_do_not_move_to_a_node_with_a_startup_taint() {
    for (key, takes) in
        [("example.com/agent", false), ("node.cloudprovider.kubernetes.io/uninitialized", false), ("", true)]
    {
        let taint = |key: &str| Taint { key: key.into(), value: "".into(), effect: Effect::NoSchedule };
        let mut world = World::new()
            .pool(|pool| pool.template.startup_taints = vec![taint("example.com/agent")])
            .node("n1", "a", &[400])
            .node_as("n2", "b", &[3000], |node| {
                kept(node);
                node.taints.extend((!key.is_empty()).then(|| taint(key)));
            });
        let goes: &[&str] = if takes { &["n1"] } else { &[] };
        assert_eq!(world.goes(), goes, "{key}");
    }
}

#[test]
fn pods_do_not_move_to_a_node_that_has_not_reported_its_devices() {
    let gpu = || BTreeMap::from([(Name::from("example.com/gpu"), 1)]);
    for reports in [true, false] {
        let mut world = World::new()
            .pool(|pool| pool.offerings.iter_mut().for_each(|of| of.allocatable.extended = gpu()))
            .node_as("n1", "a", &[], |node| node.allocatable.extended = gpu())
            .pod_as("n1", "model", 400, |pod| Arc::make_mut(&mut pod.shape).requests.extended = gpu())
            .node_as("n2", "b", &[3000], |node| {
                kept(node);
                node.created = NOW - Span::from_secs(60);
                if reports {
                    node.allocatable.extended = gpu();
                }
            });
        assert_eq!(world.goes().is_empty(), !reports);
    }
}

/// Nodes first that have room for the largest pod: so few have to take what a node had.
#[test]
fn the_pods_of_a_node_go_where_its_largest_has_room_as_far_as_they_fit_there() {
    let world = |free: i64| {
        World::new().node("n1", "a", &[1500, 400]).node("n2", "b", &[4000 - free]).node("n3", "c", &[3500])
    };
    let (large, small) = ("uid-n1-0", "uid-n1-1");
    assert_eq!(moves(&world(1900).plan()), [(large, on("n2")), (small, on("n2"))]);
    assert_eq!(moves(&world(1500).plan()), [(large, on("n2")), (small, on("n3"))]);
}

#[test]
fn nodes_that_are_coming_count_where_pods_are_spread() {
    let uneven = "pod shop/n0-0 fits nowhere else: 1 nodes would spread the pods unevenly over \
                  kubernetes.io/hostname";
    let world = || World::of_apps(&[("a", &[("db", 500)]), ("b", &[("db", 500), ("job", 2000)])]);
    assert_eq!(world().goes(), ["n0"]);
    let mut ordered = world();
    ordered.view.apply(coming("c", 1));
    assert_eq!(ordered.stays("n0"), uneven);
    assert_eq!(world().pod_as("", "large", 3900, waits).stays("n0"), uneven);
}

/// `n0` may go now, `n1` only later: until then it is there.
#[test]
fn a_node_that_may_not_go_yet_counts_where_pods_are_spread() {
    let waited = |mut world: World| {
        world.pool.scale_down.unneeded_for = Span::from_secs(600);
        world.memory.unneeded.insert("uid-n0".into(), NOW - Span::from_secs(600));
        world
    };
    let (db, job) = (("db", 500), ("job", 2000));
    let mut without = waited(World::of_apps(&[("a", &[db]), ("b", &[]), ("c", &[db, job])]));
    assert_eq!(
        without.stays("n0"),
        "pod shop/n0-0 fits nowhere else: 1 nodes would spread the pods unevenly over kubernetes.io/hostname"
    );
    let mut with = waited(World::of_apps(&[("a", &[db]), ("b", &[db]), ("c", &[db, job])]));
    assert_eq!(with.goes(), ["n0"], "each of the others has one");
}

fn log(pod: &mut Pod) {
    Arc::make_mut(&mut pod.shape).labels.insert("app".into(), "log".into());
}

/// Of app `log`, evenly over zones.
fn even_log(pod: &mut Pod) {
    log(pod);
    Arc::make_mut(&mut pod.shape).spread = vec![evenly(ZONE, "log")];
}

/// Its place depends on others, of which there are none.
fn apart(pod: &mut Pod) {
    Arc::make_mut(&mut pod.shape).affinity.anti_pods = vec![term(HOSTNAME, "nobody")];
}

fn waiting_log(pod: &mut Pod) {
    even_log(pod);
    waits(pod);
}

/// As in a rollout that has just made an app spread: pods of before are counted, and not held by that rule themselves.
#[test]
fn nodes_with_pods_that_depend_on_others_stay_where_a_promise_would_be_broken() {
    let world = || {
        World::new()
            .pool(|pool| pool.offerings.clear())
            .node_as("n0", "a", &[], |node| node.allocatable.cpu = 400)
            .pod_as("n0", "old", 100, |pod| {
                log(pod);
                apart(pod);
            })
            .node_as("n1", "a", &[4000], kept)
            .node_as("n2", "b", &[1000], kept)
            .pod_as("n2", "one", 500, even_log)
            .node("n3", "b", &[])
            .pod_as("n3", "large", 3600, apart)
            .node_as("n4", "b", &[], interrupted)
            .pod_as("n4", "taken", 450, apart)
    };
    assert_eq!(world().goes(), ["n4", "n0"]);
    let mut promised = world().pod_as("", "new", 500, waiting_log);
    assert_eq!(promised.goes(), ["n4"]);
    let why = promised.stays("n0");
    assert!(why.starts_with("where pod shop/old may be depends on pods that would move as well"), "{why}");
    assert_eq!(promised.stays("n3"), "pod shop/large fits nowhere else: 3 nodes lack cpu");
}

/// The node that comes to zone `c` makes a domain that was not there when `new` was promised its place.
#[test]
fn a_promise_that_is_broken_anyway_keeps_no_node() {
    let mut world = World::new()
        .node_as("n1", "b", &[1000], kept)
        .pod_as("n1", "one", 500, even_log)
        .pod_as("n1", "two", 500, even_log)
        .pod_as("", "new", 500, waiting_log)
        .node("n2", "b", &[])
        .pod_as("n2", "x", 400, apart);
    world.view.apply(coming("c", 1));
    assert_eq!(world.goes(), ["n2"]);
}
