use std::sync::Arc;

use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::{
    HOSTNAME, HostPort, Name, Node, NodeTerm, Operator, Pod, PodShape, PodState, Preferred, Requirement,
    Selector, Spread, VolumeNeed, WhenUnsatisfiable, ZONE,
};
use crate::nodes::fixtures::{evenly, node, of_app, term};
use crate::placement::{Change, View};

/// A pod of an app that asks for a core.
fn of(name: &str, app: &str, state: PodState) -> Pod {
    let mut pod = of_app(name, app, state);
    Arc::make_mut(&mut pod.shape).requests.cpu = 1000;
    pod
}

/// Nodes of four cores, a1 and a2 of zone a, b1 of zone b, and c1 of zone c if something runs there, with pods of apps with a
/// core each that run: on which, and what is special about them.
struct Stage<'a> {
    running: &'a [(&'a str, &'a str)],
    like: &'a dyn Fn(&mut PodShape),
    /// A pod of another app that looks for room besides.
    beside: Option<&'a dyn Fn(&mut PodShape)>,
    /// Whether that is gone again.
    gone: bool,
}

const EMPTY: Stage<'_> = Stage { running: &[], like: &|_| {}, beside: None, gone: false };

impl Stage<'_> {
    /// Where pods of web go one after the other, of `count` of a shape, on nodes in this order, and how many are left.
    fn place(&self, count: u32, on: &str, shape: impl FnOnce(&mut PodShape)) -> String {
        let mut view = View::default();
        let far = self.running.iter().any(|(on, _)| *on == "c1").then_some(("c1", "c"));
        for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")].into_iter().chain(far) {
            let attach_limits = [("csi".into(), 2)].into();
            view.apply(Change::Node(Node { attach_limits, ..node(name, zone) }));
        }
        for (number, (on, app)) in self.running.iter().enumerate() {
            let state = PodState::Bound { node: (*on).into(), ready: true };
            let mut pod = of(&format!("runs-{number}"), app, state);
            (self.like)(Arc::make_mut(&mut pod.shape));
            view.apply(Change::Pod(pod));
        }
        let mut web = of("web", "web", PodState::Pending);
        shape(Arc::make_mut(&mut web.shape));
        let other = self.beside.map(|shape| {
            let mut other = of("other", "other", PodState::Pending);
            shape(Arc::make_mut(&mut other.shape));
            other
        });
        [web.clone()].into_iter().chain(other.clone()).for_each(|pod| view.apply(Change::Pod(pod)));
        view.packing();
        if self.gone {
            view.apply(Change::PodGone("uid-other".into()));
        }
        let (dense, mut packing) = (view.dense(), view.packing());
        let class = dense.seeking_in(&mut packing, &web.shape);
        let other = other.map(|other| dense.seeking_in(&mut packing, &other.shape));
        packing.watch([class].into_iter().chain(other.filter(|_| !self.gone)));
        let on: Vec<NodeIx> = on.split(' ').map(|name| dense.node(name).unwrap()).collect();
        let mut placed = Placed::new();
        let left = packing.place(class, count, &on, &mut placed);
        let name = |node: NodeIx| packing.nodes[node as usize].facts.name.clone();
        let steps: Vec<String> =
            placed.iter().map(|(node, pods)| format!("{}:{pods}", name(*node))).collect();
        format!("{} left {left}", steps.join(" "))
    }
}

#[test]
fn nodes_are_filled_in_the_order_in_which_they_are_named() {
    let half = Stage { running: &[("a1", "db"), ("a1", "db")], ..EMPTY };
    assert_eq!(half.place(5, "b1 a1 a2", |_| {}), "b1:4 a1:1 left 0");
    assert_eq!(half.place(5, "a1 a2 b1", |_| {}), "a1:2 a2:3 left 0");
    assert_eq!(half.place(12, "a1 b1 a2", |_| {}), "a1:2 b1:4 a2:4 left 2");
    assert_eq!(half.place(5, "b1", |_| {}), "b1:4 left 1");
}

#[test]
fn nodes_that_are_liked_come_first() {
    let likes = |value: &str, weight: i32| {
        let operator = Operator::In([Name::from(value)].into());
        let labels = vec![Requirement { key: ZONE.into(), operator }];
        Preferred { weight, term: NodeTerm { labels, fields: Vec::new() } }
    };
    let b_then_a = |of: &mut PodShape| of.affinity.preferred_nodes = vec![likes("a", 1), likes("b", 2)];
    assert_eq!(EMPTY.place(6, "a2 b1 a1", b_then_a), "b1:4 a2:2 left 0");
    assert_eq!(
        EMPTY.place(6, "a2 b1 a1", |of| of.affinity.preferred_nodes = vec![likes("a", 1)]),
        "a2:4 a1:2 left 0"
    );
}

