use super::super::Algorithm::{Hpa137, Plimsoll1};
use super::super::Basis::{NoReadyPods, Ratio, Value, WithinTolerance, WouldTurn};
use super::super::fixtures::{BOTH, ago, external, failure, input, object, only_outcome, proposal, web};
use super::super::{Algorithm, Input, MetricSpec, Reading, ReadyStatus, Sample, ValueTarget};
use super::*;
use crate::time::Span;

fn of_value(algorithm: Algorithm, spec: i32, ready: usize, value: i64) -> Input {
    input(algorithm, spec).pods(web(ready)).metric(object(ValueTarget::Value(100)), Reading::Value(value))
}

fn of_average(algorithm: Algorithm, spec: i32, status: i32, value: i64) -> Input {
    let mut input =
        input(algorithm, spec).metric(external(ValueTarget::AverageValue(100)), Reading::Series(vec![value]));
    input.target.status_replicas = status;
    input
}

#[test]
fn a_value_is_scaled_by_ready_pods() {
    for algorithm in BOTH {
        assert_eq!(proposal(&of_value(algorithm, 3, 3, 110)), (3, WithinTolerance));
        assert_eq!(proposal(&of_value(algorithm, 3, 3, 200)), (6, Ratio));
        assert_eq!(proposal(&of_value(algorithm, 3, 3, 50)), (2, Ratio));
        assert_eq!(proposal(&of_value(algorithm, 3, 3, i64::MAX)), (i32::MAX, Ratio), "saturates");
    }
}

#[test]
fn from_zero_a_value_needs_neither_pods_nor_tolerance() {
    for algorithm in BOTH {
        assert_eq!(proposal(&of_value(algorithm, 0, 0, 1)), (1, Value));
        assert_eq!(proposal(&of_value(algorithm, 0, 0, 250)), (3, Value));
        assert_eq!(proposal(&of_value(algorithm, 0, 0, 0)), (0, Value));
    }
}

#[test]
fn without_any_pod_a_value_outside_the_tolerance_fails() {
    for algorithm in BOTH {
        assert_eq!(proposal(&of_value(algorithm, 3, 0, 100)), (3, WithinTolerance));
        assert_eq!(
            failure(&of_value(algorithm, 3, 0, 200)),
            "unable to calculate ready pods: no pods returned by selector while calculating replica count"
        );
    }
}

/// Without `load_without_ready_pods_holds` a workload that crashes under load is scaled to zero.
#[test]
fn load_without_ready_pods_holds_unless_hpa_decides() {
    for (algorithm, loaded) in [(Hpa137, (0, Ratio)), (Plimsoll1, (3, NoReadyPods))] {
        let mut input = of_value(algorithm, 3, 3, 500);
        for pod in &mut input.pods {
            pod.ready.as_mut().expect("has readiness").status = ReadyStatus::False;
        }
        assert_eq!(proposal(&input), loaded);
        input.readings[0] = Reading::Value(0);
        assert_eq!(proposal(&input), (0, Ratio), "no load is no load");
    }
}

#[test]
fn ready_pods_that_terminate_count_for_hpa_only() {
    for (algorithm, expected) in [(Hpa137, 8), (Plimsoll1, 6)] {
        let mut input = of_value(algorithm, 3, 4, 200);
        input.pods[0].deleting = true;
        assert_eq!(proposal(&input), (expected, Ratio));
    }
}

/// Without `foreign_pods_are_dropped` a Job with the same labels multiplies the workload.
#[test]
fn ready_pods_of_others_count_for_hpa_only() {
    for (algorithm, expected) in [(Hpa137, 8), (Plimsoll1, 6)] {
        let mut input = of_value(algorithm, 3, 4, 200);
        input.pods[0].foreign = true;
        assert_eq!(proposal(&input), (expected, Ratio));
    }
}

/// Without `sample_is_stale` a source that stands still decides for ever.
#[test]
fn a_total_that_is_too_old_fails_unless_hpa_asks() {
    let aged = |value, age| Sample { value, timestamp: ago(age), window: Span::from_secs(60) };
    for metric in [object(ValueTarget::Value(100)), external(ValueTarget::AverageValue(100))] {
        for (algorithm, age, fails) in
            [(Hpa137, 10_000, false), (Plimsoll1, 180, false), (Plimsoll1, 181, true)]
        {
            let reading = Reading::Timed(vec![aged(600, age)]);
            let input = input(algorithm, 3).pods(web(3)).metric(metric.clone(), reading);
            if fails {
                let words =
                    "the value is 3m1s old, too old to be believed: check that its source still measures";
                assert!(failure(&input).ends_with(words), "{}", failure(&input));
            } else {
                let expected = if matches!(metric, MetricSpec::Object { .. }) { 18 } else { 6 };
                assert_eq!(proposal(&input).0, expected, "{algorithm} at {age} s");
            }
        }
    }
}

#[test]
fn one_old_series_of_several_makes_the_sum_unknown() {
    let aged = |value, age| Sample { value, timestamp: ago(age), window: Span::from_secs(10) };
    let series = |ages: [i64; 2]| Reading::Timed(ages.map(|age| aged(300, age)).to_vec());
    let metric = || external(ValueTarget::AverageValue(100));
    assert_eq!(proposal(&input(Plimsoll1, 3).metric(metric(), series([120, 0]))), (6, Value));
    let stale = input(Plimsoll1, 3).metric(metric(), series([121, 0]));
    assert!(failure(&stale).contains("the value is 2m1s old"), "{}", failure(&stale));
    let two = input(Plimsoll1, 3).metric(object(ValueTarget::AverageValue(100)), series([0, 0]));
    assert!(failure(&two).contains("does not fit"), "an object has one value");
}

