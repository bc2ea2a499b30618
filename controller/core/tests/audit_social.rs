//! What the audit counts for spread constraints and affinities, and on which nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{Cluster, NOW, Plans, evenly, node, offering, pod, pool, shape, term};
use plimsoll_core::audit::Invariant;
use plimsoll_core::cluster::{
    Announced, Effect, HOSTNAME, Name, Node, Pod, PodShape, PodState, Policy, Pool, Readiness, Selector,
    Spread, Taint, ZONE,
};
use plimsoll_core::nodes::{Place, Placement};
use plimsoll_core::placement::Change;
use plimsoll_core::time::Span;

/// Nodes with pods, and pods that get a place on them.
struct Scene {
    cluster: Cluster,
    placements: Vec<Placement>,
}

impl Scene {
    /// Nodes n1, n2 and so on, in these zones.
    fn of(zones: &[&str]) -> Self {
        Self::with(zones, |_| ())
    }

    /// The same, with this pool.
    fn with(zones: &[&str], change: impl Fn(&mut Pool)) -> Self {
        let offerings = ["a", "b", "c"].map(|zone| offering("m", zone, 64, 200_000));
        let mut pool = pool("p", offerings.to_vec());
        let mut cluster = Cluster::default();
        for (number, zone) in (1..).zip(zones) {
            let offering = offerings.iter().find(|offering| *offering.key.zone == **zone).unwrap();
            cluster.changes.push(Change::Node(node(&format!("n{number}"), &pool, offering)));
        }
        change(&mut pool);
        cluster.changes.push(Change::Pool(pool));
        Self { cluster, placements: Vec::new() }
    }

    fn node(mut self, name: &str, change: impl Fn(&mut Node)) -> Self {
        for of in &mut self.cluster.changes {
            if let Change::Node(node) = of
                && &*node.name == name
            {
                change(node);
            }
        }
        self
    }

    /// So many pods of a shape run on a node.
    fn there(mut self, count: usize, shape: &Arc<PodShape>, node: &str) -> Self {
        for _ in 0..count {
            let name = format!("there-{}", self.cluster.changes.len());
            self.cluster.changes.push(Change::Pod(pod(&name, "owner", shape, node)));
        }
        self
    }

    /// A pod of a shape gets a place on a node.
    fn comes(mut self, shape: &Arc<PodShape>, node: &str) -> Self {
        let name = format!("comes-{}", self.cluster.changes.len());
        let waits = Pod { state: PodState::Pending, ..pod(&name, "owner", shape, "none") };
        self.cluster.changes.push(Change::Pod(waits));
        let place = Place::Node(node.into());
        self.placements.push(Placement { pod: format!("uid-{name}").into(), count: 1, place });
        self
    }

    /// Pods that are announced get places on a node.
    fn come(mut self, count: u32, shape: &Arc<PodShape>, node: &str) -> Self {
        let announced = Announced { key: "key".into(), name: "owner".into(), shape: shape.clone(), count };
        self.cluster.changes.push(Change::Announced(announced));
        self.placements.push(Placement { pod: "key".into(), count, place: Place::Node(node.into()) });
        self
    }

    fn verdict(self) -> Result<(), Invariant> {
        let mut plans = Plans::nothing();
        plans.adding.placements = self.placements;
        self.cluster.verdict(&plans)
    }
}

const UNEVEN: Result<(), Invariant> = Err(Invariant::Spread);
const APART: Result<(), Invariant> = Err(Invariant::PodAffinity);

fn web(change: impl Fn(&mut PodShape)) -> Arc<PodShape> {
    let mut web = shape("web", 100);
    change(&mut web);
    Arc::new(web)
}

fn spread(constraint: Spread) -> Arc<PodShape> {
    web(move |web| web.spread.push(constraint.clone()))
}

#[test]
fn a_spread_is_measured_by_the_emptiest_domain() {
    let even = spread(evenly(ZONE, "web"));
    let each_has_one = || Scene::of(&["a", "b", "c"]).there(1, &even, "n1").there(1, &even, "n2");
    assert_eq!(each_has_one().there(1, &even, "n3").comes(&even, "n1").verdict(), Ok(()));
    assert_eq!(each_has_one().comes(&even, "n1").verdict(), UNEVEN);
    assert_eq!(each_has_one().comes(&even, "n3").comes(&even, "n1").verdict(), Ok(()));
    assert_eq!(each_has_one().comes(&even, "n3").comes(&even, "n1").comes(&even, "n1").verdict(), UNEVEN);
}