fn anyway(key: &str, app: &str) -> Spread {
    Spread { when: WhenUnsatisfiable::ScheduleAnyway, ..evenly(key, app) }
}

#[test]
fn the_zone_with_the_fewest_pods_that_a_spread_counts_is_next() {
    let zones = |of: &mut PodShape| of.spread = vec![evenly(ZONE, "web")];
    assert_eq!(EMPTY.place(3, "a1 a2 b1", zones), "a1:1 b1:1 a1:1 left 0");
    assert_eq!(EMPTY.place(3, "b1 a1 a2", zones), "b1:1 a1:1 b1:1 left 0");
    let one = Stage { running: &[("a1", "web")], ..EMPTY };
    assert_eq!(one.place(3, "a1 a2 b1", zones), "b1:1 a1:1 b1:1 left 0");
    assert_eq!(one.place(3, "a1 a2", zones), " left 3", "zone b has none");
    let soft = |of: &mut PodShape| of.spread = vec![anyway(ZONE, "web")];
    assert_eq!(one.place(4, "a1 a2 b1", soft), "b1:1 a1:1 b1:1 a1:1 left 0");
    assert_eq!(one.place(5, "a1 a2", soft), "a1:3 a2:2 left 0");
}

#[test]
fn a_full_zone_holds_up_a_spread_that_constrains() {
    let full = Stage { running: &[("b1", "db"), ("b1", "db"), ("b1", "db")], ..EMPTY };
    let zones = |of: &mut PodShape| of.spread = vec![evenly(ZONE, "web")];
    assert_eq!(full.place(9, "a1 a2 b1", zones), "a1:1 b1:1 a1:1 left 6");
    let two = |of: &mut PodShape| of.spread = vec![Spread { max_skew: 3, ..evenly(ZONE, "web") }];
    assert_eq!(full.place(9, "a1 a2 b1", two), "a1:1 b1:1 a1:3 left 4");
}

#[test]
fn zones_stay_even_for_others_who_will_count_its_pods() {
    let counts = |of: &mut PodShape| of.spread = vec![evenly(ZONE, "web")];
    let beside = Stage { running: &[("a1", "web")], beside: Some(&counts), ..EMPTY };
    assert_eq!(beside.place(3, "a1 a2 b1", |_| {}), "b1:1 a1:1 b1:1 left 0");
    assert_eq!(beside.place(6, "a1 a2", |_| {}), "a1:3 a2:3 left 0", "it keeps nobody off");
    assert_eq!(
        Stage { gone: true, ..beside }.place(3, "a1 a2 b1", |_| {}),
        "a1:3 left 0",
        "that pod is gone"
    );
    let does_not = |of: &mut PodShape| of.spread = vec![evenly(ZONE, "db")];
    let beside = Stage { beside: Some(&does_not), ..beside };
    assert_eq!(beside.place(3, "a1 a2 b1", |_| {}), "a1:3 left 0");
}

#[test]
fn hosts_are_filled_as_far_as_a_spread_over_them_allows() {
    let hosts = |of: &mut PodShape| of.spread = vec![evenly(HOSTNAME, "web")];
    assert_eq!(EMPTY.place(5, "a1 a2 b1", hosts), "a1:1 a2:1 b1:2 a1:1 left 0");
    assert_eq!(EMPTY.place(5, "a1 a2", hosts), "a1:1 a2:1 left 3");
    let both = |of: &mut PodShape| of.spread = vec![evenly(ZONE, "web"), evenly(HOSTNAME, "web")];
    assert_eq!(EMPTY.place(6, "a1 a2 b1", both), "a1:1 b1:1 a2:1 b1:1 a2:1 left 1");
}

/// Zone a has a pod of web and may have one more only after zone b has got one.
#[test]
fn a_zone_that_was_held_up_is_next_as_soon_as_another_has_grown() {
    let either = |of: &mut PodShape| {
        let mut spread = evenly(ZONE, "web");
        let both = Operator::In(["web", "db"].map(Name::from).into());
        spread.selector = Some(Selector(vec![Requirement { key: "app".into(), operator: both }]));
        of.spread = vec![spread];
    };
    let uneven =
        Stage { running: &[("a1", "web"), ("b1", "db"), ("b1", "db")], beside: Some(&either), ..EMPTY };
    let zones = |of: &mut PodShape| of.spread = vec![evenly(ZONE, "web")];
    assert_eq!(uneven.place(2, "a1 a2 b1", zones), "b1:1 a1:1 left 0");
}

