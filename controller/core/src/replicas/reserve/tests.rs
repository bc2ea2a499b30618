use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::domains::Occupants;
use super::super::fixtures::{context, external, input, load, object, pods_metric, proposal, web};
use super::super::{Algorithm, FallbackBehavior, Memory, Reading, ValueTarget, decide};
use super::*;
use crate::replicas::{Fallback, MetricOptions};

/// As many pods in each zone, all of them ready.
fn zones(pods: &[u32]) -> Domains {
    let known = u32::try_from(pods.len()).expect("few");
    let pods = pods.iter().enumerate().filter(|(_, pods)| **pods > 0);
    let pods = pods.map(|(i, pods)| (format!("zone-{i}"), Occupants { pods: *pods, ready: *pods }));
    Domains { open: known, known, pods: pods.collect() }
}

fn even(size: u32, zones_: u32) -> Domains {
    let pods: Vec<u32> = (0..zones_).map(|i| size / zones_ + u32::from(i < size % zones_)).collect();
    zones(&pods)
}

/// A workload of `size` replicas in zones, with a metric whose target is 100 per pod and the load `load` in all.
fn loaded(size: i32, zones: Domains, load_in_all: i64) -> Input {
    let pods = usize::try_from(size).expect("a size");
    let each = load_in_all / i64::from(size.max(1));
    let metric = pods_metric(100);
    let mut input = input(Algorithm::Plimsoll1, size)
        .pods(web(pods))
        .metric(metric, Reading::Pods(load(vec![each; pods])));
    input.policy.survive = Some(Survive::Zone);
    input.zones = Some(zones);
    input
}

fn desired(input: &Input) -> i32 {
    decide(input, &Memory::default()).0.desired
}

fn reserve(size: i32, zones: Domains) -> Reserve {
    context(&loaded(size, zones, 0)).reserve
}

#[test]
fn the_size_is_the_smallest_of_which_enough_are_left() {
    for (zones_, needed, size) in [
        (3, 1, 2),
        (3, 2, 3),
        (3, 4, 6),
        (3, 5, 8),
        (3, 6, 9),
        (2, 1, 2),
        (2, 4, 8),
        (4, 6, 8),
        (5, 4, 5),
        (100, 7, 8),
    ] {
        assert_eq!(reserve(0, even(0, zones_)).size_for(needed, false), size, "{needed} in {zones_} zones");
    }
}

#[test]
fn new_replicas_even_out_a_skew_and_no_skew_asks_for_more_than_twice() {
    for (pods, needed, size) in [
        (vec![2, 2, 2], 4, 6),
        (vec![3, 3, 0], 4, 7),
        (vec![4, 1, 1], 4, 8),
        (vec![6, 0, 0], 4, 8),
        (vec![8, 0, 0], 4, 8),
        (vec![100, 0, 0], 4, 8),
        (vec![5, 3, 2], 6, 11),
    ] {
        let total: u32 = pods.iter().sum();
        let total = i32::try_from(total).expect("few");
        assert_eq!(reserve(total, zones(&pods)).size_for(needed, false), size, "{needed} with {pods:?}");
    }
}

/// Judge the tolerance without the reserve and 6 replicas become 8 or 4 as the load moves between 3.7 and 4.3.
#[test]
fn noise_within_the_tolerance_moves_nothing() {
    for load_in_all in [366, 380, 400, 420, 438] {
        let input = loaded(6, even(6, 3), load_in_all);
        assert_eq!(proposal(&input), (4, Basis::WithinTolerance), "at {load_in_all}");
        assert_eq!(desired(&input), 6, "at {load_in_all}");
    }
    assert_eq!(desired(&loaded(6, even(6, 3), 450)), 8, "5 are needed");
}