#[test]
fn fewer_domains_than_a_spread_wants_are_as_good_as_empty_ones() {
    let over = |domains: i32| {
        let even = spread(Spread { min_domains: Some(domains), ..evenly(ZONE, "web") });
        let one_each = Scene::of(&["a", "b"]).there(1, &even, "n1").there(1, &even, "n2");
        one_each.comes(&even, "n1").verdict()
    };
    assert_eq!((over(2), over(3)), (Ok(()), UNEVEN));
}

/// Where node n2 is no domain n1 may have a second pod; where it is one, and empty, it may not.
fn n2_is_a_domain(constraint: Spread, n2: impl Fn(&mut Node)) -> bool {
    let even = web(move |web| {
        web.spread.push(constraint.clone());
        web.node_selector.insert("disk".into(), "fast".into());
    });
    let fast = |node: &mut Node| {
        node.labels.insert("disk".into(), "fast".into());
    };
    let scene = Scene::of(&["a", "b"]).node("n1", fast).node("n2", fast).node("n2", n2);
    match scene.there(1, &even, "n1").comes(&even, "n1").verdict() {
        Ok(()) => false,
        refused => {
            assert_eq!(refused, UNEVEN);
            true
        }
    }
}

#[test]
fn a_spread_looks_where_its_policies_say() {
    let slow = |node: &mut Node| {
        node.labels.remove("disk");
    };
    let tainted = |node: &mut Node| {
        node.taints.push(Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule });
    };
    let (honour, ignore) = (Policy::Honor, Policy::Ignore);
    for (node_affinity, node_taints, what, slow_is, tainted_is) in [
        (honour, ignore, "nodes that the pod selects", false, true),
        (ignore, honour, "nodes whose taints it tolerates", true, false),
        (ignore, ignore, "all nodes", true, true),
        (honour, honour, "those that pass both", false, false),
    ] {
        let of = || Spread { node_affinity, node_taints, ..evenly(ZONE, "web") };
        assert_eq!(n2_is_a_domain(of(), slow), slow_is, "{what}");
        assert_eq!(n2_is_a_domain(of(), tainted), tainted_is, "{what}");
        assert!(n2_is_a_domain(of(), |_| ()), "{what}");
    }
}

#[test]
fn a_node_without_a_label_of_another_spread_is_no_domain() {
    let both = web(|web| web.spread.extend([evenly(HOSTNAME, "web"), evenly(ZONE, "web")]));
    let nowhere = |node: &mut Node| {
        node.labels.remove(ZONE);
    };
    let scene = || Scene::of(&["a", "b"]).there(1, &both, "n1").comes(&both, "n1");
    assert_eq!(scene().verdict(), UNEVEN);
    assert_eq!(scene().node("n2", nowhere).verdict(), Ok(()));
}

#[test]
fn a_spread_counts_pods_of_its_namespace_that_it_selects() {
    let even_web = spread(evenly(ZONE, "web"));
    let elsewhere = web(|web| web.namespace = "elsewhere".into());
    let api = Arc::new(shape("api", 100));
    let crowded =
        |by: &Arc<PodShape>| Scene::of(&["a", "b"]).there(5, by, "n1").comes(&even_web, "n1").verdict();
    assert_eq!(crowded(&elsewhere), Ok(()));
    assert_eq!(crowded(&api), Ok(()));
    assert_eq!(crowded(&web(|_| ())), UNEVEN);
    // The scheduler counts no pod under a selector that says nothing.
    let all = spread(Spread { selector: Some(Selector(Vec::new())), ..evenly(ZONE, "web") });
    assert_eq!(Scene::of(&["a", "b"]).there(5, &all, "n1").comes(&all, "n1").verdict(), Ok(()));
}

#[test]
fn each_pod_of_an_announcement_is_judged() {
    let even = spread(evenly(HOSTNAME, "web"));
    let come = |count: u32| Scene::of(&["a", "b"]).come(count, &even, "n1").verdict();
    assert_eq!((come(1), come(2)), (Ok(()), UNEVEN));
    let near = web(|web| web.affinity.pods = vec![term(ZONE, "web")]);
    assert_eq!(Scene::of(&["a", "b"]).come(3, &near, "n1").verdict(), Ok(()));
    let apart = web(|web| web.affinity.anti_pods = vec![term(HOSTNAME, "web")]);
    let come = |count: u32| Scene::of(&["a", "b"]).come(count, &apart, "n1").verdict();
    assert_eq!((come(1), come(2)), (Ok(()), APART));
}

