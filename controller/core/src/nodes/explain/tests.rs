mod node;
mod pod;
mod pool;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::cluster::{Capacity, Node, Pod, PodState, Pool, Readiness, Resources, Unplannable};
use crate::nodes::add;
use crate::nodes::fixtures::{
    draining, eager_pool as eager, key, node as ready_node, pod as bound_pod, pool as pool_p,
};
use crate::nodes::remove::{Input, plan as remove};
use crate::placement::Change;
use crate::time::Span;

const NOW: Timestamp = Timestamp::from_secs(1_795_428_000);

/// A cluster and everything that is said about it.
#[derive(Default)]
struct World {
    view: View,
    workloads: BTreeMap<Name, Workload>,
    memory: Memory,
    drains: BTreeMap<Name, Drain>,
    waits: BTreeMap<Name, String>,
    orders: BTreeMap<Name, OrderSaid>,
    errors: BTreeMap<(Name, OfferingKey), OfferingSaid>,
}

impl World {
    fn with(mut self, change: Change) -> Self {
        self.view.apply(change);
        self
    }

    fn told<T>(&self, ask: impl FnOnce(&Sight<'_>) -> T) -> T {
        let settings = add::Settings::default();
        let plan = add::plan(&self.view, &settings, NOW);
        let input = Input {
            view: &self.view,
            adding: &plan,
            settings: &settings,
            workloads: &self.workloads,
            surging: 0,
            now: NOW,
        };
        let (removal, memory) = remove(&input, &self.memory);
        ask(&Sight {
            view: &self.view,
            plan: &plan,
            removal: &removal,
            planned: NOW,
            refused: None,
            workloads: &self.workloads,
            memory: &memory,
            drains: &self.drains,
            waits: &self.waits,
            orders: &self.orders,
            errors: &self.errors,
            now: NOW,
        })
    }
}

fn waiting(name: &str, cpu: i64) -> Pod {
    Pod { state: PodState::Unschedulable { since: NOW }, ..runs(name, "a", cpu) }
}

/// A pod on a node that asks for so many thousandths of a core.
fn runs(name: &str, node: &str, cpu: i64) -> Pod {
    let mut pod = bound_pod(name, node);
    Arc::make_mut(&mut pod.shape).requests = Resources { cpu, pods: 1, ..Resources::default() };
    pod
}

/// Node `a` is being drained; of its pods `one` has room on `b`, and `two` on `c`.
fn with_a_drain() -> World {
    let mut world = World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(draining("a", "a")))
        .with(Change::Node(ready_node("b", "b")))
        .with(Change::Node(ready_node("c", "c")))
        .with(Change::Pod(runs("one", "a", 100)))
        .with(Change::Pod(runs("two", "a", 3000)))
        .with(Change::Pod(runs("most-of-b", "b", 3800)));
    world.drains.insert("a".into(), Drain::new(NOW - Span::from_secs(120), false, BTreeSet::new()));
    world
}

#[test]
fn names_that_nobody_has_are_not_explained() {
    let world = World::default();
    assert!(world.told(|sight| pod(sight, "shop", "web").is_none()));
    assert!(world.told(|sight| node(sight, "a").is_none()));
    assert!(world.told(|sight| pool(sight, "p").is_none()));
}

#[test]
fn a_pod_of_another_namespace_is_another_pod() {
    let world =
        World::default().with(Change::Node(ready_node("a", "a"))).with(Change::Pod(bound_pod("web", "a")));
    assert!(world.told(|sight| pod(sight, "till", "web").is_none()));
    assert_eq!(world.told(|sight| pod(sight, "shop", "web")).unwrap().outlook, Outlook::Bound);
}

#[test]
fn whoever_asks_is_told_that_the_plan_was_refused_and_why() {
    let world = World::default()
        .with(Change::Pool(pool_p()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Pod(bound_pod("web", "a")));
    let said =
        "The audit refused the plan of 2026-11-23T10:00:00Z, so nothing of it is carried out: too much.";
    let sentences = |refused: Option<&'static str>| {
        world.told(|sight| {
            let sight = Sight { refused, ..*sight };
            let pod = pod(&sight, "shop", "web").unwrap().sentences;
            let node = node(&sight, "a").unwrap().sentences;
            [pod, node, pool(&sight, "p").unwrap().sentences]
        })
    };
    let is_said = |sentences: &Vec<String>| sentences.iter().any(|sentence| sentence == said);
    assert!(sentences(Some("too much")).iter().all(is_said));
    assert!(!sentences(None).iter().any(is_said));
}