/// Hold the present size as what the load needs, and it grows at each look: 12, 18, 27.
#[test]
fn pods_that_start_hold_the_size_and_are_not_taken_for_need() {
    let mut input = loaded(12, even(12, 3), 0);
    for pod in &mut input.pods[6..] {
        pod.ready = None;
    }
    input.readings = vec![Reading::Pods(load([134; 6]))];
    assert_eq!(desired(&input), 12);
}

#[test]
fn crashing_pods_hold_the_size() {
    let mut input = loaded(6, even(6, 3), 0).metric(object(ValueTarget::Value(100)), Reading::Value(500));
    input.policy.metrics.remove(0);
    input.readings.remove(0);
    for pod in &mut input.pods {
        pod.ready = None;
    }
    assert_eq!(proposal(&input), (4, Basis::NoReadyPods));
    assert_eq!(desired(&input), 6);
}

#[test]
fn values_of_all_pods_together_get_a_reserve_too() {
    let (average, value) = (ValueTarget::AverageValue(100), ValueTarget::Value(100));
    for (target, read, expected) in [
        (average, 400, 6),
        (average, 430, 6),
        (average, 800, 12),
        (value, 67, 6),
        (value, 72, 6),
        (value, 133, 12),
    ] {
        let mut input = loaded(6, even(6, 3), 0).metric(external(target), Reading::Value(read));
        input.policy.metrics.remove(0);
        input.readings.remove(0);
        assert_eq!(desired(&input), expected, "{target:?} at {read}");
    }
}

#[test]
fn from_zero_the_reserve_comes_at_once_and_zero_stays_possible() {
    let queue = |size, value| {
        let mut input = input(Algorithm::Plimsoll1, size)
            .pods(web(usize::try_from(size).expect("a size")))
            .metric(external(ValueTarget::AverageValue(100)), Reading::Value(value));
        input.policy.min_replicas = 0;
        input.policy.survive = Some(Survive::Zone);
        input.zones = Some(even(u32::try_from(size).expect("a size"), 3));
        input.scaled_to_zero = size == 0;
        input
    };
    let (decision, _) = decide(&queue(0, 150), &Memory::default());
    assert_eq!((decision.recommendation, decision.desired), (Some(2), 3));
    assert_eq!(desired(&queue(0, 0)), 0);
    let mut idle = queue(3, 0);
    idle.policy.behavior().scale_down.stabilization_window_seconds = Some(0);
    let (decision, _) = decide(&idle, &Memory::default());
    assert_eq!((decision.desired, decision.to_zero), (0, true));
}

#[test]
fn who_may_not_go_to_zero_has_one_left() {
    let mut input = loaded(1, even(1, 3), 0);
    assert_eq!(desired(&input), 2, "even without any load");
    input.policy.max_replicas = 1;
    let (decision, _) = decide(&input, &Memory::default());
    assert_eq!(decision.desired, 1);
    let reserve = decision.reserve.expect("one is asked for");
    assert_eq!(
        reserve.to_string(),
        "1 of 1 replicas is there for the loss of the largest of 3 zones, of the 2 that it takes: maxReplicas"
    );
}

#[test]
fn the_maximum_that_cuts_a_reserve_is_named() {
    let mut input = loaded(6, even(6, 3), 800);
    input.policy.max_replicas = 10;
    let (decision, _) = decide(&input, &Memory::default());
    assert_eq!((decision.recommendation, decision.desired), (Some(8), 10));
    assert_eq!(
        decision.reserve.expect("one is asked for").to_string(),
        "2 of 10 replicas are there for the loss of the largest of 3 zones, of the 4 that it takes: maxReplicas"
    );
}

#[test]
fn a_formula_says_what_the_load_needs() {
    let mut input = loaded(6, even(6, 3), 400);
    input.policy.metric_options =
        vec![MetricOptions { name: Some("web".to_owned()), ..MetricOptions::default() }];
    for (formula, size) in [("web.replicas", 6), ("web.replicas + 1", 8), ("2 * web.replicas", 12)] {
        input.policy.formula = Some(formula.to_owned());
        assert_eq!(desired(&input), size, "{formula}");
    }
}

