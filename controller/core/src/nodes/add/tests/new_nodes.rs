//! Which nodes are ordered, and which of them become larger.

use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::{Daemon, VolumeNeed};
use crate::nodes::reason::Cause;
use crate::placement::Refusal;

/// Pool `p` with these types in zone a: cores and price of each.
fn in_one_zone(types: &[(&str, i64, i64)]) -> Pool {
    let of = |(name, cores, price): &(&str, i64, i64)| offering(name, "a", *cores, *price);
    Pool { offerings: types.iter().map(of).collect(), ..pool() }
}

/// Equal pods that wait, each with so much cpu.
pub(super) fn some(app: &str, count: usize, cpu: i64, change: impl Fn(&mut PodShape)) -> Vec<Change> {
    let of = |index| Change::Pod(with(waiting(&format!("{app}-{index}"), app, cpu), &change));
    (0..count).map(of).collect()
}

fn anything(_: &mut PodShape) {}

type Ask<'a> = &'a dyn Fn(&mut PodShape);

/// Not on a node with a pod of one of these.
pub(super) fn apart_from(apps: &[&str]) -> impl Fn(&mut PodShape) {
    let terms: Vec<_> = apps.iter().map(|app| term(HOSTNAME, app)).collect();
    move |shape| shape.affinity.anti_pods.clone_from(&terms)
}

fn added_for(pools: Vec<Pool>, pods: impl IntoIterator<Item = Vec<Change>>) -> Vec<String> {
    added(&planned(pools.into_iter().map(Change::Pool).chain(pods.into_iter().flatten())))
}

/// So many of a device.
fn gpus(count: i64) -> BTreeMap<Name, i64> {
    BTreeMap::from([("example.com/gpu".into(), count)])
}

/// Pool `p`, whose nodes have a device each.
fn with_gpus() -> Pool {
    let mut pool = pool();
    pool.offerings.iter_mut().for_each(|of| of.allocatable.extended = gpus(1));
    pool
}

/// How many nodes are ordered for pods that ask for a device each, beside a node of the pool that was made so many seconds
/// ago and reports so many.
fn ordered_beside(pool: &Pool, reported: Option<i64>, age: i64, pods: usize) -> u32 {
    let mut young = Node { created: NOW - Span::from_secs(age), ..node("n", "a") };
    young.allocatable.extended = reported.map(gpus).unwrap_or_default();
    let pods = some("web", pods, 100, |shape| shape.requests.extended = gpus(1));
    let plan = planned([Change::Pool(pool.clone()), Change::Node(young)].into_iter().chain(pods));
    plan.add.iter().map(|new| new.count).sum()
}

#[test]
fn a_node_that_has_registered_and_has_not_reported_its_devices_is_waited_for() {
    for (reported, age, pods, ordered, what) in [
        (None, 60, 1, 0, "its plugin does not run yet"),
        (Some(0), 899, 1, 0, "its plugin has counted none yet"),
        (None, 60, 2, 1, "it will have one of two"),
        (None, 900, 1, 1, "its time is over"),
        (Some(1), 900, 1, 0, "it has reported in time"),
    ] {
        assert_eq!(ordered_beside(&with_gpus(), reported, age, pods), ordered, "{what}");
    }
}

#[test]
fn devices_that_a_node_has_not_reported_yet_count_against_limits() {
    let mut pool = with_gpus();
    pool.limits.resources = gpus(1);
    let ordered = |age: i64| ordered_beside(&pool, None, age, 2);
    assert_eq!((ordered(60), ordered(900)), (0, 1));
}

#[test]
fn a_node_is_enlarged_though_an_earlier_one_is_as_large_as_can_be() {
    let pool = in_one_zone(&[("small", 4, 3200), ("large", 8, 6300)]);
    let pods =
        [some("big", 1, 8000, anything), some("db", 1, 4000, anything), some("web", 4, 1000, anything)];
    assert_eq!(added_for(vec![pool], pods), ["2 large for 6"]);
}

#[test]
fn of_several_nodes_the_one_is_enlarged_that_is_cheapest_to_enlarge() {
    let pool = in_one_zone(&[("small", 4, 3200), ("medium", 8, 6300), ("large", 12, 9000)]);
    let pods = [
        some("db", 1, 4000, apart_from(&["big"])),
        some("big", 1, 8000, anything),
        some("web", 4, 1000, anything),
    ];
    assert_eq!(added_for(vec![pool], pods), ["1 large for 5", "1 small for 1"]);
}

#[test]
fn many_nodes_that_pods_may_not_be_on_hide_none_that_can_be_enlarged_for_them() {
    let pool = in_one_zone(&[("small", 4, 3200), ("large", 8, 6300)]);
    let pods = [
        some("db", 40, 4000, apart_from(&["db", "cache", "web"])),
        some("cache", 1, 4000, anything),
        some("web", 4, 1000, anything),
    ];
    assert_eq!(added_for(vec![pool], pods), ["1 large for 5", "40 small for 40"]);
}

