//! What pods prefer orders the nodes that would do. It never keeps a pod off, and costs nothing.

#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod fleet;

use std::collections::BTreeMap;

use fleet::{NOW, ZONES, bound, in_zones, node, pods, pool, selects, shape, spread, term, view};
use plimsoll_core::cluster::{
    Affinity, Effect, HOSTNAME, Node, NodeTerm, PodShape, Preferred, Requirement, Taint, WhenUnsatisfiable,
    ZONE,
};
use plimsoll_core::nodes::{NodePlan, Place, add};
use plimsoll_core::placement::Change;
use pretty_assertions::assert_eq;

const WEB: [(&str, &str); 1] = [("app", "web")];
const DB: [(&str, &str); 1] = [("app", "db")];

/// Nodes of 4 cpus, one per zone: n0, n1, n2.
fn nodes() -> Vec<Node> {
    let offerings = in_zones(&ZONES, &[("m", 4, 16, 200_000)]);
    (0..3).map(|at| node(&format!("n{at}"), "general", &offerings[at])).collect()
}

fn plan(changes: Vec<Change>) -> NodePlan {
    let plan = add::plan(&view(changes), &add::Settings::default(), NOW);
    assert_eq!(plan.refused, [], "a preference keeps nobody off");
    plan
}

/// How many pods of the plan go to each node that is there.
fn by_node(plan: &NodePlan) -> BTreeMap<String, u32> {
    let mut pods = BTreeMap::new();
    for placement in &plan.placements {
        let Place::Node(name) = &placement.place else { panic!("{placement:?} is not there") };
        *pods.entry(name.to_string()).or_default() += placement.count;
    }
    pods
}

/// Where `count` pods of a shape go among nodes that are there, with pods of `db` on n2, so that n2 is the fullest.
fn where_they_go(nodes: Vec<Node>, count: usize, shape: PodShape) -> Vec<(String, u32)> {
    let mut changes: Vec<_> = nodes.into_iter().map(Change::Node).collect();
    let db = pods("db", 2, fleet::shape(500, 512, &DB));
    changes.extend(db.into_iter().map(|pod| Change::Pod(bound(pod, "n2"))));
    changes.extend(pods("web", count, shape).into_iter().map(Change::Pod));
    by_node(&plan(changes)).into_iter().collect()
}

fn on(nodes: &[(&str, u32)]) -> Vec<(String, u32)> {
    nodes.iter().map(|(name, pods)| ((*name).to_owned(), *pods)).collect()
}

fn likes_zone(zone: &str, weight: i32) -> Preferred<NodeTerm> {
    let labels: Vec<Requirement> = selects(&[(ZONE, zone)]).0;
    Preferred { weight, term: NodeTerm { labels, fields: Vec::new() } }
}

fn web(affinity: Affinity) -> PodShape {
    PodShape { affinity, ..shape(500, 512, &WEB) }
}

fn soft_taint() -> Taint {
    Taint { key: "old".into(), value: "".into(), effect: Effect::PreferNoSchedule }
}

#[test]
fn without_preferences_the_fullest_node_is_first() {
    assert_eq!(where_they_go(nodes(), 3, web(Affinity::default())), on(&[("n2", 3)]));
}

#[test]
fn the_node_whose_terms_weigh_most_is_first_and_others_do_when_it_is_full() {
    let preferred_nodes = vec![likes_zone(ZONES[0], 1), likes_zone(ZONES[1], 5)];
    let shape = web(Affinity { preferred_nodes, ..Affinity::default() });
    assert_eq!(where_they_go(nodes(), 3, shape.clone()), on(&[("n1", 3)]));
    assert_eq!(where_they_go(nodes(), 17, shape), on(&[("n0", 8), ("n1", 8), ("n2", 1)]));
}

#[test]
fn a_node_is_liked_by_its_name() {
    let field = Requirement { key: "metadata.name".into(), ..selects(&[("", "n1")]).0[0].clone() };
    let term = NodeTerm { labels: Vec::new(), fields: vec![field] };
    let preferred_nodes = vec![Preferred { weight: 1, term }];
    let shape = web(Affinity { preferred_nodes, ..Affinity::default() });
    assert_eq!(where_they_go(nodes(), 3, shape), on(&[("n1", 3)]));
}

#[test]
fn a_taint_that_is_only_a_wish_is_avoided_while_there_is_room() {
    let mut nodes = nodes();
    nodes[2].taints.push(soft_taint());
    nodes[1].taints.push(soft_taint());
    assert_eq!(where_they_go(nodes.clone(), 3, web(Affinity::default())), on(&[("n0", 3)]));
    assert_eq!(where_they_go(nodes, 10, web(Affinity::default())), on(&[("n0", 8), ("n2", 2)]));
}

