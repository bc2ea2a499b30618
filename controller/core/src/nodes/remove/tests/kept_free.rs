//! Room that is kept free.

use super::*;
use crate::cluster::{Buffer, Effect, NodeTerm, PodShape, Taint};
use crate::nodes::fixtures::labelled;

/// Room for so many pods that are like this and of app `spare`.
fn with_spare(mut world: World, count: u32, cpu: i64, change: impl FnOnce(&mut PodShape)) -> World {
    let mut shape = PodShape {
        namespace: "shop".into(),
        labels: [("app".into(), "spare".into())].into(),
        requests: Resources { cpu, pods: 1, ..Resources::default() },
        ..PodShape::default()
    };
    change(&mut shape);
    world.view.apply(Change::Buffer(Buffer { key: "shop/spare".into(), shape: shape.into(), count }));
    world
}

/// Not beside pods of an app on the same host.
fn apart_from(app: &'static str) -> impl Fn(&mut PodShape) {
    move |shape| shape.affinity.anti_pods = vec![term(HOSTNAME, app)]
}

fn of_app(app: &'static str) -> impl Fn(&mut Pod) {
    move |pod| drop(Arc::make_mut(&mut pod.shape).labels.insert("app".into(), app.into()))
}

const NOT_MOVED: &str = "buffer shop/spare keeps room free on it, which is not moved";

#[test]
fn headroom_keeps_nodes() {
    let spare = |count| {
        move |pool: &mut Pool| {
            pool.headroom.push(crate::cluster::Headroom {
                name: "burst".into(),
                size: crate::cluster::HeadroomSize::Pods {
                    count,
                    requests: Resources { cpu: 1000, ..Resources::default() },
                },
                schedule: None,
                time_zone: None,
                duration: Span::ZERO,
            });
        }
    };
    let world = |count| World::new().pool(spare(count)).node("n1", "a", &[]).node("n2", "b", &[2000]);
    assert_eq!(world(2).goes(), ["n1"]);
    assert!(world(3).goes().is_empty());
    assert_eq!(
        world(3).stays("n1"),
        "headroom burst of pool p keeps room free on it, and has none elsewhere: 1 nodes lack cpu"
    );
}

#[test]
fn room_that_is_kept_free_moves_as_a_pod_does() {
    let world = |free: i64| {
        let world = World::new().node("n1", "a", &[2500]).node_as("n2", "b", &[4000 - free], kept);
        with_spare(world, 1, 1000, |_| ())
    };
    assert_eq!(world(3500).goes(), ["n1"]);
    assert_eq!(
        world(3499).stays("n1"),
        "buffer shop/spare keeps room free on it, and has none elsewhere: 1 nodes lack cpu"
    );
}

/// What one plan keeps the other does not take away.
#[test]
fn room_is_kept_free_where_the_plan_for_new_nodes_has_found_it() {
    let world =
        World::new().node_as("n1", "a", &[2400], kept).node("n2", "b", &[3000]).node("n3", "c", &[800, 800]);
    assert_eq!(with_spare(world, 1, 1000, |_| ()).goes(), ["n3"], "it is on the fullest, which is n2");
}

/// It was ordered for the room, and loses the taint a moment after it has become ready.
#[test]
fn room_is_kept_free_on_a_node_that_takes_no_pods_yet() {
    let starts = |key: &'static str| {
        move |node: &mut Node| {
            node.taints.push(Taint { key: key.into(), value: "".into(), effect: Effect::NoSchedule });
        }
    };
    let world = |key| with_spare(World::new().node_as("n1", "a", &[], starts(key)), 1, 1000, |_| ());
    assert!(world("node.kubernetes.io/not-ready").goes().is_empty());
    assert_eq!(world("example.com/broken").goes(), ["n1"], "nobody says that it loses this one");
}

#[test]
fn room_of_several_pods_is_kept_for_each() {
    let world =
        |count| with_spare(World::new().node("n1", "a", &[]).node("n2", "b", &[2000]), count, 1000, |_| ());
    assert_eq!(world(2).goes(), ["n1"]);
    assert!(world(3).goes().is_empty());
}

#[test]
fn room_keeps_to_the_nodes_that_it_asks_for() {
    let in_zone_a = |shape: &mut PodShape| {
        let labels = labelled(ZONE, "a").0;
        shape.affinity.nodes = Some(vec![NodeTerm { labels, ..NodeTerm::default() }]);
    };
    let world = World::new().node("n1", "a", &[2500]).node_as("n2", "b", &[], kept);
    assert_eq!(
        with_spare(world, 1, 1000, in_zone_a).stays("n1"),
        "buffer shop/spare keeps room free on it, and has none elsewhere: 1 nodes do not match the node \
         selector or node affinity"
    );
}

#[test]
fn room_whose_place_depends_on_other_pods_keeps_its_node() {
    let world = || World::new().node("n1", "a", &[2500]).node_as("n2", "b", &[], kept);
    assert_eq!(world().goes(), ["n1"]);
    assert_eq!(with_spare(world(), 1, 1000, apart_from("db")).stays("n1"), NOT_MOVED);
    let keeps_off = |pod: &mut Pod| apart_from("spare")(Arc::make_mut(&mut pod.shape));
    let kept_off = world().pod_as("n2", "web", 100, keeps_off);
    assert_eq!(with_spare(kept_off, 1, 1000, |_| ()).stays("n1"), NOT_MOVED);
}

#[test]
fn a_node_that_stays_for_another_reason_is_told_that_one() {
    let world = World::new().node_as("n1", "a", &[2500], kept).node("n2", "b", &[]);
    let mut world = with_spare(world, 1, 1000, apart_from("db"));
    assert_eq!(world.stays("n1"), "it has cluster-autoscaler.kubernetes.io/scale-down-disabled");
}

#[test]
fn room_that_is_not_moved_is_not_given_to_others() {
    let world = World::new().node("n1", "a", &[2500]).node("n2", "b", &[600]);
    assert_eq!(
        with_spare(world, 1, 1000, apart_from("db")).stays("n2"),
        "pod shop/n2-0 fits nowhere else: 1 nodes lack cpu"
    );
}

#[test]
fn room_that_is_kept_free_keeps_no_real_pod_away() {
    let apart = |app| move |pod: &mut Pod| apart_from(app)(Arc::make_mut(&mut pod.shape));
    let beside = |change: &dyn Fn(&mut Pod)| {
        World::new()
            .node("n1", "a", &[2500])
            .pod_as("n1", "reads-apps", 100, apart("nobody"))
            .node("n2", "b", &[])
            .pod_as("n2", "x", 400, change)
    };
    assert_eq!(with_spare(beside(&of_app("db")), 1, 1000, apart_from("db")).goes(), ["n2"]);
    assert_eq!(with_spare(beside(&apart("spare")), 1, 1000, |_| ()).goes(), ["n2"]);
}