#[test]
fn a_metric_that_fails_shrinks_no_reserve() {
    let failed = Reading::Failed(crate::replicas::ReadingError::Empty);
    for (load_in_all, size) in [(400, 6), (100, 6), (800, 12)] {
        let input = loaded(6, even(6, 3), load_in_all).metric(pods_metric(1), failed.clone());
        assert_eq!(desired(&input), size, "at {load_in_all}");
    }
}

#[test]
fn the_size_of_a_fallback_is_taken_as_it_is() {
    let mut input = loaded(3, even(3, 3), 0);
    input.readings = vec![Reading::Failed(crate::replicas::ReadingError::Empty)];
    input.policy.fallback = Some(Fallback { after_failures: 1, behavior: FallbackBehavior::Static(5) });
    let (decision, _) = decide(&input, &Memory::default());
    assert_eq!((decision.desired, decision.reserve), (5, None));
}

#[test]
fn a_loss_makes_the_reserve_larger_and_never_smaller() {
    let at = |open, known| {
        let mut domains = even(6, 3);
        (domains.open, domains.known) = (open, known);
        desired(&loaded(6, domains, 400))
    };
    assert_eq!([at(3, 3), at(2, 3), at(1, 3), at(0, 3)], [6, 8, 6, 6]);
}

#[test]
fn what_cannot_be_survived_is_said_and_asks_for_nothing() {
    let mut one = loaded(4, even(4, 1), 400);
    assert_eq!(desired(&one), 4);
    for (domains, words) in [
        (Some(even(4, 1)), "no replica is there for the loss of a zone: there is only one"),
        (
            Some(Domains::default()),
            "no replica is there for the loss of a zone: no node has a label that says its zone",
        ),
        (
            None,
            "no replica is there for the loss of a zone: the operator may not watch nodes, see the chart's value \
             availability.enabled",
        ),
    ] {
        one.zones = domains;
        let (decision, _) = decide(&one, &Memory::default());
        let reserve = decision.reserve.expect("one is asked for");
        assert_eq!((decision.desired, reserve.to_string().as_str()), (4, words));
    }
}

#[test]
fn hpas_rules_refuse_a_reserve() {
    let mut input = loaded(6, even(6, 3), 400);
    input.policy.algorithm = Algorithm::Hpa137;
    let (decision, _) = decide(&input, &Memory::default());
    assert_eq!(decision.desired, 6);
    assert!(!decision.is_decided());
    assert!(
        decision.why().contains("spec.availability.survive: needs algorithm: Plimsoll-1"),
        "{}",
        decision.why()
    );
}

#[test]
fn a_node_is_survived_by_how_pods_lie_on_nodes() {
    let mut input = loaded(4, even(4, 3), 400);
    input.policy.survive = Some(Survive::Node);
    input.nodes = Some(zones(&[2, 1, 1, 0, 0]));
    assert_eq!(desired(&input), 6, "without the node with 2 of them 4 are left");
    input.nodes = Some(zones(&[1, 1, 1, 1, 0]));
    assert_eq!(desired(&input), 5, "one on each of 5 nodes");
}

/// Any layout of up to 40 pods over up to 6 domains.
fn layouts() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..12, 2..6)
}

/// Where new pods go: to the domains with fewest.
fn filled(mut pods: Vec<u32>, size: u32) -> Vec<u32> {
    while pods.iter().sum::<u32>() < size {
        if let Some(fewest) = pods.iter_mut().min() {
            *fewest += 1;
        }
    }
    pods
}