/// What a plan says once for all pods of a class is said of each of them.
#[test]
fn each_of_equal_pods_is_told_why_it_gets_nothing() {
    let mut world = World::default().with(Change::Pool(pool_p()));
    for name in ["one", "two", "three"] {
        world = world.with(Change::Pod(waiting(name, 64_000)));
    }
    for name in ["one", "two", "three"] {
        let told = world.told(|sight| pod(sight, "shop", name)).unwrap();
        assert_eq!(told.outlook, Outlook::NoPlace);
        assert_eq!(told.refusals.len(), 1, "{told:?}");
        assert_eq!(
            (told.refusals[0].what.as_str(), told.refusals[0].count, told.refusals[0].why.as_str()),
            ("offerings of pool p", 3, "lack cpu")
        );
    }
}

/// A plan stops at the first reason; whoever wants the node to go has to know them all.
#[test]
fn every_reason_to_stay_is_told_and_the_first_is_that_of_the_plan() {
    let mut kept = ready_node("a", "a");
    kept.scale_down_disabled = true;
    let mut bare = bound_pod("bare", "a");
    bare.owner = None;
    let world = World::default()
        .with(Change::Pool(pool_p()))
        .with(Change::Node(kept))
        .with(Change::Pod(bare))
        .with(Change::Pod(bound_pod("web", "a")));
    let told = world.told(|sight| node(sight, "a")).unwrap();
    let why: Vec<&str> = told.stays.iter().map(|reason| reason.why.as_str()).collect();
    assert_eq!(
        why,
        [
            "it has cluster-autoscaler.kubernetes.io/scale-down-disabled",
            "pod shop/bare has no controller that would make it anew",
            "pod shop/web fits nowhere else: there is no other node",
        ]
    );
    assert!(told.pods.iter().any(|row| row.pod == "shop/bare" && row.keeps));
    assert!(told.pods.iter().any(|row| row.pod == "shop/web" && !row.keeps));
}

/// Gates are asked on a copy: the answer of one does not change that of the next, nor the plan.
#[test]
fn to_ask_for_reasons_changes_nothing() {
    let world = World::default()
        .with(Change::Pool(pool_p()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Node(ready_node("b", "b")))
        .with(Change::Pod(bound_pod("web", "a")));
    let twice = world.told(|sight| (node(sight, "a"), node(sight, "a")));
    assert_eq!(twice.0, twice.1);
}

#[test]
fn an_offering_that_failed_is_told_with_its_error_and_until_when() {
    let until = NOW + Span::from_secs(180);
    let mut of = pool_p();
    of.offerings[0].capacity = Capacity::AvoidedUntil(until);
    let mut world = World::default().with(Change::Pool(of)).with(Change::Pod(waiting("one", 100)));
    let said = OfferingSaid { error: "no m left".to_owned(), failures: 2, last: NOW, until };
    world.errors.insert(("p".into(), key("m", "a")), said);
    let told = world.told(|sight| pool(sight, "p")).unwrap();
    let row = &told.offerings[0];
    assert_eq!((row.considered, row.until, row.failures), (false, Some(until), 2));
    assert_eq!(row.state, "avoided until 2026-11-23T10:03:00Z after an error");
    assert_eq!(row.error.as_deref(), Some("no m left"));
    assert!(told.offerings[1].considered);
    // The pod gets a node elsewhere, and is told what was not looked at.
    let told = world.told(|sight| pod(sight, "shop", "one")).unwrap();
    assert_eq!(told.outlook, Outlook::HasPlace);
    assert_eq!(told.passed_over.len(), 1);
    assert_eq!(told.passed_over[0].error.as_deref(), Some("no m left"));
}

#[test]
fn orders_count_as_wanted_and_towards_limits() {
    let mut of = pool_p();
    of.limits.nodes = Some(4);
    of.limits.resources.insert("cpu".into(), 20_000);
    let order = crate::cluster::Order {
        name: "o".into(),
        pool: "p".into(),
        offering: key("m", "b"),
        missing: 2,
        asked: NOW,
    };
    let world = World::default()
        .with(Change::Pool(of))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Order(order));
    let told = world.told(|sight| pool(sight, "p")).unwrap();
    let zones: Vec<_> =
        told.zones.iter().map(|row| (&*row.zone, row.wanted, row.ordered, row.ready)).collect();
    assert_eq!(zones, [("a", 1, 0, 1), ("b", 2, 2, 0), ("c", 0, 0, 0)]);
    let limits: Vec<_> =
        told.limits.iter().map(|row| (row.what.as_str(), row.used.as_str(), row.limit.as_str())).collect();
    assert_eq!(limits, [("nodes", "3", "4"), ("cpu", "12", "20")]);
}
