//! Pods that are spread over zones in which nodes have to be ordered.

use pretty_assertions::assert_eq;

use super::new_nodes::{apart_from, some};
use super::*;
use crate::cluster::{Buffer, CAPACITY_POOL, Headroom, HeadroomSize, NodeTemplate, NodeTerm, Preferred};

/// How many pods of an app go to new nodes of which zone.
fn in_zones(plan: &NodePlan, app: &str) -> Vec<(String, usize)> {
    let mut zones = BTreeMap::new();
    for (pod, place) in places(plan) {
        if let (true, Place::New(entry, _)) = (pod.starts_with(&format!("uid-{app}-")), place) {
            *zones.entry(plan.add[entry as usize].offering.zone.to_string()).or_default() += 1;
        }
    }
    zones.into_iter().collect()
}

fn expected(zones: &[(&str, usize)]) -> Vec<(String, usize)> {
    zones.iter().map(|(zone, count)| ((*zone).to_owned(), *count)).collect()
}

fn spread(app: &str, max_skew: i32) -> impl Fn(&mut PodShape) {
    let spread = Spread { max_skew, ..evenly(ZONE, app) };
    move |shape| shape.spread = vec![spread.clone()]
}

fn only_in(zone: &str) -> impl Fn(&mut PodShape) {
    let selector = Labels::from([(ZONE.into(), zone.into())]);
    move |shape| shape.node_selector.clone_from(&selector)
}

/// Pool `p` with these types: zone, cores and price of each.
fn pool_of(types: &[(&str, &str, i64, i64)]) -> Pool {
    let of = |(name, zone, cores, price): &(&str, &str, i64, i64)| offering(name, zone, *cores, *price);
    Pool { offerings: types.iter().map(of).collect(), ..pool() }
}

#[test]
fn zones_are_even_where_several_types_have_one_price() {
    let types =
        [("small", "a", 4, 100), ("large", "a", 8, 100), ("small", "b", 4, 100), ("large", "b", 8, 100)];
    let pods = some("web", 4, 1000, apart_from(&["web"]));
    let plan = planned([Change::Pool(pool_of(&types))].into_iter().chain(pods));
    assert_eq!(in_zones(&plan, "web"), expected(&[("a", 2), ("b", 2)]));
}

#[test]
fn a_zone_that_can_have_no_node_for_a_pod_holds_up_no_spread() {
    type Make<'f> = &'f dyn Fn(&mut Pool);
    let taint = Taint { key: "team".into(), value: "".into(), effect: Effect::NoSchedule };
    let cases: [(&str, Make<'_>); 4] = [
        ("too small", &|pool| pool.offerings[1] = offering("small", "b", 2, 100_000)),
        ("no nodes", &|pool| _ = pool.limits.nodes_per_zone.insert("b".into(), 0)),
        ("no cpu", &|pool| {
            pool.limits.resources_per_zone.insert("b".into(), [("cpu".into(), 3000)].into());
        }),
        ("a taint", &|pool| pool.offerings[1].taints = vec![taint.clone()]),
    ];
    for (what, make) in cases {
        let mut pool = pool_of(&[("m", "a", 4, 200_000), ("m", "b", 4, 200_000)]);
        make(&mut pool);
        let plan = planned([Change::Pool(pool)].into_iter().chain(some("web", 3, 3000, spread("web", 1))));
        assert_eq!(in_zones(&plan, "web"), expected(&[("a", 3)]), "{what}");
    }
}

#[test]
fn no_room_is_kept_on_a_new_node_that_would_make_a_spread_uneven() {
    let web = pool_of(&[("m", "a", 4, 100_000), ("m", "b", 4, 100_000)]);
    let mut of_gpu = offering("gpu", "c", 4, 200_000);
    of_gpu.labels.insert(CAPACITY_POOL.into(), "gpu".into());
    let taint = Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule };
    let requests = Resources { cpu: 1000, ..Resources::default() };
    let gpu = Pool {
        name: "gpu".into(),
        offerings: vec![of_gpu],
        template: NodeTemplate { taints: vec![taint], ..NodeTemplate::default() },
        headroom: vec![Headroom {
            name: "burst".into(),
            size: HeadroomSize::Pods { count: 1, requests },
            schedule: None,
            time_zone: None,
            duration: Span::ZERO,
        }],
        ..pool()
    };
    for (pods, missing) in [(0, 0), (4, 1)] {
        let pods = some("web", pods, 1000, spread("web", 1));
        let both = [Change::Pool(web.clone()), Change::Pool(gpu.clone())];
        let waiting = pods.len();
        let plan = planned(both.into_iter().chain(pods));
        assert_eq!(plan.placements.len(), waiting, "all pods get their place");
        assert_eq!(plan.kept_free.iter().map(|kept| kept.missing).sum::<u32>(), missing, "{waiting} pods");
    }
}

