use std::sync::Arc;

use super::*;
use crate::cluster::{Affinity, HOSTNAME, HostPort, NodeTerm, PodShape, Spread, VolumeNeed, ZONE};
use crate::nodes::fixtures::{evenly, labelled, node, of_app, pod, term};
use crate::placement::check::Look;

/// A pod of an app that asks for so much cpu, in a state.
fn of(name: &str, cpu: i64, state: PodState) -> Pod {
    let mut pod = of_app(name, name, state);
    Arc::make_mut(&mut pod.shape).requests.cpu = cpu;
    pod
}

fn nominated(name: &str, cpu: i64, node: &str) -> Pod {
    of(name, cpu, PodState::Nominated { node: node.into() })
}

fn with_priority(mut pod: Pod, priority: i32) -> Pod {
    Arc::make_mut(&mut pod.shape).priority = priority;
    pod
}

/// Whether a pod fits on n of the nodes n and m, which have four cores each, beside others.
fn fits_on_n(pod: &Pod, others: &[Pod]) -> Result<(), Refusal> {
    let mut view = View::default();
    for name in ["n", "m"] {
        view.apply(Change::Node(node(name, "a")));
    }
    for of in others.iter().chain([pod]) {
        view.apply(Change::Pod(of.clone()));
    }
    fits(&view, pod, "n")
}

#[test]
fn pods_that_are_nominated_for_a_node_hold_their_room_there() {
    let waits = of("web", 3000, PodState::Pending);
    assert_eq!(fits_on_n(&waits, &[nominated("db", 1000, "n")]), Ok(()));
    assert!(fits_on_n(&waits, &[nominated("db", 1001, "n")]).is_err());
    assert_eq!(fits_on_n(&waits, &[nominated("db", 4000, "m")]), Ok(()), "that one goes elsewhere");
    let important = with_priority(waits, 1);
    assert_eq!(fits_on_n(&important, &[nominated("db", 4000, "n")]), Ok(()), "that one is less important");
}

#[test]
fn a_pod_is_not_in_its_own_way() {
    assert_eq!(fits_on_n(&nominated("web", 4000, "n"), &[]), Ok(()));
    assert_eq!(fits_on_n(&nominated("web", 4000, "m"), &[]), Ok(()));
}

#[test]
fn a_pod_that_is_only_nominated_is_no_company_yet() {
    let mut guest = of("guest", 100, PodState::Pending);
    Arc::make_mut(&mut guest.shape).affinity =
        Affinity { pods: vec![term(HOSTNAME, "db")], ..Affinity::default() };
    let bound = of("db", 100, PodState::Bound { node: "n".into(), ready: true });
    assert_eq!(fits_on_n(&guest, &[bound]), Ok(()));
    assert!(fits_on_n(&guest, &[nominated("db", 100, "n")]).is_err());
}

#[test]
fn a_node_that_is_gone_or_takes_no_more_pods_refuses_them() {
    let mut view = View::default();
    view.apply(Change::Node(node("n", "a")));
    let (dense, mut packing) = (view.dense(), view.packing());
    let class = dense.seeking_in(&mut packing, &pod("web", "none").shape);
    let n = dense.node("n").unwrap();
    assert_eq!(packing.refusal(class, n), None);
    packing.set_open(n, false);
    assert_eq!(packing.refusal(class, n), Some(Refusal::NoSuchNode));
    packing.set_open(n, true);
    packing.remove_node(n);
    assert_eq!(packing.refusal(class, n), Some(Refusal::NoSuchNode));
    packing.return_node(n);
    assert_eq!(packing.refusal(class, n), None);
}

/// Node n of zone a, on which db runs, and node m of zone b, beside more pods that run.
fn with_db(more: &[Pod]) -> View {
    let mut view = View::default();
    for (name, zone) in [("n", "a"), ("m", "b")] {
        view.apply(Change::Node(node(name, zone)));
    }
    let db = of("db", 100, PodState::Bound { node: "n".into(), ready: true });
    more.iter().chain([&db]).for_each(|pod| view.apply(Change::Pod(pod.clone())));
    view
}

type Shape<'a> = &'a dyn Fn(&mut PodShape);