#[test]
fn a_machine_that_a_node_did_without_by_growing_can_be_had_again() {
    let mut pool = in_one_zone(&[("small", 4, 3200), ("large", 8, 6300)]);
    pool.offerings[0].capacity = Capacity::Left(1);
    let pods =
        [some("db", 1, 4000, anything), some("web", 4, 1000, anything), some("tiny", 1, 100, anything)];
    assert_eq!(added_for(vec![pool], pods), ["1 large for 5", "1 small for 1"]);
}

#[test]
fn pods_of_many_kinds_that_fill_a_node_get_one_each() {
    let pods = (3900..3912).map(|cpu| some(&format!("app-{cpu}"), 1, cpu, anything));
    assert_eq!(added_for(vec![in_one_zone(&[("m", 4, 100)])], pods), ["12 m for 12"]);
}

#[test]
fn a_node_that_has_become_larger_counts_as_such_against_a_limit() {
    for (limit, expected) in
        [(11_999, vec!["1 large for 5"]), (12_000, vec!["1 large for 5", "1 small for 1"])]
    {
        let mut pool = in_one_zone(&[("small", 4, 3200), ("large", 8, 6300)]);
        pool.limits.resources.insert("cpu".into(), limit);
        let pods =
            [some("db", 1, 4000, anything), some("web", 4, 1000, anything), some("tiny", 1, 100, anything)];
        assert_eq!(added_for(vec![pool], pods), expected, "{limit}");
    }
}

#[test]
fn machines_that_cost_nothing_are_ordered_like_others() {
    let pods = [some("db", 1, 4000, anything), some("web", 4, 1000, anything)];
    assert_eq!(added_for(vec![in_one_zone(&[("m", 4, 0)])], pods), ["2 m for 5"]);
}

#[test]
fn a_pool_that_goes_by_weight_gives_way_to_a_dearer_one_of_more_weight() {
    let by_weight = Pool { expander: Expander::Priority, ..in_one_zone(&[("cheap", 4, 100)]) };
    let heavy = Pool { name: "q".into(), weight: 50, ..in_one_zone(&[("dear", 4, 900)]) };
    let pods = [some("web", 1, 1000, anything)];
    assert_eq!(added_for(vec![by_weight, heavy], pods), ["1 dear for 1"]);
}

#[test]
fn of_two_types_at_one_price_the_smaller_makes_more_of_a_limit() {
    let mut pool = in_one_zone(&[("small", 4, 100), ("large", 8, 100)]);
    pool.limits.resources.insert("cpu".into(), 8000);
    let pods = [some("web", 2, 1000, apart_from(&["web"]))];
    assert_eq!(added_for(vec![pool], pods), ["2 small for 2"]);
}

#[test]
fn the_least_waste_is_looked_for_among_all_types_of_a_zone() {
    let mut pool = in_one_zone(&[("loose", 2, 100), ("tight", 2, 900)]);
    pool.expander = Expander::LeastWaste;
    pool.offerings[0].capacity = Capacity::Left(1);
    pool.offerings[1].allocatable.memory = 1 << 30;
    let ask = |memory, priority| {
        move |shape: &mut PodShape| (shape.requests.memory, shape.priority) = (memory, priority)
    };
    let pods = [some("first", 1, 2000, ask(1 << 30, 1)), some("second", 1, 2000, ask(4 << 30, 0))];
    assert_eq!(added_for(vec![pool], pods), ["1 loose for 1", "1 tight for 1"]);
}

/// How many volumes a node takes tells it from others only to pods that have some.
#[test]
fn a_node_is_enlarged_across_types_that_take_different_numbers_of_volumes() {
    let volume = |shape: &mut PodShape| {
        shape.volumes = vec![VolumeNeed { driver: Some("disk".into()), ..VolumeNeed::default() }];
    };
    let mut pool = in_one_zone(&[("small", 4, 3200), ("large", 8, 6300)]);
    pool.offerings[0].attach_limits = [("disk".into(), 25)].into();
    let pods = || [some("big", 1, 3000, anything), some("web", 4, 1000, anything)];
    assert_eq!(added_for(vec![pool.clone()], pods()), ["1 large for 5"]);
    let db = some("db", 26, 1, volume);
    assert_eq!(added_for(vec![in_one_zone(&[("small", 4, 3200)])], [db.clone()]), ["1 small for 26"]);
    pool.offerings.truncate(1);
    assert_eq!(added_for(vec![pool], [db]), ["2 small for 26"]);
}