#[test]
fn a_zone_that_is_too_small_for_some_pods_is_used_for_others() {
    let pool = pool_of(&[("m", "a", 4, 200_000), ("small", "b", 2, 100_000)]);
    let pods =
        some("large", 1, 3000, spread("large", 1)).into_iter().chain(some("web", 2, 1000, spread("web", 1)));
    let plan = planned([Change::Pool(pool)].into_iter().chain(pods));
    assert_eq!(in_zones(&plan, "large"), expected(&[("a", 1)]));
    assert_eq!(in_zones(&plan, "web"), expected(&[("a", 1), ("b", 1)]));
}

#[test]
fn a_zone_that_may_have_no_more_nodes_takes_its_share_on_a_larger_one() {
    let types =
        [("small", "a", 4, 200), ("large", "a", 8, 400), ("small", "b", 4, 200), ("large", "b", 8, 400)];
    let mut pool = pool_of(&types);
    pool.limits.nodes_per_zone.insert("a".into(), 1);
    let pods = some("db", 1, 4000, only_in("a")).into_iter().chain(some("web", 2, 1000, spread("web", 1)));
    let plan = planned([Change::Pool(pool)].into_iter().chain(pods));
    assert_eq!(in_zones(&plan, "web"), expected(&[("a", 1), ("b", 1)]));
}

/// Zone a has no pods of the app and one node of the plan, which is full and as large as can be.
#[test]
fn a_zone_whose_nodes_cannot_become_larger_does_not_hold_up_what_another_may_take() {
    let mut pool = pool_of(&[("m", "a", 4, 200), ("m", "b", 4, 200)]);
    pool.limits.nodes_per_zone.insert("a".into(), 1);
    for (max_skew, zones) in [(1, vec![]), (2, expected(&[("b", 1)]))] {
        let there = [
            Change::Pool(pool.clone()),
            Change::Node(node("full", "b")),
            Change::Pod(running("web-old", "web", 4000, "full")),
        ];
        let pods = some("db", 1, 4000, only_in("a")).into_iter().chain(some(
            "web",
            1,
            1000,
            spread("web", max_skew),
        ));
        let plan = planned(there.into_iter().chain(pods));
        assert_eq!(in_zones(&plan, "web"), zones, "{max_skew}");
        assert_eq!(in_zones(&plan, "db"), expected(&[("a", 1)]), "{max_skew}");
    }
}

/// With the node in zone b, which comes for the small ones, a second large one in zone a is one too many.
#[test]
fn room_of_a_pod_that_would_be_refused_in_the_end_is_for_others() {
    let mut pool = pool_of(&[("m", "a", 4, 200_000), ("small", "b", 2, 100_000)]);
    pool.limits.nodes = Some(3);
    let large = some("large", 2, 3000, spread("large", 1));
    let web = some("web", 2, 1000, spread("web", 1));
    let less_important = some("db", 1, 3000, |shape| shape.priority = -1);
    let plan = planned([Change::Pool(pool)].into_iter().chain(large).chain(web).chain(less_important));
    for (app, zones) in [("large", vec![("a", 1)]), ("web", vec![("a", 1), ("b", 1)]), ("db", vec![("a", 1)])]
    {
        assert_eq!(in_zones(&plan, app), expected(&zones), "{plan}");
    }
}

#[test]
fn of_zones_that_are_as_empty_the_one_is_next_whose_node_with_room_was_opened_first() {
    let pool = pool_of(&[("m", "a", 4, 200), ("m", "b", 4, 200)]);
    let pods = [("full", 4000, "a"), ("first", 3900, "b"), ("second", 3800, "a")];
    let pods = pods.map(|(app, cpu, zone)| some(app, 1, cpu, only_in(zone)));
    let web = some("web", 1, 100, spread("web", 1));
    let plan = planned([Change::Pool(pool)].into_iter().chain(pods.into_iter().flatten()).chain(web));
    assert_eq!(in_zones(&plan, "web"), expected(&[("b", 1)]));
}

#[test]
fn of_nodes_of_the_plan_with_room_a_pod_goes_to_the_one_that_it_likes() {
    let pool = pool_of(&[("m", "a", 4, 200), ("m", "b", 4, 200)]);
    let there = ["a", "b"].map(|zone| some(&format!("db-{zone}"), 1, 3000, only_in(zone)));
    for liked in ["a", "b"] {
        let term = NodeTerm { labels: labelled(ZONE, liked).0, fields: Vec::new() };
        let likes = vec![Preferred { weight: 1, term }];
        let web = some("web", 1, 100, |shape| shape.affinity.preferred_nodes.clone_from(&likes));
        let all = there.iter().flatten().cloned().chain(web);
        let plan = planned([Change::Pool(pool.clone())].into_iter().chain(all));
        assert_eq!(in_zones(&plan, "web"), expected(&[(liked, 1)]));
    }
}

