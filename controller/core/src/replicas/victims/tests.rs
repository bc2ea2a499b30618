use proptest::collection::vec;
use proptest::prelude::*;

use super::super::fixtures::{self, ago, external, input};
use super::super::{Algorithm, Memory, Sample, ValueTarget, decide};
use super::*;

fn pod(name: &str, usage: i64, zone: &str) -> Candidate {
    Candidate {
        name: name.to_owned(),
        usage: Some(usage),
        zone: Some(zone.to_owned()),
        goes_anyway: false,
        started: Some(ago(100)),
        own_cost: None,
    }
}

fn told(candidates: &[Candidate], count: usize) -> String {
    let victims = victims(candidates, count);
    victims.iter().map(|victim| format!("{} {}", victim.name, victim.reason)).collect::<Vec<_>>().join(", ")
}

#[test]
fn idle_pods_go_first_the_idlest_before_all() {
    let pods = [pod("a", 100, "x"), pod("b", 25, "x"), pod("c", 2, "y"), pod("d", 100, "x")];
    assert_eq!(told(&pods, 2), "c Idle, b Idle");
    assert_eq!(told(&pods, 0), "");
}

#[test]
fn among_equals_the_fullest_zone_loses_one_after_the_other() {
    let pods = [
        pod("a", 90, "x"),
        pod("b", 100, "x"),
        pod("c", 110, "x"),
        pod("d", 80, "y"),
        pod("e", 120, "y"),
        pod("f", 100, "z"),
    ];
    // x y z: 3 2 1, then 2 2 1, then 1 2 1 or 2 1 1, then 1 1 1. Of equals the last name.
    assert_eq!(told(&pods, 4), "c FullestZone, e FullestZone, b FullestZone, f Youngest");
}

#[test]
fn noise_does_not_outweigh_zones() {
    let pods =
        [pod("a", 70, "x"), pod("b", 130, "y"), pod("c", 130, "y"), pod("d", 70, "x"), pod("e", 99, "y")];
    assert_eq!(told(&pods, 1), "e FullestZone");
}

#[test]
fn an_idle_pod_goes_from_the_emptiest_zone_too() {
    let pods = [pod("a", 100, "x"), pod("b", 100, "x"), pod("c", 1, "y")];
    assert_eq!(told(&pods, 1), "c Idle");
}

#[test]
fn of_equals_in_one_zone_the_youngest_goes() {
    let mut pods = [pod("a", 100, "x"), pod("b", 100, "x"), pod("c", 100, "x")];
    pods[0].started = Some(ago(10));
    assert_eq!(told(&pods, 2), "a Youngest, c Youngest");
}

#[test]
fn what_kubernetes_takes_first_counts_and_needs_no_cost() {
    let mut pods = [pod("a", 100, "x"), pod("b", 1, "x"), pod("c", 100, "y")];
    pods[2].goes_anyway = true;
    assert_eq!(told(&pods, 2), "c NotReady, b Idle");
    assert!(!VictimReason::NotReady.needs_cost() && VictimReason::Idle.needs_cost());
}

#[test]
fn a_cost_that_somebody_else_set_is_heeded() {
    let mut pods = [pod("a", 1, "x"), pod("b", 100, "x"), pod("c", 100, "y"), pod("d", 100, "x")];
    pods[0].own_cost = Some(100);
    pods[2].own_cost = Some(-5);
    assert_eq!(told(&pods, 2), "c OwnCost, d Youngest");
    assert_eq!(told(&pods, 4), "c OwnCost, d Youngest, b Youngest", "a is not ours to choose");
    assert!(!VictimReason::OwnCost.needs_cost());
    pods[0].own_cost = Some(0);
    assert_eq!(told(&pods, 4), "c OwnCost, d Youngest, b Youngest", "a zero is a cost too");
}

#[test]
fn a_missing_sample_is_not_zero_load() {
    let mut pods = [pod("a", 100, "x"), pod("b", 100, "x"), pod("c", 10, "x")];
    pods[0].usage = None;
    assert_eq!(told(&pods, 1), "c Idle");
    for pod in &mut pods {
        pod.usage = None;
    }
    assert_eq!(told(&pods, 1), "c Youngest");
}

#[test]
fn without_zones_idleness_and_age_decide() {
    let mut pods = [pod("a", 100, ""), pod("b", 1, ""), pod("c", 100, "")];
    for pod in &mut pods {
        pod.zone = None;
    }
    assert_eq!(told(&pods, 2), "b Idle, c Youngest");
}