#[test]
fn nodes_of_a_domain_that_matters_are_filled_one_after_the_other() {
    let foe = |of: &mut PodShape| of.affinity.anti_pods = vec![term(ZONE, "web")];
    let with_foe = Stage { running: &[("c1", "db")], like: &foe, ..EMPTY };
    assert_eq!(with_foe.place(9, "a2 b1 a1 c1", |_| {}), "a2:4 a1:4 b1:1 left 0", "a foe runs in zone c");
    let waits = Stage { beside: Some(&foe), ..EMPTY };
    assert_eq!(waits.place(9, "a2 b1 a1", |_| {}), "a2:4 a1:4 b1:1 left 0", "one that will keep it off");
    assert_eq!(
        Stage { gone: true, ..waits }.place(9, "a2 b1 a1", |_| {}),
        "a2:4 b1:4 a1:1 left 0",
        "it is gone"
    );
}

#[test]
fn pods_that_keep_apart_get_a_domain_each() {
    let apart = |key: &'static str, app: &'static str| {
        move |of: &mut PodShape| of.affinity.anti_pods = vec![term(key, app)]
    };
    assert_eq!(EMPTY.place(5, "a1 a2 b1", apart(HOSTNAME, "web")), "a1:1 a2:1 b1:1 left 2");
    assert_eq!(EMPTY.place(5, "a1 a2 b1", apart(ZONE, "web")), "a1:1 b1:1 left 3");
    let db = Stage { running: &[("a1", "db")], ..EMPTY };
    assert_eq!(db.place(9, "a1 a2 b1", apart(HOSTNAME, "db")), "a2:4 b1:4 left 1");
    assert_eq!(db.place(9, "a1 a2 b1", apart(ZONE, "db")), "b1:4 left 5");
    assert_eq!(
        Stage { like: &apart(HOSTNAME, "web"), ..db }.place(9, "a1 a2 b1", |_| {}),
        "a2:4 b1:4 left 1"
    );
    assert_eq!(Stage { like: &apart(ZONE, "web"), ..db }.place(9, "a1 a2 b1", |_| {}), "b1:4 left 5");
}

#[test]
fn pods_that_want_company_stay_in_one_domain() {
    let together = |key: &'static str, app: &'static str| {
        move |of: &mut PodShape| of.affinity.pods = vec![term(key, app)]
    };
    assert_eq!(EMPTY.place(9, "a1 b1 a2", together(ZONE, "web")), "a1:4 a2:4 left 1");
    assert_eq!(EMPTY.place(9, "a1 b1 a2", together(HOSTNAME, "web")), "a1:4 left 5");
    let db = Stage { running: &[("b1", "db")], ..EMPTY };
    assert_eq!(db.place(9, "a1 b1 a2", together(ZONE, "db")), "b1:3 left 6");
    assert_eq!(EMPTY.place(9, "a1 b1 a2", together(ZONE, "db")), " left 9");
}

#[test]
fn hosts_and_zones_that_are_liked_for_their_pods_come_first() {
    let near = |key: &'static str| {
        move |of: &mut PodShape| {
            of.affinity.preferred_pods = vec![Preferred { weight: 1, term: term(key, "db") }];
        }
    };
    let far = |key: &'static str| {
        move |of: &mut PodShape| {
            of.affinity.preferred_anti_pods = vec![Preferred { weight: 1, term: term(key, "web") }];
        }
    };
    let db = Stage { running: &[("a2", "db"), ("b1", "web")], ..EMPTY };
    assert_eq!(db.place(4, "a1 b1 a2", near(HOSTNAME)), "a2:3 a1:1 left 0");
    assert_eq!(db.place(9, "b1 a1 a2", near(ZONE)), "a1:4 a2:3 b1:2 left 0");
    assert_eq!(db.place(5, "b1 a1 a2", far(HOSTNAME)), "a1:1 a2:1 b1:1 a1:1 a2:1 left 0");
    assert_eq!(db.place(4, "b1 a1 a2", far(ZONE)), "a1:1 b1:1 a1:1 b1:1 left 0");
    assert_eq!(
        db.place(3, "b1 a1 a2", |of| of.spread = vec![anyway(HOSTNAME, "web")]),
        "a1:1 a2:1 b1:1 left 0"
    );
}

#[test]
fn ports_and_volumes_are_asked_for_anew_with_each_pod() {
    let port = |of: &mut PodShape| {
        of.host_ports = [HostPort { ip: "".into(), protocol: "TCP".into(), port: 80 }].into();
    };
    assert_eq!(EMPTY.place(4, "a1 b1 a2", port), "a1:1 b1:1 a2:1 left 1");
    let volume = |of: &mut PodShape| {
        let (id, driver) = ("own".into(), Some("csi".into()));
        of.volumes = vec![VolumeNeed { id, driver, reachable: None, one_pod: false, bound: true }];
    };
    assert_eq!(EMPTY.place(5, "a1 b1", volume), "a1:2 b1:2 left 1");
    assert_eq!(EMPTY.place(1, "a1 b1", volume), "a1:1 left 0");
    let full = Stage { running: &[("a1", "db"); 3], ..EMPTY };
    assert_eq!(full.place(2, "a1", volume), "a1:1 left 1");
}