#[test]
fn pods_that_would_rather_be_apart_take_the_emptiest_node_each() {
    let far = vec![Preferred { weight: 100, term: term(HOSTNAME, &WEB) }];
    let shape = web(Affinity { preferred_anti_pods: far, ..Affinity::default() });
    assert_eq!(where_they_go(nodes(), 7, shape), on(&[("n0", 2), ("n1", 2), ("n2", 3)]));
}

#[test]
fn pods_that_would_rather_be_near_others_go_to_their_domain() {
    let near = vec![Preferred { weight: 1, term: term(ZONE, &DB) }];
    let mut nodes = nodes();
    // Emptier than n2, in the zone of n2.
    nodes[1].labels.insert(ZONE.into(), ZONES[2].into());
    nodes[0].allocatable.cpu = 1000;
    let shape = web(Affinity { preferred_pods: near, ..Affinity::default() });
    assert_eq!(where_they_go(nodes, 12, shape), on(&[("n1", 6), ("n2", 6)]));
}

#[test]
fn a_spread_over_nodes_that_does_not_constrain_evens_them_out() {
    let soft = fleet::spread(HOSTNAME, 1, &WEB);
    let soft = vec![plimsoll_core::cluster::Spread { when: WhenUnsatisfiable::ScheduleAnyway, ..soft }];
    let shape = PodShape { spread: soft, ..web(Affinity::default()) };
    assert_eq!(where_they_go(nodes(), 6, shape.clone()), on(&[("n0", 2), ("n1", 2), ("n2", 2)]));
    assert_eq!(where_they_go(nodes(), 22, shape), on(&[("n0", 8), ("n1", 8), ("n2", 6)]));
}

#[test]
fn taints_weigh_more_than_nodes_and_these_more_than_neighbours() {
    let preferred_nodes = vec![likes_zone(ZONES[0], 1), likes_zone(ZONES[1], 1)];
    let near = vec![Preferred { weight: 100, term: term(HOSTNAME, &DB) }];
    let affinity = Affinity { preferred_nodes, preferred_pods: near, ..Affinity::default() };
    let mut nodes = nodes();
    nodes[0].taints.push(soft_taint());
    assert_eq!(where_they_go(nodes.clone(), 1, web(affinity.clone())), on(&[("n1", 1)]));
    nodes[1].taints.push(soft_taint());
    assert_eq!(where_they_go(nodes, 1, web(affinity)), on(&[("n2", 1)]));
}

#[test]
fn a_spread_that_constrains_comes_before_what_is_liked() {
    let preferred_nodes = vec![likes_zone(ZONES[0], 100)];
    let affinity = Affinity { preferred_nodes, ..Affinity::default() };
    let shape = PodShape { spread: vec![spread(ZONE, 1, &WEB)], ..web(affinity) };
    assert_eq!(where_they_go(nodes(), 4, shape), on(&[("n0", 2), ("n1", 1), ("n2", 1)]));
}

/// By zone, how many nodes are ordered for `count` pods of a shape, where zone-a is dearer by `more`.
fn ordered(count: usize, shape: PodShape, more: i64) -> (Vec<(String, u32)>, i64) {
    let mut offerings = in_zones(&ZONES, &[("m", 4, 16, 200_000)]);
    offerings[0].price += more;
    let mut changes: Vec<_> = pods("web", count, shape).into_iter().map(Change::Pod).collect();
    changes.push(Change::Pool(pool("general", offerings)));
    let plan = plan(changes);
    let mut zones = BTreeMap::new();
    for new in &plan.add {
        *zones.entry(new.offering.zone.to_string()).or_default() += new.count;
    }
    (zones.into_iter().collect(), plan.price)
}

#[test]
fn new_nodes_are_liked_where_they_cost_the_same() {
    let preferred_nodes = vec![likes_zone(ZONES[0], 1)];
    let shape = web(Affinity { preferred_nodes, ..Affinity::default() });
    assert_eq!(ordered(24, shape.clone(), 0), (on(&[(ZONES[0], 3)]), 600_000));
    let (zones, price) = ordered(24, shape, 1);
    assert_eq!(price, 600_000, "no preference is paid for: {zones:?}");
}

#[test]
fn pods_that_would_rather_be_apart_cost_no_node() {
    let far = vec![Preferred { weight: 100, term: term(HOSTNAME, &WEB) }];
    let shape = web(Affinity { preferred_anti_pods: far, ..Affinity::default() });
    let (zones, price) = ordered(24, shape, 0);
    assert_eq!((zones.iter().map(|(_, nodes)| nodes).sum::<u32>(), price), (3, 600_000));
}

#[test]
fn a_wish_that_no_node_meets_changes_nothing() {
    let preferred_nodes = vec![likes_zone("nowhere", 100)];
    let near = vec![Preferred { weight: 100, term: term("rack", &WEB) }];
    let affinity = Affinity { preferred_nodes, preferred_pods: near, ..Affinity::default() };
    assert_eq!(ordered(24, web(affinity), 0), ordered(24, web(Affinity::default()), 0));
}