#[test]
fn as_many_pods_may_go_to_a_node_at_once_as_what_they_ask_of_each_other_allows() {
    const MANY: u32 = u32::MAX;
    let port = || HostPort { ip: "".into(), protocol: "TCP".into(), port: 80 };
    let two = |key: &str, app: &str| Spread { max_skew: 2, ..evenly(key, app) };
    let rows: [(Shape<'_>, u32, u32, &str); 11] = [
        (&|_| {}, MANY, MANY, "nothing"),
        (&|of| of.host_ports = [port()].into(), 1, 1, "a port"),
        (&|of| of.affinity.anti_pods = vec![term(HOSTNAME, "web")], 1, 1, "apart by host"),
        (&|of| of.affinity.anti_pods = vec![term(ZONE, "web")], 1, MANY, "apart by zone"),
        (&|of| of.affinity.anti_pods = vec![term(HOSTNAME, "db")], 0, 0, "not beside db"),
        (&|of| of.affinity.anti_pods = vec![term(ZONE, "db")], 0, MANY, "not in the zone of db"),
        (&|of| of.affinity.pods = vec![term(ZONE, "db")], MANY, MANY, "in the zone of db"),
        (&|of| of.affinity.pods = vec![term(ZONE, "nobody")], 0, MANY, "in a zone that is none"),
        (&|of| of.spread = vec![two(ZONE, "web")], 2, MANY, "even over zones"),
        (&|of| of.spread = vec![evenly(ZONE, "web"), two(HOSTNAME, "web")], 1, 2, "even over both"),
        (
            &|of| of.spread = vec![evenly(ZONE, "db")],
            MANY,
            MANY,
            "even with others, in which it does not count",
        ),
    ];
    for (change, all, by_host, what) in rows {
        let mut web = of("web", 100, PodState::Pending);
        change(Arc::make_mut(&mut web.shape));
        let view = with_db(&[web.clone()]);
        let (n, mut packing) = (view.dense().node("n").unwrap(), view.packing());
        let class = view.dense().seeking_in(&mut packing, &web.shape);
        let allowed = [Look::All, Look::Host].map(|look| packing.allowance(class, n, look));
        assert_eq!(allowed, [all, by_host], "{what}");
    }
}

#[test]
fn a_foe_on_each_host_is_one_on_every_node_that_is_there() {
    let apart = |name: &str, node: &str| {
        let mut web = of("web", 100, PodState::Bound { node: node.into(), ready: true });
        Arc::make_mut(&mut web.shape).affinity.anti_pods = vec![term(HOSTNAME, "web")];
        Pod { uid: name.into(), ..web }
    };
    let (on_n, on_m) = (apart("web-0", "n"), apart("web-1", "m"));
    for (running, each) in [(vec![], false), (vec![on_n.clone()], false), (vec![on_n.clone(), on_m], true)] {
        let view = with_db(&running);
        let mut packing = view.packing();
        let class = view.dense().seeking_in(&mut packing, &on_n.shape);
        assert_eq!(packing.has_a_foe_on_each_host(class), each, "{} run", running.len());
    }
}

#[test]
fn a_pod_goes_where_each_of_its_volumes_can_be_reached() {
    let volume = |zones: &[&str]| {
        let in_zone = |zone: &&str| NodeTerm { labels: labelled(ZONE, zone).0, fields: Vec::new() };
        let reachable = (!zones.is_empty()).then(|| zones.iter().map(in_zone).collect());
        VolumeNeed { id: format!("shop/{zones:?}").into(), reachable, bound: true, ..VolumeNeed::default() }
    };
    for (volumes, allowed) in [
        (vec![volume(&[])], true),
        (vec![volume(&["a"])], true),
        (vec![volume(&["b"])], false),
        (vec![volume(&["b", "a"])], true),
        (vec![volume(&["a"]), volume(&["b"])], false),
    ] {
        let mut db = of("db", 100, PodState::Pending);
        Arc::make_mut(&mut db.shape).volumes.clone_from(&volumes);
        let refused = fits_on_n(&db, &[]).err();
        assert_eq!(refused.is_none(), allowed, "{volumes:?}");
        assert!(matches!(refused, None | Some(Refusal::VolumeElsewhere(_))), "{refused:?}");
    }
}