#[test]
fn a_zone_takes_no_turn_with_a_type_that_takes_fewer_pods_at_the_same_price() {
    let pool = pool_of(&[("m", "a", 4, 200), ("small", "b", 2, 200)]);
    let plan = planned([Change::Pool(pool)].into_iter().chain(some("web", 8, 1000, |_| ())));
    assert_eq!(in_zones(&plan, "web"), expected(&[("a", 8)]));
}

#[test]
fn a_buffer_that_is_spread_takes_what_the_limits_of_zones_leave_in_others() {
    let mut pool = pool_of(&["a", "b", "c"].map(|zone| ("m", zone, 4, 200)));
    pool.limits.nodes_per_zone = [("a".into(), 1), ("b".into(), 5)].into();
    let shape = with(waiting("web", "web", 4000), spread("web", 20)).shape;
    let buffer = Buffer { key: "shop/web".into(), shape, count: 13 };
    let plan = planned([Change::Pool(pool), Change::Buffer(buffer)]);
    let zones: Vec<_> = plan.add.iter().map(|of| (&*of.offering.zone, of.count)).collect();
    assert_eq!(zones, [("a", 1), ("b", 5), ("c", 7)]);
    let kept_free = &plan.kept_free[0];
    assert_eq!((kept_free.places.iter().map(|of| of.count).sum::<u32>(), kept_free.missing), (13, 0));
}

/// The node in zone a becomes larger for the last of them, and has room for the one before only then.
#[test]
fn whoever_has_a_place_keeps_it_when_the_plan_is_gone_through_once_more() {
    let mut pool = pool_of(&[("small", "a", 4, 3200), ("large", "a", 8, 6600), ("small", "b", 4, 3200)]);
    pool.limits.nodes_per_zone.insert("a".into(), 1);
    let first = some("first", 1, 4000, |shape| {
        only_in("a")(shape);
        shape.priority = 2;
    });
    let second = some("second", 1, 4000, |shape| {
        shape.spread = vec![evenly(HOSTNAME, "second")];
        shape.priority = 1;
    });
    let last = some("last", 1, 4000, only_in("a"));
    let plan = planned([Change::Pool(pool)].into_iter().chain(first).chain(second).chain(last));
    for (app, zone) in [("first", "a"), ("second", "b"), ("last", "a")] {
        assert_eq!(in_zones(&plan, app), expected(&[(zone, 1)]), "{plan}");
    }
}

/// Without nodes in zone a no zone may have more than one; with them, there is room for the others where there was.
#[test]
fn room_in_a_zone_is_used_before_a_node_is_ordered_there() {
    let mut changes = vec![
        Change::Pool(pool()),
        Change::Node(node("full", "c")),
        Change::Node(node("free", "b")),
        Change::Pod(running("old", "old", 4000, "full")),
    ];
    changes.extend((0..7).map(|n| {
        Change::Pod(with(waiting(&format!("web-{n}"), "web", 500), |shape| {
            shape.spread = vec![evenly(ZONE, "web")];
        }))
    }));
    let plan = planned(changes);
    let ordered: Vec<_> = plan.add.iter().map(|new| (&*new.offering.zone, new.count)).collect();
    assert_eq!(ordered, [("a", 1), ("c", 1)]);
    let on_free = places(&plan).values().filter(|place| **place == Place::Node("free".into())).count();
    assert!((2..=3).contains(&on_free), "{on_free}");
    assert_eq!(plan.refused, []);
}

/// A large one costs less than two small ones: the rest of a zone's pods, one more than a small one takes, goes to one node.
#[test]
fn what_is_left_of_a_class_is_put_on_as_few_nodes_as_pay() {
    let in_zone = |zone| [("small", zone, 4, 100_000), ("large", zone, 8, 190_000)];
    let pool = pool_of(&["a", "b", "c"].map(in_zone).concat());
    let rests: [(usize, &[(&str, u32)]); 8] = [
        (0, &[]),
        (1, &[("small", 1)]),
        (4, &[("small", 1)]),
        (5, &[("large", 1)]),
        (8, &[("large", 1)]),
        (9, &[("large", 1), ("small", 1)]),
        (12, &[("large", 1), ("small", 1)]),
        (13, &[("large", 2)]),
    ];
    for (full, (rest, nodes)) in [0, 1, 12].into_iter().flat_map(|full| rests.map(|rest| (full, rest))) {
        let count = 3 * (8 * full + rest);
        let pods = some("web", count, 900, spread("web", 1));
        let plan = planned([Change::Pool(pool.clone())].into_iter().chain(pods));
        let mut expected: BTreeMap<&str, u32> = nodes.iter().copied().collect();
        if full > 0 {
            *expected.entry("large").or_default() += u32::try_from(full).unwrap();
        }
        for zone in ["a", "b", "c"] {
            let there = plan.add.iter().filter(|add| *add.offering.zone == *zone);
            let ordered: BTreeMap<&str, u32> =
                there.map(|add| (&*add.offering.instance_type, add.count)).collect();
            assert_eq!(ordered, expected, "{count} pods, zone {zone}");
        }
    }
}