#[test]
fn extreme_usage_does_no_harm() {
    let pods = [pod("a", i64::MAX, "x"), pod("b", i64::MAX, "x"), pod("c", i64::MIN, "y"), pod("d", -1, "y")];
    assert_eq!(victims(&pods, 10).len(), 4);
    let idle = [pod("a", 0, "x"), pod("b", 0, "x"), pod("c", 0, "y")];
    assert_eq!(told(&idle, 1), "b FullestZone");
}

#[test]
fn usage_is_that_of_the_metric_that_decided_if_it_knows_pods() {
    let metric = || external(ValueTarget::AverageValue(1000));
    let samples = |value| Samples::from([("a".to_owned(), Sample { value, ..Sample::default() })]);
    let samples_at = |value| Samples::from([("a".to_owned(), fixtures::sample(value))]);
    let of = |readings: Vec<Reading>| {
        let mut input = input(Algorithm::Plimsoll1, 3);
        for reading in readings {
            input = input.metric(metric(), reading);
        }
        let (decision, _) = decide(&input, &Memory::default());
        deciding_samples(&input, &decision).map(|samples| samples["a"].value)
    };
    assert_eq!(of(vec![Reading::Value(2000)]), None);
    assert_eq!(of(vec![Reading::Value(2000), Reading::Pods(samples(7))]), Some(7));
    assert_eq!(of(vec![]), None);
    let mut input = input(Algorithm::Plimsoll1, 1).pods([fixtures::pod("a")]);
    for load in [100, 300, 200] {
        input = input.metric(fixtures::pods_metric(100), Reading::Pods(samples_at(load)));
    }
    let (decision, _) = decide(&input, &Memory::default());
    let decided = deciding_samples(&input, &decision).map(|samples| samples["a"].value);
    assert_eq!(decided, Some(300), "of several the one with the highest proposal");
}

#[test]
fn pods_that_have_ended_are_none_of_the_candidates() {
    let view = |phase, deleting| PodView { name: "a".into(), phase, deleting, ..PodView::default() };
    let of = |view: PodView| Candidate::of(&view, None, None, None);
    assert_eq!(of(view(PodPhase::Failed, false)), None);
    assert_eq!(of(view(PodPhase::Succeeded, false)), None);
    assert_eq!(of(view(PodPhase::Running, true)), None);
    assert!(of(view(PodPhase::Pending, false)).is_some_and(|pod| pod.goes_anyway));
    assert!(of(view(PodPhase::Running, false)).is_some_and(|pod| pod.goes_anyway), "not ready");
    let serving = Candidate::of(&fixtures::pod("a"), None, None, None);
    assert!(serving.is_some_and(|pod| !pod.goes_anyway));
}

prop_compose! {
    fn candidates()(
        pods in vec((0_i64..200, 0_usize..4, any::<bool>(), proptest::option::of(-9_i32..9), 0_i64..50), 0..30)
    ) -> Vec<Candidate> {
        let pods = pods.into_iter().enumerate();
        pods.map(|(at, (usage, zone, goes_anyway, own_cost, age))| Candidate {
            name: format!("pod-{at}"),
            usage: (usage > 20).then_some(usage),
            zone: ["x", "y", "z"].get(zone).map(|zone| (*zone).to_owned()),
            goes_anyway: goes_anyway && usage % 3 == 0,
            started: Some(ago(age)),
            own_cost: own_cost.filter(|_| usage % 4 == 0),
        })
        .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_order_of_candidates_does_not_matter(pods in candidates(), count in 0_usize..30, turn in 0_usize..30) {
        let mut other = pods.clone();
        other.reverse();
        if !other.is_empty() {
            let middle = turn % other.len();
            other.rotate_left(middle);
        }
        prop_assert_eq!(victims(&pods, count), victims(&other, count));
    }

    #[test]
    fn more_victims_are_the_same_ones_and_more(pods in candidates(), count in 0_usize..30) {
        let (fewer, more) = (victims(&pods, count), victims(&pods, count + 1));
        prop_assert!(fewer.len() <= count && more.starts_with(&fewer));
    }

    /// Take the zone out of the rank and this fails.
    #[test]
    fn zones_end_no_more_uneven_than_they_were(mut pods in candidates(), count in 0_usize..30) {
        for pod in &mut pods {
            (pod.usage, pod.goes_anyway, pod.own_cost) = (Some(100), false, None);
        }
        let spread = |gone: &[Victim]| {
            let mut zones: BTreeMap<_, i32> = BTreeMap::new();
            for pod in &pods {
                let is_left = !gone.iter().any(|victim| victim.name == pod.name);
                *zones.entry(&pod.zone).or_default() += i32::from(is_left);
            }
            zones.values().max().copied().unwrap_or(0) - zones.values().min().copied().unwrap_or(0)
        };
        prop_assert!(spread(&victims(&pods, count)) <= spread(&[]).max(1));
    }
}