proptest! {
    /// From nothing, spread evenly: of the size enough are left after the loss of any zone, and of one less too few.
    #[test]
    fn enough_are_left_of_an_even_spread(needed in 1_u32..500, zones_ in 2_u32..9) {
        let size = reserve(0, even(0, zones_)).size_for(i32::try_from(needed).expect("small"), false);
        let size = u32::try_from(size).expect("a size");
        prop_assert!(size - size.div_ceil(zones_) >= needed);
        prop_assert!(size - 1 - (size - 1).div_ceil(zones_) < needed, "one less would do");
    }

    /// However pods lie now: what comes goes where there are fewest, and then enough are left, unless that took more than
    /// twice what is needed.
    #[test]
    fn enough_are_left_of_a_skewed_one(pods in layouts(), needed in 1_u32..60) {
        let now: u32 = pods.iter().sum();
        let rule = reserve(i32::try_from(now).expect("few"), zones(&pods));
        let size = u32::try_from(rule.size_for(i32::try_from(needed).expect("few"), false)).expect("a size");
        prop_assert!(size <= 2 * needed);
        if size >= now && size < 2 * needed {
            let filled = filled(pods, size);
            let most = filled.iter().max().copied().unwrap_or_default();
            prop_assert!(size - most >= needed, "{filled:?}");
        }
    }

    #[test]
    fn more_load_never_takes_fewer(pods in layouts(), needed in 0_i32..100, more in 0_i32..100) {
        let now: u32 = pods.iter().sum();
        let rule = reserve(i32::try_from(now).expect("few"), zones(&pods));
        prop_assert!(rule.size_for(needed, false) <= rule.size_for(needed + more, false));
        prop_assert!(rule.size_for(needed, false) >= needed);
    }

    /// The size that a load leads to is one at which the load that it carries holds, and so does any within the tolerance.
    #[test]
    fn a_size_that_was_arrived_at_stays(needed in 1_i32..60, zones_ in 2_u32..6, share in 91_i64..110) {
        let size = reserve(0, even(0, zones_)).size_for(needed, false);
        let spread = even(u32::try_from(size).expect("a size"), zones_);
        let mut input = loaded(size, spread, 0);
        input.policy.metrics = vec![external(ValueTarget::AverageValue(100))];
        let carried = i64::from(context(&input).reserve.hold());
        prop_assert!(carried >= needed.into());
        input.readings = vec![Reading::Value(carried * share)];
        prop_assert_eq!(desired(&input), size);
    }

    #[test]
    fn the_names_and_order_of_zones_do_not_matter(mut pods in layouts(), load_in_all in 0_i64..6000) {
        let now = i32::try_from(pods.iter().sum::<u32>()).expect("few");
        let before = desired(&loaded(now, zones(&pods), load_in_all));
        pods.reverse();
        prop_assert_eq!(desired(&loaded(now, zones(&pods), load_in_all)), before);
    }

    #[test]
    fn the_size_is_within_the_bounds(
        pods in layouts(), load_in_all in 0_i64..9000, min in 0_i32..20, more in 0_i32..20,
    ) {
        let now = i32::try_from(pods.iter().sum::<u32>()).expect("few");
        let mut input = loaded(now, zones(&pods), load_in_all);
        (input.policy.min_replicas, input.policy.max_replicas) = (min, (min + more).max(1));
        let size = desired(&input);
        let is_off = now == 0;
        prop_assert!(is_off || (min..=(min + more).max(1)).contains(&size), "{}", size);
    }

    /// Even with numbers that no cluster has.
    #[test]
    fn nothing_overflows(needed in any::<i32>(), size in any::<i32>(), most in any::<u32>(), open in any::<u32>()) {
        let mut input = loaded(0, Domains { open, known: open, pods: BTreeMap::new() }, 0);
        input.target.spec_replicas = size;
        let occupants = Occupants { pods: most, ready: most };
        input.zones.as_mut().expect("was set").pods.insert("a".to_owned(), occupants);
        let rule = context(&input).reserve;
        prop_assert!(rule.size_for(needed.max(0), false) >= needed);
        let _ = (rule.hold(), rule.judged(1.0));
    }
}
