use std::collections::BTreeSet;

use super::super::Algorithm;
use super::super::fixtures::{cpu_percent, external, input, object, pods_metric, prometheus, scrape};
use super::*;

fn differences(metrics: Vec<MetricSpec>, edit: impl FnOnce(&mut Policy)) -> Vec<Difference> {
    let mut policy = input(Algorithm::Hpa137, 1).policy;
    policy.metrics = metrics;
    edit(&mut policy);
    policy.differences()
}

/// `UtilizationIsExact` is the rule `utilization_is_exact`: whoever adds a rule adds its text.
#[test]
fn each_rule_has_its_difference() {
    let snake = |name: String| {
        let mut words = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !words.is_empty() {
                words.push('_');
            }
            words.extend(letter.to_lowercase());
        }
        words
    };
    let told: BTreeSet<String> = Difference::ALL.iter().map(|told| snake(format!("{told:?}"))).collect();
    let source = include_str!("../rules.rs");
    let methods = source.split("pub(super) fn ").skip(1);
    let rules: BTreeSet<String> = methods
        .filter(|method| method.split('}').next().is_some_and(|body| body.contains("self.corrected()")))
        .filter_map(|method| method.split('(').next().map(str::to_owned))
        .collect();
    assert_eq!(told, rules, "a rule without a text in Difference, or the other way round");
}

#[test]
fn only_what_can_matter_is_told() {
    use Difference::{
        IgnoredPodsNeedNoRequest, NegativeIsNoLoad, PerPodTargetsHoldAtSpec, PercentPoliciesLeaveZero,
        UnknownPodsAreDropped, UtilizationIsExact,
    };
    let of = |metric: MetricSpec| differences(vec![metric], |_| {});
    let has = |told: &[Difference], which| told.contains(&which);

    let told = of(cpu_percent(50));
    assert!(has(&told, UtilizationIsExact) && has(&told, IgnoredPodsNeedNoRequest));
    assert!(!has(&told, PerPodTargetsHoldAtSpec) && !has(&told, UnknownPodsAreDropped));

    let told = of(pods_metric(100));
    assert!(!has(&told, UtilizationIsExact) && has(&told, UnknownPodsAreDropped));

    let told = of(external(ValueTarget::AverageValue(1)));
    assert!(has(&told, PerPodTargetsHoldAtSpec) && has(&told, NegativeIsNoLoad));
    assert!(!has(&told, Difference::DirectionIsGuardedEverywhere));

    let told = of(object(ValueTarget::Value(1)));
    assert!(has(&told, Difference::TerminatingPodsAreNotReady) && !has(&told, PerPodTargetsHoldAtSpec));

    let at_zero = |rates: Vec<RatePolicy>| {
        differences(vec![external(ValueTarget::Value(1))], |policy| {
            policy.min_replicas = 0;
            policy.behavior().scale_up.policies = rates;
        })
    };
    assert!(has(&at_zero(vec![RatePolicy::percent(100, 15)]), PercentPoliciesLeaveZero));
    assert!(!has(
        &at_zero(vec![RatePolicy::percent(100, 15), RatePolicy::pods(4, 15)]),
        PercentPoliciesLeaveZero
    ));
}

#[test]
fn windows_and_periods_matter_only_where_they_are() {
    let with = |up: i32, down: i32, periods: (i32, i32)| {
        differences(vec![cpu_percent(50)], |policy| {
            let behavior = policy.behavior();
            behavior.scale_up.stabilization_window_seconds = Some(up);
            behavior.scale_down.stabilization_window_seconds = Some(down);
            behavior.scale_up.policies = vec![RatePolicy::pods(1, periods.0)];
            behavior.scale_down.policies = vec![RatePolicy::pods(1, periods.1)];
        })
    };
    assert!(with(0, 300, (15, 15)).contains(&Difference::WindowIsAReason));
    assert!(!with(0, 0, (15, 15)).contains(&Difference::WindowIsAReason));
    assert!(with(0, 0, (600, 15)).contains(&Difference::MemoryIsCompact));
    assert!(!with(0, 0, (15, 15)).contains(&Difference::MemoryIsCompact));
}

#[test]
fn each_difference_has_words_of_its_own() {
    let words: BTreeSet<String> = Difference::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), Difference::ALL.len());
    assert!(words.iter().all(|words| words.contains("HPA")), "each names what the HPA does: {words:?}");
}

