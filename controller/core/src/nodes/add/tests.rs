mod cut_off;
mod new_nodes;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::{
    Affinity, Announced, Balance, Capacity, Effect, Expander, HOSTNAME, HostPort, Labels, Offering, Order,
    OwnerKind, Pod, PodShape, PodState, Pool, Resources, Spread, Taint, Toleration, TolerationOperator, ZONE,
};
use crate::nodes::fixtures::{draining, evenly, key, labelled, node, of_app, offering, owner, pool, term};
use crate::nodes::{NewNodes, Place};
use crate::placement::Change;
use crate::time::Span;

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
    let requests = Resources { cpu, pods: 1, ..Resources::default() };
    with(of_app(name, app, PodState::Bound { node: on.into(), ready: true }), |of| of.requests = requests)
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
    Affinity { pods: vec![term(topology_key, app)], ..Affinity::default() }
}

fn places(plan: &NodePlan) -> BTreeMap<String, Place> {
    plan.placements.iter().map(|of| (of.pod.to_string(), of.place.clone())).collect()
}

#[test]
fn a_node_that_goes_gets_no_more_pods() {
    let tolerates_all =
        Toleration { key: "".into(), operator: TolerationOperator::Exists, value: "".into(), effect: None };
    let web = with(waiting("web", "web", 100), |shape| shape.tolerations = vec![tolerates_all]);
    let here = Place::Node("n".into());
    for (interrupted, drained, place) in
        [(false, false, here), (true, false, Place::New(0, 0)), (false, true, Place::New(0, 0))]
    {
        let node = if drained { draining("n", "a") } else { node("n", "a") };
        let node = Node { interrupted, ..node };
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
            shape.spread = vec![evenly(ZONE, "web")];
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

fn order(name: &str, zone: &str, missing: u32) -> Change {
    let (name, pool) = (name.into(), "p".into());
    Change::Order(Order { name, pool, offering: key("m", zone), missing, asked: NOW })
}

fn why(plan: &NodePlan) -> Vec<String> {
    plan.refused.iter().flat_map(|refused| &refused.why).map(ToString::to_string).collect()
}

#[test]
fn a_pod_without_a_place_is_told_of_nodes_that_go_and_that_are_ordered() {
    let plan = planned([
        Change::Pool(pool()),
        Change::Node(Node { interrupted: true, ..node("taken", "a") }),
        Change::Node(draining("drained", "b")),
        Change::Node(node("small", "c")),
        order("o", "a", 2),
        Change::Pod(waiting("web", "web", 5000)),
    ]);
    assert_eq!(why(&plan), ["2 nodes are going away", "3 nodes lack cpu", "pool p: 3 offerings lack cpu"]);
}

#[test]
fn a_pod_that_comes_too_late_for_the_last_machine_is_told_so() {
    let mut pool = pool();
    pool.offerings = vec![Offering { capacity: Capacity::Left(1), ..offering("m", "a", 4, 200_000) }];
    pool.offerings.push(offering("s", "b", 2, 200_000));
    let pods = (0..3).map(|index| Change::Pod(waiting(&format!("web-{index}"), "web", 4000)));
    let plan = planned([Change::Pool(pool)].into_iter().chain(pods));
    let told =
        ["pool p: 1 offerings lack cpu", "pool p: 1 offerings passed over: the provider has no more of it"];
    assert_eq!(why(&plan), told);
    let names: Vec<&str> = plan.refused[0].pods.iter().map(AsRef::as_ref).collect();
    assert_eq!((names, plan.refused[0].count), (vec!["uid-web-1", "uid-web-2"], 2), "the last by name");
}

#[test]
fn a_pod_without_a_place_is_told_how_many_offerings_are_passed_over() {
    let mut pool = pool();
    pool.offerings[1..].iter_mut().for_each(|of| of.capacity = Capacity::Left(0));
    let plan = planned([Change::Pool(pool), Change::Pod(waiting("web", "web", 5000))]);
    let told =
        ["pool p: 1 offerings lack cpu", "pool p: 2 offerings passed over: the provider has no more of it"];
    assert_eq!(why(&plan), told);
}

/// A daemon goes with its node, one that ends needs no place, and one that is nominated is not there yet.
#[test]
fn only_pods_that_will_be_evicted_look_for_room_before_their_node_goes() {
    for goes in [Node { interrupted: true, ..node("n", "a") }, draining("n", "a")] {
        let mut daemon = running("daemon", "agent", 100, "n");
        daemon.owner = Some(owner(OwnerKind::DaemonSet, "agent"));
        let state = PodState::Terminating { node: "n".into(), until: NOW + Span::from_secs(30) };
        let plan = planned([
            Change::Pool(pool()),
            Change::Node(goes),
            Change::Pod(running("web", "web", 100, "n")),
            Change::Pod(daemon),
            Change::Pod(Pod { state, ..running("ends", "ends", 100, "n") }),
        ]);
        let pods: Vec<String> = places(&plan).into_keys().collect();
        assert_eq!(pods, ["uid-web"]);
    }
}

/// That one has the room that there is.
#[test]
fn a_pod_that_has_a_replica_more_elsewhere_looks_for_no_room() {
    let web = running("web", "web", 1000, "n");
    let more = Announced { key: "more".into(), name: "web".into(), shape: web.shape.clone(), count: 1 };
    let mut view = view([
        Change::Pool(pool()),
        Change::Node(draining("n", "a")),
        Change::Node(node("room", "b")),
        Change::Pod(running("large", "large", 3000, "room")),
        Change::Pod(web),
        Change::Announced(more),
    ]);
    for (surplus, nodes) in [(None, 1), (Some("uid-web"), 0), (None, 1)] {
        view.apply(Change::Surplus(surplus.into_iter().map(Name::from).collect()));
        let plan = plan(&view, &Settings::default(), NOW);
        assert_eq!(plan.add.len(), nodes, "{surplus:?}");
        if surplus.is_some() {
            assert_eq!(places(&plan), BTreeMap::from([("more".to_owned(), Place::Node("room".into()))]));
        }
    }
}

#[test]
fn pods_and_announcements_of_a_class_are_given_places_by_name() {
    let of = |name: &str| waiting(name, "web", 4000);
    let announced = Announced { key: "soon".into(), name: "web".into(), shape: of("x").shape, count: 2 };
    let plan = planned([
        Change::Pool(pool()),
        Change::Node(node("n", "a")),
        Change::Pod(of("web-0")),
        Change::Announced(announced),
    ]);
    let pods: Vec<(&str, u32)> = plan.placements.iter().map(|of| (&*of.pod, of.count)).collect();
    assert_eq!(pods[0], ("soon", 1), "the node that is there is for the first by name");
    assert_eq!(pods.iter().map(|(_, count)| count).sum::<u32>(), 3);
    assert_eq!(pods.last(), Some(&("uid-web-0", 1)));
}

#[test]
fn a_limit_of_a_resource_may_be_reached_and_not_passed() {
    for (limit, nodes) in [(3999, 0), (4000, 1), (7999, 1), (8000, 2)] {
        let mut pool = pool();
        pool.limits.resources.insert("cpu".into(), limit);
        let pods = (0..2).map(|index| Change::Pod(waiting(&format!("web-{index}"), "web", 4000)));
        let plan = planned([Change::Pool(pool)].into_iter().chain(pods));
        assert_eq!(plan.add.iter().map(|of| of.count).sum::<u32>(), nodes, "{limit}");
    }
}

#[test]
fn a_zone_keeps_its_least_size_without_the_nodes_that_go() {
    let other = |node: Node| Node { pool: Some("q".into()), ..node };
    for (nodes, ordered) in [
        (vec![node("n", "a")], 0),
        (vec![Node { interrupted: true, ..node("n", "a") }], 1),
        (vec![draining("n", "a")], 1),
        (vec![node("n", "a"), draining("b", "b")], 0),
        (vec![node("n", "a"), other(draining("q", "a"))], 0),
        (vec![other(node("q", "a"))], 1),
    ] {
        let mut pool = pool();
        pool.limits.min_per_zone.insert("a".into(), 1);
        let names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
        let plan = planned([Change::Pool(pool)].into_iter().chain(nodes.into_iter().map(Change::Node)));
        assert_eq!(plan.add.iter().map(|of| of.count).sum::<u32>(), ordered, "{names:?}");
    }
}

#[test]
fn a_least_size_is_made_of_the_cheapest_nodes_that_can_be_had() {
    let with_limit = |limit| {
        let mut pool = pool();
        pool.offerings = vec![offering("dear", "a", 4, 300_000), offering("near", "a", 4, 200_000)];
        pool.offerings[1].capacity = Capacity::Left(1);
        pool.limits.min_per_zone.insert("a".into(), 3);
        pool.limits.nodes = limit;
        let plan = planned([Change::Pool(pool)]);
        plan.add.iter().map(|of| format!("{} {}", of.count, of.offering.instance_type)).collect::<Vec<_>>()
    };
    assert_eq!(with_limit(None), ["2 dear", "1 near"]);
    assert_eq!(with_limit(Some(2)), ["1 dear", "1 near"]);
    assert!(with_limit(Some(0)).is_empty());
}

#[test]
fn among_equal_prices_the_zone_with_the_fewest_nodes_is_next_where_zones_are_balanced() {
    for (balance, zone) in [(Balance::Zones, "b"), (Balance::Off, "a")] {
        let pool = Pool { balance, ..pool() };
        let plan = planned([
            Change::Pool(pool),
            Change::Node(node("n", "a")),
            Change::Pod(running("old", "old", 4000, "n")),
            Change::Node(node("m", "c")),
            Change::Pod(running("too", "old", 4000, "m")),
            Change::Pod(waiting("web", "web", 4000)),
        ]);
        assert_eq!(&*plan.add[0].offering.zone, zone);
    }
}

/// The type that is taken for some pods of 1.5 cores and 1 GiB: cpu in thousandths, GiB and price of each that is offered,
/// one in each zone.
fn taken(expander: Expander, pods: usize, types: &[(&str, i64, i64, i64)]) -> String {
    let of = |((name, cpu, gib, price), zone): (&(&str, i64, i64, i64), &str)| {
        let allocatable = Resources { cpu: *cpu, memory: gib << 30, pods: 110, ..Resources::default() };
        Offering { allocatable, ..offering(name, zone, 1, *price) }
    };
    let pool = Pool { expander, offerings: types.iter().zip(["a", "b"]).map(of).collect(), ..pool() };
    let pods = (0..pods).map(|index| {
        let pod = waiting(&format!("web-{index}"), "web", 1500);
        Change::Pod(with(pod, |shape| shape.requests.memory = 1 << 30))
    });
    let plan = planned([Change::Pool(pool)].into_iter().chain(pods));
    plan.add[0].offering.instance_type.to_string()
}

#[test]
fn the_least_waste_is_the_least_share_of_cpu_and_memory_that_is_left_over() {
    for (pods, types, least) in [
        // A quarter of the cpu against three eighths; by amounts it would be the other way round.
        (4, [("large", 8000, 4, 900), ("small", 2400, 1, 100)], "large"),
        (1, [("tight", 2000, 1, 900), ("loose", 8000, 1, 100)], "tight"),
        (1, [("tight", 1500, 2, 900), ("loose", 1500, 8, 100)], "tight"),
        // Both shares are added: a fifth of the cpu is less than half of the memory.
        (1, [("cpu", 1875, 1, 900), ("memory", 1500, 2, 100)], "cpu"),
    ] {
        assert_eq!(taken(Expander::LeastWaste, pods, &types), least, "{types:?}");
        assert_ne!(taken(Expander::Price, pods, &types), least, "{types:?}: the other one is cheaper");
    }
}

#[test]
fn the_most_pods_are_counted_up_to_those_that_there_are() {
    let types = [("large", 12_000, 8, 9000), ("small", 1500, 1, 100)];
    assert_eq!(taken(Expander::MostPods, 4, &types), "large");
    assert_eq!(taken(Expander::MostPods, 1, &types), "small", "one is one on both, and the price decides");
}

/// The nodes that are added: how many of which type with how many pods.
fn added(plan: &NodePlan) -> Vec<String> {
    let told = |of: &NewNodes| format!("{} {} for {}", of.count, of.offering.instance_type, of.pods);
    plan.add.iter().map(told).collect()
}

#[test]
fn a_node_less_is_worth_a_thirty_second_of_the_price_per_pod() {
    for (large, expected) in [(6500, "1 large for 5"), (6501, "2 small for 5")] {
        let mut pool = pool();
        pool.offerings = vec![offering("small", "a", 4, 3200), offering("large", "a", 8, large)];
        let web = (0..4).map(|index| Change::Pod(waiting(&format!("web-{index}"), "web", 1000)));
        let plan =
            planned([Change::Pool(pool), Change::Pod(waiting("db", "db", 4000))].into_iter().chain(web));
        assert_eq!(added(&plan), [expected], "{large}");
    }
}

#[test]
fn a_node_is_enlarged_to_what_costs_the_least_per_pod_that_it_takes_more() {
    let mut pool = pool();
    let types = [("small", 4, 3200), ("medium", 8, 4200), ("large", 12, 4400)];
    pool.offerings = types.map(|(name, cores, price)| offering(name, "a", cores, price)).to_vec();
    let web = (0..8).map(|index| Change::Pod(waiting(&format!("web-{index}"), "web", 1000)));
    let plan = planned([Change::Pool(pool), Change::Pod(waiting("db", "db", 4000))].into_iter().chain(web));
    assert_eq!(added(&plan), ["1 large for 9"]);
}

#[test]
fn no_more_pods_share_the_price_of_a_node_than_may_be_on_it() {
    type Ask = fn(&mut PodShape);
    let port = HostPort { ip: "0.0.0.0".into(), protocol: "TCP".into(), port: 80 };
    let shapes: [(Ask, &str); 4] = [
        (|_| (), "1 large for 8"),
        (|shape| shape.affinity.anti_pods = beside(HOSTNAME, "web").pods, "8 small for 8"),
        (|shape| shape.spread = vec![evenly(HOSTNAME, "web")], "8 small for 8"),
        (|shape| shape.spread = vec![Spread { max_skew: 2, ..evenly(HOSTNAME, "web") }], "4 small for 8"),
    ];
    let of = |change: &dyn Fn(&mut PodShape)| {
        let mut pool = pool();
        pool.offerings = vec![offering("small", "a", 2, 100), offering("large", "b", 16, 150)];
        let pods = (0..8).map(|index| {
            Change::Pod(with(waiting(&format!("web-{index}"), "web", 500), |shape| change(shape)))
        });
        added(&planned([Change::Pool(pool)].into_iter().chain(pods)))
    };
    for (change, expected) in shapes {
        assert_eq!(of(&change), [expected]);
    }
    assert_eq!(of(&|shape| shape.host_ports = [port.clone()].into()), ["8 small for 8"]);
}

/// Pods on the small node would be too many in its zone in the end.
#[test]
fn a_node_whose_pods_would_be_refused_in_the_end_is_not_ordered() {
    let mut pool = pool();
    pool.offerings = vec![offering("small", "a", 2, 250_000), offering("large", "b", 3, 350_000)];
    pool.limits.resources.insert("cpu".into(), 9000);
    let pods = (0..6).map(|index| {
        let pod = waiting(&format!("web-{index}"), "web", 1500);
        Change::Pod(with(pod, |shape| shape.spread = vec![evenly(ZONE, "web"), evenly(HOSTNAME, "web")]))
    });
    let plan = planned([Change::Pool(pool), Change::Node(node("n", "a"))].into_iter().chain(pods));
    assert!(plan.add.iter().all(|of| of.pods > 0), "{plan}");
    let refused: u32 = plan.refused.iter().map(|of| of.count).sum();
    assert_eq!(plan.placements.len() + refused as usize, 6, "{plan}");
}