/// Without `negative_is_no_load` a queue of -1 shrinks a workload to its minimum, or doubles it.
#[test]
fn a_negative_total_fails_unless_hpa_asks() {
    let metrics = [
        (object(ValueTarget::Value(100)), 0),
        (object(ValueTarget::AverageValue(100)), 0),
        (external(ValueTarget::Value(100)), 0),
        (external(ValueTarget::AverageValue(100)), i32::MAX),
    ];
    for (metric, of_hpa) in metrics {
        let sample = Sample { value: -1, timestamp: ago(0), window: Span::from_secs(60) };
        for reading in [Reading::Value(-1), Reading::Timed(vec![sample])] {
            let asked = |algorithm| input(algorithm, 3).pods(web(3)).metric(metric.clone(), reading.clone());
            assert_eq!(proposal(&asked(Hpa137)).0, of_hpa);
            let words = failure(&asked(Plimsoll1));
            assert!(words.ends_with("the value is negative, and a load cannot be"), "{words}");
        }
    }
    let one_of_two = Reading::Series(vec![500, -1]);
    let asked = input(Plimsoll1, 3).metric(external(ValueTarget::AverageValue(100)), one_of_two);
    assert!(failure(&asked).contains("the value is negative"), "{}", failure(&asked));
}

#[test]
fn only_running_pods_can_be_ready() {
    for algorithm in BOTH {
        let mut input = of_value(algorithm, 3, 4, 200);
        input.pods[0].phase = PodPhase::Succeeded;
        assert_eq!(proposal(&input), (6, Ratio));
    }
}

/// Without `direction_is_guarded_everywhere` half-ready pods shrink a loaded workload.
#[test]
fn a_value_above_target_shrinks_hpa_only() {
    for (algorithm, expected) in [(Hpa137, (8, Ratio)), (Plimsoll1, (10, WouldTurn))] {
        assert_eq!(proposal(&of_value(algorithm, 10, 5, 150)), expected);
    }
}

#[test]
fn a_value_per_pod_needs_as_many_pods_as_it_divides_into() {
    for algorithm in BOTH {
        assert_eq!(proposal(&of_average(algorithm, 3, 3, 300)), (3, WithinTolerance));
        assert_eq!(proposal(&of_average(algorithm, 3, 3, 331)), (4, Value));
        assert_eq!(proposal(&of_average(algorithm, 3, 3, 101)), (2, Value));
        assert_eq!(proposal(&of_average(algorithm, 3, 3, 0)), (0, Value));
        assert_eq!(proposal(&of_average(algorithm, 0, 0, 101)), (2, Value), "from zero");
        assert_eq!(proposal(&of_average(algorithm, 0, 0, 0)), (0, Value), "from zero without load");
    }
}

/// Trap 1.12 #1. Without `per_pod_targets_hold_at_spec` a surge becomes the new size.
#[test]
fn a_surge_within_tolerance_becomes_the_size_for_hpa_only() {
    assert_eq!(proposal(&of_average(Hpa137, 10, 13, 1300)), (13, WithinTolerance));
    assert_eq!(proposal(&of_average(Plimsoll1, 10, 13, 1050)), (10, WithinTolerance));
    assert_eq!(proposal(&of_average(Plimsoll1, 10, 13, 1300)), (13, Value), "real load still counts");
}

#[test]
fn the_status_divides_by_the_pods_that_exist() {
    for algorithm in BOTH {
        let average = |spec, status, value| {
            only_outcome(&of_average(algorithm, spec, status, value)).status.and_then(|s| s.average_value)
        };
        assert_eq!(average(10, 13, 1300), Some(100));
        assert_eq!(average(3, 3, 100), Some(34), "rounded up");
        assert_eq!(average(0, 0, 700), Some(700), "undivided without pods");
        assert_eq!(average(3, 3, i64::MAX), Some(i64::MAX));
    }
}

#[test]
fn series_are_summed() {
    for algorithm in BOTH {
        let rules = Rules::of(algorithm);
        assert_eq!(sum_for_value(rules, &[1, 2, 3]), 6);
        assert_eq!(sum_for_value(rules, &[i64::MAX, 1]), i64::MAX);
        assert_eq!(sum_for_value(rules, &[i64::MAX, 2]), i64::MAX);
        assert_eq!(sum_for_value(rules, &[i64::MAX - 1, 1, -5]), i64::MAX - 5, "the most is no overflow");
        assert_eq!(sum_for_average(rules, &[1, 2, 3]), 6);
        assert_eq!(sum_for_average(rules, &[i64::MAX, 1]), i64::MAX);
        assert_eq!(sum_for_value(rules, &[]), 0);
    }
    assert_eq!(sum_for_average(Rules::of(Hpa137), &[-1, 5]), i64::MAX, "HPA: any negative is an overflow");
    assert_eq!(sum_for_average(Rules::of(Plimsoll1), &[-1, 5]), 4);
}