#[test]
fn no_more_pods_share_the_price_of_a_node_than_it_can_attach_volumes_for() {
    let volume = |driver: &str| VolumeNeed { driver: Some(driver.into()), ..VolumeNeed::default() };
    for (limit, expected) in
        [(("disk", 16), "1 large for 8"), (("disk", 8), "2 small for 8"), (("other", 1), "1 large for 8")]
    {
        let mut pool = in_one_zone(&[("small", 2, 100), ("large", 16, 150)]);
        pool.offerings[1].attach_limits = [(limit.0.into(), limit.1)].into();
        let two = |shape: &mut PodShape| shape.volumes = vec![volume("disk"), volume("disk")];
        assert_eq!(added_for(vec![pool], [some("db", 8, 500, two)]), [expected], "{limit:?}");
    }
}

#[test]
fn a_spread_over_zones_does_not_bound_the_pods_of_a_node() {
    for max_skew in [1, 2] {
        let pool = in_one_zone(&[("small", 2, 100), ("large", 16, 150)]);
        let spread = |shape: &mut PodShape| shape.spread = vec![Spread { max_skew, ..evenly(ZONE, "web") }];
        assert_eq!(added_for(vec![pool], [some("web", 7, 500, spread)]), ["1 large for 7"], "{max_skew}");
    }
}

#[test]
fn no_node_is_ordered_for_the_pod_of_a_daemon() {
    let mut daemon = waiting("agent", "agent", 1000);
    daemon.owner = Some(owner(OwnerKind::DaemonSet, "agent"));
    let plan = planned([
        Change::Pool(pool()),
        Change::Node(node("n", "a")),
        Change::Pod(running("old", "old", 4000, "n")),
        Change::Pod(daemon),
    ]);
    assert!(plan.add.is_empty(), "{plan}");
    assert_eq!(why(&plan), ["1 nodes lack cpu"]);
}

#[test]
fn pools_that_go_by_different_things_are_compared_by_price_whatever_they_are_called() {
    for [least_waste, least_price] in [["x", "y"], ["y", "x"]] {
        let of = |name: &str, expander: Expander, mut offered: Offering| {
            offered.labels.insert(crate::cluster::CAPACITY_POOL.into(), name.into());
            Change::Pool(Pool { name: name.into(), expander, offerings: vec![offered], ..pool() })
        };
        let pools = [
            of(least_waste, Expander::LeastWaste, offering("snug", "a", 1, 300_000)),
            of(least_price, Expander::Price, offering("roomy", "a", 8, 200_000)),
        ];
        let plan = planned(pools.into_iter().chain(some("web", 1, 1000, anything)));
        let types: Vec<&str> = plan.add.iter().map(|new| &*new.offering.instance_type).collect();
        assert_eq!(types, ["roomy"], "least-waste is {least_waste}");
    }
}

/// Nodes that could never take them would be all that the limit allows.
#[test]
fn pods_that_daemons_keep_off_every_new_node_leave_limits_to_others() {
    let port = HostPort { ip: "".into(), protocol: "TCP".into(), port: 80 };
    let keeps_off =
        |key: &str, app: &str| Affinity { anti_pods: vec![term(key, app)], ..Affinity::default() };
    let daemon = |shape: &mut PodShape| {
        shape.labels.insert("app".into(), "agent".into());
        shape.host_ports = [port.clone()].into();
        shape.affinity = keeps_off(HOSTNAME, "quiet");
    };
    let mut agent = PodShape { namespace: "shop".into(), ..PodShape::default() };
    daemon(&mut agent);
    let agent = Change::Daemon(Daemon { uid: "agent".into(), name: "agent".into(), shape: agent.into() });
    let asks: [(&str, Ask<'_>, Option<Refusal>); 5] = [
        ("first", &|shape| shape.host_ports = [port.clone()].into(), Some(Refusal::HostPort(port.clone()))),
        (
            "first",
            &|shape| shape.affinity = keeps_off(HOSTNAME, "agent"),
            Some(Refusal::PodAntiAffinity(HOSTNAME.into())),
        ),
        ("quiet", &|_| (), Some(Refusal::ExistingAntiAffinity(HOSTNAME.into()))),
        ("first", &|shape| shape.affinity = keeps_off("rack", "agent"), None),
        ("first", &|_| (), None),
    ];
    for (app, ask, why) in asks {
        let mut pool = pool();
        pool.limits.nodes = Some(if why.is_some() { 1 } else { 2 });
        let plan = planned([
            Change::Pool(pool),
            agent.clone(),
            Change::Pod(with(waiting("first", app, 2000), ask)),
            Change::Pod(with(waiting("second", "second", 1000), |shape| {
                shape.node_selector = Labels::from([(ZONE.into(), "c".into())]);
            })),
        ]);
        let placed: Vec<_> = places(&plan).into_keys().collect();
        let found: Vec<_> = plan.refused.iter().flat_map(|of| &of.why).map(|of| of.cause.clone()).collect();
        match why {
            None => assert_eq!(placed, ["uid-first", "uid-second"]),
            Some(why) => {
                assert_eq!(placed, ["uid-second"], "{why:?}");
                assert_eq!(found, [Cause::Offerings("p".into(), why)]);
            }
        }
    }
}