#[test]
fn the_first_of_pods_that_want_to_be_together_stands_alone() {
    let friends = web(|web| web.affinity.pods = vec![term(ZONE, "web")]);
    let scene = || Scene::of(&["a", "b"]);
    assert_eq!(scene().comes(&friends, "n1").verdict(), Ok(()));
    assert_eq!(scene().comes(&friends, "n1").comes(&friends, "n1").verdict(), Ok(()));
    assert_eq!(scene().comes(&friends, "n1").comes(&friends, "n2").verdict(), APART);
    assert_eq!(scene().there(1, &friends, "n1").comes(&friends, "n1").verdict(), Ok(()));
    assert_eq!(scene().there(1, &friends, "n1").comes(&friends, "n2").verdict(), APART);
    let guests = web(|web| web.affinity.pods = vec![term(ZONE, "api")]);
    let api = Arc::new(shape("api", 100));
    assert_eq!(scene().comes(&guests, "n1").verdict(), APART);
    assert_eq!(scene().there(1, &api, "n1").comes(&guests, "n1").verdict(), Ok(()));
    assert_eq!(scene().there(1, &api, "n1").comes(&guests, "n2").verdict(), APART);
}

#[test]
fn taints_that_pass_while_a_node_starts_keep_no_pod_off() {
    let plain = web(|_| ());
    let verdict = |readiness: Readiness, key: &'static str, effect: Effect, pool: Option<&'static str>| {
        let with_startup_taint = |pool: &mut Pool| {
            let (key, value) = ("example.com/agent".into(), "".into());
            pool.template.startup_taints = vec![Taint { key, value, effect: Effect::NoExecute }];
        };
        let starting = move |node: &mut Node| {
            node.readiness = readiness;
            node.pool = pool.map(Into::into);
            node.taints.push(Taint { key: key.into(), value: "".into(), effect });
        };
        Scene::with(&["a"], with_startup_taint).node("n1", starting).comes(&plain, "n1").verdict()
    };
    let kept_off = Err(Invariant::NodeRules);
    let (ours, starting, ready) = (Some("p"), Readiness::Starting, Readiness::Ready);
    let (not_ready, agent) = ("node.kubernetes.io/not-ready", "example.com/agent");
    assert_eq!(verdict(starting, not_ready, Effect::NoSchedule, ours), Ok(()));
    assert_eq!(verdict(starting, not_ready, Effect::NoSchedule, None), kept_off, "nobody ordered it");
    assert_eq!(verdict(starting, "gpu", Effect::NoSchedule, ours), kept_off);
    let sick = Readiness::NotReady { since: NOW };
    assert_eq!(verdict(sick, not_ready, Effect::NoSchedule, ours), kept_off);
    assert_eq!(verdict(ready, agent, Effect::NoExecute, ours), Ok(()));
    assert_eq!(verdict(ready, agent, Effect::NoSchedule, ours), kept_off, "another effect is another taint");
    assert_eq!(verdict(ready, "gpu", Effect::NoExecute, ours), kept_off);
    assert_eq!(verdict(ready, agent, Effect::NoExecute, None), kept_off);
}

#[test]
fn devices_that_a_node_has_not_reported_are_counted_on_for_a_while() {
    let gpus = |count: i64| BTreeMap::from([(Name::from("example.com/gpu"), count)]);
    let asks = web(|web| web.requests.extended = gpus(1));
    let verdict = |age: i64, pool: Option<&'static str>, pods: usize| {
        let with_gpu = |pool: &mut Pool| {
            pool.offerings.iter_mut().for_each(|of| of.allocatable.extended = gpus(1));
        };
        let young = |node: &mut Node| {
            node.created = NOW - Span::from_secs(age);
            node.pool = pool.map(Into::into);
        };
        let scene = Scene::with(&["a"], with_gpu).node("n1", young);
        (0..pods).fold(scene, |scene, _| scene.comes(&asks, "n1")).verdict()
    };
    let overcommitted = Err(Invariant::Overcommitted);
    assert_eq!(verdict(899, Some("p"), 1), Ok(()));
    assert_eq!(verdict(899, Some("p"), 2), overcommitted, "more than were offered");
    assert_eq!(verdict(900, Some("p"), 1), overcommitted, "its time is over");
    assert_eq!(verdict(899, None, 1), overcommitted, "nobody ordered it");
}