/// What windows do can matter to every workload without `behavior`; the table has the rest.
#[test]
fn each_kind_of_metric_has_its_differences() {
    use Difference::{
        DirectionIsGuardedEverywhere, FinishedPodsAreIgnored, ForeignPodsAreDropped,
        IgnoredPodsNeedNoRequest, LoadWithoutReadyPodsHolds, MemorySurvives, NegativeIsNoLoad, NoMetricsHold,
        PerPodTargetsHoldAtSpec, SampleIsStale, TerminatingPodsAreNotReady, UnknownPodsAreDropped,
        UtilizationIsExact, WindowIsAReason,
    };
    let utilization = vec![
        LoadWithoutReadyPodsHolds,
        ForeignPodsAreDropped,
        UtilizationIsExact,
        DirectionIsGuardedEverywhere,
        SampleIsStale,
        IgnoredPodsNeedNoRequest,
        FinishedPodsAreIgnored,
        NegativeIsNoLoad,
    ];
    let average = vec![
        LoadWithoutReadyPodsHolds,
        ForeignPodsAreDropped,
        DirectionIsGuardedEverywhere,
        SampleIsStale,
        FinishedPodsAreIgnored,
        UnknownPodsAreDropped,
        NegativeIsNoLoad,
    ];
    let total = vec![
        LoadWithoutReadyPodsHolds,
        ForeignPodsAreDropped,
        DirectionIsGuardedEverywhere,
        TerminatingPodsAreNotReady,
        NegativeIsNoLoad,
    ];
    let per_pod = vec![PerPodTargetsHoldAtSpec, NegativeIsNoLoad];

    let cpu = || "cpu".to_owned();
    let resource = |target| MetricSpec::Resource { name: cpu(), target };
    let container =
        |target| MetricSpec::ContainerResource { name: cpu(), container: "app".to_owned(), target };
    let (value, per_pod_value) = (ValueTarget::Value(1), ValueTarget::AverageValue(1));
    for (metrics, expected) in [
        (vec![], &vec![NoMetricsHold]),
        (vec![resource(PodTarget::Utilization(50))], &utilization),
        (vec![container(PodTarget::Utilization(50))], &utilization),
        (vec![resource(PodTarget::AverageValue(1))], &average),
        (vec![container(PodTarget::AverageValue(1))], &average),
        (vec![pods_metric(1)], &average),
        (vec![scrape(1)], &average),
        (vec![object(value)], &total),
        (vec![external(value)], &total),
        (vec![prometheus(value)], &total),
        (vec![object(per_pod_value)], &per_pod),
        (vec![prometheus(per_pod_value)], &per_pod),
        (vec![external(per_pod_value)], &per_pod),
    ] {
        let mut told = differences(metrics.clone(), |_| {});
        for of_windows in [MemorySurvives, WindowIsAReason] {
            assert!(told.contains(&of_windows), "{metrics:?}");
            told.retain(|difference| *difference != of_windows);
        }
        assert_eq!(told, *expected, "{metrics:?}");
    }
}

#[test]
fn percentages_of_zero_matter_only_to_what_can_be_at_zero_and_grows_by_them_alone() {
    let told = |min_replicas, select_policy| {
        differences(vec![cpu_percent(50)], |policy| {
            policy.min_replicas = min_replicas;
            let up = &mut policy.behavior().scale_up;
            (up.policies, up.select_policy) = (vec![RatePolicy::percent(100, 15)], select_policy);
        })
    };
    let which = Difference::PercentPoliciesLeaveZero;
    assert!(told(0, SelectPolicy::Max).contains(&which));
    assert!(!told(1, SelectPolicy::Max).contains(&which), "it is never at zero");
    assert!(!told(0, SelectPolicy::Disabled).contains(&which), "it never grows");
}

/// `max_replicas` is 1000, and a sum has at most two sizes in it.
#[test]
fn only_policies_of_so_many_pods_that_a_sum_overflows_matter() {
    let told = |edit: fn(&mut Policy, RatePolicy), rate| {
        let told = differences(vec![cpu_percent(50)], |policy| edit(policy, rate));
        told.contains(&Difference::ArithmeticSaturates)
    };
    let up: fn(&mut Policy, RatePolicy) = |policy, rate| policy.behavior().scale_up.policies = vec![rate];
    let down: fn(&mut Policy, RatePolicy) = |policy, rate| policy.behavior().scale_down.policies = vec![rate];
    for edit in [up, down] {
        assert!(told(edit, RatePolicy::pods(i32::MAX - 1999, 15)));
        assert!(!told(edit, RatePolicy::pods(i32::MAX - 2000, 15)));
        assert!(!told(edit, RatePolicy::percent(i32::MAX, 15)), "a percentage is no sum");
    }
}

#[test]
fn a_window_in_one_direction_is_a_window_and_a_budget_is_remembered_too() {
    let told = |up, down| {
        differences(vec![cpu_percent(50)], |policy| {
            policy.behavior().scale_up.stabilization_window_seconds = Some(up);
            policy.behavior().scale_down.stabilization_window_seconds = Some(down);
        })
    };
    for (up, down, has_window) in [(60, 0, true), (0, 60, true), (0, 0, false)] {
        assert_eq!(told(up, down).contains(&Difference::WindowIsAReason), has_window, "{up} {down}");
        assert!(told(up, down).contains(&Difference::MemorySurvives), "{up} {down}");
    }
}
